"""A suite's block in the table of a run, drawn with rich."""

from collections.abc import Iterator, Sequence
from itertools import chain

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import Estimate
from pytest_passatk.core.summary import Figures, SuiteSummary
from pytest_passatk.report.glyphs import Glyphs
from pytest_passatk.report.paper import INDENT, indented, printed
from pytest_passatk.report.plot import histogram, whisker
from pytest_passatk.report.text import amount, joined, listed, seconds, visible
from pytest_passatk.report.wording import runs_of

PLOT = range(12, 61)  # columns that a plot of intervals may have
TEXT = 52  # columns of the numbers beside it
LABEL = 18  # columns of a band's name and count
BAND_LINES = 2
COLORS = {"never": "red", "sometimes": "yellow", "always": "green", "skipped": "dim", "forgeable": "magenta"}


def draw(summaries: Sequence[SuiteSummary], *, width: int, color: bool, glyphs: Glyphs, whole: bool) -> str:
    """The blocks one below the other; `pytest_passatk.report.table.render` describes the arguments."""
    blocks = ([*_block(summary, width, glyphs, whole=whole), Text()] for summary in summaries)
    return printed(chain.from_iterable(blocks), width=width, color=color)


def _block(summary: SuiteSummary, width: int, glyphs: Glyphs, *, whole: bool) -> Iterator[RenderableType]:
    yield _heading(summary, glyphs)
    yield Text(glyphs.rule * width, style="dim")
    if summary.withheld:
        yield indented(Text(f"pass@k withheld: {visible(summary.withheld)}", style="bold red", overflow="fold"))
    else:
        yield indented(_estimates(summary, width, glyphs))
    most = summary.estimates[-1].k if summary.estimates else 0
    if 1 < summary.n < 2 * most:
        advice = f"--n {2 * most} or more narrows the interval of pass@{most}, which wants 2k samples"
        yield indented(Text(advice, style="dim", overflow="fold"))
    if far := summary.extrapolation:
        bracket = f"{far.low:.3f} {glyphs.dash} {far.high:.3f}, {far.point:.3f} if pass rates follow a Beta"
        yield indented(Text(f"pass@{far.k} extrapolated, for information: {bracket}", overflow="fold"))
    for line in runs_of(summary.title, summary.repeats) if summary.repeats else ():
        yield indented(Text(line, overflow="fold"))
    if summary.copies:
        yield indented(Text(f"warning: {summary.copies.note}", style="yellow", overflow="fold"))
    yield Text()
    groups = (_diversity(summary.figures), _numbers(summary), _tokens(summary.figures), _cost(summary.figures))
    for words in groups:
        yield from map(indented, map(Text, joined(list(words), f" {glyphs.dot} ", width - INDENT)))
    yield Text()
    yield indented(_bands(summary, width, glyphs, whole=whole))


def _heading(summary: SuiteSummary, glyphs: Glyphs) -> Text:
    count = len(summary.outcomes)
    size = f"{count:,} problem{'' if count == 1 else 's'} {glyphs.times} {_samples(summary, glyphs)}"
    parts = (visible(summary.model), size, f"{summary.solved:,} of {summary.judged:,} solved")
    return Text.assemble(
        (visible(summary.title), "bold"), "  ", (f" {glyphs.dot} ".join(parts), "dim"), overflow="fold"
    )  # fmt: skip


def _samples(summary: SuiteSummary, glyphs: Glyphs) -> str:
    """The samples a problem: `8`, or `3 runs × 8`."""
    if summary.repeats is None or len(summary.repeats.sizes) == 1:
        return f"{summary.n:,}"
    sizes = sorted(set(summary.repeats.sizes))
    each = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    return f"{len(summary.repeats.sizes)} runs {glyphs.times} {each}"


def _estimates(summary: SuiteSummary, width: int, glyphs: Glyphs) -> Table:
    plot = min(width - INDENT - TEXT, PLOT.stop - 1)
    level = f"{summary.level * 100:g}%"
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("")
    table.add_column(f"{glyphs.plus_minus}run {level}", no_wrap=True)
    table.add_column(f"{glyphs.plus_minus}population {level}", no_wrap=True)
    if plot in PLOT:
        table.add_column("0" + "1".rjust(plot - 1), no_wrap=True)
    for estimate in summary.estimates:
        table.add_row(*_row(estimate, plot, glyphs))
    return table


def _row(estimate: Estimate, plot: int, glyphs: Glyphs) -> Iterator[Text]:
    yield Text(f"pass@{estimate.k}")
    yield Text(f"{estimate.value:.3f}", style="bold")
    for low, high in (estimate.run, estimate.population):
        yield Text(f"{low:.3f} {glyphs.dash} {high:.3f}")
    if plot in PLOT:
        yield Text(whisker(estimate, plot, glyphs), style="cyan")


def _diversity(figures: Figures | None) -> Iterator[str]:
    if figures and figures.distinct is not None:
        yield f"distinct {figures.distinct:.3f}"
        entropies = (("texts", figures.texts), ("answers", figures.answers))
        yield "entropy in nats: " + ", ".join(
            f"{what} {entropy.mean:.2f} of {entropy.maximum:.2f}" for what, entropy in entropies if entropy
        )


def _numbers(summary: SuiteSummary) -> Iterator[str]:
    figures = summary.figures
    if figures:
        yield f"sampled {figures.sampled:,}, reused {figures.reused:,}"
        yield f"truncated {figures.truncated:,}"
    if figures and figures.no_answer is not None:
        yield f"no answer {figures.no_answer:,}"
    yield f"timeouts {summary.timeouts:,}"
    if summary.errors:
        yield f"errors {summary.errors:,}"


def _tokens(figures: Figures | None) -> Iterator[str]:
    if figures:
        yield f"tokens {figures.tokens:,}"
    if figures and figures.prompt_tokens is not None:
        yield f"prompt tokens {figures.prompt_tokens:,}"
    if figures and figures.tokens_per_second is not None:
        yield f"tokens/s {figures.tokens_per_second:,.0f}"
    if figures and figures.latency_p50 is not None and figures.latency_p95 is not None:
        yield f"latency p50 {seconds(figures.latency_p50)}, p95 {seconds(figures.latency_p95)}"
    if figures and figures.first_token_p50 is not None and figures.first_token_p95 is not None:
        yield f"first token p50 {seconds(figures.first_token_p50)}, p95 {seconds(figures.first_token_p95)}"


def _cost(figures: Figures | None) -> Iterator[str]:
    cost = figures.cost if figures else None
    if cost:
        spent = [f"{amount(cost.run)} this run", f"{amount(cost.samples)} all samples"]
        if cost.solved_problem is not None:
            spent.append(f"{amount(cost.solved_problem)} a solved problem")
        yield f"cost {', '.join(spent)}"
        if cost.untold:
            yield f"without untold tokens of {cost.untold:,} samples"


def _bands(summary: SuiteSummary, width: int, glyphs: Glyphs, *, whole: bool) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=LABEL)
    table.add_column(overflow="fold")
    solved = [count.c for count in summary.counts]
    if solved:
        bars = histogram(solved, summary.n, glyphs)
        table.add_row("problems by solved", Text.assemble("0 ", (bars, "cyan"), f" {summary.n:,}"))
    bands = {band: [_problem(count) for count in counts] for band, counts in summary.bands.items()}
    if summary.skipped:
        bands["skipped"] = [visible(problem) for problem in summary.skipped]
    if summary.forgeable:
        bands["forgeable"] = [visible(problem) for problem in summary.forgeable]
    for band, problems in bands.items():
        room = width - INDENT - LABEL - 1
        lines = listed(problems, room, glyphs.ellipsis, most=None if whole else BAND_LINES)
        label = Text(f"{band:<10}{len(problems):>{LABEL - 10},}", style=COLORS[band])
        table.add_row(label, Text("\n".join(lines)))
    return table


def _problem(count: Count) -> str:
    """The problem's id, with its count where the band does not tell it."""
    return visible(count.id) if count.c in {0, count.n} else f"{visible(count.id)} {count.c}/{count.n}"

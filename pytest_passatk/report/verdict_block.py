"""A suite's verdicts, drawn with rich."""

from collections.abc import Iterator, Sequence
from itertools import chain

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pytest_passatk.gate.comparison import Comparison, Line, PaceLine
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.moves import Kind
from pytest_passatk.report.glyphs import Glyphs
from pytest_passatk.report.paper import indented, printed
from pytest_passatk.report.text import visible
from pytest_passatk.report.wording import (
    SHOWN,
    answered,
    change,
    counts,
    figure,
    finds,
    moved,
    needs,
    probability,
    ratios,
    room,
    ruling,
    spoken,
    worth_showing,
)

STYLES = {
    Decision.IMPROVED: "bold green",
    Decision.OK: "green",
    Decision.REGRESSED: "bold red",
    Decision.INCONCLUSIVE: "yellow",
}
KINDS = {Kind.BROKEN: "red", Kind.REGRESSED: "red", Kind.IMPROVED: "green", Kind.NEW: "green", Kind.FLAKY: "dim"}


def draw(comparisons: Sequence[Comparison], *, width: int, color: bool, glyphs: Glyphs, whole: bool) -> str:
    """The blocks one below the other; `pytest_passatk.report.verdicts.draw_comparisons` describes the arguments."""
    blocks = ([*_block(comparison, width, glyphs, whole=whole), Text()] for comparison in comparisons)
    return printed(chain.from_iterable(blocks), width=width, color=color)


def _block(comparison: Comparison, width: int, glyphs: Glyphs, *, whole: bool) -> Iterator[RenderableType]:
    yield _heading(comparison, glyphs)
    yield Text(glyphs.rule * width, style="dim")
    for reason in comparison.incomparable:
        yield indented(Text(f"incomparable: {visible(reason)}", style="bold red", overflow="fold"))
    if comparison.lines:
        yield indented(_figures(comparison, glyphs))
    for line in _remarks(comparison):
        yield indented(Text(visible(line), overflow="fold"))
    for note in comparison.notes:
        yield indented(Text(f"note: {visible(note)}", style="yellow", overflow="fold"))
    if comparison.lines:
        yield Text()
        yield indented(Text(f"problems: {moved(comparison)}"))
        if worth_showing(comparison):
            yield indented(_moves(comparison, glyphs, whole=whole))


def _heading(comparison: Comparison, glyphs: Glyphs) -> Text:
    sides = f"{visible(comparison.after.label)} against {visible(comparison.before.label)}"
    parts = [sides]
    if comparison.pairs:
        parts += [f"{len(comparison.pairs):,} problems", f"n {_sizes(comparison, 0)} and {_sizes(comparison, 1)}"]
    return Text.assemble(
        (visible(comparison.title), "bold"), "  ", (f" {glyphs.dot} ".join(parts), "dim"), overflow="fold"
    )  # fmt: skip


def _sizes(comparison: Comparison, side: int) -> str:
    """The samples a problem on one side, baseline first shown last."""
    sizes = {(pair.after if side == 0 else pair.before).n for pair in comparison.pairs}
    return f"{min(sizes):,}" if len(sizes) == 1 else f"{min(sizes):,} to {max(sizes):,}"


def _figures(comparison: Comparison, glyphs: Glyphs) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("", "before", "after"):
        table.add_column(name, no_wrap=True)
    table.add_column(f"change in pp ({comparison.policy.level:.0%})", no_wrap=True)
    table.add_column("p", no_wrap=True)
    table.add_column("finds pp", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for line in comparison.lines:
        table.add_row(*_row(line, glyphs))
    for pace in spoken(comparison):
        table.add_row(*_pace(pace))
    return table


def _row(line: Line, glyphs: Glyphs) -> Iterator[Text]:
    style = "" if line.gated else "dim"
    low, high = line.interval
    yield Text(line.metric, style=style)
    yield Text(f"{line.before.value:.3f}", style=style)
    yield Text(f"{line.after.value:.3f}", style=style)
    yield Text(f"{change(line.delta)}  {change(low)} {glyphs.dash} {change(high)}", style=style)
    yield Text(probability(line.adjusted[0] if line.delta < 0 else line.adjusted[1]), style=style)
    yield Text(finds(line), style=style)
    yield Text(ruling(line), style=STYLES[line.decision] if line.gated else "dim")


def _pace(pace: PaceLine) -> Iterator[Text]:
    yield Text(pace.metric)
    for value in (pace.before, pace.after):
        yield Text("?" if value is None else figure(pace.metric, value))
    yield Text("" if pace.loss is None else f"{-pace.loss if pace.metric == 'tokens/s' else pace.loss:+.1%}")
    yield from (Text(), Text())
    words = ", ".join(filter(None, [pace.decision and str(pace.decision), pace.why]))
    yield Text(words or "not gated", style=STYLES[pace.decision] if pace.decision else "dim")


def _remarks(comparison: Comparison) -> Iterator[str]:
    gated = [line for line in comparison.lines if line.gated]
    if gated:
        tolerated = ", ".join(f"{line.metric} {line.tolerance}" for line in gated)
        policy = comparison.policy
        yield (
            f"{'gate' if policy.enforced else 'no gate'}: tolerates {tolerated}; chance of a false alarm "
            f"{policy.alpha:g}"
        )
        beyond = ", ".join(f"{line.metric} {probability(line.p_generalises)}" for line in gated)
        yield f"p beyond these problems (sign-flip): {beyond}"
    yield from needs(comparison)
    yield from ratios(comparison)
    if comparison.response:
        yield answered(comparison.response)
        yield room(comparison.response)


def _moves(comparison: Comparison, glyphs: Glyphs, *, whole: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    clear = worth_showing(comparison)
    for name in ("", "", "solved", "p alone", "p of all") if clear else ():
        table.add_column(name, overflow="fold")
    for move in clear if whole else clear[:SHOWN]:
        table.add_row(
            Text(str(move.kind), style=KINDS[move.kind]),
            Text(visible(move.pair.id)),
            Text(counts(move, glyphs.arrow)),
            Text(probability(move.p)),
            Text(probability(move.p_adjusted)),
        )
    if len(clear) > SHOWN and not whole:
        table.add_row(Text(glyphs.ellipsis), Text(f"and {len(clear) - SHOWN:,} more"), Text(), Text(), Text())
    return table

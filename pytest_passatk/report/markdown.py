"""A run as a page of Markdown, short enough for a comment on a pull request."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.record import RunRecord
from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.report.excerpt import FindSample
from pytest_passatk.report.markdown_gate import gate_sections
from pytest_passatk.report.markdown_text import SENTENCE, bullets, code, table
from pytest_passatk.report.output import replacing
from pytest_passatk.report.wording import runs_of

LIMIT = 60_000  # characters; GitHub takes 65,536
LEFT_OUT = "… more is left out here, and stands in the terminal's output and in the JSON report."


def to_markdown(
    run: RunRecord,
    summaries: Sequence[SuiteSummary],
    comparisons: Sequence[Comparison],
    find_sample: FindSample | None = None,
) -> str:
    """The verdicts and what stands behind them; pass@k alone where nothing is compared.

    Args:
        run: the record.
        summaries: of its suites, in the same order.
        comparisons: with baselines, and of arms with one another.
        find_sample: of a baseline's side, where its samples are at hand.
    """
    body = gate_sections(run, comparisons, find_sample) if comparisons else _estimates(summaries)
    return _fitted([*body, *_withheld(summaries), *_runs(summaries), *_foot(run)])


def write(path: Path, text: str, *, append: bool) -> None:
    """Write the page in place of the file, or behind what is in it: a job's steps share one page on GitHub.

    Raises:
        UsageError: the file cannot be written; the message names it.
    """
    if not append:
        with replacing(path) as stream:
            stream.write(text)
        return
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.write(f"\n\n{text}")  # an empty line ends whatever markup another step left open
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}: name another file") from error


def _fitted(sections: Iterable[str]) -> str:
    """The sections that fit; one that does not is left out as a whole, so that no code block stays open."""
    kept: list[str] = []
    room, whole = LIMIT - len(LEFT_OUT) - 4, True
    for section in sections:
        if len(section) + 2 <= room:
            kept.append(section)
            room -= len(section) + 2
        else:
            whole = False
    return "\n\n".join([*kept, *([] if whole else [LEFT_OUT])]) + "\n"


def _estimates(summaries: Sequence[SuiteSummary]) -> Iterator[str]:
    yield "### pass@k"
    levels = sorted({summary.level for summary in summaries})
    level = f"{levels[0]:.0%}" if levels else ""
    rows = [
        (
            code(summary.title), code(summary.model), f"pass@{each.k}", f"{each.value:.3f}",
            *(f"{low:.3f} to {high:.3f}" for low, high in (each.run, each.population)),
            f"{each.problems:,} × {summary.n:,}",
        )
        for summary in summaries
        for each in summary.estimates
    ]  # fmt: skip
    header = ("suite", "model", "", "estimate", f"±run {level}", f"±population {level}", "problems × n")
    yield table(header, rows)


def _withheld(summaries: Sequence[SuiteSummary]) -> Iterator[str]:
    found = [f"{code(each.title)}: {code(each.withheld, SENTENCE)}" for each in summaries if each.withheld]
    if found:
        yield "pass@k is withheld:\n\n" + bullets(found)


def _runs(summaries: Sequence[SuiteSummary]) -> Iterator[str]:
    lines = [line for each in summaries if each.repeats for line in runs_of(each.title, each.repeats)]
    if lines:
        yield bullets([code(line, SENTENCE) for line in lines])


def _foot(run: RunRecord) -> Iterator[str]:
    if run.id is not None:
        yield f"Run {run.id}: `passatk show {run.id}` where its store is."

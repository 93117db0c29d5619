"""One completion of a problem that moved, in Markdown: beside one of the baseline where there is one."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from pytest_passatk.core.record import Judged, RunRecord, SuiteRecord
from pytest_passatk.core.sample import Prompt
from pytest_passatk.core.summary import counting
from pytest_passatk.core.verdict import Status
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.gate.moves import Kind, Move
from pytest_passatk.report.markdown_text import block, code
from pytest_passatk.report.wording import counts, worth_showing

FindSample: TypeAlias = Callable[[Comparison, str, bool], Judged | None]
"""A sample of the baseline's side, of the problem with that id, that passed or did not; `None` where none is kept."""

TEXT = 1500  # characters of a completion
PROMPT = 500  # characters of a prompt
REASON = 300
NEW_LINE = "\n"
RISES = {Kind.IMPROVED, Kind.NEW}
HEADING = "#### A completion of a problem that moved"


def excerpt(run: RunRecord, comparisons: Sequence[Comparison], find_sample: FindSample | None) -> str | None:
    """The clearest drop, or else the clearest rise, shown by one completion; `None` where nothing moved.

    Args:
        run: of the candidate.
        comparisons: of its suites.
        find_sample: of the baseline's side; `None` where only counts are known of it.
    """
    records = {record.planned.key: record for record in run.suites}
    for comparison, move in _clearest(comparisons):
        record = records.get((comparison.suite, comparison.arm))
        sample = _sample(record, move) if record else None
        if record and sample:
            other = find_sample(comparison, move.pair.id, move.kind not in RISES) if find_sample else None
            return "\n\n".join(_parts(comparison, move, record, sample, other))
    return None


def _clearest(comparisons: Sequence[Comparison]) -> list[tuple[Comparison, Move]]:
    moves = [(comparison, move) for comparison in comparisons for move in worth_showing(comparison)]
    return sorted(moves, key=lambda each: (each[1].kind in RISES, each[1].p))


def _sample(record: SuiteRecord, move: Move) -> Judged | None:
    """The first sample of the candidate that shows the move."""
    problem = next((problem for problem in record.problems if problem.id == move.pair.id), None)
    samples = counting(problem) if problem else []
    rise = move.kind in RISES
    return next((each for each in samples if (each.verdict.status is Status.PASS) is rise), None)


def _parts(
    comparison: Comparison, move: Move, record: SuiteRecord, sample: Judged, other: Judged | None
) -> Iterator[str]:
    yield HEADING
    yield f"{code(move.pair.id)} of {code(comparison.title)}, solved {counts(move, '→')}. The end of its prompt:"
    yield block(_tail(_asked(record, move.pair.id), PROMPT))
    before, after = code(comparison.before.label), code(comparison.after.label)
    extracts = record.planned.extracts
    if other:
        yield from ("<table><tr><td>", *_completion(before, other, extracts=extracts))
        yield from ("</td><td>", *_completion(after, sample, extracts=extracts), "</td></tr></table>")
    else:
        yield from _completion(after, sample, extracts=extracts)
        yield f"Of {before} the counts are kept, and no completion to show beside it."


def _completion(side: str, sample: Judged, *, extracts: bool) -> Iterator[str]:
    completion, verdict = sample.completion, sample.verdict
    words = [f"{side}, sample {completion.index}: **{verdict.status}**"]
    if completion.truncated:
        words.append("truncated")
    if extracts:
        words.append("no answer" if verdict.answer is None else f"answer {code(verdict.answer)}")
    if verdict.reason:
        words.append(f"reason {code(verdict.reason.strip().partition(NEW_LINE)[0], REASON)}")
    yield ", ".join(words)
    yield block(_around(completion.text, verdict.answer))


def _around(text: str, answer: str | None) -> str:
    """The text around the last place of the answer, or its end."""
    place = text.rfind(answer) if answer else -1
    if place < 0 or len(text) <= TEXT:
        return _tail(text, TEXT)
    start = max(0, min(place - TEXT // 2, len(text) - TEXT))
    end = "…" if start + TEXT < len(text) else ""
    return f"{'…' if start else ''}{text[start : start + TEXT]}{end}"


def _tail(text: str, most: int) -> str:
    return text if len(text) <= most else f"…{text[-most:]}"


def _asked(record: SuiteRecord, name: str) -> str:
    """The prompt of a problem; of a chat, its last message."""
    prompts: dict[str, Prompt] = {each.id: each.prompt for each in record.planned.problems}
    prompt = prompts[name]
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]

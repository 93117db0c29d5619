"""The sections of a Markdown page that tell of a gate."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_passatk.core.record import RunRecord
from pytest_passatk.gate.comparison import Comparison, Line, PaceLine
from pytest_passatk.gate.decision import Decision
from pytest_passatk.report.excerpt import FindSample, excerpt
from pytest_passatk.report.markdown_text import SENTENCE, bullets, code, table
from pytest_passatk.report.wording import (
    SHOWN,
    answered,
    change,
    counts,
    figure,
    finds,
    moved,
    needs,
    pace_change,
    probability,
    probability_of,
    ratios,
    ruling,
    sizes,
    worth_showing,
)

SEVERITY = (Decision.REGRESSED, Decision.INCONCLUSIVE, Decision.IMPROVED, Decision.OK)


def gate_sections(run: RunRecord, comparisons: Sequence[Comparison], find_sample: FindSample | None) -> Iterator[str]:
    """Headline, figures, problems that moved, one completion, notes.

    Args:
        run: of the candidate.
        comparisons: at least one.
        find_sample: of a baseline's side, where its samples are at hand.
    """
    yield f"### {_headline(comparisons)}"
    incomparable = [_of(each, code(reason, SENTENCE)) for each in comparisons for reason in each.incomparable]
    if incomparable:
        yield "Incomparable, so that there is no verdict:\n\n" + bullets(incomparable)
    if asked := _rows(comparisons, gated=True):
        yield _figures(comparisons[0], asked)
    yield bullets([_of(each, sentence) for each in comparisons for sentence in _sentences(each)])
    if moves := _moves(comparisons):
        yield moves
    if shown := excerpt(run, comparisons, find_sample):
        yield shown
    if notes := [_of(each, code(note, SENTENCE)) for each in comparisons for note in each.notes]:
        yield "Notes:\n\n" + bullets(notes)
    if others := _rows(comparisons, gated=False):
        yield _folded("Figures that are not gated", _figures(comparisons[0], others))


def _headline(comparisons: Sequence[Comparison]) -> str:
    """`pass@k gate: 1 regressed, 3 ok`; where nothing can fail, it says so."""
    verdicts = Counter(line.decision for each in comparisons for line in each.lines if line.gated)
    verdicts.update(pace.decision for each in comparisons for pace in each.pace if pace.tolerance and pace.decision)
    words = [f"{verdicts[decision]:,} {decision}" for decision in SEVERITY if verdicts[decision]]
    if barred := sum(bool(each.incomparable) for each in comparisons):
        words.insert(0, f"{barred:,} incomparable")
    enforced = any(each.policy.enforced for each in comparisons)
    return f"pass@k {'gate' if enforced else 'comparison, not gated'}: {', '.join(words) or 'nothing compared'}"


def _rows(comparisons: Sequence[Comparison], *, gated: bool) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for comparison in comparisons:
        suite = code(comparison.title)
        rows += [_line(suite, line) for line in comparison.lines if line.gated is gated]
        rows += [_pace(suite, pace) for pace in comparison.pace if bool(pace.tolerance) is gated]
    return rows


def _figures(comparison: Comparison, rows: Sequence[Sequence[str]]) -> str:
    level = f"change in pp ({comparison.policy.level:.0%})"
    return table(("suite", "metric", "before", "after", level, "p", "finds pp", "verdict"), rows)


def _line(suite: str, line: Line) -> Sequence[str]:
    low, high = map(change, line.interval)
    figures = (f"{line.before.value:.3f}", f"{line.after.value:.3f}", f"{change(line.delta)} ({low} to {high})")
    verdict = ruling(line)
    return (
        suite, line.metric, *figures, probability(probability_of(line)), finds(line),
        f"**{verdict}**" if line.gated else verdict,
    )  # fmt: skip


def _pace(suite: str, pace: PaceLine) -> Sequence[str]:
    before, after = ("?" if value is None else figure(pace.metric, value) for value in (pace.before, pace.after))
    verdict = f"**{pace.decision}**" if pace.decision else "(not gated)"
    why = f", {code(pace.why, SENTENCE)}" if pace.why else ""
    return (suite, pace.metric, before, after, pace_change(pace), "", "", verdict + why)


def _of(comparison: Comparison, sentence: str) -> str:
    return f"{code(comparison.title)}: {sentence}"


def _sentences(comparison: Comparison) -> Iterator[str]:
    """What was compared, how, and what more samples would bring."""
    sides = f"{code(comparison.after.label)} against {code(comparison.before.label)}"
    if not comparison.pairs:
        yield sides
        return
    gated = ", ".join(f"{line.metric} {line.tolerance}" for line in comparison.lines if line.gated)
    yield (
        f"{sides}, {len(comparison.pairs):,} problems, n {sizes(comparison)}; tolerates {gated or 'nothing'}; chance "
        f"of a false alarm {comparison.policy.alpha:g}; problems: {moved(comparison)}"
    )
    if comparison.response:
        yield answered(comparison.response)
    yield from needs(comparison)
    yield from (code(line, SENTENCE) for line in ratios(comparison))


def _moves(comparisons: Sequence[Comparison]) -> str | None:
    """The ten clearest moves of all suites."""
    clear = [(each, move) for each in comparisons for move in worth_showing(each)]
    rows = [
        (
            str(move.kind),
            code(each.title),
            code(move.pair.id),
            counts(move, "→"),
            probability(move.p),
            probability(move.p_adjusted),
        )
        for each, move in sorted(clear, key=lambda found: found[1].p)
    ]  # fmt: skip
    return table(("", "suite", "problem", "solved", "p alone", "p of all"), rows, SHOWN) if rows else None


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"

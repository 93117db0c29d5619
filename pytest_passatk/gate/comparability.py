"""Whether two measurements measure the same: what differs beside the model, in words that name both sides."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from json import dumps
from typing import Any

from pytest_passatk.core.names import name_some
from pytest_passatk.gate.measurement import Measured, Measurement

KINDS = ("rows", "prompt", "sampling", "verifier", "problems")  # what a person may let differ, by name
UNMEASURED = "unmeasured"  # what nobody may
NOT_NOTED = "not noted"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that makes two measurements incomparable.

    Attributes:
        kind: one of KINDS, or UNMEASURED.
        text: what differs, on both sides.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two measurements.

    Attributes:
        incomparable: why they cannot be compared, each with a remedy; empty where they can.
        notes: what a reader of the comparison should know.
    """

    incomparable: tuple[str, ...]
    notes: tuple[str, ...]


def find_differences(
    before: Measurement,
    after: Measurement,
    *,
    collected: Collection[str] = (),
    unmeasured: Collection[str] = (),
    skipped: Collection[str] = (),
    allowed: Collection[str] = (),
) -> Differences:
    """What differs between a baseline and a candidate.

    Another model is what is under test, and only noted. A problem of the baseline that was collected and not run was
    not selected: the comparison is on those that were, and a note says so.

    Args:
        before: the baseline.
        after: the candidate; its counts may still be 0, see `measuring.foresee`.
        collected: ids of all problems of the suite that there are; empty where nobody knows.
        unmeasured: ids of problems that were run, and have not all their verdicts.
        skipped: ids of problems that the body skipped.
        allowed: those of KINDS that a person lets differ.
    """
    lost = _lost(before, collected, skipped)
    found = [
        *_unmeasured(unmeasured),
        *setting_differences(before, after),
        *row_differences(before, after),
        *_problem_differences(before, after, lost),
    ]
    barred = tuple(f"{each.text}: {_remedy(each.kind, before)}" for each in found if each.kind not in allowed)
    notes = [f"allowed to differ: {each.text}" for each in found if each.kind in allowed]
    left_out = {*lost, *unmeasured}
    notes += [*_notes(before, after), *_selection(before, after, left_out)]
    return Differences(barred, tuple(notes))


def setting_differences(before: Measurement, after: Measurement) -> Iterator[Difference]:
    """What differs for all problems alike: chat template, sampling, verifier.

    The chat template of another model belongs to that model.
    """
    if before.model.get("name") == after.model.get("name"):
        yield from _differ("prompt", "chat_template", before, after, lambda side: side.model)
    for field in sorted(before.sampling.keys() | after.sampling.keys()):
        yield from _differ("sampling", field, before, after, lambda side: side.sampling)
    if before.verifier is None or before.verifier != after.verifier:
        sides = _sides(before, before.verifier or NOT_NOTED, after, after.verifier or NOT_NOTED)
        yield Difference("verifier", f"the verifier is {sides}")


def row_differences(before: Measurement, after: Measurement) -> Iterator[Difference]:
    """The problems that both have, and whose row or prompt is another one, or was not noted."""
    known = {problem.id: problem for problem in before.problems}
    both = [(known[problem.id], problem) for problem in after.problems if problem.id in known]
    for kind, noun in (("rows", "row"), ("prompt", "prompt")):
        parts = [(old.id, _part(old, kind), _part(new, kind)) for old, new in both]
        if unknown := [name for name, old, new in parts if old is None or new is None]:
            yield Difference(kind, f"not noted on both sides: the {noun} of {_named(unknown)}")
        if changed := [name for name, old, new in parts if None not in {old, new} and old != new]:
            yield Difference(kind, f"the {noun} is not the same in {before.label} and {after.label}: {_named(changed)}")


def model_differences(before: Measurement, after: Measurement) -> list[str]:
    """How the models differ; the versions of libraries, and the chat template of the same model, left out."""
    same = before.model.get("name") == after.model.get("name")
    fields = (before.model.keys() | after.model.keys()) - {"versions", "chat_template" if same else ""}
    return list(_changes(before.model, after.model, fields))


def _differ(
    kind: str, field: str, before: Measurement, after: Measurement, settings: Callable[[Measurement], Mapping[str, Any]]
) -> Iterator[Difference]:
    old, new = settings(before), settings(after)
    if field not in old or field not in new or old[field] != new[field]:
        yield Difference(kind, f"{field} is {_sides(before, _shown(old, field), after, _shown(new, field))}")


def _unmeasured(names: Collection[str]) -> Iterator[Difference]:
    if names:
        yield Difference(UNMEASURED, f"without all their verdicts: {_named(names)}")


def _lost(before: Measurement, collected: Collection[str], skipped: Collection[str]) -> dict[str, str]:
    """The problems of the baseline that cannot be selected any more, each with what became of it."""
    there, left = frozenset(collected), frozenset(skipped)
    return {
        problem.id: "skipped now" if problem.id in left else "gone"
        for problem in before.problems
        if problem.id in left or (there and problem.id not in there)
    }


def _problem_differences(before: Measurement, after: Measurement, lost: Mapping[str, str]) -> Iterator[Difference]:
    for fate in ("gone", "skipped now"):
        if names := [name for name, became in lost.items() if became == fate]:
            yield Difference("problems", f"in {before.label} and {fate}: {_named(names)}")
    if extra := [problem.id for problem in _extra(before, after) if problem.n]:
        yield Difference("problems", f"in {after.label} and not in {before.label}: {_named(extra)}")


def _extra(before: Measurement, after: Measurement) -> list[Measured]:
    known = {problem.id for problem in before.problems}
    return [problem for problem in after.problems if problem.id not in known]


def _notes(before: Measurement, after: Measurement) -> Iterator[str]:
    changes = [*model_differences(before, after), *_version_differences(before, after)]
    if changes:
        yield f"another model: {'; '.join(changes)}"
    if before.revision != after.revision and before.revision and after.revision:
        yield f"the revision of the rows is {_sides(before, before.revision, after, after.revision)}"
    if {run.key for run in before.runs} & {run.key for run in after.runs}:
        yield (
            f"{after.label} has model, settings and seed of a run in {before.label}: they share samples, so that the "
            "comparison says little that is new; another seed draws others"
        )
    if coming := [problem.id for problem in _extra(before, after) if not problem.n]:
        yield f"not in {before.label}: {_named(coming)}; unless they are skipped, this will be refused"


def _version_differences(before: Measurement, after: Measurement) -> Iterator[str]:
    old, new = (dict(side.model.get("versions") or {}) for side in (before, after))
    return _changes(old, new, old.keys() | new.keys())


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], fields: Collection[str]) -> Iterator[str]:
    for field in sorted(fields):
        if old.get(field) != new.get(field):
            yield f"{field} {_shown(old, field)}, now {_shown(new, field)}"


def _selection(before: Measurement, after: Measurement, left_out: Collection[str]) -> Iterator[str]:
    run = {problem.id for problem in after.problems}
    names = [problem.id for problem in before.problems]
    if any(name not in run and name not in left_out for name in names):
        yield f"compared on {sum(name in run for name in names):,} of the {len(names):,} problems of {before.label}"


def _remedy(kind: str, before: Measurement) -> str:
    if kind == UNMEASURED:
        return "run the suite again, which draws and judges what is missing"
    return (
        f"bring it back to what {before.label} has, save a baseline as it is now (--passatk-save NAME), or compare all "
        f"the same with --passatk-allow-change {kind}"
    )


def _part(problem: Measured, kind: str) -> str | None:
    return problem.row if kind == "rows" else problem.prompt


def _sides(before: Measurement, old: str, after: Measurement, new: str) -> str:
    return f"{old} in {before.label} and {new} in {after.label}"


def _shown(values: Mapping[str, Any], field: str) -> str:
    if field not in values:
        return "none" if field == "patch" else NOT_NOTED  # a model without one is identified as before there were any
    value = values[field]
    return value if isinstance(value, str) else dumps(value, ensure_ascii=False)


def _named(names: Collection[str]) -> str:
    return f"{len(names):,} problem{'' if len(names) == 1 else 's'} ({name_some(names)})"

"""Reading the lines of a baseline file, which a person or a merge may have changed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement, Pace
from pytest_passatk.report.text import visible

SCHEMA = 1
REMEDY = "take the file from version control again, or make it anew with --passatk-save"


class _Fault(Exception):  # noqa: N818 - what is wrong with a line; the caller says where
    """What is wrong with a line, in words."""


def parse(text: str, where: str, label: str) -> Measurement:
    """The measurement that a file's text says.

    Args:
        text: of the whole file.
        where: the file, for messages.
        label: what a person calls the measurement.

    Raises:
        UsageError: the text is torn, or says what cannot be; with file, line, id and remedy.
    """
    lines = text.split("\n")
    place = 1
    try:
        header = _object(lines[0])
        _check_schema(header, where)
        runs = tuple(_run(each) for each in _list(header, "runs"))
        _check_runs(runs)
        problems: list[Measured] = []
        for place, line in enumerate(lines[1:-1], 2):  # noqa: B007 - where a fault is
            problems.append(_problem(_object(line), len(runs), problems[-1].id if problems else None))
        place = len(lines) - (not lines[-1])
        _check_end(lines, header, problems)
        place = 1
        return _measurement(header, runs, tuple(problems), label)
    except _Fault as fault:
        raise UsageError(f"{where}:{place}: {fault}: {REMEDY}") from fault


def _measurement(
    header: Mapping[str, Any], runs: tuple[MeasuredRun, ...], problems: tuple[Measured, ...], label: str
) -> Measurement:
    return Measurement(
        label=label,
        title=_text(header, "title"),
        model=_mapping(header, "model"),
        sampling=_mapping(header, "sampling"),
        verifier=_optional(header, "verifier"),
        revision=_optional(header, "revision"),
        runs=runs,
        problems=problems,
    )


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        conflict = line.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||"))
        why = "an unresolved merge conflict" if conflict else f"not JSON ({error})"
        raise _Fault(why) from error
    if not isinstance(value, dict):
        raise _Fault(f"no JSON object, but {_shown(value)}")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _check_schema(header: Mapping[str, Any], where: str) -> None:
    schema = _whole(header, "schema", least=1)
    if schema > SCHEMA:
        raise UsageError(
            f"{where}:1: the baseline has schema {schema}, this version of pytest-passatk reads up to {SCHEMA}: "
            "upgrade pytest-passatk, or compare with another baseline"
        )


def _check_runs(runs: Sequence[MeasuredRun]) -> None:
    if not runs:
        raise _Fault("runs is empty: whose counts are they?")
    seeds = [run.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise _Fault(f"two runs have one seed, and so the same samples: {', '.join(map(str, seeds))}")


def _check_end(lines: Sequence[str], header: Mapping[str, Any], problems: Sequence[Measured]) -> None:
    if lines[-1] or len(lines) == 1:
        raise _Fault("the file is torn: its last line has no end")
    if len(problems) != (promised := _whole(header, "problems", least=0)):
        raise _Fault(f"the file has {len(problems):,} problems, and its header promises {promised:,}")


def _run(value: Any) -> MeasuredRun:
    if not isinstance(value, dict):
        raise _Fault(f"a run is {_shown(value)}, which is no JSON object")
    versions = _mapping(value, "versions")
    pace = _pace(_mapping(value, "pace")) if value.get("pace") is not None else None
    return MeasuredRun(
        _text(value, "key"),
        _whole(value, "seed", least=None),
        _text(value, "started"),
        {library: str(version) for library, version in versions.items()},
        pace,
    )


def _pace(value: Mapping[str, Any]) -> Pace:
    figures = _mapping(value, "figures")
    for metric, figure in figures.items():
        if isinstance(figure, bool) or not isinstance(figure, int | float) or not 0 <= figure < float("inf"):
            raise _Fault(f"the pace {metric!r} is {_shown(figure)}, which is no number of at least 0")
    return Pace(_text(value, "machine"), figures)


def _problem(line: Mapping[str, Any], runs: int, above: str | None) -> Measured:
    name = _text(line, "id")
    try:
        _check_order(name, above)
        n, c = _whole(line, "n", least=1), _whole(line, "c", least=0)
        if c > n:
            raise _Fault(f"c={c} right of n={n} samples")  # noqa: TRY301 - named below
        counts = tuple(_counts(line, runs)) if "runs" in line else ((n, c), *[(0, 0)] * (runs - 1))
        if counts and (n, c) != tuple(map(sum, zip(*counts, strict=True))):
            raise _Fault(f"the counts of its runs do not add up to n={n}, c={c}")  # noqa: TRY301 - named below
        return Measured(name, n, c, _optional(line, "row"), _optional(line, "prompt"), counts if runs > 1 else ())
    except _Fault as fault:
        raise _Fault(f"problem {visible(name)}: {fault}") from fault


def _check_order(name: str, above: str | None) -> None:
    if name == above:
        raise _Fault("there twice")
    if above is not None and name < above:
        raise _Fault(f"out of order, since it comes before {visible(above)}: problems are sorted by id")


def _counts(line: Mapping[str, Any], runs: int) -> Iterator[tuple[int, int]]:
    values = _list(line, "runs")
    if len(values) != runs:
        raise _Fault(f"counts of {len(values)} runs, and the header has {runs}")
    for value in values:
        if not isinstance(value, list) or len(value) != 2 or not all(map(_is_count, value)) or value[1] > value[0]:  # noqa: PLR2004 - n and c
            raise _Fault(f"the counts of a run are {_shown(value)}, and not [n, c] with 0 <= c <= n")
        yield value[0], value[1]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _whole(values: Mapping[str, Any], key: str, *, least: int | None) -> int:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        above = "" if least is None else f" of at least {least}"
        raise _Fault(f"{key} is {_shown(value)}, which is no whole number{above}")
    return value


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        raise _Fault(f"{key} is {_shown(value)}, which is no text")
    return value


def _optional(values: Mapping[str, Any], key: str) -> str | None:
    return None if values.get(key) is None else _text(values, key)


def _mapping(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = values.get(key)
    if not isinstance(value, dict):
        raise _Fault(f"{key} is {_shown(value)}, which is no JSON object")
    return value


def _list(values: Mapping[str, Any], key: str) -> list[Any]:
    value = values.get(key)
    if not isinstance(value, list):
        raise _Fault(f"{key} is {_shown(value)}, which is no list")
    return value


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    text = visible(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004 - enough to find it

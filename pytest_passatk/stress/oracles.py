"""The oracles that speak when a play is over."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pytest_passatk.core.patch import Patch, Tensor
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.distance import distances
from pytest_passatk.stress.play import Play, Played
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.solo import Solo, key_of
from pytest_passatk.stress.witness import Log, Place

EXCUSED = 2  # times the tolerance: two tokens that are closer than that may change places by rounding alone
COARSE = 0.01  # from that tolerance on, rounding moves filters and draws, and a token that was drawn tells nothing


def check_counters(patch: Patch, counters: Mapping[str, int], log: Log) -> Iterator[Alarm]:
    """Hold a patch's counters against the log; one that stays zero says that the patch was never active.

    So do taps that no step calls, as where the network is compiled.
    """
    expected = {
        "steps": len(log.steps),
        "rows": sum(len(view.rows) for view in log.steps),
        "decode_rows": sum(len(view.decode) for view in log.steps),
        "sampled_rows": sum(row.samples for view in log.steps for row in view.rows),
    }
    if patch.layers:
        expected["layer_calls"] = log.layer_calls
    if patch.layers and log.steps and not log.layer_calls:
        tapped = ", ".join(patch.layers)
        yield Alarm(Oracle.COUNTERS, f"{tapped}: not called in {len(log.steps)} steps; the patch was never active")
    busy = expected["decode_rows"] > 0
    for name, value in counters.items():
        if name in expected and value != expected[name]:
            never = "; the patch was never active" if value == 0 else ""
            yield Alarm(Oracle.COUNTERS, f"{name} is {value}, and the steps had {expected[name]}{never}")
        elif name not in expected and value == 0 and busy:
            yield Alarm(Oracle.COUNTERS, f"{name} stayed 0 while {expected['decode_rows']} rows were decoded")


def check_tokens(before: Play, after: Play, log: Log) -> Iterator[Alarm]:
    """Hold a patched play against the unpatched one of the same schedule: tokens and log-probabilities, bit for bit.

    Args:
        before: without the patch.
        after: with it.
        log: of that.
    """
    for alarm, token in _differences(before, after, Oracle.TOKENS, "without the patch", "with it"):
        yield replace(alarm, step=step_of(log, alarm.request or "", token))


def check_chance(before: str, after: str) -> Iterator[Alarm]:
    """Hold the place of torch's global generator behind a patched play against that behind an unpatched one."""
    if before != after:
        yield Alarm(
            Oracle.TOKENS,
            "torch's global generator was drawn from or seeded, so that requests without a seed draw other tokens: "
            "give the patch a torch.Generator of its own",
        )


def check_repeat(first: Play, second: Play) -> Iterator[Alarm]:
    """Hold two plays of one schedule against each other."""
    for alarm, _ in _differences(first, second, Oracle.REPEAT, "the first time", "the second time"):
        yield alarm


def check_rows(patch: Patch, log: Log, solos: Mapping[str, Solo], tolerance: float) -> Iterator[Alarm]:
    """Every row that is due is captured exactly once, and is what the same request has when it runs alone.

    Args:
        patch: that captured.
        log: of the play.
        solos: by request.
        tolerance: of hidden states, absolute.
    """
    if type(patch).captured is Patch.captured:
        return
    times = Counter(place for place, _ in log.captured)
    due = set(log.due)
    for place in sorted(due - times.keys()):
        yield _alarm(log, place, "was never captured")
    for place in sorted(times.keys() - due):
        yield _alarm(log, place, "was captured, and is not due")
    for place, count in sorted(times.items()):
        if count > 1:
            yield _alarm(log, place, f"was captured {count} times")
    for place, distance in _distances(log.captured, solos):
        if not distance <= tolerance:  # NaN is no distance either
            yield _alarm(log, place, f"is {distance:.2g} off the row that it has when it runs alone")


def check_batch(
    schedule: Schedule, play: Play, log: Log, solos: Mapping[str, Solo], tolerance: float
) -> Iterator[Alarm]:
    """Hold each request of an unpatched play against itself alone; what differs is the runtime's own fault.

    Another token is excused where the two likeliest are closer than twice the tolerance, or where it was drawn and the
    tolerance is COARSE; from there on nothing can be compared.
    """
    until: dict[str, int] = {}
    for name, planned in zip(schedule.ids, schedule.requests, strict=True):
        if name not in play.requests:
            continue
        here, alone = play.requests[name], solos[name].played
        if planned.abort is None and len(here.tokens) != planned.length:
            yield Alarm(Oracle.BATCH, f"{len(here.tokens)} tokens of {planned.length} came out", None, name)
            continue
        drawn = tolerance >= COARSE and not planned.draw.greedy
        parting, text = compare_alone(here, alone, tolerance, drawn=drawn)
        if text:
            yield Alarm(Oracle.BATCH, text, step_of(log, name, parting), name)
        until[name] = planned.prompt + parting
    compared = [(place, row) for place, row in log.due.items() if place[2] < until.get(place[0], 0)]
    for place, distance in _distances(compared, solos):
        if not distance <= tolerance:
            yield _alarm(log, place, f"is {distance:.2g} off, in the batch and alone", Oracle.BATCH)


def solos_of(schedule: Schedule, found: Mapping[Planned, Solo], context: int) -> dict[str, Solo]:
    """The requests of a schedule alone, by id."""
    keys = (key_of(planned, context) for planned in schedule.requests)
    return {name: found[key] for name, key in zip(schedule.ids, keys, strict=True)}


def compare_alone(here: Played, alone: Played, tolerance: float, *, drawn: bool) -> tuple[int, str]:
    """Up to which token both agree, and what is wrong there, if anything."""
    pairs = zip(here.tokens, alone.tokens, here.logprobs, alone.logprobs, alone.margins, strict=False)
    for at, (token, other, logprob, expected, margin) in enumerate(pairs):
        if token != other:
            excused = drawn or margin <= EXCUSED * tolerance
            return at, "" if excused else _apart(at, token, other, margin)
        if not abs(logprob - expected) <= tolerance:
            return at, f"the log-probability of token {at} is {logprob:.6f} in the batch and {expected:.6f} alone"
    return len(here.tokens), ""


def _apart(at: int, token: int, other: int, margin: float) -> str:
    return f"token {at} is {token} in the batch and {other} alone, which was ahead of the next by {margin:.2g}"


def _distances(rows: Iterable[tuple[Place, Tensor]], solos: Mapping[str, Solo]) -> Iterator[tuple[Place, float]]:
    """How far rows are off those that the same requests have alone, where these are known."""
    known = [(place, row, _alone(place, solos)) for place, row in rows]
    kept = [(place, row, alone) for place, row, alone in known if alone is not None and alone.shape == row.shape]
    found = distances([(row, alone) for _, row, alone in kept])
    yield from zip((place for place, _, _ in kept), found, strict=True)


def _alone(place: Place, solos: Mapping[str, Solo]) -> Tensor | None:
    request, layer, position = place
    return solos[request].row(layer, position) if request in solos else None


def _differences(before: Play, after: Play, oracle: Oracle, one: str, other: str) -> Iterator[tuple[Alarm, int]]:
    """What differs first in each request, and at which token, from 0; behind the last one where it ended."""
    for name, old in before.requests.items():
        new = after.requests.get(name)
        if new is None or new.finished != old.finished:
            ended = one if old.finished else other
            yield Alarm(oracle, f"ended {ended} only", None, name), len(old.tokens)
        elif at := _parting(old.tokens, new.tokens):
            text = f"token {at - 1} is {_at(old.tokens, at)} {one} and {_at(new.tokens, at)} {other}"
            yield Alarm(oracle, text, None, name), at - 1
        elif at := _parting(old.logprobs, new.logprobs):
            here, there = _at(old.logprobs, at), _at(new.logprobs, at)
            text = f"the log-probability of token {at - 1} is {here!r} {one} and {there!r} {other}"
            yield Alarm(oracle, text, None, name), at - 1


def _parting(old: tuple[float, ...], new: tuple[float, ...]) -> int:
    """The number, from 1, of the first element that differs; 0 where none does."""
    for at, (one, other) in enumerate(zip(old, new, strict=False), start=1):
        if one != other:
            return at
    return 0 if len(old) == len(new) else min(len(old), len(new)) + 1


def _at(values: tuple[float, ...], number: int) -> float | None:
    return values[number - 1] if number <= len(values) else None


def _alarm(log: Log, place: Place, what: str, oracle: Oracle = Oracle.ALONE) -> Alarm:
    request, layer, position = place
    step = next(
        (v.step for v in log.steps for row in v.rows if (row.request, row.position) == (request, position)), None
    )
    return Alarm(oracle, f"{layer}, position {position} {what}", step, request)


def step_of(log: Log, request: str, token: int) -> int | None:
    """The step that drew a request's token of that number, from 0."""
    steps = [view.step for view in log.steps for row in view.rows if row.request == request and row.samples]
    return steps[token] if token < len(steps) else None

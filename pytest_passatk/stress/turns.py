"""Whether each request under a patch is as it is alone under it: for patches that say so of themselves."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_passatk.stress import oracles
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.candidates import lead
from pytest_passatk.stress.play import Play, Played
from pytest_passatk.stress.schedule import Schedule
from pytest_passatk.stress.witness import Log


def in_turn(schedule: Schedule, play: Play) -> Schedule:
    """The same requests one after the other: each in a batch of its own, read whole, never thrown out.

    They keep their names and numbers, by which a patch may seed what it draws. Those that were taken back get as many
    tokens as they had in a play of the schedule, or one.
    """
    tokens = {name: len(played.tokens) for name, played in play.requests.items()}
    requests = tuple(
        replace(each, arrival=0, abort=None, length=max(1, tokens.get(name, 0)))
        for name, each in zip(schedule.ids, schedule.requests, strict=True)
    )
    return replace(schedule, requests=requests, slots=1, budget=None, blocks=None)


def check_turns(
    schedule: Schedule, batch: tuple[Play, Log], turn: tuple[Play, Log], tolerance: float
) -> Iterator[Alarm]:
    """Hold each request of a patched play against itself in turn, as far as numerics allow (see `check_batch`).

    Args:
        schedule: of the play.
        batch: the play, and its log.
        turn: that of the same requests in turn, and its log.
        tolerance: of log-probabilities.
    """
    (play, log), (alone, alone_log) = batch, turn
    for name, planned in zip(schedule.ids, schedule.requests, strict=True):
        if name not in play.requests or name not in alone.requests:
            continue
        here, there = [*_likeliest(log, name)], [*_likeliest(alone_log, name)]
        expected = _with_leads(alone.requests[name], there)
        drawn = tolerance >= oracles.COARSE and not planned.draw.greedy
        parting, text = oracles.compare_alone(play.requests[name], expected, tolerance, drawn=drawn)
        if found := _shifted(here[: parting + bool(text)], there, tolerance):
            parting, text = found
        if text:
            step = oracles.step_of(log, name, parting)
            yield Alarm(Oracle.ALONE, f"{text}; both under the patch", step, name)


def _likeliest(log: Log, name: str) -> Iterator[Sequence[float]]:
    """The candidates that a request's tokens were taken from, if the patch hands any on."""
    for view, rows in zip(log.steps, log.likeliest, strict=False):
        yield from (best for row, best in zip(view.rows, rows, strict=True) if row.request == name and row.samples)


def _with_leads(played: Played, likeliest: Sequence[Sequence[float]]) -> Played:
    """Where the patch hands on candidates, its two likeliest may be closer than those of the network."""
    margins = tuple(map(min, played.margins, map(lead, likeliest))) if likeliest else played.margins
    return replace(played, margins=margins)


def _shifted(
    here: Sequence[Sequence[float]], there: Sequence[Sequence[float]], tolerance: float
) -> tuple[int, str] | None:
    """The first token that was taken from other probabilities, and what they were."""
    for at, (one, other) in enumerate(zip(here, there, strict=False)):
        for own, alone in zip(map(math.exp, one), map(math.exp, other), strict=True):
            if not abs(own - alone) <= tolerance:
                return at, f"a candidate for token {at} has probability {own:.4g} in the batch and {alone:.4g} alone"
    return None

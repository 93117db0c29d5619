"""Whether each request under a patch is as it is alone under it: for patches that say so of themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_passatk.stress import oracles
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.play import Play, Played
from pytest_passatk.stress.schedule import Schedule
from pytest_passatk.stress.witness import Log


def in_turn(schedule: Schedule) -> Schedule:
    """The same requests one after the other, each to its end: in a batch of its own, read whole, never thrown out.

    They keep their names and numbers, by which a patch may seed what it draws.
    """
    requests = tuple(replace(each, arrival=0, abort=None) for each in schedule.requests)
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
        expected = _with_leads(alone.requests[name], [*_leads(alone_log, name)])
        drawn = tolerance >= oracles.COARSE and not planned.draw.greedy
        parting, text = oracles.compare_alone(play.requests[name], expected, tolerance, drawn=drawn)
        if text:
            step = oracles.step_of(log, name, parting)
            yield Alarm(Oracle.ALONE, f"{text}; both under the patch", step, name)


def _leads(log: Log, name: str) -> Iterator[float]:
    """Of the candidates that a request's tokens were taken from."""
    for view, leads in zip(log.steps, log.leads, strict=False):
        yield from (lead for row, lead in zip(view.rows, leads, strict=True) if row.request == name and row.samples)


def _with_leads(played: Played, leads: Sequence[float]) -> Played:
    """Where the patch hands on candidates, its two likeliest may be closer than those of the network."""
    margins = tuple(map(min, played.margins, leads)) if leads else played.margins
    return replace(played, margins=margins)

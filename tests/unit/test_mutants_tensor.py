"""Every patch with a fault is caught on tensors, by the oracle that is there for it; the sound ones pass."""

from collections.abc import Callable

import pytest
from catalogue import CLASSIC, Benches, Mutant, mutants_on

from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress.alarm import Oracle
from pytest_passatk.stress.case import Finding
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.search import Smallest, shrink
from pytest_passatk.stress.tensor_runtime import load

SECONDS = 60.0  # for shrinking, which ends by itself long before

SHRINKS = ("pair", "fifo-8", "lifo-8", "abort")  # and nothing comes in the meantime
SILENT = {
    "SlotPerRequest": ("alone", "same-8", "lifo-8"),
    "CountCached": ("alone", "same-8", *SHRINKS),
    "RowsFromZero": ("alone", "same-8", *SHRINKS, "two-waves"),
    "NoGuard": ("alone", "same-8", *SHRINKS, "refill"),
    "ResumedMisclassified": tuple(name for name in CLASSIC if "preempt" not in name),
}


@pytest.fixture(scope="module")
def benches() -> Benches:
    return Benches(load("", ModelOptions()))


Examine = Callable[[str, str], Finding]


@pytest.fixture(scope="module")
def examine(benches: Benches) -> Examine:
    return lambda name, classic: benches.inside(name).examine(CLASSIC[classic])


def oracles(finding: Finding) -> set[tuple[Oracle, bool]]:
    """Who spoke, and whether only once unused scratch was filled."""
    return {(alarm.oracle, alarm.poisoned) for alarm in finding.alarms}


@pytest.mark.parametrize("mutant", mutants_on("tensor"), ids=lambda mutant: mutant.name)
def test_each_mutant_is_caught(mutant: Mutant, benches: Benches) -> None:
    assert benches.caught_by(mutant) is mutant.oracle


@pytest.mark.parametrize("name", SILENT)
def test_classics_that_a_mutant_survives_say_nothing(name: str, examine: Examine) -> None:
    for classic in SILENT[name]:
        assert examine(f"taps:{name}", classic).alarms == (), classic


@pytest.mark.parametrize("name", ["FullIndex", "GuardOnly"])
def test_a_whole_index_breaks_as_soon_as_a_batch_shrinks(name: str, examine: Examine) -> None:
    finding = examine(f"taps:{name}", "pair")
    (alarm,) = finding.alarms
    assert (alarm.oracle, alarm.step, alarm.poisoned) == (Oracle.EXCEPTION, 2, False)
    assert alarm.text.startswith("IndexError: index out of range in self")
    assert len(finding.steps) == 3


@pytest.mark.parametrize("name", ["FullIndex", "GuardOnly"])
def test_a_whole_index_shows_in_a_batch_of_one_size_once_its_tail_is_filled(name: str, examine: Examine) -> None:
    assert oracles(examine(f"taps:{name}", "same-8")) == {(Oracle.POISON, True)}


@pytest.mark.parametrize("classic", CLASSIC)
def test_a_clamped_index_is_seen_by_canaries_alone(classic: str, examine: Examine) -> None:
    assert oracles(examine("taps:Clamp", classic)) == {(Oracle.CANARY, True)}


def test_rows_of_requests_that_are_gone_are_ghosts(examine: Examine) -> None:
    finding = examine("taps:StaleMask", "pair")
    assert {oracle for oracle, _ in oracles(finding)} == {Oracle.SHADOW, Oracle.ACTIVE, Oracle.ALONE}
    assert (finding.alarms[0].step, finding.alarms[0].request) == (2, "r1")
    assert "has no such position in this step" in finding.alarms[0].text


def test_a_drained_batch_is_taken_for_the_last_one(examine: Examine) -> None:
    finding = examine("taps:NoGuard", "two-waves")
    step = finding.steps[finding.alarms[0].step or 0]
    assert not step.decode
    assert step.step > 0


@pytest.mark.parametrize(("name", "classic"), [("RowsFromZero", "refill"), ("CountCached", "staggered-chunked")])
def test_a_row_of_another_request_is_named(name: str, classic: str, examine: Examine) -> None:
    assert any("and not packed row" in alarm.text for alarm in examine(f"taps:{name}", classic).alarms)


def test_a_resumed_request_is_missed_by_the_count_and_by_its_row(examine: Examine) -> None:
    counted = examine("taps:ResumedMisclassified", "preemption")
    assert oracles(counted) == {(Oracle.COUNTERS, False), (Oracle.ALONE, False)}
    uncounted = examine("taps:ResumedUncounted", "preemption")
    assert oracles(uncounted) == {(Oracle.ALONE, False)}
    assert all("was never captured" in alarm.text for alarm in uncounted.alarms)


SMALLEST = {
    ("taps:FullIndex", "pair"): Schedule((Planned(1, 2), Planned(1, 3))),
    ("taps:FullIndex", "same-8"): Schedule((Planned(1, 1),)),
    ("taps:Clamp", "pair"): Schedule((Planned(1, 2),)),
    ("taps:SlotPerRequest", "pair"): Schedule((Planned(1, 1), Planned(1, 2))),
    ("taps:NoGuard", "two-waves"): Schedule((Planned(1, 2), Planned(1, 1, arrival=2))),
    ("taps:ResumedMisclassified", "preemption"): Schedule((Planned(1, 6), Planned(28, 6)), blocks=2),
    ("taps:FirstThirtyTwo", "crowd"): Schedule((Planned(1, 2),) * 33),
}


@pytest.mark.parametrize(("name", "classic"), SMALLEST)
def test_what_failed_shrinks_to_the_smallest_schedule(name: str, classic: str, benches: Benches) -> None:
    found = smallest(benches, name, classic)
    assert found.exhausted
    assert found.schedule == SMALLEST[name, classic]


def test_shrinking_twice_gives_the_same(benches: Benches) -> None:
    first, second = (smallest(benches, "taps:SlotPerRequest", "fifo-8") for _ in range(2))
    assert first == second


def smallest(benches: Benches, name: str, classic: str) -> Smallest:
    bench = benches.inside(name)
    return shrink(CLASSIC[classic], bench.examine(CLASSIC[classic]), bench.examine, SECONDS)


def test_the_sound_tap_passes_everything_ten_times_over(benches: Benches) -> None:
    findings = benches.findings("taps:Repaired", rounds=10)
    assert [finding for finding in findings if finding.alarms or not finding.active] == []


SOUND = ["samplers:MinPRows", "samplers:OwnDraw", "samplers:RequestDraw", "state:Bias", "state:Budget", "state:Pool"]


@pytest.mark.parametrize("name", [*SOUND, "steering:EveryRow", "taps:Growing", "taps:Learning"])
def test_sound_patches_pass(name: str, benches: Benches) -> None:
    assert [finding for finding in benches.findings(name) if finding.alarms] == []


def test_an_honest_draw_of_its_own_keeps_the_distribution(benches: Benches) -> None:
    honest = Mutant("samplers:OwnDraw", "none", Oracle.DISTRIBUTION, CLASSIC["mixed-draws"])
    assert benches.hear(honest) == ()

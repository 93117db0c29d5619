"""All mutants: what is wrong with each, where that shows first, and who says so."""

from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

from pytest_passatk.patches.registry import maker_of, resolve
from pytest_passatk.stress import bench, distribution
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.bench import Bench
from pytest_passatk.stress.case import Finding
from pytest_passatk.stress.classics import CLASSICS
from pytest_passatk.stress.restore import check_restored
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.solo import Solo

EVERYWHERE = ("tensor", "hf", "vllm")
PACKED = ("tensor", "hf")
MODELS = ("hf", "vllm")  # what a token leaves behind depends on its hidden states there
VLLM = ("vllm",)

PATIENCE = 3.0  # seconds for one that hangs
CLASSIC = {schedule.name: schedule for schedule in CLASSICS}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A patch with one fault.

    Attributes:
        name: as `--patch` takes it.
        fault: in a few words.
        oracle: the first that speaks.
        schedule: on which it does.
        on: the runtimes where it can show.
    """

    name: str
    fault: str
    oracle: Oracle
    schedule: Schedule
    on: tuple[str, ...] = EVERYWHERE


def _mutant(name: str, fault: str, oracle: Oracle, schedule: str, on: tuple[str, ...] = EVERYWHERE) -> Mutant:
    return Mutant(name, fault, oracle, CLASSIC[schedule], on)


MUTANTS = (
    _mutant("vllm_drifts:OldTemperature", "drift 1: an old `apply_temperature`", Oracle.EXCEPTION, "mixed-draws", VLLM),
    _mutant("vllm_drifts:OldPrepare", "drift 2: an old `_prepare_inputs`", Oracle.EXCEPTION, "alone", VLLM),
    _mutant("vllm_drifts:TokensExpected", "drift 3: a tuple is taken for tokens", Oracle.EXCEPTION, "alone", VLLM),
    _mutant("vllm_drifts:TokensAlone", "drift 3: tokens alone are given", Oracle.EXCEPTION, "mixed-draws", VLLM),
    _mutant("vllm_drifts:ArityParsed", "drift 4: a result is told by its length", Oracle.COUNTERS, "alone", VLLM),
    _mutant("vllm_drifts:InputIds", "drift 5: requests go by the id they came with", Oracle.COUNTERS, "alone", VLLM),
    _mutant("taps:NoGuard", "drift 6: the last step's rows, where none decode", Oracle.SHADOW, "two-waves"),
    _mutant("taps:FullIndex", "drift 7: the whole index is gathered", Oracle.EXCEPTION, "pair"),
    _mutant("taps:GuardOnly", "drift 6 repaired, drift 7 not", Oracle.EXCEPTION, "pair"),
    _mutant("taps:Clamp", "drift 7 hidden: the index is clamped", Oracle.CANARY, "pair"),
    _mutant("taps:StaleMask", "the mask is never cleared", Oracle.SHADOW, "pair"),
    _mutant("taps:SlotPerRequest", "a slot for each request is taken for its row", Oracle.EXCEPTION, "fifo-8"),
    _mutant("taps:CountCached", "rows are looked up when their number changes", Oracle.SHADOW, "refill"),
    _mutant("taps:RowsFromZero", "rows are taken to be the first ones", Oracle.SHADOW, "refill"),
    _mutant("taps:ResumedMisclassified", "a resumed request is taken for a new one", Oracle.COUNTERS, "preemption"),
    _mutant("taps:ResumedUncounted", "the same, without a counter of rows", Oracle.ALONE, "preemption"),
    _mutant("taps:FirstThirtyTwo", "has room for 32 requests, and leaves out the rest", Oracle.ALONE, "crowd"),
    _mutant("state:PoolNeverRefilled", "slots of requests that are gone are not given back", Oracle.EXCEPTION, "crowd"),
    _mutant("state:PackedRow", "a packed row is taken for a row of logits", Oracle.ALONE, "lifo-8"),
    _mutant("state:DecodeFirst", "requests that decode are taken for the first rows of logits", Oracle.ALONE, "refill"),
    _mutant("state:BatchMean", "each row has half the mean of the batch taken off", Oracle.ALONE, "fifo-8"),
    _mutant("state:BudgetByProblem", "what belongs to a sample is kept by problem", Oracle.ALONE, "lifo-8"),
    _mutant("state:BudgetByRow", "what belongs to a request is kept by row", Oracle.ALONE, "fifo-8"),
    _mutant("state:BudgetOfParts", "a part of a prompt counts like a token", Oracle.ALONE, "staggered-chunked"),
    _mutant("state:BudgetForgotten", "state is lost when a request is thrown out", Oracle.ALONE, "preemption"),
    _mutant("steering:WritesTap", "what a tap shows is written, which vLLM loses", Oracle.TAP, "alone"),
    _mutant("steering:FirstRows", "the first rows are pushed, whoever decodes", Oracle.ALONE, "refill"),
    _mutant("steering:FirstPart", "only the first part of a prompt is pushed", Oracle.ALONE, "staggered-chunked"),
    _mutant("steering:LastRowOnly", "what is read again is not pushed again", Oracle.ALONE, "preemption", MODELS),
    _mutant("samplers:DoubleTemperature", "divides by the temperature twice", Oracle.TOKENS, "mixed-draws"),
    _mutant("samplers:OwnRandomness", "claims the same tokens, and draws its own", Oracle.TOKENS, "mixed-draws"),
    _mutant("samplers:OwnColderDraw", "claims the distribution, and is colder", Oracle.DISTRIBUTION, "mixed-draws"),
    _mutant("samplers:SharedNoise", "all rows of a step have one noise", Oracle.ALONE, "mixed-draws"),
    _mutant("samplers:RestartedDraw", "a generator starts anew after preemption", Oracle.ALONE, "preempted-draws"),
    _mutant("samplers:GlobalRandomness", "draws from the engine's source of randomness", Oracle.TOKENS, "alone"),
    _mutant("samplers:HalfPrecision", "candidates go through float16", Oracle.TOKENS, "mixed-draws"),
    _mutant("samplers:TemperatureKept", "looked up when the number of rows changes", Oracle.TOKENS, "preempted-draws"),
    _mutant("samplers:MinPNotMoved", "min-p is neither moved nor cleared", Oracle.TOKENS, "mixed-draws"),
    _mutant("samplers:MovedIgnored", "moves of rows are ignored", Oracle.TOKENS, "mixed-draws", PACKED),
    _mutant("samplers:ReusedSlotNotCleared", "a reused row is not cleared", Oracle.TOKENS, "reused-rows", PACKED),
    _mutant("vllm_processors:MovedIgnored", "`moved` is ignored", Oracle.TOKENS, "mixed-draws", VLLM),
    _mutant("vllm_processors:ReusedSlotNotCleared", "`added` does not clear a row", Oracle.TOKENS, "reused-rows", VLLM),
    _mutant("lifecycle:Raises", "raises in a step", Oracle.EXCEPTION, "pair"),
    _mutant("lifecycle:Silences", "the same, and silences it", Oracle.EXCEPTION, "pair"),
    _mutant("lifecycle:Crashes", "takes the process with it", Oracle.CRASH, "pair"),
    _mutant("lifecycle:Exits", "ends the process with status 0", Oracle.CRASH, "pair"),
    _mutant("lifecycle:Hangs", "never comes back", Oracle.HANG, "pair"),
    _mutant("lifecycle:LeavesHook", "leaves a forward hook", Oracle.RESTORED, "pair"),
    _mutant("lifecycle:LeavesHookOnError", "leaves a forward hook where a step raises", Oracle.RESTORED, "pair"),
    _mutant("lifecycle:LeavesType", "leaves another default type of torch", Oracle.RESTORED, "pair"),
    _mutant("lifecycle:LeavesMethod", "leaves a method of its own", Oracle.RESTORED, "pair"),
    _mutant("lifecycle:LeavesWeights", "leaves other weights", Oracle.RESTORED, "pair"),
)  # fmt: skip


def mutants_on(runtime: str) -> list[Mutant]:
    """Those that can show there."""
    return [mutant for mutant in MUTANTS if runtime in mutant.on]


class Benches:
    """Benches on one runtime, which share what requests come to alone.

    Args:
        runtime: live, and unpatched.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._solos: dict[Planned, Solo] = {}

    def new(self, name: str) -> Bench:
        """A bench that has examined nothing yet; all mutants tap the same layers, or none."""
        made = Bench(self.runtime, resolve(name, {}))
        made._solos = self._solos
        return made

    def inside(self, name: str) -> Bench:
        """One that examines in this process, where what a patch leaves behind stays for the next case."""
        made = self.new(name)
        made._forks = False
        return made

    def caught_by(self, mutant: Mutant) -> Oracle | None:
        """Who speaks first against a mutant."""
        return next((alarm.oracle for alarm in self.hear(mutant)), None)

    def findings(self, name: str, *, rounds: int = 1) -> list[Finding]:
        """What is found on all classics."""
        inside = self.inside(name)
        return [inside.examine(inside.fit(schedule)) for schedule in rounds * CLASSICS]

    def hear(self, mutant: Mutant) -> tuple[Alarm, ...]:
        """What is said against a mutant, on its schedule or once it is gone; one that hangs is given PATIENCE."""
        seconds = PATIENCE if mutant.oracle is Oracle.HANG else bench.CASE_SECONDS
        with patch.object(bench, "CASE_SECONDS", seconds):
            return self._hear(mutant)

    def _hear(self, mutant: Mutant) -> tuple[Alarm, ...]:
        new = self.new(mutant.name)
        fitted = new.fit(mutant.schedule)
        if mutant.oracle not in {Oracle.RESTORED, Oracle.DISTRIBUTION}:
            finding = new.examine(fitted)
            assert finding.at_fault == "patch", finding.alarms
            return finding.alarms
        make = maker_of(resolve(mutant.name, {}))
        if mutant.oracle is Oracle.RESTORED:
            return tuple(new.apart(partial(check_restored, self.runtime, make, fitted)))
        return tuple(new.apart(partial(distribution.check, self.runtime, make), distribution.SECONDS))

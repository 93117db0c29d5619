"""How long the stress suite takes to catch patches with one fault each, and the smallest schedule that shows it.

    python benchmarks/mutants.py [--runtimes tensor hf vllm] [--seconds 8]

Every mutant of tests/mutants is tried on its schedule, on each runtime where it can show: tensors, `hf:tiny`, and
`vllm:tiny` where vLLM is installed. The seconds are those of the case that catches it: the schedule without and with
the patch, in a fork; what its requests come to alone is known before, as it is in a run for all but the first cases. A
patch that hangs is given three seconds. The smallest schedule is looked for on the first runtime, `--seconds` long, and
played on the others; with `≤` in front, the time ended before shrinking did. Prints a table in Markdown, and writes
nothing.
"""

import argparse
import os
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "mutants"))
os.environ.setdefault("VLLM_LOGGING_LEVEL", "CRITICAL")  # it tells all about each step that breaks

import torch
from catalogue import MUTANTS, Benches, Mutant

from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress.alarm import Oracle
from pytest_passatk.stress.schedule import Schedule
from pytest_passatk.stress.search import shrink

TARGETS = {"tensor": "", "hf": "tiny", "vllm": "tiny"}
NEEDS = {"tensor": "torch", "hf": "transformers", "vllm": "vllm"}
UNSHRUNK = {Oracle.HANG, Oracle.RESTORED, Oracle.DISTRIBUTION}  # each try would take long, or is no schedule


def words(schedule: Schedule) -> str:
    """A schedule in a few words; what is not told is as simple as can be."""
    requests = schedule.requests
    several = "s" if len(requests) > 1 else ""
    told = {
        "length": [each.length for each in requests],
        "prompt": [each.prompt for each in requests] if any(each.prompt > 1 for each in requests) else [],
        "arrival": [each.arrival for each in requests] if any(each.arrival for each in requests) else [],
    }
    columns = [f"{name}{several} {listed(numbers)}" for name, numbers in told.items() if numbers]
    limits = {"slots": schedule.slots, "tokens a step": schedule.budget, "blocks": schedule.blocks}
    bounds = [f"{name}: {limit}" for name, limit in limits.items() if limit is not None]
    drawn = sum(not each.draw.greedy for each in requests)
    sampled = [f"{drawn} drawn at random"] if drawn else []
    return ", ".join([f"{len(requests)} request{several}", *columns, *bounds, *sampled])


def listed(numbers: list[int]) -> str:
    """`2 and 3`; `all 1` where several are the same."""
    if len(numbers) > 1 and len(set(numbers)) == 1:
        return f"all {numbers[0]}"
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last


def catch(benches: Benches, mutant: Mutant) -> str:
    """The seconds until it is caught; a remark where it is not, or by another oracle than it should be."""
    start = time.perf_counter()
    alarms = benches.hear(mutant)
    seconds = time.perf_counter() - start
    if not alarms:
        return "**missed**"
    return f"{seconds:.2f}" if alarms[0].oracle is mutant.oracle else f"{seconds:.2f} ({alarms[0].oracle})"


def smallest(benches: Benches, mutant: Mutant, seconds: float) -> tuple[Schedule, str]:
    """The smallest schedule that shows it, and in words."""
    own = benches.new(mutant.name)
    schedule = own.fit(mutant.schedule)
    found = shrink(schedule, own.examine(schedule), own.examine, seconds)
    return found.schedule, words(found.schedule) if found.exhausted else f"≤ {words(found.schedule)}"


def silent(benches: Benches, mutant: Mutant, schedule: Schedule) -> bool:
    """Whether a smallest schedule says nothing on another runtime."""
    again = benches.new(mutant.name)
    finding = again.examine(again.fit(schedule))
    return not finding.alarms or finding.at_fault != "patch"


def row(mutant: Mutant, runtimes: dict[str, Benches], seconds: float) -> str:
    """A line of the table."""
    here = [name for name in mutant.on if name in runtimes]
    cells = [catch(runtimes[name], mutant) if name in here else "–" for name in runtimes]
    found = f"`{mutant.schedule.name}`" if mutant.oracle is not Oracle.DISTRIBUTION else "200 samples of 5 problems"
    if here and mutant.oracle not in UNSHRUNK:
        schedule, found = smallest(runtimes[here[0]], mutant, seconds)
        quiet = [name for name in here[1:] if silent(runtimes[name], mutant, schedule)]
        found += f" (not on {' and '.join(quiet)})" if quiet else ""
    return f"| `{mutant.name}` | {mutant.fault} | {mutant.oracle} | {' | '.join(cells)} | {found} |"


def open_runtime(name: str) -> Benches:
    """A runtime, with what the requests of all schedules come to alone."""
    benches = Benches(import_module(f"pytest_passatk.stress.{name}_runtime").load(TARGETS[name], ModelOptions()))
    sound = benches.new("taps:Repaired")
    for schedule in dict.fromkeys(mutant.schedule for mutant in MUTANTS):
        finding = sound.examine(sound.fit(schedule))
        assert not finding.alarms, finding.alarms
    return benches


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--runtimes", nargs="+", choices=TARGETS, default=[name for name in TARGETS if find_spec(NEEDS[name])]
    )
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    runtimes = {name: open_runtime(name) for name in options.runtimes}
    titles = [f"{name}, s" for name in runtimes]
    print(f"| mutant | fault | caught by | {' | '.join(titles)} | smallest schedule |")
    print(f"|---|---|---|{'--:|' * len(titles)}---|")
    for mutant in MUTANTS:
        if runtimes.keys() & set(mutant.on):
            print(row(mutant, runtimes, options.seconds), flush=True)


if __name__ == "__main__":
    main()

"""How long the HTML page of a large run takes to build and to open, and how much memory it takes to build.

    python benchmarks/html_report.py [--problems 1562] [--n 64] [--characters 800] [--page FILE]

It builds the page in a process of its own and weighs the memory over that of the records, which a run holds anyway (on
Linux, whose /proc tells). Where Chromium, its driver and selenium are installed, it opens the page from the disk, opens
a problem and a sample, and loads and searches all texts.
"""

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from random import Random
from resource import RUSAGE_SELF, getpagesize, getrusage
from shutil import which
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from pytest_passatk.core.costs import Usage
from pytest_passatk.core.interval import default_ks
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.record import Judged, ProblemRecord, RunRecord, SuiteRecord
from pytest_passatk.core.sample import Completion, FinishReason, SamplingParams
from pytest_passatk.core.summary import summarize
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.measurement import Measured, Measurement
from pytest_passatk.report.html import write

WORDS = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8").split()


def main() -> None:
    """Build, weigh, open."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=1562)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--characters", type=int, default=800)
    parser.add_argument("--page", type=Path, help="keep the page there")
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        page = (chosen.page or Path(folder, "report.html")).absolute()
        worker = get_context("spawn").Process(target=build, args=(page, chosen.problems, chosen.n, chosen.characters))
        worker.start()
        worker.join()
        if worker.exitcode:
            raise SystemExit(f"building the page failed with status {worker.exitcode}")
        if which("chromium") and which("chromedriver") and find_spec("selenium"):
            look(page)


def build(page: Path, problems: int, n: int, characters: int) -> None:
    """Make the records of a run and a baseline, then the page."""
    record = make_record(problems, n, characters)
    summary = summarize(record)
    after = measurement(record, "this run")
    before = measurement(make_record(problems, n, 1), "main")
    comparison = replace(compare(before, after, default_ks(n), Policy({})), suite=record.planned.name)
    run = RunRecord(1, "pytest suites/bench", 0, "2026-01-01T00:00:00+00:00", 1.0, (record,))
    held, started = resident(), perf_counter()
    write(page, run, [summary], [comparison])
    print(f"{problems * n:,} samples built in {perf_counter() - started:.1f} s")
    print(f"peak memory {peak():,.0f} MB, {peak() - held:,.0f} MB above the {held:,.0f} MB of the records")
    beside = [file.stat().st_size for file in page.with_name(f"{page.name}.data").glob("*.js")]
    print(f"page {page.stat().st_size / 1e6:.1f} MB, {len(beside):,} files beside it {sum(beside) / 1e6:.1f} MB")


def make_record(problems: int, n: int, characters: int) -> SuiteRecord:
    """A suite whose problems differ in how hard they are; texts of English words."""
    rng = Random(problems)
    ids = [f"problem-{at:05}" for at in range(problems)]
    plan = tuple(PlannedProblem(each, text_of(rng, 400), "judge") for each in ids)
    planned = PlannedSuite("suites/bench.py::test_bench", "bench", SamplingParams(), n, default_ks(n), True, plan)
    records = tuple(make_problem(rng, each, n, characters) for each in ids)
    total = problems * n
    model = ModelInfo("bench", "bench", "sha256:0", None, "float32", "none")
    return SuiteRecord(planned, model, records, 0, total, 1.0, Usage(0, 200 * total, 0))


def make_problem(rng: Random, name: str, n: int, characters: int) -> ProblemRecord:
    """The samples of one problem."""
    rate = rng.betavariate(0.5, 0.7)
    return ProblemRecord(name, name, n, tuple(make_sample(rng, name, at, rate, characters) for at in range(n)))


def make_sample(rng: Random, name: str, index: int, rate: float, characters: int) -> Judged:
    """A completion with its verdict."""
    passed, answer = rng.random() < rate, str(rng.randrange(1000))
    completion = Completion(name, index, text_of(rng, characters), 200, FinishReason.STOP, 1.0)
    reason = "" if passed else f"AssertionError: assert '{answer}' == '168'\n  - 168\n  + {answer}"
    return Judged(completion, Verdict(Status.PASS if passed else Status.FAIL, reason, answer, 0.01))


def text_of(rng: Random, characters: int) -> str:
    """Words up to that length."""
    return " ".join(rng.choices(WORDS, k=characters // 5 + 1))[:characters]


def measurement(record: SuiteRecord, label: str) -> Measurement:
    """A side of a comparison."""
    problems = tuple(Measured(problem.id, problem.planned, problem.solved) for problem in record.problems)
    return Measurement(label, record.planned.title, {}, {}, None, None, (), problems)


def resident() -> float:
    """The memory that the process holds now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * getpagesize() / 2**20


def peak() -> float:
    """The most memory that the process has held, in MB."""
    return getrusage(RUSAGE_SELF).ru_maxrss / 1024


def look(page: Path) -> None:
    """Open the page as a reader does."""
    from selenium import webdriver  # noqa: PLC0415 - optional

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(which("chromedriver") or ""))
    driver.set_script_timeout(300)
    try:
        driver.get("about:blank")
        timed("page opened", lambda: driver.get(page.as_uri()))
        timed("problem opened", lambda: run(driver, "openProblem(listed[700] ?? listed[0])"))
        timed("sample opened", lambda: run(driver, "Promise.resolve(document.querySelector('.sample').open = true)"))
        timed("filtered and sorted", lambda: run(driver, "Promise.resolve(sortBy('solved'))"))
        timed("all texts loaded", lambda: run(driver, "loadAll()"))
        search = "wanted.query = 'no such words'; const found = Promise.resolve(showProblems())"
        timed("all texts searched", lambda: run(driver, "found", search))
    finally:
        driver.quit()


def run(driver: Any, promise: str, before: str = "") -> None:
    """Wait for a promise of the page, and for what it changed to be drawn."""
    drawn = "() => requestAnimationFrame(() => setTimeout(done))"
    driver.execute_async_script(f"const done = arguments[0]; {before}; ({promise}).then({drawn})")


def timed(what: str, act: Callable[[], object]) -> None:
    """Print how long something takes."""
    started = perf_counter()
    act()
    print(f"{what} in {perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()

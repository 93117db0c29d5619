"""What a person sees while a run goes on, and its report at the end."""

import logging
import shlex
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from pathlib import Path
from shutil import get_terminal_size
from time import monotonic

import pytest
from _pytest.capture import CaptureManager
from _pytest.terminal import TerminalReporter  # pytest 8.3 does not export it

from pytest_passatk.core.plan import Plan, PlannedSuite, repeat_seed
from pytest_passatk.core.protocols import Model, info_of
from pytest_passatk.core.record import Profile
from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.harness.settings import STORE
from pytest_passatk.report import table
from pytest_passatk.report.glyphs import glyphs_for
from pytest_passatk.report.verdicts import draw_comparisons
from pytest_passatk.sampling.books import Books
from pytest_passatk.sampling.exchange import Exchange

LOG = logging.getLogger("pytest_passatk")
REPAINT_SECONDS = 0.1
FIRST_LINE_SECONDS = 2.0  # into a log; each further line after twice the time, at most a minute
LONGEST_PAUSE_SECONDS = 60.0


class Kept(logging.Handler):
    """Keeps warnings for the thread that may write: models warn from threads of their own.

    Args:
        warnings: gets their lines.
    """

    def __init__(self, warnings: deque[str]) -> None:
        super().__init__(logging.WARNING)
        self._warnings = warnings

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._warnings.append(record.getMessage())


class Screen:
    """The terminal of a run: a live line below the items on a terminal, plain lines in a log, nothing with `-q`.

    Args:
        config: of pytest.
        exchange: whose progress to show.
    """

    def __init__(self, config: pytest.Config, exchange: Exchange) -> None:
        self.exchange = exchange
        self.reporter: TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
        self.capture: CaptureManager | None = config.pluginmanager.get_plugin("capturemanager")
        self.quiet = self.reporter is None or config.get_verbosity() < 0
        self.live = not self.quiet and self._can_paint()
        self._painted = False
        self._warnings: deque[str] = deque()
        self._kept = Kept(self._warnings)
        LOG.addHandler(self._kept)
        self._pause = FIRST_LINE_SECONDS
        self._next = monotonic()

    def _can_paint(self) -> bool:
        """Whether this is a terminal that obeys; pytest takes a very narrow one for one of 80 columns."""
        reporter = self.reporter
        if reporter is None or not (reporter.isatty and reporter.hasmarkup):
            return False
        return get_terminal_size().columns >= reporter._tw.fullwidth  # noqa: SLF001 - has no public view

    def announce(self, profile: Profile | None) -> None:
        """Say what is going to be sampled, with what, and what a profile set."""
        books, now = self.exchange.books, monotonic()
        self._next = now + (REPAINT_SECONDS if self.live else self._pause)
        if self.quiet or books is None:
            return
        if profile:
            set_here = ", ".join(f"{name} {value}" for name, value in profile.options.items()) or "sets nothing"
            self._say(f"passatk: profile {profile.name} of {profile.file}: {set_here}")
        for spec, suites in groupby(books.plan.suites, key=lambda suite: suite.model):
            info = self.exchange.models[spec].info
            versions = ", ".join(f"{library} {version}" for library, version in info.versions.items())
            placed = "" if info.device in {"none", "server"} else f", {info.dtype} on {info.device}"
            self._say(f"passatk: model {info.name}, backend {info.backend} ({versions}){placed}")
            for runs in Plan(tuple(suites), books.plan.seed).by_arm():
                self._announce_arm(runs, books, self.exchange.models[spec])
        for notice in self.exchange.notices:
            self._say(f"passatk: {notice}")

    def _announce_arm(self, runs: Sequence[PlannedSuite], books: Books, model: Model) -> None:
        """Say what is going to be sampled in one arm of a suite, in all its runs."""
        suite, title = runs[0], runs[0].title
        info, times = info_of(model, suite.arm), glyphs_for(self._encoding).times
        if info.adapter:
            self._say(f"passatk: {title}: adapter {info.adapter}")
        if info.patch:
            self._say(f"passatk: {title}: patch {info.patch}")
        if suite.isolation:
            self._say(f"passatk: {title}: programs run in {suite.isolation}")
        reused = sum(books.reused[run.key] for run in runs)
        size = f"{len(suite.problems)} problems {times} {suite.n} samples"
        again = f" {times} {len(runs)} runs" if len(runs) > 1 else ""
        stored = f", {reused} in the store" if reused else ""
        seeds = ", ".join(str(repeat_seed(books.plan.seed, run.repeat)) for run in runs)
        self._say(
            f"passatk: {title}: {size}{again}{stored}, {describe(suite.params)}, seed{'s' if again else ''} {seeds}"
        )

    def tell(self, line: str) -> None:
        """Say what a person should know although no test shows it."""
        self._say(f"passatk: {line}")

    def pass_on(self) -> None:
        """Say what models and servers warned of since the last time."""
        while self._warnings:
            self.tell(self._warnings.popleft())

    def complain(self, message: str) -> None:
        """Show an error that no item can carry."""
        if self.reporter is None:
            sys.stderr.write(f"ERROR: {message}\n")
        else:
            self._end_line(self.reporter)
            self.reporter.write_line(f"ERROR: {message}", red=True)

    def tick(self) -> None:
        """Show progress, where it is time to, and warnings at once."""
        self.pass_on()
        now = monotonic()
        if self.quiet or now < self._next:
            return
        if self.live:
            self._next = now + REPAINT_SECONDS
            self._paint(self.progress_line())
        else:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            self._next = now + self._pause
            self._say(self.progress_line())

    def progress_line(self) -> str:
        """Samples done and in flight, pace, time left, solved so far."""
        progress = self.exchange.progress
        done = progress.reused + progress.sampled
        eta = "" if progress.eta is None else f", {clock(progress.eta)} left"
        return (
            f"passatk: {done}/{progress.planned} samples, {progress.planned - done} in flight, "
            f"{progress.tokens_per_second:,.0f} tokens/s{eta}, {progress.solved}/{progress.judged} solved"
        )

    def erase(self) -> None:
        """Take the live line away, before pytest writes."""
        if self._painted:
            self._paint("")
            self._painted = False

    def summarize(
        self,
        summaries: Sequence[SuiteSummary],
        comparisons: Sequence[Comparison],
        run: int | None,
        store: Path | None,
    ) -> None:
        """Write what is left of the warnings, the table of every suite, the verdicts, and where the samples are."""
        LOG.removeHandler(self._kept)
        self.pass_on()
        if self.reporter is None or not summaries:
            return
        writer = self.reporter._tw  # noqa: SLF001 - the width has no public view
        text = table.render(summaries, width=writer.fullwidth, color=writer.hasmarkup, encoding=self._encoding)
        self.reporter.write_sep("=", "pass@k")
        self.reporter.write(text.rstrip("\n") + "\n")
        if comparisons:
            text = draw_comparisons(
                comparisons, width=writer.fullwidth, color=writer.hasmarkup, encoding=self._encoding
            )  # fmt: skip
            self.reporter.write_sep("=", "gate")
            self.reporter.write(text + "\n")
        if run is not None:
            where = "" if store == STORE.absolute() else f" --store {shlex.quote(str(store))}"
            self.reporter.write_line(f"run {run}: passatk show{where} {run}")

    @property
    def _encoding(self) -> str:
        stream = self.reporter._tw._file if self.reporter else None  # noqa: SLF001 - has no public view
        return getattr(stream, "encoding", None) or "utf-8"

    def _say(self, line: str) -> None:
        if self.reporter:
            with self._uncaptured():
                self._end_line(self.reporter)
                self.reporter.write_line(line.encode(self._encoding, "backslashreplace").decode(self._encoding))

    def _end_line(self, reporter: TerminalReporter) -> None:
        """Leave the line of the items; pytest itself does not know of that with the items of workers."""
        reporter.ensure_newline()
        if reporter._tw.width_of_current_line:  # noqa: SLF001 - has no public view
            reporter.write_line("")

    def _paint(self, line: str) -> None:
        """Write a line below the cursor and come back, also where that scrolls the screen."""
        if self.reporter is None:
            return
        writer = self.reporter._tw  # noqa: SLF001 - the column to come back to is known there only
        with self._uncaptured():  # a captured stream has no width, either
            rows, column = divmod(writer.width_of_current_line, writer.fullwidth)
            if rows and not column:  # about to wrap: a terminal does not come back to that
                return
            self._painted = True  # before it is: an interrupt may come in between
            writer._file.write(f"\n\r{line[: writer.fullwidth - 1]}\x1b[K\x1b[A\x1b[{column + 1}G")  # noqa: SLF001
            writer._file.flush()  # noqa: SLF001

    def _uncaptured(self) -> AbstractContextManager[None]:
        return self.capture.global_and_fixture_disabled() if self.capture else nullcontext()


def describe(params: SamplingParams) -> str:
    """The sampling parameters that are not at rest."""
    named = {
        "temperature": params.temperature,
        "top-p": params.top_p if params.top_p < 1 else None,
        "top-k": params.top_k or None,
        "min-p": params.min_p or None,
        "repetition penalty": params.repetition_penalty if params.repetition_penalty != 1 else None,
    }
    words = [
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in named.items()
        if value is not None
    ]
    return ", ".join([*words, f"at most {params.max_tokens} tokens"])


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:34 or 1:23:45."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"

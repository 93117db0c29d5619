"""What a person sees while a run goes on, and its report at the end."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from pathlib import Path
from time import monotonic

import pytest
from _pytest.capture import CaptureManager

from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.harness.settings import STORE
from pytest_passatk.report import table
from pytest_passatk.sampling.exchange import Exchange

REPAINT_SECONDS = 0.1
FIRST_LINE_SECONDS = 2.0  # into a log; each further line after twice the time, at most a minute
LONGEST_PAUSE_SECONDS = 60.0


class Screen:
    """The terminal of a run: a live line below the items on a terminal, plain lines in a log, nothing with `-q`.

    Args:
        config: of pytest.
        exchange: whose progress to show.
    """

    def __init__(self, config: pytest.Config, exchange: Exchange) -> None:
        self.exchange = exchange
        self.reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
        self.capture: CaptureManager | None = config.pluginmanager.get_plugin("capturemanager")
        self.quiet = self.reporter is None or config.get_verbosity() < 0
        self.live = not self.quiet and bool(self.reporter and self.reporter.isatty and self.reporter.hasmarkup)
        self._painted = False
        self._pause = FIRST_LINE_SECONDS
        self._next = monotonic()

    def announce(self) -> None:
        """Say what is going to be sampled, with what."""
        books, now = self.exchange.books, monotonic()
        self._next = now + (REPAINT_SECONDS if self.live else self._pause)
        if self.quiet or books is None:
            return
        for spec, suites in groupby(books.plan.suites, key=lambda suite: suite.model):
            info = self.exchange.models[spec].info
            versions = ", ".join(f"{library} {version}" for library, version in info.versions.items())
            self._say(f"passatk: model {info.name}, backend {info.backend} ({versions}), {info.dtype} on {info.device}")
            for suite in suites:
                reused = books.reused[suite.name]
                stored = f", {reused} in the store" if reused else ""
                self._say(
                    f"passatk: {suite.title}: {len(suite.problems)} problems × {suite.n} samples{stored}, "
                    f"{describe(suite.params)}, seed {books.plan.seed}"
                )

    def complain(self, message: str) -> None:
        """Show an error that no item can carry."""
        if self.reporter:
            self._end_line(self.reporter)
            self.reporter.write_line(f"ERROR: {message}", red=True)

    def tick(self) -> None:
        """Show progress, where it is time to."""
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

    def summarize(self, summaries: Sequence[SuiteSummary], run: int | None, store: Path | None) -> None:
        """Write the table of every suite, and where its samples are."""
        if self.reporter is None or not summaries:
            return
        writer = self.reporter._tw  # noqa: SLF001 - width and encoding have no public view
        encoding = getattr(writer._file, "encoding", None) or "utf-8"  # noqa: SLF001 - as above
        text = table.render(summaries, width=writer.fullwidth, color=writer.hasmarkup, encoding=encoding)
        self.reporter.write_sep("=", "pass@k")
        self.reporter.write(text.rstrip("\n") + "\n")
        if run is not None:
            where = "" if store == STORE.absolute() else f" --store {store}"
            self.reporter.write_line(f"run {run}: passatk show {run}{where}")

    def _say(self, line: str) -> None:
        if self.reporter:
            with self._uncaptured():
                self._end_line(self.reporter)
                self.reporter.write_line(line)

    def _end_line(self, reporter: pytest.TerminalReporter) -> None:
        """Leave the line of the items; pytest itself does not know of that with the items of workers."""
        reporter.ensure_newline()
        if reporter._tw.width_of_current_line:  # noqa: SLF001 - has no public view
            reporter.write_line("")

    def _paint(self, line: str) -> None:
        """Write a line below the cursor and come back, also where that scrolls the screen."""
        if self.reporter is None:
            return
        writer = self.reporter._tw  # noqa: SLF001 - the column to come back to is known there only
        column = writer.width_of_current_line + 1
        with self._uncaptured():
            writer._file.write(f"\n\r{line[: writer.fullwidth - 1]}\x1b[K\x1b[A\x1b[{column}G")  # noqa: SLF001
            writer._file.flush()  # noqa: SLF001
        self._painted = True

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
        "at most tokens": params.max_tokens,
    }
    return ", ".join(f"{name} {value:g}" for name, value in named.items() if value is not None)


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:34 or 1:23:45."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"

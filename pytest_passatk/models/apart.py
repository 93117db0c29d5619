"""A model in a process of its own.

Its engine has an interpreter to itself, so that reports and judges do not slow it down; the session imports no heavy
library; and an engine that crashes, or that the system kills, is an error with a cause, not the end of the session.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from multiprocessing import Pipe
from tempfile import TemporaryFile
from typing import IO, Any

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import Model, ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import registry
from pytest_passatk.models.apart_process import Said
from pytest_passatk.models.armed import Recorded

CLOSING_SECONDS = 10.0  # for an engine to let go of its devices by itself
DYING_SECONDS = 1.0  # between the end of its link and that of its process
LAST_WORDS = 2000  # bytes at the end of what it printed, where its last line is looked for
PROGRAM = (  # what Python finds by itself comes first: a file beside a suite may be called as a library's module is
    "import sys; sys.path[:] = dict.fromkeys([*filter(None, sys.path), *{path!r}]); "
    "from pytest_passatk.models.apart_process import serve; serve({fd})"
)


def open_model(spec: str, options: ModelOptions) -> Model:
    """The model for a spec, in a process of its own where its libraries are heavy. Raises as `registry.load` does."""
    forks = sys.platform != "win32"  # there, no process inherits a socket, and none ends with its group
    return ApartModel(spec, options) if forks and registry.is_heavy(spec) else registry.load(spec, options)


class ApartModel(Recorded):
    """Stands for a model that another process loads and drives; see `registry.load` for the arguments.

    The process starts when it is first asked for anything, which raises as `registry.load` does, and ModelError where
    the process dies.
    """

    loads_weights = True  # see `core.protocols.Local`

    def __init__(self, spec: str, options: ModelOptions) -> None:
        self._spec = spec
        self._options = options
        self._stopped = False
        self._engine: EngineProcess | None = None

    @cached_property
    def _infos(self) -> dict[str, ModelInfo]:
        (infos,) = self._running().ask("infos")
        return dict(infos)

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request, each completion as it finishes (see `core.protocols.Model`)."""
        if requests and not self._stopped:
            try:
                yield from self._running().ask("sample", list(requests))
            except ModelError:
                if not self._stopped:
                    raise

    def stop(self) -> None:
        """End the process at once (see `core.protocols.Stoppable`): what it finished has arrived."""
        self._stopped = True
        engine = self._engine  # the thread that samples may be closing it
        if engine:
            engine.kill()

    def close(self) -> None:
        """Let the engine end, and its process."""
        engine, self._engine = self._engine, None
        if engine:
            engine.close()

    def _running(self) -> "EngineProcess":
        if self._engine is None or self._engine.dead:
            self.close()
            self._engine = engine = _start(self._spec)
            if self._stopped:  # before there was anything to end
                engine.kill()
            try:
                list(engine.ask("load", self._spec, self._options))
            except BaseException:
                self.close()
                raise
        return self._engine


class EngineProcess:
    """The process, and the link to it; `spec` names its model in messages. Raises OSError where none can be started."""

    def __init__(self, spec: str) -> None:
        self._spec = spec
        path = [place for place in sys.path if isinstance(place, str)]  # Python passes over anything else, too
        with ExitStack() as opened:
            self._log: IO[bytes] = opened.enter_context(TemporaryFile())
            self._link, theirs = map(opened.enter_context, Pipe())
            with theirs:
                program = PROGRAM.format(path=path, fd=theirs.fileno())
                self._process = subprocess.Popen(  # noqa: S603 - this project's own program
                    [sys.executable, "-c", program], pass_fds=[theirs.fileno()], start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                )  # fmt: skip
            opened.pop_all()  # from here on, `close` does it
        self.dead = False

    def ask(self, *message: Any) -> Iterator[Any]:
        """Give what the process answers. Raises what it raised, or ModelError where it died."""
        said: Said | None = None
        try:
            with suppress(OSError):  # what became of the process shows when it is listened to
                self._link.send(message)
            while True:
                said, value = self._hear()
                if said is not Said.VALUE:
                    break
                yield value
        finally:
            if said in {None, Said.VALUE}:
                self.kill()  # it died, or nobody listens any more
        if said is Said.ERROR:
            raise value

    def kill(self) -> None:
        """End the process, and what it started: they are in one group."""
        self.dead = True
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(DYING_SECONDS)

    def close(self) -> None:
        """Let the process end by itself, and see that it does."""
        with suppress(OSError, subprocess.TimeoutExpired):
            if not self.dead:
                self._link.send(("close",))
                self._process.wait(CLOSING_SECONDS)
        self.kill()
        self._link.close()
        self._log.close()

    def _hear(self) -> tuple[Said, Any]:
        try:
            heard: tuple[Said, Any] = self._link.recv()
        except (EOFError, OSError):
            raise ModelError(self._obituary()) from None
        return heard

    def _obituary(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(DYING_SECONDS)
        code = self._process.poll() or 0
        died = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        memory = ", as the system ends what takes too much memory" if code == -signal.SIGKILL else ""
        said = "" if code == -signal.SIGKILL else self._last_words()  # who is killed says nothing of it
        words = f" (it said: {said})" if said else ""
        return (
            f"{self._spec}: the process of its engine ended {died}{memory}{words}; what finished is kept, and the same "
            "command resumes"
        )

    def _last_words(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LAST_WORDS))
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


def _start(spec: str) -> EngineProcess:
    try:
        return EngineProcess(spec)
    except OSError as error:
        raise ModelError(f"{spec}: no process can be started for its engine: {error}") from error

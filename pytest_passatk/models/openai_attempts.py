"""A call at one server: made again where it fails in passing, and what becomes of it where that does not help."""

import logging
from collections.abc import Sequence

from pytest_passatk.core.errors import ModelError, PassatkError
from pytest_passatk.core.names import name_some
from pytest_passatk.core.sample import Completion
from pytest_passatk.models import admit
from pytest_passatk.models.openai_board import Board
from pytest_passatk.models.openai_call import Call
from pytest_passatk.models.openai_failure import Failure, Remedy, classify
from pytest_passatk.models.openai_server import Server
from pytest_passatk.models.openai_settings import Settings

LOG = logging.getLogger("pytest_passatk")
NOT_FOUND = 404
WORTH_TELLING_SECONDS = 60.0
HOPELESS = 10  # that many problems without a usable answer, and none with one, end the run
RESUMES = "what finished is kept, and the same command resumes"


class Dead(Exception):  # noqa: N818 - it names the server's state
    """A server failed too often in a row."""


class Attempts:
    """The attempts of one run.

    Args:
        settings: of the run.
        board: where a call that waits can be taken by another server.
    """

    def __init__(self, settings: Settings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._usable = False
        self._useless: set[str] = set()

    async def make(self, server: Server, call: Call) -> Sequence[Completion]:
        """Completions for the first requests of a call; none where it is to be made again, in another way or elsewhere.

        Raises:
            Dead: the server failed too often in a row.
            ModelError: the run cannot go on.
        """
        failures, answered = 0, server.answered
        while True:
            way = (server.manners, server.single)
            try:
                done = await server.ask(call)
            except PassatkError as error:
                return _abort(call, error)
            except Exception as error:  # noqa: BLE001 - classified below, so that no key is in its words
                failure = classify(error, self._settings.secrets)
            else:
                return self._accept(server, call, done)
            if failure.remedy is not Remedy.AGAIN:
                return self._refuse(server, call, failure, way)
            works = server.answered > answered
            failures = 1 if failure.busy and works else failures + 1  # busy: with more to do than it can
            if failures > self._settings.retries:
                return self._give_up(server, call, failure, works=works)
            if not await self._wait(server, call, failure, failures):
                return ()
            if failures == 1:  # what it answered until then, it had begun before it failed
                answered = server.answered

    def _accept(self, server: Server, call: Call, done: Sequence[Completion]) -> Sequence[Completion]:
        """An answer, which may still be of no use. Raises ModelError where that concerns all."""
        server.answered += 1
        usable = [completion.text for completion in done if completion.error is None]
        self._usable = self._usable or bool(usable)
        if not usable:
            self._despair(call.first.problem_id, str(done[0].error))
        if server.siblings.repeat(usable):
            LOG.warning(
                "%s gave the same text to all samples of the first problems: it may draw them with one seed, so that "
                "they are one sample; --passatk-model-args n=1 gives each its own",
                server,
            )
        return done

    def _refuse(self, server: Server, call: Call, failure: Failure, way: tuple[object, ...]) -> Sequence[Completion]:
        """What becomes of a call that was refused. Raises ModelError where that concerns all."""
        if failure.remedy is Remedy.STOP:
            serves = f"; it serves {name_some(server.listed)}" if failure.status == NOT_FOUND and server.listed else ""
            raise ModelError(f"{server}: {failure.words}{serves}; {RESUMES}")
        if (learned := server.adapt(failure, call)) or way != (server.manners, server.single):
            if learned:
                LOG.warning("%s %s", server, learned)
            return ()
        words = f"{call.first.problem_id}: {server} refused it: {failure.words}"
        self._despair(call.first.problem_id, words)
        return _abort(call, ModelError(words))

    def _despair(self, problem: str, words: str) -> None:
        """Note a problem without a usable answer. Raises ModelError where the others would have none either."""
        self._useless.add(problem)
        if not self._usable and len(self._useless) >= HOPELESS:
            raise ModelError(
                f"none of the first {HOPELESS} problems got an answer of use, the last of them: {words}; change what "
                "the server minds, or take a server that ends its answers with stop or length, as the API says"
            )

    def _give_up(self, server: Server, call: Call, failure: Failure, *, works: bool) -> Sequence[Completion]:
        """Abort a call that fails where others succeed; else it is the server. Raises Dead."""
        times = f"{self._settings.retries + 1} times in a row: {failure.words}"
        if not works:
            raise Dead(times)
        return _abort(call, ModelError(f"{call.first.problem_id}: {server} failed {times}; {RESUMES}"))

    async def _wait(self, server: Server, call: Call, failure: Failure, failures: int) -> bool:
        """Wait before the next attempt; returns whether it is still for this server to make.

        A server that is busy, or asks for it, is left alone by all calls.
        """
        seconds = server.delay(failure, failures)
        if seconds > WORTH_TELLING_SECONDS:
            LOG.warning("%s wants to be left alone for %.0f s: %s", server, seconds, failure.words)
        if failure.busy or failure.pause is not None:
            server.pause(seconds)
            seconds = server.rest()
        while seconds:
            if not await self._board.lend(server, call, seconds):
                return False
            seconds = server.rest()
        return True


def _abort(call: Call, error: PassatkError) -> Sequence[Completion]:
    return [admit.abort(request, error) for request in call.requests]

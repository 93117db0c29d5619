"""The backend `openai:NAME`: any server with OpenAI's API, or several, through the official client."""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec

from pytest_passatk.core.errors import MissingExtraError, ModelError, UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models.openai_dispatch import Dispatcher
from pytest_passatk.models.openai_server import Server
from pytest_passatk.models.openai_settings import Settings, read_settings
from pytest_passatk.models.openai_survey import survey
from pytest_passatk.models.openai_thread import Background

UNSTATED = "unstated"  # a server does not say which weights it runs


def load(target: str, options: ModelOptions) -> "OpenaiModel":
    """A model that a server gives under a name (see `core.protocols.LoadModel`)."""
    if not find_spec("openai"):
        raise MissingExtraError(f"openai:{target}", "openai", "openai")
    return OpenaiModel(read_settings(target, options))


class OpenaiModel:
    """A model behind servers; arms are served under names of their own.

    Args:
        settings: which servers, and how to ask them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers = [Server(address, settings) for address in settings.addresses]
        self._known = False
        self._work: Background[Completion] | None = None

    @property
    def info(self) -> ModelInfo:
        """What goes into the records of the first arm."""
        return self.info_of(next(iter(self._settings.models)))

    def info_of(self, arm: str) -> ModelInfo:
        """What goes into the records of one arm; complete once the servers were asked (see `brief`)."""
        served = self._settings.models[arm]
        contexts = [server.manners.context for server in self._servers if server.manners.context]
        return ModelInfo(
            name=self._settings.name,
            backend="openai",
            revision=self._settings.revision or UNSTATED,
            adapter=None if served == self._settings.name else served,
            dtype="unknown",
            chat_template="none" if self._settings.raw else "server",
            versions=self._versions(served),
            device="server",
            context=min(contexts, default=None),
        )

    def brief(self, suites: Sequence[PlannedSuite]) -> Sequence[str]:
        """Ask the servers what they serve; returns what is worth knowing of them.

        Raises:
            ModelError: none of them answers, or one does not serve the model.
            UsageError: messages are to go in raw.
        """
        for suite in suites:
            if self._settings.raw and not all(isinstance(problem.prompt, str) for problem in suite.problems):
                raise UsageError(
                    f"{suite.title}: its prompts are chat messages, which need the server's chat template: leave "
                    "--passatk-chat-template none away"
                )
        for _ in Background[None](lambda _: self._survey()):
            pass
        return [line for server in self._servers for line in self._describe(server)]

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request, each completion as it finishes (see `core.protocols.Model`)."""
        if requests:
            self._work = Background(lambda deliver: self._answer(requests, deliver))
            yield from self._work

    def stop(self) -> None:
        """Cancel what is in flight (see `core.protocols.Stoppable`)."""
        if self._work:
            self._work.stop()

    def close(self) -> None:
        """Cancel what is in flight; nothing else is held."""
        self.stop()

    async def _survey(self) -> None:
        if not self._known:
            await survey(self._servers, self._settings)
        self._known = True

    async def _answer(self, requests: Sequence[Request], deliver: Callable[[Completion], None]) -> None:
        await self._survey()
        alive = [server for server in self._servers if not server.dead]
        if not alive:
            raise ModelError(f"{self._servers[-1]} failed {self._servers[-1].dead}; no server is left")
        waves = dict.fromkeys(request.arm for request in requests) if self._settings.apart else (None,)
        for arm in waves:
            asked = [request for request in requests if arm in {None, request.arm}]
            await Dispatcher(alive, self._settings, asked, deliver).run()
            alive = [server for server in alive if not server.dead]

    def _versions(self, served: str) -> dict[str, str]:
        """What may change the tokens: the servers' software and, unless the user says what runs, where they are."""
        software = sorted({server.version for server in self._servers if server.version})
        versions = {"server": ", ".join(software)} if software else {}
        if self._settings.revision:
            return versions
        entries = [(server.listed or {}).get(served, {}) for server in self._servers]
        roots = sorted({str(entry["root"]) for entry in entries if entry.get("root") not in {None, served}})
        versions |= {"root": ", ".join(roots)} if roots else {}
        return {**versions, "address": ", ".join(sorted(map(str, self._servers)))}

    def _describe(self, server: Server) -> Iterator[str]:
        if server.dead:
            yield f"{server} is dropped, because it does not answer: {server.dead}"
            return
        for name in dict.fromkeys(self._settings.models.values()):
            if server.listed and name not in server.listed:
                yield f"{server} does not list {name}, but {name_some(server.listed)}"

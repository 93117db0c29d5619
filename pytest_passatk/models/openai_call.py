"""One call of a server: the samples that it asks for, and how."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.sample import Message, Request
from pytest_passatk.models.openai_dialect import Dialect
from pytest_passatk.models.openai_settings import Settings


@dataclass(frozen=True, slots=True)
class Call:
    """Samples of one problem that one request asks for."""

    requests: tuple[Request, ...]

    @property
    def first(self) -> Request:
        """Stands for all: they differ in index and seed."""
        return self.requests[0]

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from all others."""
        return self.first.stream, self.first.index


def group(requests: Sequence[Request], most: int) -> Iterator[list[Call]]:
    """The calls of each problem and arm, none of more than `most` samples; greedy ones are made one by one."""
    streams: dict[str, list[Request]] = {}
    for request in requests:
        streams.setdefault(request.stream, []).append(request)
    for asked in streams.values():
        size = most if asked[0].params.temperature else 1  # several of the same are refused
        yield [Call(tuple(asked[at : at + size])) for at in range(0, len(asked), size)]


@dataclass(frozen=True, slots=True)
class Manners:
    """How one server wants to be asked.

    Attributes:
        dialect: what it understands.
        seeds: whether it takes seeds.
        limit: what it calls the most tokens of a completion.
        context: the most tokens of prompt and completion together, where it says so.
    """

    dialect: Dialect
    seeds: bool = True
    limit: str = "max_tokens"
    context: int | None = None


def path(settings: Settings) -> str:
    """The part of the API that answers."""
    return "/completions" if settings.raw else "/chat/completions"


def body(call: Call, settings: Settings, manners: Manners) -> dict[str, Any]:
    """The request in the words of the API. Raises UsageError for messages that no template renders."""
    request, params, several = call.first, call.first.params, len(call.requests) > 1
    asked: dict[str, Any] = {
        "model": settings.models[request.arm],
        **_prompt(request, raw=settings.raw),
        manners.limit: min(params.max_tokens, manners.context or params.max_tokens),
        **manners.dialect.sampling(params),
    }
    if params.stop:
        asked["stop"] = list(params.stop)
    if manners.seeds:
        asked["seed"] = manners.dialect.seed(request)
    if several:
        asked["n"] = len(call.requests)
    if settings.logprobs:
        asked["logprobs"] = 1 if settings.raw else True
    elif several and manners.dialect.token_ids:
        asked["return_token_ids"] = True
    return asked


def _prompt(request: Request, *, raw: bool) -> dict[str, Any]:
    if not raw:
        prompt = request.prompt
        messages = [Message(role="user", content=prompt)] if isinstance(prompt, str) else [*prompt]
        return {"messages": messages}
    if isinstance(request.prompt, str):
        return {"prompt": request.prompt}
    raise UsageError(
        f"{request.problem_id}: the prompt is a list of chat messages, which need the server's chat template: leave "
        "--passatk-chat-template none away"
    )

"""The completions in a server's answer."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.sample import Completion, FinishReason, Request, cut_at_stop
from pytest_passatk.models import admit

ENDED = frozenset({"stop", "eos", "eos_token", "stop_sequence"})
CUT = frozenset({"length", "max_tokens"})
BROKEN_OFF = "abort"  # vLLM's word for a request that it let go, because it stops or was told to


class Garbled(Exception):  # noqa: N818 - it names what came back
    """An answer that is none: no JSON object, or one without completions."""


def read(answer: Any, requests: Sequence[Request], latency: float) -> list[Completion]:
    """The completions in an answer: for the first of the requests, where there are fewer.

    Raises:
        Garbled: there are none, or one that the server broke off.
    """
    try:
        return _read(answer, requests, latency)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Garbled(f"the answer has another form than the API ({type(error).__name__}: {error})") from None


def _read(answer: Any, requests: Sequence[Request], latency: float) -> list[Completion]:
    choices = _choices(answer)[: len(requests)]
    usage = answer.get("usage") or {}
    tokens = _tokens(choices, int(usage.get("completion_tokens") or 0))
    whole = None if usage.get("prompt_tokens") is None else int(usage["prompt_tokens"])
    others = None if whole is None else 0
    return [
        _complete(request, choice, count, whole if request is requests[0] else others, latency)
        for request, choice, count in zip(requests, choices, tokens, strict=False)
    ]


def _choices(answer: Any) -> list[Mapping[str, Any]]:
    found = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(choice, dict) for choice in found):
        raise Garbled("the answer is no JSON object with choices")
    if not found:
        raise Garbled("the answer has no choices")
    if any(choice.get("finish_reason") == BROKEN_OFF for choice in found):
        raise Garbled(f"the server broke the answer off (finish reason {BROKEN_OFF!r})")
    return sorted(found, key=lambda choice: choice.get("index") or 0)


def _text(choice: Mapping[str, Any]) -> str:
    """What was written for the reader; thoughts that a server takes apart are left away."""
    place = choice.get("message") or {"content": choice.get("text")}
    text = place.get("content") if isinstance(place, dict) else None
    if text is not None and not isinstance(text, str):
        raise Garbled(f"the text of a choice is of type {type(text).__name__}")
    return text or ""


def _tokens(choices: Sequence[Mapping[str, Any]], total: int) -> list[int]:
    """The tokens of each completion: as listed, or shares of the total by length of text, which sum to it.

    Each has one at least, its end, where the total allows it: none means that the server does not tell.
    """
    if len(choices) == 1 and total:
        return [total]
    lists = [choice.get("token_ids") or _logprobs(choice) for choice in choices]
    if all(lists):
        return [len(listed or ()) for listed in lists]
    least = int(total >= len(choices))
    lengths = [len(_text(choice)) + 1 for choice in choices]
    ends = [(total - least * len(choices)) * end // sum(lengths) for end in accumulate(lengths, initial=0)]
    return [least + end - start for start, end in pairwise(ends)]


def _logprobs(choice: Mapping[str, Any]) -> list[float] | None:
    """The log-probabilities of the tokens of a choice, where the answer has them: chat and plain form differ."""
    found = choice.get("logprobs") or {}
    if found.get("token_logprobs"):
        return list(found["token_logprobs"])
    return [token["logprob"] for token in found["content"]] if found.get("content") else None


def _complete(request: Request, choice: Mapping[str, Any], tokens: int, read: int | None, latency: float) -> Completion:
    text, reason, logprobs = _text(choice), choice.get("finish_reason"), _logprobs(choice)
    cut = cut_at_stop(text, request.params.stop)  # not every server knows stop strings
    if reason not in ENDED | CUT:
        error = ModelError(f"{request.problem_id}: the server ended the answer with {reason!r}")
        return admit.abort(request, error, tokens=tokens, read=read)  # they are paid for
    return Completion(
        stream=request.stream,
        index=request.index,
        text=text if cut is None else cut,
        tokens=tokens,
        finish_reason=FinishReason.STOP if reason in ENDED or cut is not None else FinishReason.LENGTH,
        latency=latency,
        logprob=sum(logprobs) if logprobs else None,
        prompt_tokens=read,
    )

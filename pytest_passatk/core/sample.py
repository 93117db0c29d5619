"""Requests to a model, and the completions that come back."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any, TypeAlias, TypedDict


class Message(TypedDict):
    """One message of a chat."""

    role: str
    content: str


Prompt: TypeAlias = str | tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How a completion is drawn.

    Attributes:
        temperature: divides the logits; 0 is greedy.
        top_p: keep the smallest set of tokens whose probability reaches it; 1 keeps all.
        top_k: keep that many of the likeliest tokens; 0 keeps all.
        min_p: drop tokens less likely than `min_p` times the likeliest; 0 keeps all.
        repetition_penalty: divides (multiplies) the positive (negative) logits of tokens seen in prompt or completion;
            1 is none (Keskar et al. 2019, arXiv:1909.05858, section 4.1).
        max_tokens: a completion ends there with finish reason `length`.
        stop: strings that end a completion; the text is cut before the first of them.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()


class FinishReason(StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Request:
    """One completion asked of a model.

    Attributes:
        stream: which problem under which settings; opaque to the model.
        problem_id: for messages to a person.
        index: position of the sample in its stream, from 0.
        prompt: text, or chat messages.
        params: how to draw.
        seed: the sample's own seed, 63 bits; nothing else may shape its randomness.
        arm: which arm of the run asks, where a run has several (see `core.protocols.Armed`).
        repeat: which of several independent runs in one session asks; an engine is started anew for each.
    """

    stream: str
    problem_id: str
    index: int
    prompt: Prompt
    params: SamplingParams
    seed: int
    arm: str = ""
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered to one request.

    Attributes:
        stream: copied from the request.
        index: copied from the request.
        text: the completion, without prompt, stop string and special tokens.
        tokens: generated tokens, the end-of-sequence token included; 0 where the engine does not tell.
        finish_reason: `stop`, `length`, or `abort` when the model could not answer.
        latency: seconds from the moment the engine took the request up to its last token.
        logprob: sum of the log-probabilities (nats) of the generated tokens under the sampled distribution's
            unmodified model, where the engine gives it.
        first_token: seconds from that moment up to its first token, where the engine tells.
        prompt_tokens: tokens that were read for it, where the engine tells. Where one call brings several completions
            of a prompt, the first of them carries what the call read, and the others 0: the sum is what was read.
        error: why the model could not answer; only with `abort`. Such a completion is an ERROR, never a wrong answer.
        answer: what the suite's `extract` found; set before the body runs, `None` where it found nothing.
    """

    stream: str
    index: int
    text: str
    tokens: int
    finish_reason: FinishReason
    latency: float
    logprob: float | None = None
    first_token: float | None = None
    prompt_tokens: int | None = None
    error: str | None = None
    answer: Any = None

    @property
    def truncated(self) -> bool:
        """Whether the completion ran into its token limit."""
        return self.finish_reason is FinishReason.LENGTH


def sample_seed(run_seed: int, problem_id: str, index: int) -> int:
    """The seed of one sample: 63 bits that depend on the run's seed, the problem and the index, and on nothing else."""
    digest = blake2b(f"{run_seed}\0{problem_id}\0{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def cut_at_stop(text: str, stop: Sequence[str]) -> str | None:
    """The text before the first stop string in it, or `None` where it holds none."""
    starts = [at for string in stop if (at := text.find(string)) >= 0]
    return text[: min(starts)] if starts else None

"""What became of a schedule: the tokens of each request, and what the scheduler did to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Happening(StrEnum):
    """What can happen to a request before a step; `FINISH` is behind the step that brought its last token."""

    ARRIVE = "arrive"
    ABORT = "abort"
    PREEMPT = "preempt"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a request; steps count as those of `StepView` do."""

    step: int
    request: str
    what: Happening


@dataclass(frozen=True, slots=True)
class Played:
    """What a request came to.

    Attributes:
        tokens: those generated.
        logprobs: of each, under plain softmax, nats.
        margins: for each token, how little would have made it another: by how much the likeliest was ahead of the next
            one in raw logits (or log-probability), or, where the runtime knows it of a token that was drawn, how far
            the draw was from the next boundary, as a share of the probability.
        finished: whether it ended by itself; one that was aborted has only some of its tokens.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    margins: tuple[float, ...]
    finished: bool


@dataclass(frozen=True, slots=True)
class Play:
    """One schedule on one runtime.

    Attributes:
        requests: by id.
        events: in order.
        steps: how many forward passes there were.
    """

    requests: Mapping[str, Played]
    events: tuple[Event, ...]
    steps: int

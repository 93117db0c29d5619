"""What an oracle has to say against a patch, or a runtime."""

from dataclasses import dataclass
from enum import StrEnum


class Oracle(StrEnum):
    """Who raised an alarm; the names stand in reports."""

    EXCEPTION = "exception"
    CRASH = "crash"  # the process ended
    HANG = "hang"  # it did not come back in time
    POISON = "poison"  # an exception once unused scratch holds 2^40, NaN and true
    CANARY = "canary"  # scratch beyond the active rows was written
    ACTIVE = "active"  # active counts, masks or indices do not fit the step
    TAP = "tap"  # the tensor that a tap shows was written: that steers some runtimes, and is lost on others
    SHADOW = "shadow"  # a captured row is not the row of that request in the same forward pass
    ALONE = "alone"  # a row is missing, there twice, or not what the same request has when it runs alone
    COUNTERS = "counters"  # not those of an independent log; zero: the patch was never active
    TOKENS = "tokens"  # tokens or log-probabilities differ from the unpatched runtime's, under the same schedule
    BATCH = "batch"  # a request alone and in a batch differ beyond numerics: the runtime is at fault
    DISTRIBUTION = "distribution"
    REPEAT = "repeat"  # the same schedule twice gives other tokens
    RESTORED = "restored"  # the runtime is another one once the patch is gone


@dataclass(frozen=True, slots=True)
class Alarm:
    """One finding.

    Attributes:
        oracle: who found it.
        text: what is wrong, for a person: with the rows and values.
        step: in which step, where it is one step's.
        request: whose, where it is one request's.
        poisoned: whether it showed only once unused scratch was filled.
    """

    oracle: Oracle
    text: str
    step: int | None = None
    request: str | None = None
    poisoned: bool = False

"""How far a session is, as numbers; what they look like is the terminal's business."""

from dataclasses import dataclass
from time import monotonic

from pytest_passatk.core.verdict import Status


@dataclass(slots=True)
class Progress:
    """Counts of one session.

    Attributes:
        planned: samples asked for.
        reused: of these, those that the store had.
        sampled: those that the model answered.
        judged: samples with a verdict.
        solved: samples that are right.
        tokens: tokens generated.
        first: when the first sample's decoding started, on the monotonic clock.
        last: when the last one finished.
    """

    planned: int = 0
    reused: int = 0
    sampled: int = 0
    judged: int = 0
    solved: int = 0
    tokens: int = 0
    first: float | None = None
    last: float | None = None

    def note_completion(self, tokens: int, latency: float) -> None:
        """Count a completion of that many tokens that took that many seconds."""
        self.last = monotonic()
        self.first = self.last - latency if self.first is None else min(self.first, self.last - latency)
        self.sampled += 1
        self.tokens += tokens

    def note_verdict(self, status: Status) -> None:
        """Count a verdict."""
        self.judged += 1
        self.solved += status is Status.PASS

    @property
    def seconds(self) -> float:
        """From the start of the first sample to the end of the last; 0 where there is none."""
        return 0.0 if self.first is None or self.last is None else self.last - self.first

    @property
    def tokens_per_second(self) -> float:
        """Of all samples together; 0 before the first."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds until the last sample at the pace so far; `None` before the first."""
        if not self.sampled:
            return None
        return self.seconds / self.sampled * (self.planned - self.reused - self.sampled)

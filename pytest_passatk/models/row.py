"""A row of a batch: one completion in the making."""

from dataclasses import dataclass, field
from time import perf_counter

from pytest_passatk.core.sample import Request


@dataclass(slots=True, eq=False)
class Row:
    """One completion in the making.

    Attributes:
        request: what is asked.
        prompt: its tokens.
        limit: the most tokens it may generate.
        tokens: those generated so far, the end-of-sequence token included.
        logprob: the sum of their log-probabilities, nats.
        start: when it joined its batch, by `perf_counter`.
        first_token: seconds from then to its first token.
    """

    request: Request
    prompt: tuple[int, ...]
    limit: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    start: float = 0.0
    first_token: float | None = None

    def push(self, token: int, logprob: float) -> None:
        """Append a token."""
        if not self.tokens:
            self.first_token = perf_counter() - self.start
        self.tokens.append(token)
        self.logprob += logprob

    def restart(self) -> None:
        """Forget what was generated."""
        self.tokens, self.logprob = [], 0.0

"""A request on its way through vLLM."""

from dataclasses import dataclass

from pytest_passatk.core.sample import Request


@dataclass(frozen=True, slots=True)
class Flight:
    """A request that fits.

    Attributes:
        request: what is asked.
        prompt: its tokens; requests with the same prompt share them.
        limit: the most tokens that its completion may have.
    """

    request: Request
    prompt: tuple[int, ...]
    limit: int

    @property
    def length(self) -> int:
        """The tokens that prompt and completion may have together."""
        return len(self.prompt) + self.limit

"""What samples cost, by the tokens that were read and written for them."""

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_passatk.core.sample import Completion, FinishReason

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of some samples.

    Attributes:
        read: in prompts, as far as engines told.
        written: in completions, as far as engines told.
        untold_read: samples of whose prompt no engine told the tokens; answers that the model could not give left out.
        untold_written: the same of completions, each of which has a token at least.
    """

    read: int = 0
    written: int = 0
    untold_read: int = 0
    untold_written: int = 0

    @classmethod
    def of(cls, completions: Iterable[Completion]) -> "Usage":
        """The usage of these completions."""
        read = written = untold_read = untold_written = 0
        for each in completions:
            given = each.finish_reason is not FinishReason.ABORT
            read += each.prompt_tokens or 0
            written += each.tokens
            untold_read += given and each.prompt_tokens is None
            untold_written += given and not each.tokens
        return cls(read, written, untold_read, untold_written)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.read + other.read,
            self.written + other.written,
            self.untold_read + other.untold_read,
            self.untold_written + other.untold_written,
        )

    def at(self, price: tuple[float, float]) -> float:
        """What it costs, at a price of a million tokens read and of a million written."""
        return (self.read * price[0] + self.written * price[1]) / MILLION

    def untold(self, price: tuple[float, float]) -> int:
        """Samples that it leaves tokens out of: who does not tell those of a completion tells those of no prompt."""
        return max(self.untold_read if price[0] else 0, self.untold_written if price[1] else 0)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a suite cost, in the currency of its price.

    Paid for, and so counted, is every sample, also of a problem that was skipped, and one on which the harness broke.

    Attributes:
        run: the samples drawn in this run, judged or not.
        samples: all judged samples, those from the store at the price of today.
        solved_problem: that, over the problems with a right sample; `None` where there is none.
        untold: samples of the run or from the store that are left out, or in part, since no engine told their tokens.
    """

    run: float
    samples: float
    solved_problem: float | None
    untold: int


def cost_of(drawn: Usage, judged: Usage, solved: int, price: tuple[float, float]) -> Cost:
    """The cost of a suite.

    Args:
        drawn: samples of this run.
        judged: all samples with a verdict.
        solved: problems with a right sample.
        price: of a million tokens read, and of a million written.
    """
    total = judged.at(price)
    untold = max(drawn.untold(price), judged.untold(price))
    return Cost(drawn.at(price), total, total / solved if solved else None, untold)

"""Completions that were copied rather than drawn: by a cache, or by an engine that ignores seeds.

A copy counts as evidence in every test and interval, and is none. Equal completions alone are no sign of copies: a
short or sure answer repeats by itself. What cannot come by itself is that many texts are seen twice while hardly any is
seen once or three times.

Take a text of a problem with m samples besides; each of these equals it with some chance, so r of them do with a chance
P(r) for which P(r) / C(m, r) is a mixture of geometric sequences, and therefore log-convex, whatever the model. Hence
P(r)² <= κ P(r−1) P(r+1) with κ = (m−r+1) (r+1) / (r (m−r)), and P(r) is at most a share 1 / (1 + 2/√κ) of the three.
That holds for each text in turn, those before it taken out. So bets on r gain nothing on average, and the chance that a
stake of 1 ever ends above 1/ALARM is at most ALARM (Markov's inequality).

One sign takes an assumption: that no text of LONG tokens, sampled at a temperature above 0, has a chance above EVEN.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, fsum, log, sqrt
from typing import TypeAlias

Sample: TypeAlias = tuple[str, int, float | None]
"""Text or its digest, tokens (0 where unknown), and log-probability in nats (`None` where unknown)."""

ALARM = 1e-4  # chance at most of an alarm without a copy
LONG = 200  # tokens
MOST = 4  # times a completion is given, beyond which no copying is looked for
BET = 0.95  # how sure a bet is of its outcome
LEAST = 1e-99  # chances below are not told apart
EVEN = 0.5  # the chance that no long text exceeds


@dataclass(frozen=True, slots=True)
class Copies:
    """Samples that look copied.

    Attributes:
        times: how often each completion seems to be given; `None` where all long completions of a problem are alike.
        texts: different texts that were seen so often, or problems whose long completions are nearly all alike.
        chance: that samples drawn independently look like this, at most.
    """

    times: int | None
    texts: int
    chance: float

    @property
    def note(self) -> str:
        """What to tell of it."""
        seen = (
            f"{self.texts:,} texts come exactly {self.times} times, and next to none once more or less"
            if self.times
            else f"completions of {LONG} tokens and more repeat on {self.texts:,} problems"
        )
        return (
            f"samples look copied: {seen} (chance at most {max(LEAST, self.chance):.0e}); intervals and tests take "
            f"copies for evidence: look for a cache in front of the model, or a server that ignores seeds"
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """A text met first among `left` samples of a problem, `others` of which equal it besides."""

    left: int
    others: int


def suspicious_copies(problems: Sequence[Sequence[Sample]], *, plain: bool = False) -> Copies | None:
    """What speaks for copies among the samples of a suite; `None` where chance may have brought them.

    Args:
        problems: the samples of each problem, in their order.
        plain: whether log-probabilities are those of the distribution that was sampled: temperature 1, nothing cut.
            Then a text counts as long where they give it a chance of at most 1/2.
    """
    steps = [step for samples in problems for step in _steps([text for text, *_ in samples])]
    firsts = [samples for samples in problems if samples and _unlikely(samples[0], plain=plain)]
    long = [_steps([text for text, *_ in samples])[0] for samples in firsts]
    stakes: dict[int | None, float] = {times: fsum(_gains(steps, times)) for times in range(2, MOST + 1)}
    stakes[None] = fsum(_repeats(long))
    best = max(stakes, key=stakes.__getitem__)
    chance = min(1.0, len(stakes) * exp(min(0.0, -stakes[best])))
    if chance > ALARM:
        return None
    texts = sum(step.others + 1 == best for step in steps) if best else sum(step.others > 0 for step in long)
    return Copies(best, texts, chance)


def _steps(texts: Sequence[str]) -> list[_Step]:
    """The texts of a problem in the order in which they come first, each among the samples that are left."""
    steps, left = [], len(texts)
    for times in Counter(texts).values():
        steps.append(_Step(left, times - 1))
        left -= times
    return steps


def _unlikely(sample: Sample, *, plain: bool) -> bool:
    _, tokens, logprob = sample
    return tokens >= LONG or (plain and logprob is not None and logprob <= log(EVEN))


def _gains(steps: Sequence[_Step], times: int) -> Iterator[float]:
    """Logs of what bets win that put BET on a text to be seen `times` times, rather than once more or less."""
    r = times - 1
    for step in steps:
        m = step.left - 1
        if abs(step.others - r) <= 1 and r < m:
            share = 1 / (1 + 2 / sqrt((m - r + 1) * (r + 1) / (r * (m - r))))
            yield log(BET / share) if step.others == r else log((1 - BET) / (1 - share))


def _repeats(steps: Sequence[_Step]) -> Iterator[float]:
    """Logs of what bets win that put BET on each further sample to repeat a long text, where EVEN is the most."""
    for step in steps:
        yield step.others * log(BET / EVEN) + (step.left - 1 - step.others) * log((1 - BET) / (1 - EVEN))

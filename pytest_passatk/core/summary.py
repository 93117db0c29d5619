"""What one suite of a run came to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from pytest_passatk.core.costs import Cost, Usage, cost_of
from pytest_passatk.core.diversity import distinct_share, mean_entropy
from pytest_passatk.core.duplicates import Copies, suspicious_copies
from pytest_passatk.core.estimate import Count
from pytest_passatk.core.extrapolation import FARTHEST, Extrapolation, extrapolate
from pytest_passatk.core.interval import Estimate, estimates
from pytest_passatk.core.outcomes import Outcomes, outcomes_of, why_withheld
from pytest_passatk.core.record import Judged, ProblemRecord, SuiteRecord
from pytest_passatk.core.repeats import Repeats
from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.core.verdict import Status

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Entropy:
    """The mean over problems of the entropy of their samples, with its maximum; in nats."""

    mean: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What the samples of a suite say beside pass@k; all over samples with a verdict that counts, skips left out.

    Attributes:
        distinct: mean over problems of distinct texts / samples; `None` without a sample, like both entropies.
        texts: entropy of the texts.
        answers: entropy of the answers, "none found" being one of them; `None` where the suite extracts none.
        truncated: completions that ran into their token limit.
        no_answer: completions without an answer, those whose judging ran out of time not among them; `None` where the
            suite extracts none.
        tokens: generated tokens.
        prompt_tokens: tokens that were read, as far as engines told; `None` where none did.
        tokens_per_second: tokens drawn in this run over the seconds that it took; `None` where none was drawn.
        latency_p50: median of the seconds a completion took, reused ones included; nearest rank, `None` without one.
        latency_p95: their 95th percentile.
        first_token_p50: median of the seconds up to the first token, in the same way.
        first_token_p95: their 95th percentile.
        reused: samples that the store already had.
        sampled: samples drawn in this run.
        cost: of the samples; `None` where no price is known.
    """

    distinct: float | None
    texts: Entropy | None
    answers: Entropy | None
    truncated: int
    no_answer: int | None
    tokens: int
    prompt_tokens: int | None
    tokens_per_second: float | None
    latency_p50: float | None
    latency_p95: float | None
    first_token_p50: float | None
    first_token_p95: float | None
    reused: int
    sampled: int
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class SuiteSummary:
    """What a reader learns of one suite.

    Attributes:
        name: node id of the suite's function.
        title: what a person calls the suite.
        model: what a person calls the model, its backend in front where that is another word.
        n: samples a problem.
        ks: the k's asked for.
        level: confidence of the intervals.
        outcomes: the verdicts of every problem, counted, in the order of the plan.
        estimates: pass@k for each k; empty where withheld.
        withheld: why there is no estimate.
        figures: the rest; `None` where only counts are known.
        extrapolation: to a k above n, where that was asked for and there is an estimate.
        copies: what speaks against samples drawn independently of each other; `None` where nothing does, or only
            counts are known.
        repeats: the independent runs that n is made of; `None` where there is one.
    """

    name: str
    title: str
    model: str
    n: int
    ks: tuple[int, ...]
    level: float
    outcomes: tuple[Outcomes, ...]
    estimates: tuple[Estimate, ...]
    withheld: str | None
    figures: Figures | None
    extrapolation: Extrapolation | None = None
    copies: Copies | None = None
    repeats: Repeats | None = None

    @property
    def counts(self) -> tuple[Count, ...]:
        """The problems with all their verdicts."""
        return tuple(each.count for each in self.outcomes if each.state == "complete")

    @property
    def bands(self) -> dict[str, tuple[Count, ...]]:
        """The problems with all their verdicts, as `never`, `sometimes` or `always` solved."""
        bands: dict[str, list[Count]] = {"never": [], "sometimes": [], "always": []}
        for count in self.counts:
            bands["never" if count.c == 0 else "always" if count.c == count.n else "sometimes"].append(count)
        return {band: tuple(counts) for band, counts in bands.items()}

    @property
    def skipped(self) -> tuple[str, ...]:
        """The problems that the body skipped."""
        return tuple(each.id for each in self.outcomes if each.skipped)

    @property
    def forgeable(self) -> tuple[str, ...]:
        """The problems with verdicts that their completions could have forged."""
        return tuple(each.id for each in self.outcomes if each.forgeable)

    @property
    def judged(self) -> int:
        """Samples with a verdict that counts, skipped problems left out."""
        return sum(each.judged for each in self.outcomes if not each.skipped)

    @property
    def solved(self) -> int:
        """Of these, samples that are right."""
        return sum(each.passed for each in self.outcomes if not each.skipped)

    @property
    def timeouts(self) -> int:
        """Of these, samples whose judging ran out of time."""
        return sum(each.timeouts for each in self.outcomes if not each.skipped)

    @property
    def errors(self) -> int:
        """Samples on which the harness broke."""
        return sum(len(each.errors) for each in self.outcomes)


def summarize(
    record: SuiteRecord,
    level: float = LEVEL,
    *,
    price: tuple[float, float] | None = None,
    beyond: int | None = None,
) -> SuiteSummary:
    """The summary of a suite's record.

    Args:
        record: of the suite.
        level: confidence of the intervals.
        price: of a million tokens read, and of a million written.
        beyond: the k above n to extrapolate to, where n samples reach so far.
    """
    planned, model = record.planned, record.model
    outcomes = tuple(map(outcomes_of, record.problems))
    return conclude(
        name=planned.name,
        title=planned.title,
        model=model_label(model.name, model.backend, model.patch),
        n=planned.n,
        ks=planned.ks,
        outcomes=outcomes,
        figures=_figures(record, price),
        copies=_copies(record),
        level=level,
        beyond=beyond,
    )


def conclude(
    *,
    name: str,
    title: str,
    model: str,
    n: int,
    ks: Sequence[int],
    outcomes: Sequence[Outcomes],
    figures: Figures | None = None,
    copies: Copies | None = None,
    level: float = LEVEL,
    beyond: int | None = None,
    repeats: Repeats | None = None,
) -> SuiteSummary:
    """The summary of counted verdicts; `SuiteSummary` and `summarize` describe the arguments."""
    withheld = why_withheld(title, outcomes)
    counts = [each.count for each in outcomes if not each.skipped]
    found = () if withheld else tuple(estimates(counts, ks, level))
    within = beyond and not withheld and n < beyond <= FARTHEST * n  # a run that stopped early has a smaller n
    extrapolation = extrapolate(counts, beyond) if beyond and within else None
    return SuiteSummary(
        name, title, model, n, tuple(ks), level, tuple(outcomes), found, withheld, figures, extrapolation, copies,
        repeats,
    )  # fmt: skip


def model_label(name: str, backend: str, *changes: str | None) -> str:
    """`tiny`, or `hf:NAME` where the backend is another word than the name; behind that what changes it: `tiny + X`."""
    return " + ".join([name if name == backend else f"{backend}:{name}", *filter(None, changes)])


def truncated(problem: ProblemRecord) -> int:
    """How many counting samples of a problem ran into their token limit."""
    return sum(sample.completion.truncated for sample in counting(problem))


def unanswered(problem: ProblemRecord) -> int:
    """How many counting samples hold no answer; of one whose judging ran out of time, nobody knows."""
    return sum(
        sample.verdict.answer is None and sample.verdict.status is not Status.TIMEOUT for sample in counting(problem)
    )


def counting(problem: ProblemRecord) -> list[Judged]:
    """The samples of a problem with a verdict that counts."""
    return [sample for sample in problem.samples if sample.verdict.status.counts]


def _figures(record: SuiteRecord, price: tuple[float, float] | None) -> Figures:
    problems = [problem for problem in record.problems if not problem.skipped]
    completions = [sample.completion for problem in problems for sample in counting(problem)]
    texts = [[sample.completion.text for sample in counting(problem)] for problem in problems]
    latencies = sorted(completion.latency for completion in completions)
    starts = sorted(completion.first_token for completion in completions if completion.first_token is not None)
    read = [completion.prompt_tokens for completion in completions if completion.prompt_tokens is not None]
    extracts = record.planned.extracts
    return Figures(
        distinct=_mean([distinct_share(group) for group in texts if group]),
        texts=_entropy(texts),
        answers=_entropy([_answers(problem) for problem in problems]) if extracts else None,
        truncated=sum(map(truncated, problems)),
        no_answer=sum(map(unanswered, problems)) if extracts else None,
        tokens=sum(completion.tokens for completion in completions),
        prompt_tokens=sum(read) if read else None,
        tokens_per_second=record.drawn.written / record.seconds if record.drawn.written and record.seconds else None,
        latency_p50=_percentile(latencies, 50),
        latency_p95=_percentile(latencies, 95),
        first_token_p50=_percentile(starts, 50),
        first_token_p95=_percentile(starts, 95),
        reused=record.reused,
        sampled=record.sampled,
        cost=_cost(record, price) if price else None,
    )


def _copies(record: SuiteRecord) -> Copies | None:
    rest = replace(record.planned.params, max_tokens=1, stop=())
    plain = rest == SamplingParams(temperature=1.0, max_tokens=1)
    return suspicious_copies(
        [
            [(c.text, c.tokens, c.logprob) for c in (sample.completion for sample in counting(problem))]
            for problem in record.problems
        ],
        plain=plain,
    )


def _cost(record: SuiteRecord, price: tuple[float, float]) -> Cost:
    judged = Usage.of(sample.completion for problem in record.problems for sample in problem.samples)
    solved = sum(problem.solved > 0 and not problem.skipped for problem in record.problems)
    return cost_of(record.drawn, judged, solved, price)


def _answers(problem: ProblemRecord) -> list[int] | list[str | None]:
    """The answers of the counting samples as labels: classes where the suite says when two answers are the same."""
    if problem.classes is None:
        return [sample.verdict.answer for sample in counting(problem)]
    pairs = zip(problem.samples, problem.classes, strict=True)
    return [label for sample, label in pairs if sample.verdict.status.counts]


def _entropy(groups: Sequence[Sequence[int | str | None]]) -> Entropy | None:
    return Entropy(*mean_entropy(groups)) if any(groups) else None


def _mean(shares: Sequence[float]) -> float | None:
    return sum(shares) / len(shares) if shares else None


def _percentile(ascending: Sequence[float], percent: int) -> float | None:
    """By nearest rank: the smallest value that at least `percent` % of the values do not exceed."""
    return ascending[ceil(len(ascending) * percent / 100) - 1] if ascending else None

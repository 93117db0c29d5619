"""What a gate asks for: which figures, how large a drop it tolerates, and at what risk of a false alarm."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

ALPHA = 0.01
TOLERANCE = "3pp"
PACES = ("tokens/s", "latency_p50", "latency_p95", "first_token_p50", "first_token_p95")
_METRIC = re.compile(r"pass@([1-9][0-9]*)")
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(pp|%)")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The drop that a gate lets pass.

    Attributes:
        amount: as typed.
        unit: `pp`, percentage points of the figure, or `%` of the baseline's value.
    """

    amount: float
    unit: str

    def __str__(self) -> str:
        return f"{self.amount:g}{self.unit}" if self.unit == "pp" else f"{self.amount:g} % of the baseline"

    def share(self, baseline: float) -> float:
        """In units of the figure, for a baseline of that value."""
        return self.amount / 100 * (1.0 if self.unit == "pp" else baseline)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a comparison turns into verdicts.

    Attributes:
        asked: tolerance by metric (`pass@1`, `tokens/s`, …); empty takes the default family.
        alpha: chance of any false alarm in the gated family.
        level: confidence of intervals.
        enforced: whether a regression fails the build, or is only told.
    """

    asked: Mapping[str, Tolerance]
    alpha: float = ALPHA
    level: float = 0.95
    enforced: bool = True

    def tolerance(self, metric: str) -> Tolerance:
        """The drop of a metric that passes."""
        return self.asked.get(metric) or parse_tolerance(TOLERANCE)

    def orders(self, ks: Sequence[int], n: int) -> tuple[int, ...]:
        """The k's that are gated: those asked for, or pass@1 and the one near n/4 among those up to n/2.

        To ask for a speed alone takes no gate away.

        Args:
            ks: that both sides can estimate.
            n: the smaller number of samples of a problem.
        """
        asked = {k for metric in self.asked if (k := order_of(metric))}
        return tuple(sorted(asked or {1} | _second(ks, n)))


def _second(ks: Sequence[int], n: int) -> set[int]:
    """A fall in diversity is seen best at k between n/4 and n/2, where pass@1 sees nothing; see docs/statistics.md."""
    fit = [k for k in ks if 1 < k <= n / 2]
    return {min(fit, key=lambda k: (abs(log(4 * k / n)), k))} if fit else set()


def order_of(metric: str) -> int | None:
    """The k of `pass@k`; `None` for another metric."""
    found = _METRIC.fullmatch(metric)
    return int(found[1]) if found else None


def parse_tolerance(text: str) -> Tolerance:
    """`3pp` or `5%`. Raises ValueError for anything else."""
    found = _AMOUNT.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no drop: write 3pp (percentage points) or 5% (of the baseline)")
    return Tolerance(float(found[1]), found[2])


def parse_requirement(text: str) -> Mapping[str, Tolerance]:
    """`pass@1:3pp` or `tokens/s:5%` → {metric: tolerance}. Raises ValueError."""
    metric, colon, amount = (part.strip() for part in text.rpartition(":"))
    if not colon or (order_of(metric) is None and metric not in PACES):
        raise ValueError(f"must be METRIC:DROP, METRIC one of pass@K, {', '.join(PACES)}")
    tolerance = parse_tolerance(amount)
    if metric in PACES and tolerance.unit == "pp":
        raise ValueError(f"{metric} has no percentage points: write {metric}:{tolerance.amount:g}%")
    return {metric: tolerance}

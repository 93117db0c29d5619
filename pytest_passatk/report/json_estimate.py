"""An estimate as plain data, in whatever part of the JSON report it stands."""

from typing import Any

from pytest_passatk.core.interval import Estimate


def plain_estimate(estimate: Estimate) -> dict[str, Any]:
    """pass@k with both intervals."""
    return {
        "k": estimate.k,
        "value": estimate.value,
        "run": {**plain_interval(estimate.run), "se": estimate.run_se},
        "population": {**plain_interval(estimate.population), "se": estimate.population_se},
        "problems": estimate.problems,
    }


def plain_interval(ends: tuple[float, float]) -> dict[str, float]:
    """The ends by name."""
    return {"low": ends[0], "high": ends[1]}

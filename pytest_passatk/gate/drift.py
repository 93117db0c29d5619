"""Whether the runs of one measurement differ by more than the chance of sampling."""

import numpy as np
from numpy.typing import NDArray

from pytest_passatk.core.repeats import Drift
from pytest_passatk.gate.distributions import chi_square_survival
from pytest_passatk.gate.measurement import Measured, Measurement

FEWEST = 3  # runs below which nothing can be said of how they differ
ALARM = 0.01


def between_runs(measurement: Measurement) -> Drift | None:
    """The test of a measurement's runs; `None` below three of them, and where no sample could have come out otherwise.

    Given a problem's N samples in all runs, C of them right, those of the runs are hypergeometric: run r with n_r
    samples has n_r C / N right ones on average, and runs r and s covary by C (N−C) / (N² (N−1)) · (n_r N [r=s] − n_r
    n_s). Summed over the problems, the deviations D and their covariance S give χ² = Dᵀ S⁺ D. Source: the test of
    general association of Mantel 1963, "Chi-square tests with one degree of freedom", JASA 58, for two outcomes.
    """
    runs = len(measurement.runs)
    counts = np.array([_by_run(problem, runs) for problem in measurement.problems], dtype=np.float64)
    if runs < FEWEST or not counts.size:
        return None
    deviations, covariance = _deviations(counts[:, :, 0], counts[:, :, 1])
    df = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if not df:
        return None
    statistic = float(deviations @ np.linalg.pinv(covariance, hermitian=True) @ deviations)
    return Drift(statistic, df, chi_square_survival(statistic, df), runs)


def drift_note(measurement: Measurement) -> str | None:
    """What to tell of the runs of a measurement; `None` where they differ by no more than chance."""
    drift = between_runs(measurement)
    if drift is None or drift.p > ALARM:
        return None
    return (
        f"the {drift.runs} runs of {measurement.label} differ more than their samples explain (χ² = "
        f"{drift.statistic:.1f}, df = {drift.df}, p = {drift.p:.2g}): something else changes between runs (versions, "
        f"hardware, a server's load), and may look like a change of the model here"
    )


def _by_run(problem: Measured, runs: int) -> list[tuple[int, int]]:
    """(n, c) of each run; where the problem does not tell, as if no run had it, so that it says nothing of them."""
    return list(problem.runs) if len(problem.runs) == runs else [(0, 0)] * runs


def _deviations(n: NDArray[np.float64], c: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far each run's passes are from what chance leads to expect, and their covariance.

    Args:
        n: samples, shape (problems, runs).
        c: of these, right ones.
    """
    total, passed = n.sum(1), c.sum(1)
    free = (total > 1) & (passed > 0) & (passed < total)
    n, c, total, passed = n[free], c[free], total[free], passed[free]
    weight = passed * (total - passed) / (total**2 * (total - 1))
    covariance = np.diag((weight * total) @ n) - (n * weight[:, None]).T @ n
    return (c - n * (passed / total)[:, None]).sum(0), covariance

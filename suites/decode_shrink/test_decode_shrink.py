"""Decode-shrink: whether a patch of an inference runtime survives batches that shrink while requests drain."""

import pytest

from pytest_passatk.harness.stressing import StressCase, stress_cases, try_case
from pytest_passatk.stress.trial import Trial


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each schedule, and for what else a trial does."""
    stress_cases(metafunc)


def test_decode_shrink(stress_trial: Trial, stress_case: StressCase, request: pytest.FixtureRequest) -> None:
    """The case passes, or tells of the smallest schedule that fails."""
    try_case(stress_trial, stress_case, request)

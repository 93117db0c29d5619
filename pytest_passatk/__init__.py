"""pytest-passatk: each benchmark problem is one test, and the session turns judged samples into unbiased pass@k."""

from pytest_passatk.core.errors import PassatkError, UsageError, VerifierTimeout
from pytest_passatk.core.patch import Capture, Claim, Live, Patch, Phase, StepRow, StepView
from pytest_passatk.core.problem import Problem
from pytest_passatk.core.sample import Completion, FinishReason, Request, SamplingParams
from pytest_passatk.core.suite import suite
from pytest_passatk.core.verdict import Status, Verdict

__version__ = "0.1.0"

__all__ = [
    "Capture",
    "Claim",
    "Completion",
    "FinishReason",
    "Live",
    "PassatkError",
    "Patch",
    "Phase",
    "Problem",
    "Request",
    "SamplingParams",
    "Status",
    "StepRow",
    "StepView",
    "UsageError",
    "Verdict",
    "VerifierTimeout",
    "suite",
]

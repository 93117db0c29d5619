"""Judging: a verifier's body becomes a verdict, in processes that may hang or die without harm to the session."""

from pytest_passatk.judging.judge import BodyJudge, Outcomes
from pytest_passatk.judging.pool import JudgePool
from pytest_passatk.judging.task import Bench, Task

__all__ = ["Bench", "BodyJudge", "JudgePool", "Outcomes", "Task"]

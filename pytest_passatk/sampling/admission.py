"""What keeps a plan from being opened."""

from collections.abc import Mapping
from itertools import zip_longest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.plan import Plan
from pytest_passatk.core.protocols import Armed, Model


def refuse_another(plan: Plan, another: Plan) -> None:
    """Refuse a plan that asks something else for a suite of this one. Raises UsageError."""
    known = {suite.key: suite for suite in plan.suites}
    for suite in another.suites:
        ours = known.get(suite.key, suite)
        if suite != ours:
            pairs = zip_longest(ours.problems, suite.problems)
            names = [repr(problem.id) for pair in pairs if pair[0] != pair[1] for problem in pair if problem]
            raise UsageError(
                f"{suite.name}: two workers collected it differently, first at {[*names, 'its settings'][0]}: rows, "
                "prompts and verifier must not depend on time, chance, the order of a set or the process: sort, or "
                "seed what is drawn; -n 0 runs without workers"
            )


def refuse_unarmed(plan: Plan, models: Mapping[str, Model]) -> None:
    """Refuse several arms of a model that knows of one only. Raises UsageError."""
    for suite in plan.suites:
        if suite.arm and not isinstance(models[suite.model], Armed):
            raise UsageError(
                f"--model {suite.model}: does not take several adapters in one run: leave --adapter away, or take hf:, "
                "vllm: or openai:"
            )

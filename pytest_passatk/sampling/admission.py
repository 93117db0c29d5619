"""What comes before a plan is opened: its models say what they are, and what they cannot do is refused."""

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest

from pytest_passatk.core.errors import ModelError, PassatkError, UsageError
from pytest_passatk.core.plan import Plan
from pytest_passatk.core.protocols import Armed, Briefed, Model


def load_model(spec: str, load: Callable[[str], Model]) -> Model:
    """The model that `load` gives for a spec. Raises PassatkError, whatever it raises."""
    try:
        return load(spec)
    except PassatkError:
        raise
    except Exception as error:  # whatever a backend raises has to reach those who wait
        raise ModelError(f"--model {spec}: cannot be loaded: {type(error).__name__}: {error}") from error


def brief(plan: Plan, models: Mapping[str, Model]) -> Iterator[str]:
    """Tell models what is coming; yields what they have to say about it."""
    for spec, suites in plan.by_model().items():
        model = models[spec]
        if isinstance(model, Briefed):
            yield from model.brief(suites)


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
                f"--model {suite.model}: does not take several arms in one run: name one adapter and one patch at "
                "most, or take hf:, vllm: or openai:"
            )

"""A function with a suite becomes one item a problem."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite, ProblemKey, label
from pytest_passatk.core.prompt import render_prompt
from pytest_passatk.core.suite import Suite
from pytest_passatk.harness.fixtures import fixture_functions, fixture_names, refuse_narrow_fixtures
from pytest_passatk.harness.item import ProblemItem
from pytest_passatk.harness.settings import Settings, refuse_nonsense
from pytest_passatk.harness.verifier import VerifierDigest, row_digest


def collect_suite(
    collector: pytest.Collector, name: str, suite: Suite, settings: Settings, judge: Callable[[ProblemItem], None]
) -> Iterator[ProblemItem]:
    """The items of a suite, which `judge` will run.

    Raises:
        UsageError: the suite, its rows or the options that apply to it ask for something that cannot be done.
    """
    where = f"{suite.file}: {name}"
    _refuse_misuse(collector, name, suite, where)
    marks = [*getattr(suite.body, "pytestmark", ())]
    refuse_nonsense(suite)
    if not settings.check:
        settings.orders(suite)
        settings.choose_model(suite)
    names = fixture_names(suite.body, where)
    first = True
    loaded = settings.load(suite)
    suite = replace(suite, revision=loaded.revision)
    prompts = [render_prompt(suite, problem) for problem in loaded.problems]
    collected = () if settings.span else tuple(problem.id for problem in loaded.problems)
    for (repeat, arm), (problem, prompt) in product(_branches(settings), zip(loaded.problems, prompts, strict=True)):
        full = f"{name}[{label(problem.id, arm, repeat)}]"
        # Left to itself, pytest takes the problem's id for a part of the function's name, and `--lf` does not find it.
        item = ProblemItem.from_parent(
            collector, name=full, nodeid=f"{collector.nodeid}::{full}", suite=suite, problem=problem, prompt=prompt,
            fixtures=names, arm=arm, repeat=repeat, collected=collected, judge=judge,
        )  # fmt: skip
        item.add_marks(marks)
        if first:
            used = [str(name) for mark in item.iter_markers("usefixtures") for name in mark.args]
            refuse_narrow_fixtures(item, [*names, *used], where)
            first = False
        yield item


def _branches(settings: Settings) -> list[tuple[int, str]]:
    """Run and arm of all that is made of each problem."""
    if settings.check:
        return [(0, "")]
    return list(product(range(1, settings.repeats + 1) if settings.repeats > 1 else (0,), settings.model_options.arms))


def _refuse_misuse(collector: pytest.Collector, name: str, suite: Suite, where: str) -> None:
    if isinstance(collector, pytest.Class):
        raise UsageError(f"{where}: a suite is a function of a module: move it out of class {collector.name}")
    if isinstance(collector, pytest.Module) and getattr(collector.obj, name) is not suite.body:
        raise UsageError(f"{where}: a decorator above @suite would not reach the verifier: put it below")
    if any(mark.name == "parametrize" for mark in getattr(suite.body, "pytestmark", ())):
        raise UsageError(f"{where}: a suite cannot be parametrized: put the parameters into its rows")


@dataclass(frozen=True, slots=True)
class Collected:
    """The items of one suite that were selected, those of all its arms and runs."""

    name: str
    suite: Suite
    items: tuple[ProblemItem, ...]

    @property
    def place(self) -> tuple[str, str]:
        """File and function: the same in every process, while node ids follow from the command line."""
        return str(self.items[0].path), self.name.rpartition("::")[2]

    def plan(self, settings: Settings, isolation: str | None) -> tuple[PlannedSuite, ...]:
        """The suite's arms and runs with the settings of this session.

        Args:
            settings: of the session.
            isolation: of the programs that the suite runs.

        Raises:
            UsageError: a setting asks for what cannot be done.
        """
        first = self.items[0]
        verifier = VerifierDigest(
            self.suite,
            settings.patience(self.suite),
            fixture_functions(first, first.fixtures),
            self.suite.settle(settings.parameters).values(),
        )
        planned = PlannedSuite(
            name=self.name,
            model=settings.choose_model(self.suite),
            params=settings.params(self.suite),
            n=settings.samples(self.suite),
            ks=settings.orders(self.suite),
            extracts=self.suite.extract is not None,
            problems=(),
            revision=self.suite.revision,
            isolation=isolation,
            verifier=verifier.alone,
            collected=first.collected,
        )
        branches: dict[tuple[str, int], list[PlannedProblem]] = {}
        for item in self.items:
            problem = PlannedProblem(item.problem.id, item.prompt, verifier.of(item.problem), row_digest(item.problem))
            branches.setdefault((item.arm, item.repeat), []).append(problem)
        arms = settings.model_options.arms
        return tuple(
            replace(planned, problems=tuple(branches[arm, repeat]), arm=arm, repeat=repeat)
            for arm, repeat in sorted(branches, key=lambda branch: (arms.index(branch[0]), branch[1]))
        )


def group_by_suite(items: Sequence[pytest.Item]) -> tuple[Collected, ...]:
    """The selected problems by suite, in order of collection; one that was collected twice counts once."""
    groups: dict[str, dict[ProblemKey, ProblemItem]] = {}
    for item in items:
        if isinstance(item, ProblemItem):
            groups.setdefault(item.key.suite, {}).setdefault(item.key, item)
    found = ((name, tuple(group.values())) for name, group in groups.items())
    return tuple(Collected(name, group[0].suite, group) for name, group in found)

"""The bench of judges of a session, and how judges that were not forked get theirs."""

import os
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pytest
from _pytest.assertion import pytest_runtest_protocol as explaining_assertions

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.rejudging import PLUGIN
from pytest_passatk.harness.collection import Collected, group_by_suite
from pytest_passatk.harness.fixtures import set_up_fixtures
from pytest_passatk.harness.settings import JUDGE_TIMEOUT, Settings
from pytest_passatk.judging import Bench, BodyJudge, JudgePool, Outcomes

NO_PLUGINS = {"no:terminal", "no:passatk", PLUGIN}  # what a session has and a judge must not have
OUTCOMES = Outcomes(skip=(pytest.skip.Exception,), fail=(pytest.fail.Exception,))


Fixtures: TypeAlias = Mapping[str, Mapping[str, Any]]  # values by suite and name


def prepare_fixtures(suites: tuple[Collected, ...]) -> tuple[Fixtures, dict[str, BaseException]]:
    """The fixtures of every suite, and what was raised by those of the others."""
    values: dict[str, Mapping[str, Any]] = {}
    raised: dict[str, BaseException] = {}
    for suite in suites:
        try:
            values[suite.name] = set_up_fixtures(suite.items[0], suite.items[0].fixtures)
        except pytest.exit.Exception:
            raise
        except (Exception, pytest.skip.Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - its items raise it
            raised[suite.name] = error
    return values, raised


def isolation(fixtures: Mapping[str, Any]) -> str | None:
    """The isolation of the programs that a suite with these fixtures runs; `None` where it runs none."""
    if not fixtures:
        return None
    from pytest_passatk.sandbox import Sandbox  # noqa: PLC0415 - only where a suite runs programs

    for value in fixtures.values():
        if isinstance(value, Sandbox):
            return value.tier.describe()
    return None


def open_pool(
    suites: tuple[Collected, ...], fixtures: Fixtures, settings: Settings
) -> tuple[JudgePool | None, dict[str, BodyJudge]]:
    """Start the judges; there is no pool where the session judges by itself.

    Raises:
        UsageError: a fixture cannot be sent to judges that are not forked.
    """
    if settings.inline:
        return None, _judges(suites, fixtures)
    config = suites[0].items[0].config
    forked = settings.judge_start == "fork"
    open_bench = Inherited(suites, fixtures) if forked else Recollected.of(suites, fixtures, config, settings)
    timeouts = {each.name: settings.patience(each.suite) for each in suites}
    pool = JudgePool(
        open_bench, judges=settings.judges, timeout=JUDGE_TIMEOUT, start=settings.judge_start, timeouts=timeouts
    )
    return pool, _judges(suites, fixtures)


def _judges(suites: tuple[Collected, ...], fixtures: Fixtures) -> dict[str, BodyJudge]:
    return {each.name: BodyJudge(each.suite.body, each.suite.extract, fixtures[each.name], OUTCOMES) for each in suites}


def _bench(suites: tuple[Collected, ...], fixtures: Fixtures) -> Bench:
    # Assertions explain themselves through hooks that pytest arms around each test; a judge arms them for good.
    protocol = explaining_assertions(suites[0].items[0])
    next(protocol)
    problems = {each.name: {item.problem.id: item.problem for item in each.items} for each in suites}
    return Bench(_judges(suites, fixtures), problems, armed=protocol)


@dataclass(frozen=True, slots=True)
class Inherited:
    """The bench of a forked judge: what the session collected is in its memory."""

    suites: tuple[Collected, ...]
    fixtures: Fixtures

    def __call__(self) -> Bench:
        """Open the bench in the judge's process."""
        return _bench(self.suites, self.fixtures)


@dataclass(frozen=True, slots=True)
class Recollected:
    """The bench of a judge that starts from nothing: it collects the suites' files again.

    Attributes:
        arguments: of the session, as far as they shape what is collected.
        names: of the suites, by the place where each is found.
        fixtures: pickled values of the session-scoped fixtures, by suite and name.
    """

    arguments: tuple[str, ...]
    names: Mapping[tuple[str, str], str]
    fixtures: bytes

    @classmethod
    def of(
        cls, suites: tuple[Collected, ...], fixtures: Fixtures, config: pytest.Config, settings: Settings
    ) -> "Recollected":
        """What a judge needs to collect these suites. Raises UsageError."""
        arguments = (*_arguments(config), *_rows(settings))
        return cls(arguments, {suite.place: suite.name for suite in suites}, _pickle(fixtures))

    def __call__(self) -> Bench:
        """Collect in the judge's process."""
        os.environ.pop("PYTEST_ADDOPTS", None)
        catcher = _Catcher()
        quiet = ["--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--passatk-check"]
        files = sorted({file for file, _ in self.names})
        pytest.main([*self.arguments, *quiet, *files], plugins=[catcher])
        suites = group_by_suite(catcher.items)
        found = tuple(replace(suite, name=self.names[suite.place]) for suite in suites if suite.place in self.names)
        if len(found) < len(self.names):
            raise UsageError(f"{', '.join(files)}: a suite was not found when collected again: {catcher.errors}")
        return _bench(found, pickle.loads(self.fixtures))  # noqa: S301 - our own bytes, from our own parent


def _arguments(config: pytest.Config) -> tuple[str, ...]:
    """What shapes a collection, but selects nothing: tasks name their problem."""
    inifile = ["-c", str(config.inipath)] if config.inipath else []
    plugins = [f"-p{name}" for name in config.getoption("plugins") if name not in NO_PLUGINS]
    overrides = [f"-o{override}" for override in config.getoption("override_ini") or ()]
    mode = f"--import-mode={config.getoption('importmode')}"
    every = (f"--passatk-limit={sys.maxsize}", "--passatk-profile=")
    return (f"--rootdir={config.rootpath}", *inifile, *plugins, *overrides, "-oaddopts=", mode, *every)


def _rows(settings: Settings) -> tuple[str, ...]:
    """Where the rows come from, and which they are, in the words of the command line."""
    data = [f"--passatk-data={settings.data}"] if settings.data else []
    parameters = [f"--passatk-param={name}={value}" for name, value in settings.parameters.items()]
    changes = [f"--passatk-allow-change={','.join(sorted(settings.allow_change))}"] if settings.allow_change else []
    return (*data, *parameters, *changes)


class _Catcher:
    """A plugin that keeps what a collection found, and why it did not find more."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []
        self.errors: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(str(report.longrepr))

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self.items.append(item)


def _pickle(fixtures: Fixtures) -> bytes:
    for suite, values in fixtures.items():
        for name, value in values.items():
            try:
                pickle.dumps(value)
            except Exception as error:
                raise UsageError(
                    f"{suite}: the value of the fixture {name!r} cannot be sent to judges that are spawned ({error}): "
                    "return plain data, or use --passatk-inline"
                ) from error
    return pickle.dumps(fixtures)

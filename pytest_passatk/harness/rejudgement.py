"""The session that judges the completions of an earlier run: its problems, its settings, and no model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.plan import Plan, PlannedSuite, repeat_seed, suite_key
from pytest_passatk.core.protocols import Model, ModelInfo
from pytest_passatk.core.rejudging import Rejudging
from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.core.stream import digest, stream_settings
from pytest_passatk.core.verdict import Verdict
from pytest_passatk.harness.bench import Fixtures
from pytest_passatk.harness.collection import Collected
from pytest_passatk.harness.item import ProblemItem
from pytest_passatk.harness.owner import Owner
from pytest_passatk.harness.session import Session
from pytest_passatk.harness.settings import Settings
from pytest_passatk.models.recorded import RecordedModel
from pytest_passatk.report.output import replacing
from pytest_passatk.store import Store, SuiteRow


class Unjudged(Store):
    """A store that tells no verdict, so that every completion in it is judged again."""

    def verdicts(self, stream: str, judge: str) -> dict[int, Verdict]:  # noqa: ARG002 - as in the store
        """None."""
        return {}


@dataclass(frozen=True, slots=True)
class RecordedSuite:
    """One suite of the run.

    Attributes:
        row: as stored.
        model: that drew the samples.
        params: how they were drawn,
        seed: and from which seed.
        streams: of the problems, by id.
    """

    row: SuiteRow
    model: ModelInfo
    params: SamplingParams
    seed: int
    streams: Mapping[str, str]

    @classmethod
    def of(cls, store: Store, row: SuiteRow) -> "RecordedSuite":
        """The suite of that row."""
        settings = store.settings(row.id)
        model = ModelInfo(**_known(ModelInfo, row.model | settings["model"]))
        sampling = _known(SamplingParams, settings["sampling"])
        params = SamplingParams(**sampling | {"stop": tuple(sampling["stop"])})
        return cls(row, model, params, settings["seed"], store.streams(row.id))

    @property
    def spec(self) -> str:
        """What stands for its model in a plan."""
        return f"recorded:{self.row.id}"

    def holds(self, item: ProblemItem) -> bool:
        """Whether the samples of this very problem are in the store."""
        id_ = item.problem.id
        settings = stream_settings(self.model.identity(), item.prompt, self.params, self.seed, id_)
        return self.streams.get(id_) == digest(settings)

    def settle(self, planned: PlannedSuite) -> PlannedSuite:
        """The suite as it was sampled, with the verifier of today."""
        return replace(planned, model=self.spec, params=self.params, n=self.row.n, ks=self.row.ks)


class Rejudgement(Session):
    """Judges again what an earlier run sampled.

    Args:
        config: of pytest.
        settings: of the command line of that run.
        order: which run.

    Raises:
        StoreError: the store cannot be read.
    """

    def __init__(self, config: pytest.Config, settings: Settings, order: Rejudging) -> None:
        self._order = order
        self._recorded = _read(order)
        super().__init__(config, self._loosen(settings))

    def _loosen(self, settings: Settings) -> Settings:
        """Settings that no suite refuses, however its defaults changed; `_plan` puts in those of the run."""
        most = max((each.row.n for each in self._recorded.values()), default=1)
        rows = [each.row for each in self._recorded.values()]
        arms = replace(settings.model_options, adapters={row.arm: None for row in rows}, patches={})
        last = max((row.repeat for row in rows), default=0)
        return replace(
            settings, model="recorded", model_options=arms, repeats=max(2, last) if last else 1, n=most, ks=(1,),
            sampling={"temperature": 1.0}, check=False, engines=None, store=Path(self._order.store),
            json=Path(self._order.report), gate=settings.gate.idle(), summary=None, step_summary=None, html=None,
        )  # fmt: skip

    def select(self, items: Sequence[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
        """The problems of the run among some items, and the others; notes those that are no longer what they were."""
        kept: list[pytest.Item] = []
        others: list[pytest.Item] = []
        changed: dict[str, list[str]] = {}
        for item in items:
            recorded = self._find(item) if isinstance(item, ProblemItem) else None
            if recorded is None or not isinstance(item, ProblemItem) or not recorded.holds(item):
                others.append(item)
                if recorded and isinstance(item, ProblemItem) and item.problem.id in recorded.streams:
                    changed.setdefault(str(recorded.row.id), []).append(item.problem.id)
            else:
                kept.append(item)
        with replacing(Path(self._order.changed)) as stream:
            json.dump(changed, stream)
        return kept, others

    def _find(self, item: ProblemItem) -> RecordedSuite | None:
        return self._recorded.get(suite_key(item.key.suite, item.arm, item.repeat))

    def own(self) -> Owner:
        """See Session."""
        if self.owner is None:
            self.owner = Owner(
                self.config, self.settings, find_store=lambda: Unjudged(Path(self._order.store), create=False),
                find_model=self._load, command=self._order.command,
            )  # fmt: skip
        return self.owner

    def _plan(self, suites: tuple[Collected, ...], fixtures: Fixtures) -> Plan:
        planned = super()._plan(suites, fixtures).suites
        seed = self._recorded[planned[0].key].seed - repeat_seed(0, planned[0].repeat)
        return Plan(tuple(self._recorded[suite.key].settle(suite) for suite in planned), seed)

    def _load(self, spec: str) -> Model:
        for each in self._recorded.values():
            if each.spec == spec:
                return RecordedModel(each.model, self._order.run)
        raise UsageError(f"run {self._order.run}: no suite of it was sampled by {spec}: repeat passatk rejudge")


def _read(order: Rejudging) -> dict[tuple[str, str], RecordedSuite]:
    """The suites of the run, by their keys."""
    store = Store(Path(order.store), create=False)
    try:
        return {row.key: RecordedSuite.of(store, row) for row in store.suites(order.run) if row.id in order.suites}
    finally:
        store.close()


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that are fields of a dataclass: another version may have recorded more."""
    return {each.name: values[each.name] for each in fields(kind) if each.name in values}

"""The engine that a worker of pytest-xdist has to itself."""

from contextlib import suppress

from pytest_passatk.core.errors import PassatkError
from pytest_passatk.core.plan import Plan
from pytest_passatk.core.protocols import Briefed, Model
from pytest_passatk.harness.settings import Settings
from pytest_passatk.models.apart import open_model
from pytest_passatk.sampling.link import Link
from pytest_passatk.sampling.threads import Sampler

LEAVING_SECONDS = 2.0  # how long a run that is cut short waits for the sample in hand
PATIENCE = 0.1  # seconds between two looks at the run


class WorkerEngine:
    """Samples this worker's shard of the plan in a thread, and what is left of those of dead workers.

    Args:
        link: to the exchange.
        plan: of the run.
        settings: say how to load the models.
        name: of the worker.
    """

    def __init__(self, link: Link, plan: Plan, settings: Settings, name: str) -> None:
        self._link = link
        self._suites = plan.by_model()
        self._settings = settings
        self._sampler = Sampler(link, self._load, name)
        self._sampler.start()

    def end(self, *, at_once: bool) -> None:
        """Wait until every sample of the run is in, because items of other workers wait for those of this one.

        Args:
            at_once: end with the completion in hand instead, as where the run has ended early.
        """
        with suppress(PassatkError, EOFError, OSError, KeyboardInterrupt):
            while self._sampler.is_alive() and not (at_once or self._link.is_over()):
                self._sampler.join(PATIENCE)
        if self._sampler.is_alive():
            self._sampler.stop()
            self._sampler.join(LEAVING_SECONDS)

    def _load(self, spec: str) -> Model:
        model = open_model(spec, self._settings.model_options)
        if isinstance(model, Briefed):
            model.brief(self._suites[spec])  # the controller has told a person what it has to say
        return model

"""The stress suite in pytest: its cases, the runtime that they share, and what is said of them at the end."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_passatk.core.errors import PassatkError, UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.harness.activation import WATCH, SuiteError, session_of
from pytest_passatk.harness.arms import BASE
from pytest_passatk.harness.interruption import heard

if TYPE_CHECKING:
    from pytest_passatk.core.patch import PatchSpec
    from pytest_passatk.harness.settings import Settings
    from pytest_passatk.stress.trial import Trial

BUDGET = 30.0  # seconds for schedules that are searched
FOLDER = Path("fixtures", "schedules")  # below pytest's rootdir
SUITE = "suites/decode_shrink"
TOLD = "passatk.stress"  # a user property: it reaches the controller of pytest-xdist


@dataclass(frozen=True, slots=True)
class StressCase:
    """One test of the suite: something that a trial does."""

    run: "Callable[[Trial, float], str]"


def stress_cases(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes `stress_case` all cases of a run: saved failures first, then classics, then the search.

    Raises:
        SuiteError: an option asks for what cannot be done.
    """
    try:
        settings = session_of(metafunc.config).settings
        cases = dict(_cases(settings, find_patch(settings), metafunc.config.rootpath))
    except PassatkError as error:
        raise SuiteError(str(error)) from error
    metafunc.parametrize("stress_case", list(cases.values()), ids=list(cases))


def find_patch(settings: "Settings") -> "PatchSpec | None":
    """The patch that a run tries. Raises UsageError where it names several."""
    specs = {spec.name: spec for spec in settings.model_options.patches.values()}
    if len(specs) > 1:
        raise UsageError(f"--patch {', '.join(specs)}: {SUITE} tries one patch at a time: name one of them")
    return next(iter(specs.values()), None)


@pytest.fixture(scope="session")
def stress_trial(request: pytest.FixtureRequest) -> "Iterator[Trial]":
    """The runtime of this process under trial; it is started for the first case."""
    settings = session_of(request.config).settings
    try:
        with heard():  # the start of an engine goes through imports that turn Ctrl-C into errors of their own
            trial = _open(settings, request)
    except PassatkError as error:
        request.session.shouldstop = "the patch cannot be tried"
        request.config.stash[WATCH].seen = True  # misuse, which has an exit status of its own
        raise pytest.fail.Exception(_named(error, settings), pytrace=False) from None
    yield trial
    trial.close()


def try_case(trial: "Trial", case: StressCase, request: pytest.FixtureRequest) -> None:
    """Run a case; fails with its account."""
    from pytest_passatk.stress.coverage import Coverage  # noqa: PLC0415 - only where there is a stress suite

    settings = session_of(request.config).settings
    trial.coverage = Coverage()
    try:
        text = case.run(trial, settings.stress_budget or BUDGET)
    except UsageError as error:
        request.config.stash[WATCH].seen = True  # misuse, which has an exit status of its own
        raise pytest.fail.Exception(_named(error, settings), pytrace=False) from None
    request.node.user_properties.append((TOLD, _tell(trial, find_patch(settings))))
    if text:
        pytest.fail(text, pytrace=False)


def _named(error: PassatkError, settings: "Settings") -> str:
    """What is wrong, with the name of the patch where the error has none: an engine knows of no one patch."""
    text, patch = str(error), find_patch(settings)
    return f"--patch {patch.name}: {text.removeprefix('patch: ')}" if patch and text.startswith("patch: ") else text


def _tell(trial: "Trial", patch: "PatchSpec | None") -> dict[str, Any]:
    """What the end of the run says of a case."""
    from pytest_passatk.patches.registry import resolve  # noqa: PLC0415 - only where there is a stress suite

    return {
        "patch": patch and str(resolve(patch.name, patch.args)),  # the settings of a worker have no digest
        "runtime": trial.runtime.name,
        "claim": str(trial.claim),
        "active": trial.active,
        "leaks_unseen": trial.leaks_unseen,
        "coverage": asdict(trial.coverage),
    }


def _cases(settings: "Settings", patch: "PatchSpec | None", root: Path) -> Iterator[tuple[str, StressCase]]:
    from pytest_passatk.core.patch import Claim  # noqa: PLC0415 - only where there is a stress suite
    from pytest_passatk.patches.registry import make  # noqa: PLC0415
    from pytest_passatk.stress.classics import CLASSICS  # noqa: PLC0415
    from pytest_passatk.stress.saved import saved  # noqa: PLC0415
    from pytest_passatk.stress.schedule import Schedule  # noqa: PLC0415

    if settings.schedule:
        yield settings.schedule.stem, StressCase(partial(_play, Schedule.read(settings.schedule)))
        return
    for name, schedule in saved(root / FOLDER):
        yield f"saved-{name}", StressCase(partial(_play, schedule))
    for schedule in CLASSICS:
        yield schedule.name, StressCase(partial(_play, schedule))
    yield "generated", StressCase(_search)
    if patch:
        yield "restored", StressCase(_restored)
    if patch and make(patch).claim is Claim.SAME_DISTRIBUTION:
        yield "same-distribution", StressCase(_same_distribution)


def _play(schedule: Any, trial: "Trial", budget: float) -> str:
    del budget
    return trial.play(schedule)


def _search(trial: "Trial", budget: float) -> str:
    return trial.search(budget)


def _restored(trial: "Trial", budget: float) -> str:
    del budget
    return trial.restored()


def _same_distribution(trial: "Trial", budget: float) -> str:
    del budget
    return trial.same_distribution()


def _open(settings: "Settings", request: pytest.FixtureRequest) -> "Trial":
    """Start the runtime, with one thread: with two, a busy neighbour makes small tensors a hundred times slower."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from pytest_passatk.stress import runtimes  # noqa: PLC0415 - only where there is a stress suite
    from pytest_passatk.stress.trial import Place, Trial  # noqa: PLC0415

    runtime = runtimes.load(settings.model, _bare(settings.model_options))
    place = Place(request.config.rootpath / FOLDER, partial(_command, settings, request))
    try:
        return Trial(runtime, find_patch(settings), place)
    except BaseException:
        runtime.close()
        raise


def _bare(options: ModelOptions) -> ModelOptions:
    """Each adapter of a run once, and no patch: the trial itself puts one on."""
    adapters = {adapter: label for label, adapter in options.adapters.items()}
    return replace(options, adapters={label: adapter for adapter, label in adapters.items()}, patches={})


def _command(settings: "Settings", request: pytest.FixtureRequest, path: Path) -> str:
    """What plays a saved schedule again, as one types it where pytest was started."""
    from pytest_passatk.stress.account import place  # noqa: PLC0415 - only where there is a stress suite

    here = Path(str(request.config.invocation_params.dir))
    suite = request.node.items[0].path.parent if getattr(request.node, "items", None) else Path(SUITE)
    words = ["pytest", place(suite, here)]
    if settings.model:
        words += ["--model", settings.model]
    options, patch = settings.model_options, find_patch(settings)
    adapters = list(dict.fromkeys(adapter or BASE for adapter in options.adapters.values()))
    words += ["--adapter", ",".join(adapters)] if adapters != [BASE] else []
    words += ["--passatk-dtype", options.dtype] if options.dtype != "auto" else []
    words += ["--passatk-model-args", _pairs(options.args)] if options.args else []
    if patch:
        words += ["--patch", patch.name]
        words += ["--passatk-patch-args", _pairs(patch.args)] if patch.args else []
    return shlex.join([*words, "--passatk-schedule", place(path, here)])


def _pairs(args: Mapping[str, str]) -> str:
    return ",".join(f"{name}={text}" for name, text in args.items())

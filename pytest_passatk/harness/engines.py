"""How many engines a run under pytest-xdist has, and which GPUs each of them gets."""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.protocols import Local, Model
from pytest_passatk.harness.seats import SEAT
from pytest_passatk.harness.settings import Settings

PER_WORKER = "per-worker"
VISIBLE = "CUDA_VISIBLE_DEVICES"
NODES = Path("/dev")  # where a GPU of NVIDIA that this system, or this container, may use is nvidia0, nvidia1, …


def refuse_accident(models: Mapping[str, Model], settings: Settings, workers: int) -> None:
    """Refuse `-n 8` that may be meant as `--n 8`, where a model has an engine to lose. Raises UsageError."""
    if not workers or settings.n is not None or settings.engines is not None:
        return
    for spec, model in models.items():
        if isinstance(model, Local) and model.loads_weights:
            raise UsageError(
                f"-n {workers} starts {workers} pytest workers; did you mean --n {workers} (samples a problem)? To "
                f"judge in {workers} workers what one engine of {spec} samples, say --passatk-engines shared; to start "
                f"an engine in each of them, --passatk-engines {PER_WORKER}"
            )


def refuse_crowd(
    models: Mapping[str, Model], settings: Settings, workers: int, environment: Mapping[str, str] = os.environ
) -> None:
    """Refuse two engines on one GPU, where they would run out of memory. Raises UsageError."""
    width, gpus = engine_width(settings), list_gpus(environment)
    for spec, model in models.items():
        if not isinstance(model, Local) or not model.loads_weights or not model.info.device.startswith("cuda"):
            continue
        if settings.model_options.device.startswith("cuda:"):
            raise UsageError(
                f"--passatk-device {settings.model_options.device}: names one GPU, but --passatk-engines {PER_WORKER} "
                "gives each worker one of its own: say --passatk-device cuda"
            )
        if gpus and workers * width > len(gpus):
            each = f", {width} for each worker" if width > 1 else ""
            raise UsageError(
                f"--passatk-engines {PER_WORKER}: {spec} with -n {workers} needs {workers * width} GPUs{each}, and "
                f"there are {len(gpus)}: use fewer workers, or one engine for all of them with --passatk-engines shared"
            )


def prepare_worker(settings: Settings, workerinput: Mapping[str, Any]) -> None:
    """Pin a worker that has an engine of its own."""
    if settings.engines == PER_WORKER and SEAT in workerinput:
        pin(workerinput[SEAT], engine_width(settings))


def engine_width(settings: Settings) -> int:
    """How many GPUs one engine spreads over."""
    size = settings.model_options.args.get("tensor_parallel_size", "1")
    return int(size) if size.isdecimal() and int(size) else 1  # the backend has words for anything else


def list_gpus(environment: Mapping[str, str] = os.environ, nodes: Path = NODES) -> tuple[str, ...]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them; no library is loaded to know."""
    if VISIBLE in environment:
        return tuple(name for part in environment[VISIBLE].split(",") if (name := part.strip()))
    return tuple(str(number) for number, _ in enumerate(nodes.glob("nvidia[0-9]*")))


def pin(seat: int, width: int, environment: MutableMapping[str, str] = os.environ, nodes: Path = NODES) -> None:
    """Leave this process the GPUs of its seat, `width` of them, before a library looks for any.

    A seat beyond the last GPU starts again at the first; on a system that lists none, numbers are its own.
    """
    gpus = list_gpus(environment, nodes)
    first = seat * width
    if gpus:
        environment[VISIBLE] = ",".join(gpus[(first + each) % len(gpus)] for each in range(min(width, len(gpus))))
    elif VISIBLE not in environment:  # empty, it says that no GPU is wanted
        environment[VISIBLE] = ",".join(str(first + each) for each in range(width))

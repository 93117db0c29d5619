"""What vLLM's errors mean, and what helps."""

from dataclasses import dataclass

from pytest_passatk.core.errors import ModelError
from pytest_passatk.patches.foreign import find_smallest, told

ARGS = "--passatk-model-args"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What helps against errors that have one of these words in them."""

    words: tuple[str, ...]
    text: str


REMEDIES = (  # the first that fits
    Remedy(
        ("no available memory for the cache", "available kv cache", "stored in kv cache", "cannot auto-fit"),
        f"give its cache more memory ({ARGS} gpu_memory_utilization=0.95, on a CPU kv_cache_memory_bytes=…), or let "
        f"requests need less of it ({ARGS} max_model_len=…, or fewer --max-tokens)",
    ),
    Remedy(
        ("free memory on device", "available memory on node", "memory profiling"),
        f"end what else holds memory there, or ask for less: {ARGS} gpu_memory_utilization=… (on a CPU "
        "kv_cache_memory_bytes=…)",
    ),
    Remedy(
        ("out of memory", "outofmemory", "allocate memory", "defaultcpuallocator", "bad_alloc", "memoryerror"),
        f"the memory does not suffice: {ARGS} gpu_memory_utilization=… (less leaves more to the computation; on a CPU "
        "kv_cache_memory_bytes=…), max_num_seqs=…, tensor_parallel_size=… over several GPUs, or quantization=…",
    ),
    Remedy(
        ("larger than the derived max_model_len", "greater than the derived max_model_len"),
        f"name a length that vLLM takes: {ARGS} max_model_len=…",
    ),
    Remedy(
        ("enginedead", "engine core", "enginecore"),
        "its process is gone, which is often the system's answer to a lack of memory: take less with "
        f"{ARGS} gpu_memory_utilization=… (on a CPU kv_cache_memory_bytes=…) or max_num_seqs=…",
    ),
)


def fail_start(model: str, error: Exception, log: str) -> ModelError:
    """The error of an engine that does not start.

    Args:
        model: what was to be loaded.
        error: what vLLM raised.
        log: the last error in the log of its processes, where there is one.
    """
    return ModelError(f"{model}: vLLM does not start ({_explain(error, log)}")


def fail_run(model: str, error: BaseException, log: str, patch: str = "") -> ModelError:
    """The error of an engine that broke while it sampled; arguments as for `fail_start`.

    A `patch` that it was under, as it was asked for, breaks it again, unless something else is known to help.
    """
    if patch and not (_find(log) or _find(str(error))):
        return ModelError(f"{model} under {patch} failed inside vLLM ({told(error)}); {find_smallest('vllm', patch)}")
    who = f"{model} under {patch}" if patch else model
    return ModelError(
        f"{who} failed inside vLLM ({_explain(error, log)}; what finished is kept, and the same command resumes"
    )


def _explain(error: BaseException, log: str) -> str:
    """The cause up to the closing parenthesis, and the remedy behind it."""
    cause = f"{type(error).__name__}: {_message(error)}" + (f"; its log says: {log}" if log else "")
    found = _find(log) or _find(cause)
    return f"{cause})" + (f"; {found.text}" if found else "")


def _find(text: str) -> Remedy | None:
    low = text.lower()
    return next((remedy for remedy in REMEDIES if any(word in low for word in remedy.words)), None)


def _message(error: BaseException) -> str:
    """The words of an error, without what pydantic says around them."""
    found = getattr(error, "errors", None)
    if callable(found):
        return "; ".join(str(each.get("msg", each)) for each in found())
    return " ".join(str(error).split())

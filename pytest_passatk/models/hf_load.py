"""Loading a network with transformers: dtype, device, quantization, adapter."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from pytest_passatk.core.errors import MissingExtraError, ModelError, UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models.source import Source

DTYPES = ("auto", "float32", "bfloat16", "float16")
QUANTIZED = {"8bit": "load_in_8bit", "4bit": "load_in_4bit"}
ARGS = ("attn_implementation", "context", "device_map", "trust_remote_code")


def check_options(options: ModelOptions) -> None:
    """Refuse by name what this backend cannot do, without importing torch. Raises UsageError."""
    if options.dtype not in DTYPES:
        raise UsageError(f"hf: unknown dtype {options.dtype!r}; choose one of {', '.join(DTYPES)}")
    if options.quantization not in {None, *QUANTIZED}:
        raise UsageError(f"hf: unknown quantization {options.quantization!r}; choose one of {', '.join(QUANTIZED)}")
    if options.quantization and not find_spec("bitsandbytes"):
        raise UsageError(
            f"hf: quantization {options.quantization} needs bitsandbytes, which is not installed: "
            "pip install bitsandbytes"
        )
    if unknown := sorted(set(options.args) - set(ARGS)):
        raise UsageError(f"hf: unknown model argument {', '.join(unknown)}; it takes {', '.join(ARGS)}")
    adapters = list(filter(None, options.adapters.values()))
    if adapters and not find_spec("peft"):
        raise MissingExtraError(f"--adapter {adapters[0]}", "peft", "hf")


def context_argument(options: ModelOptions) -> int | None:
    """The argument `context`, a limit below the model's own. Raises UsageError where it is no number of tokens."""
    given = options.args.get("context")
    if given is not None and not (given.isdecimal() and int(given)):
        raise UsageError(f"hf: the model argument context={given} is no number of tokens")
    return int(given) if given else None


def choose_device(device: str) -> str:
    """`auto` is the first GPU, else the CPU. Raises UsageError where torch does not know or have the device."""
    import torch  # noqa: PLC0415 - heavy

    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise UsageError(f"hf: unknown device {device!r}; give auto, cpu, cuda, cuda:1 or mps") from error
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(kind, True):
        raise UsageError(f"hf: torch sees no {kind} device here; give --device cpu, or install torch for {kind}")
    return "cuda:0" if device == "cuda" else device


def load_tokenizer(source: Source, args: Mapping[str, str]) -> Any:
    """The model's tokenizer. Raises ModelError where transformers cannot read it."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - heavy

    try:
        return AutoTokenizer.from_pretrained(source.location, revision=source.commit or "main", **_trust(args))
    except Exception as error:  # the tokenizers' own errors have no class of their own
        raise ModelError(f"{source.location}: transformers cannot read the tokenizer ({error})") from error


def load_network(source: Source, dtype: str, device: str, options: ModelOptions) -> Any:
    """The network, on its device. Raises ModelError where it cannot be loaded whole."""
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - heavy

    chosen = {key: options.args[key] for key in ("attn_implementation", "device_map") if key in options.args}
    chosen |= _trust(options.args) | _quantization(options.quantization, dtype, device)
    try:
        with _quiet():
            network, found = AutoModelForCausalLM.from_pretrained(
                source.location, revision=source.commit or "main", dtype=dtype, output_loading_info=True, **chosen
            )
    except Exception as error:  # transformers, safetensors and the model's own code each have their classes
        raise ModelError(f"{source.location}: transformers cannot load the model ({error})") from error
    if missing := sorted(found["missing_keys"]):
        raise ModelError(
            f"{source.location}: the weights lack {len(missing)} tensors, {missing[0]} first, which transformers would "
            "fill with random numbers; copy the model's files again"
        )
    return network if "device_map" in chosen else network.to(device)


def end_tokens(network: Any, tokenizer: Any) -> set[int]:
    """What ends a completion: the tokens of the generation settings, and the tokenizer's own."""
    own = network.generation_config.eos_token_id
    ends = own if isinstance(own, list) else [own]
    return {end for end in [*ends, tokenizer.eos_token_id] if end is not None}


def _trust(args: Mapping[str, str]) -> dict[str, bool]:
    return {"trust_remote_code": args.get("trust_remote_code", "").lower() in {"1", "true", "yes"}}


def _quantization(kind: str | None, dtype: str, device: str) -> dict[str, Any]:
    if kind is None:
        return {}
    import torch  # noqa: PLC0415 - heavy
    from transformers import BitsAndBytesConfig  # noqa: PLC0415

    config = BitsAndBytesConfig(**{QUANTIZED[kind]: True}, bnb_4bit_compute_dtype=getattr(torch, dtype))
    return {"quantization_config": config, "device_map": {"": device}}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bar of transformers, which would break the live line."""
    from transformers.utils import logging  # noqa: PLC0415 - heavy

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()

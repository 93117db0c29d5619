"""The settings and weights of a Llama model, as transformers writes them, read without it."""

import json
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_passatk.core.errors import ModelError, UsageError

Floats: TypeAlias = NDArray[np.float64]
PLAIN = {"model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}


def read_config(folder: Path) -> dict[str, Any]:
    """The settings of a plain Llama model. Raises UsageError for any other one."""
    config = dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    odd = [f"{key}={config[key]!r}" for key, plain in PLAIN.items() if config.get(key, plain) != plain]
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if scaling.get("rope_type", "default") != "default":
        odd.append(f"rope_type={scaling['rope_type']!r}")
    if odd:
        raise UsageError(
            f"{folder / 'config.json'}: the decoder of tiny knows plain Llama models only, not {', '.join(odd)}: "
            f"run this model as hf:{folder}"
        )
    return config


def read_safetensors(file: Path) -> dict[str, Floats]:
    """The tensors of a file by name, widened to float64. Raises ModelError where it is missing or damaged."""
    try:
        raw = file.read_bytes()
        size = int.from_bytes(raw[:8], "little")
        entries = json.loads(raw[8 : 8 + size])
        return {name: _widen(raw[8 + size :], entry) for name, entry in entries.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{file}: no weights that can be read ({error}); copy the model's files again") from error


def _widen(data: bytes, entry: dict[str, Any]) -> Floats:
    begin, end = entry["data_offsets"]
    if entry["dtype"] == "BF16":  # the upper half of a float32
        values = (np.frombuffer(data[begin:end], "<u2").astype("<u4") << 16).view("<f4")
    else:
        values = np.frombuffer(data[begin:end], {"F64": "<f8", "F32": "<f4", "F16": "<f2"}[entry["dtype"]])
    return values.astype(np.float64).reshape(entry["shape"])

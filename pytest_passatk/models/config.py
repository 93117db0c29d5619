"""What a model's config.json says before its weights are loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_passatk.core.errors import ModelError

CONTEXT = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "n_ctx")
DTYPE = ("dtype", "torch_dtype")
STRETCHED = ("longrope", "su")


@dataclass(frozen=True, slots=True)
class Config:
    """The settings that a record needs.

    Attributes:
        dtype: of the stored weights; `float32` where the file does not say.
        context: tokens that prompt and completion may have together, where the model has a limit.
        code: whether the folder brings Python code of its own.
        stretched: whether positions are scaled by one of two sets of factors, for short or for long contexts.
    """

    dtype: str
    context: int | None
    code: bool
    stretched: bool = False


def read(folder: Path) -> Config:
    """Read config.json, a multimodal model's text part first. Raises ModelError where it is broken."""
    file = folder / "config.json"
    try:
        whole = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file}: not a model's settings ({error}); copy the model's files again") from error
    parts = [whole.get("text_config") or {}, whole]
    context = _first(parts, CONTEXT)
    dtype = str(_first(parts, DTYPE) or "float32").removeprefix("torch.")
    return Config(dtype, int(context) if context else None, "auto_map" in whole, any(map(_stretches, parts)))


def _first(parts: list[dict[str, Any]], keys: tuple[str, ...]) -> Any:
    return next((part[key] for part in parts for key in keys if part.get(key) is not None), None)


def _stretches(part: dict[str, Any]) -> bool:
    scaling = {**(part.get("rope_scaling") or {}), **(part.get("rope_parameters") or {})}
    layers = [scaling, *(layer for layer in scaling.values() if isinstance(layer, dict))]
    return any(layer.get(key) in STRETCHED for layer in layers for key in ("rope_type", "type"))

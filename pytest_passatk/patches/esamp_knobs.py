"""The settings of ESamp, and which values each may take."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MODES = ("shared", "per_request", "bank")
OPTIMIZERS = ("adamw", "sgd")
INITS = ("normal", "ffn_fast_svd", "ridge_svd")
RANKS = {"bank": 64}  # of the other modes: RANK
RANK = 128
DECAY = 0.01  # of AdamW; SGD has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """The settings of one patch; see `patches.esamp.load`.

    Raises:
        ValueError: a value is not allowed; the text names the setting, the value and what is allowed.
    """

    beta: float
    mode: str
    rank: int | None
    lr: float
    optimizer: str
    weight_decay: float | None
    layernorm: bool
    init: str
    first_per_prompt: bool | None
    first_predicts: bool | None
    slots: int
    training: bool
    seed: int
    source: str
    target: str

    def __post_init__(self) -> None:
        for name, (fits, allowed) in ALLOWED.items():
            value = getattr(self, name)
            if not fits(value):
                raise ValueError(f"{name}={value!r} is not allowed: {name} is {allowed}")
        if self.source == self.target:
            raise ValueError(f"target={self.target!r} is not allowed: target is another layer than source")

    @property
    def shared(self) -> bool:
        """Whether there is one distiller for all prompts."""
        return self.mode == "shared"

    @property
    def leaders_train(self) -> bool:
        """Whether only the first row of each prompt trains."""
        return self.mode == "bank" if self.first_per_prompt is None else self.first_per_prompt

    @property
    def leaders_predict(self) -> bool:
        """Whether all samples of a prompt are guided by the prediction for its first row."""
        return self.mode == "bank" if self.first_predicts is None else self.first_predicts

    @property
    def decay(self) -> float:
        """The weight decay."""
        return self.weight_decay if self.weight_decay is not None else DECAY if self.optimizer == "adamw" else 0.0

    def rank_for(self, hidden: int) -> int:
        """The rank of a distiller for that width, which it never exceeds."""
        return min(self.rank or RANKS.get(self.mode, RANK), hidden)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _from_zero(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_layer(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("layers.")


def _one_of(values: tuple[str, ...]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and value in values, " or ".join(values)


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "beta": (_from_zero, "a number from 0"),
    "mode": _one_of(MODES),
    "rank": (_or_none(lambda value: _is_count(value) and value > 0), "a whole number above 0"),
    "lr": (_from_zero, "a number from 0"),
    "optimizer": _one_of(OPTIMIZERS),
    "weight_decay": (_or_none(_from_zero), "a number from 0"),
    "layernorm": (_is_truth, "true or false"),
    "init": _one_of(INITS),
    "first_per_prompt": (_or_none(_is_truth), "true or false"),
    "first_predicts": (_or_none(_is_truth), "true or false"),
    "slots": (_is_count, "a whole number from 0; 0 sets no limit"),
    "training": (_is_truth, "true or false"),
    "seed": (_is_count, "a whole number from 0"),
    "source": (_is_layer, "a layer such as layers.0.input_layernorm"),
    "target": (_is_layer, "a layer such as layers.-1.input_layernorm"),
}

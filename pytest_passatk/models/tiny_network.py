"""A Llama network in NumPy: the forward pass and its cache of keys and values.

Shapes: B rows, T new tokens, S columns of the cache, H heads of D dimensions, and G groups of heads
that share their keys and values.
All arithmetic is in float64, so that the rounding of a batch's shape cannot move a sampled token.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_passatk.models.tiny_weights import Floats, read_config, read_safetensors

Integers: TypeAlias = NDArray[np.int64]
Cache: TypeAlias = tuple[Floats, Floats]
"""Keys and values, layers × B × G × S × D each; a token's column is its position."""
PARTS = (
    "input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where new tokens stand.

    Attributes:
        positions: of the tokens; B × T.
        cosine: of the angle of each pair of dimensions there; B × T × 1 × D/2, and
        sine: likewise.
        bias: 0 for the columns of the cache that a token sees, −∞ for the others; B × 1 × 1 × T × S.
    """

    positions: Integers
    cosine: Floats
    sine: Floats
    bias: Floats


class Network:
    """The weights of a Llama model, from a folder as transformers writes it.

    Raises UsageError for another architecture, and ModelError where model.safetensors is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        config = read_config(folder)
        weights = read_safetensors(folder / "model.safetensors")
        self._depth: int = config["num_hidden_layers"]
        self._groups: int = config.get("num_key_value_heads") or config["num_attention_heads"]
        self._width: int = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        self._epsilon: float = config["rms_norm_eps"]
        self._embedding = weights["model.embed_tokens.weight"]
        self._head = weights.get("lm_head.weight", self._embedding).T
        self._norm = weights["model.norm.weight"]
        self.vocabulary = self._head.shape[1]
        self._layers = [
            {name: weights[f"model.layers.{layer}.{name}.weight"].T for name in PARTS} for layer in range(self._depth)
        ]
        base = (config.get("rope_parameters") or config).get("rope_theta", 10_000.0)
        self._frequencies = base ** -(np.arange(0, self._width, 2) / self._width)

    def allocate(self, rows: int, columns: int) -> Cache:
        """A cache of zeros (masked columns must be finite), which take no memory before they are written."""
        shape = (self._depth, rows, self._groups, columns, self._width)
        return np.zeros(shape), np.zeros(shape)

    def forward(self, tokens: Integers, start: Integers, last: Integers, cache: Cache) -> Floats:
        """The logits (B × vocabulary) behind one token of each row.

        Args:
            tokens: B × T; what stands behind a row's last token is ignored, and later overwritten.
            start: position of each row's first token; the cache holds all before.
            last: which of the T tokens is each row's last.
            cache: of B rows; gets the keys and values of the tokens.
        """
        place = self._place(start[:, None] + np.arange(tokens.shape[1]))
        hidden = self._embedding[tokens]
        for weights, keys, values in zip(self._layers, *cache, strict=True):
            normed = self._normalise(hidden, weights["input_layernorm"])
            hidden = hidden + self._attend(normed, weights, place, (keys, values))
            normed = self._normalise(hidden, weights["post_attention_layernorm"])
            gate = normed @ weights["mlp.gate_proj"]
            gated = gate / (1 + np.exp(-gate)) * (normed @ weights["mlp.up_proj"])
            hidden = hidden + gated @ weights["mlp.down_proj"]
        ends = hidden[np.arange(len(last)), last]
        return self._normalise(ends, self._norm) @ self._head

    def _place(self, positions: Integers) -> Place:
        angles = positions[:, :, None, None] * self._frequencies
        visible = np.arange(positions.max() + 1) <= positions[:, :, None]
        return Place(positions, np.cos(angles), np.sin(angles), np.where(visible, 0.0, -np.inf)[:, None, None])

    def _attend(self, hidden: Floats, weights: dict[str, Floats], place: Place, cache: Cache) -> Floats:
        """Attention of the new tokens to all visible ones; B × T × hidden. The cache is that of one layer."""
        rows, new, _ = hidden.shape
        queries, keys, values = (
            (hidden @ weights[f"self_attn.{name}_proj"]).reshape(rows, new, -1, self._width) for name in "qkv"
        )
        at = np.arange(rows)[:, None], slice(None), place.positions
        cache[0][at], cache[1][at] = _rotate(keys, place), values
        all_keys, all_values = (part[:, :, None, : place.bias.shape[-1]] for part in cache)
        grouped = _rotate(queries, place).reshape(rows, new, self._groups, -1, self._width).transpose(0, 2, 3, 1, 4)
        scores = grouped @ all_keys.swapaxes(-1, -2) * self._width**-0.5 + place.bias
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ all_values
        return np.asarray(mixed.transpose(0, 3, 1, 2, 4).reshape(rows, new, -1) @ weights["self_attn.o_proj"])

    def _normalise(self, hidden: Floats, weight: Floats) -> Floats:
        return np.asarray(hidden / np.sqrt((hidden * hidden).mean(axis=-1, keepdims=True) + self._epsilon) * weight)


def _rotate(vectors: Floats, place: Place) -> Floats:
    """Rotary position embedding of B × T × heads × D (Su et al. 2021, arXiv:2104.09864), halves as pairs."""
    first, second = np.split(vectors, 2, axis=-1)
    turned = [first * place.cosine - second * place.sine, second * place.cosine + first * place.sine]
    return np.concatenate(turned, axis=-1)

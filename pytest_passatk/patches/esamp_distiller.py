"""The distiller of ESamp: D(x) = LN(x + ((xA) ⊙ SiLU(xG + g)) B), for one slot or for many at once."""

from hashlib import blake2b
from typing import Any, NamedTuple

from pytest_passatk.core.patch import Tensor

STD = 0.02  # of the weights at the start
EPS = 1e-5  # of the layer norm
SEED_BYTES = 8


class Weights(NamedTuple):
    """The weights of several distillers, one a slot; also their gradients, and an optimizer's averages of them.

    Attributes:
        down: A, slots × hidden × rank.
        gate: G, slots × hidden × rank.
        shift: g, slots × 1 × rank.
        up: B, slots × rank × hidden.
        scale: of the layer norm, slots × 1 × hidden.
        offset: of the layer norm, slots × 1 × hidden.
    """

    down: Tensor
    gate: Tensor
    shift: Tensor
    up: Tensor
    scale: Tensor
    offset: Tensor


def zeros(slots: int, hidden: int, rank: int, dtype: Any, device: Any) -> Weights:
    """Room for the weights of that many slots."""
    import torch  # noqa: PLC0415 - heavy

    shapes = ((hidden, rank), (hidden, rank), (1, rank), (rank, hidden), (1, hidden), (1, hidden))
    return Weights(*(torch.zeros(slots, *shape, dtype=dtype, device=device) for shape in shapes))


def fresh(name: str, seed: int, hidden: int, rank: int) -> Weights:
    """The weights of one new distiller, in float32 on the CPU: a function of its name and the seed alone.

    They come from a generator of their own, so that the random numbers of the run stay what they are without ESamp.
    """
    import torch  # noqa: PLC0415 - heavy

    digest = blake2b(f"{seed}\0{name}".encode(), digest_size=SEED_BYTES).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
    weights = zeros(1, hidden, rank, torch.float32, "cpu")
    for part in (weights.down, weights.gate, weights.up):
        part.normal_(0.0, STD, generator=generator)
    weights.shift.fill_(1.0)
    weights.scale.fill_(1.0)
    return weights


def predict(weights: Weights, rows: Tensor, *, layernorm: bool) -> Tensor:
    """D for rows of slots × rows × hidden, each under the weights of its slot."""
    import torch.nn.functional as fn  # noqa: PLC0415 - heavy

    inner = rows.bmm(weights.down) * fn.silu(rows.bmm(weights.gate) + weights.shift)
    outer = rows + inner.bmm(weights.up)
    if not layernorm:
        return outer
    return fn.layer_norm(outer, outer.shape[-1:], eps=EPS) * weights.scale + weights.offset

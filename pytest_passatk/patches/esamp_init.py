"""The weights with which a distiller starts."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Live, Tensor
from pytest_passatk.patches.esamp_distiller import Weights, fresh
from pytest_passatk.patches.esamp_knobs import Knobs
from pytest_passatk.runtimes.taps import find_layer

SILU_OF_ONE = 1 / (1 + math.exp(-1))  # what the gate is where G is 0 and g is 1


def starter(live: Live, knobs: Knobs) -> Callable[[str], Weights]:
    """What makes the weights of a new distiller, by its name. Raises UsageError where they cannot be derived."""
    normal = partial(fresh, seed=knobs.seed, hidden=live.hidden, rank=knobs.rank_for(live.hidden))
    if knobs.init != "ffn_fast_svd":
        return normal
    factors = feed_forward(live, knobs.target)
    return lambda name: factorised(normal(name), *factors)


def factorised(base: Weights, left: Tensor, values: Tensor, right: Tensor) -> Weights:
    """The weights of D(x) = LN(x + x·left·diag(values)·right), with the gate at the constant that it then is.

    Ranks beyond those of the product keep their A and have B = 0, so that they add nothing, and learn.

    Args:
        base: new weights of one slot.
        left: hidden × n.
        values: n singular values, the largest first.
        right: n × hidden.
    """
    rank = min(base.down.shape[2], len(values))
    root = values[:rank].sqrt()
    down, up = base.down.clone(), base.up.new_zeros(base.up.shape)
    down[0, :, :rank] = left[:, :rank] * root
    up[0, :rank] = right[:rank] * root.unsqueeze(1) / SILU_OF_ONE
    return base._replace(down=down, up=up, gate=base.gate.new_zeros(base.gate.shape))


def feed_forward(live: Live, target: str) -> tuple[Tensor, Tensor, Tensor]:
    """The factors of what the feed-forward network of the target's block does to a row, with half of its gate.

    M = W_down · ½ (W_up + W_gate) acts on columns, so that a row is multiplied by M's transpose.
    """
    import torch  # noqa: PLC0415 - heavy

    gate, up, down = (part.detach().float().cpu() for part in _parts(live, ".".join(target.split(".")[:2])))
    left, values, right = torch.linalg.svd((down @ (up + gate) / 2).T, full_matrices=False)
    return left, values, right


def _parts(live: Live, block: str) -> Sequence[Tensor]:
    try:
        network: Any = find_layer(live.network, f"{block}.mlp")
        down = network.down_proj.weight
        merged = getattr(network, "gate_up_proj", None)
        gate, up = merged.weight.chunk(2) if merged else (network.gate_proj.weight, network.up_proj.weight)
        shapes = [tuple(part.shape) for part in (gate, up, down)]
        inner = shapes[-1][-1:]  # nothing where vLLM has packed a weight, and left an empty one in its place
        if down.is_floating_point() and shapes == [(*inner, live.hidden)] * 2 + [(live.hidden, *inner)]:
            return gate, up, down
    except (AttributeError, UsageError):
        pass
    raise UsageError(
        f"--patch esamp: init=ffn_fast_svd reads gate, up and down projection of {block}.mlp, and this {live.kind} "
        "network has none there, or has repacked or quantised them; take init=normal or init=ridge_svd"
    )

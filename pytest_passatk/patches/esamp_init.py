"""The weights with which a distiller starts."""

from collections.abc import Callable
from functools import partial

from pytest_passatk.core.patch import Live
from pytest_passatk.patches.esamp_distiller import Weights, fresh
from pytest_passatk.patches.esamp_knobs import Knobs


def starter(live: Live, knobs: Knobs) -> Callable[[str], Weights]:
    """What makes the weights of a new distiller, by its name."""
    return partial(fresh, seed=knobs.seed, hidden=live.hidden, rank=knobs.rank_for(live.hidden))

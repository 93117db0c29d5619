"""Which layers of a network taps mean."""

from typing import Any

import pytest
import torch

from pytest_passatk.core.errors import UsageError
from pytest_passatk.runtimes.taps import find_blocks, find_layer


def modules(count: int, make: Any = torch.nn.Module) -> Any:
    return torch.nn.ModuleList([make() for _ in range(count)])


def network(**parts: Any) -> Any:
    made = torch.nn.Module()
    for name, part in parts.items():
        setattr(made, name, part)
    return made


def test_blocks_are_the_longest_list() -> None:
    made = network(layers=modules(3), projections=modules(2))
    assert find_blocks(made) is made.layers
    assert find_layer(made, "layers.-1") is made.layers[2]


def test_the_experts_of_a_block_are_no_blocks() -> None:
    made = network(layers=modules(2, lambda: network(mlp=network(experts=modules(8)))))
    assert find_blocks(made) is made.layers
    assert find_layer(made, "layers.1.mlp.experts.5") is made.layers[1].mlp.experts[5]


@pytest.mark.parametrize("name", ["get_decoder", "get_language_model"])
def test_blocks_that_encode_images_are_none_of_the_decoder_s(name: str) -> None:
    class Seeing(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.vision, self.text = network(layers=modules(5)), network(layers=modules(2))

    setattr(Seeing, name, lambda self: self.text)
    made = Seeing()
    assert find_blocks(made) is made.text.layers


def test_a_network_without_blocks_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="Linear has no list of blocks whose layers could be tapped"):
        find_blocks(torch.nn.Linear(2, 2))

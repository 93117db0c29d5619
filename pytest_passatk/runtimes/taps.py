"""Taps on the layers of a network of torch, by names that are the same on every runtime."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Tensor

BLOCKS = "layers"
DECODERS = ("get_language_model", "get_decoder")  # how networks of vLLM and transformers that see, too, tell it


@contextmanager
def tapped(network: Any, names: tuple[str, ...], see: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Show what the named layers put out, as packed rows × hidden, for the block.

    Args:
        network: a module of torch.
        names: as `core.patch.Patch.layers` has them.
        see: gets the name and the tensor.

    Raises:
        UsageError: the network has no such layer.
    """
    found = [(name, find_layer(network, name)) for name in names]
    hooks = [module.register_forward_hook(_hook(name, see)) for name, module in found]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def find_layer(network: Any, name: str) -> Any:
    """The module that a tap means: `layers.N` is block N, from behind where N is negative. Raises UsageError."""
    head, _, rest = name.partition(".")
    number, _, inner = rest.partition(".")
    blocks = find_blocks(network)
    try:
        return {BLOCKS: blocks}[head][int(number)].get_submodule(inner)
    except (AttributeError, IndexError, KeyError, ValueError) as error:
        raise UsageError(
            f"no layer {name!r} in a network of {len(blocks)} blocks; write layers.N or layers.N.SUBMODULE, "
            f"with N from {-len(blocks)} to {len(blocks) - 1}"
        ) from error


def find_blocks(network: Any) -> Any:
    """The list of a network's decoder blocks. Raises UsageError where there is none.

    It is the longest list of modules: not one in another list, which are experts, and not of what encodes images.
    """
    decoder = next((getattr(network, name)() for name in DECODERS if hasattr(network, name)), network)
    lists = [module for module in decoder.modules() if type(module).__name__ == "ModuleList"]
    inner = {id(module) for found in lists for module in found.modules() if module is not found}
    outer = [found for found in lists if id(found) not in inner]
    if not outer:
        raise UsageError(f"{type(network).__name__} has no list of blocks whose layers could be tapped")
    return max(outer, key=len)


def stream_of(name: str, output: Any) -> Tensor:
    """What a tap sees of a layer's output: rows × hidden.

    A block of vLLM puts out its last branch and the residual stream before that branch was added; their sum is what a
    block of transformers puts out. Of any other module it is the first tensor.
    """
    is_block = name.count(".") == 1
    if isinstance(output, tuple | list):
        branch, residual = output[0], output[1] if len(output) > 1 else None
        paired = is_block and getattr(residual, "shape", None) == branch.shape
        output = branch + residual if paired else branch
    return output.reshape(-1, output.shape[-1])


def _hook(name: str, see: Callable[[str, Tensor], None]) -> Callable[[Any, Any, Any], None]:
    def hook(module: Any, inputs: Any, output: Any) -> None:
        del module, inputs
        see(name, stream_of(name, output))

    return hook

"""The runtime `tensor`: a scheduler and tensors, without a model; thousands of schedules a minute."""

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress.packed import PackedRuntime
from pytest_passatk.stress.tensor_network import TensorNetwork


def load(target: str, options: ModelOptions) -> PackedRuntime:
    """See `stress.runtime.LoadRuntime`. Raises UsageError where adapters are asked for."""
    if target or any(options.adapters.values()):
        raise UsageError(f"tensor has no weights: neither {target or 'an adapter'} fits it; take hf: or vllm:")
    return PackedRuntime("tensor", TensorNetwork())

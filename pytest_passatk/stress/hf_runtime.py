"""The runtime `hf:PATH_OR_ID` of the stress suite: a network of transformers under the packed scheduler."""

from importlib.util import find_spec

from pytest_passatk.core.errors import MissingExtraError, UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models import config, hf_load
from pytest_passatk.models.hf_arms import Arms
from pytest_passatk.models.source import locate, locate_adapters
from pytest_passatk.stress.hf_network import HfNetwork
from pytest_passatk.stress.packed import PackedRuntime

EXACT = "float32"  # `auto`: narrower types make batch mates visible
FORKABLE = "cpu"  # `auto`: no GPU survives the fork of its process


def load(target: str, options: ModelOptions) -> PackedRuntime:
    """A network of transformers, ready to be stressed and forked (see `stress.runtime.LoadRuntime`).

    From then on, torch computes with one thread in this process.
    """
    name = f"hf:{target}"
    for library in ("torch", "transformers"):
        if not find_spec(library):
            raise MissingExtraError(name, library, "hf")
    hf_load.check_options(options)
    if len(options.adapters) > 1:
        raise UsageError(f"{name}: the stress suite takes one --adapter on transformers, not {len(options.adapters)}")
    import torch  # noqa: PLC0415 - heavy

    torch.set_num_threads(1)  # in a fork, more of them would wait for ever for those that the fork left behind
    return PackedRuntime(name, load_network(target, options))


def load_network(target: str, options: ModelOptions) -> HfNetwork:
    """The network, with its adapter where it has one. Raises UsageError or ModelError."""
    source = locate(f"hf:{target}", target, options.revision)
    dtype = EXACT if options.dtype == "auto" else options.dtype
    device = hf_load.choose_device(FORKABLE if options.device == "auto" else options.device)
    arms = Arms(hf_load.load_network(source, dtype, device, options), locate_adapters(options))
    limits = [config.read(source.folder).context, hf_load.context_argument(options)]
    return HfNetwork(arms.base, min((limit for limit in limits if limit), default=None))

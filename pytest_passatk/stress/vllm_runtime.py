"""The runtime `vllm:PATH_OR_ID` of the stress suite: vLLM's offline engine in this process."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from importlib.util import find_spec
from typing import Any

from pytest_passatk.core.errors import MissingExtraError, UsageError
from pytest_passatk.core.patch import Live, Patch
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models import config, vllm_arguments, vllm_arms, vllm_log, vllm_setup, vllm_start
from pytest_passatk.models.source import Source, locate, locate_adapters
from pytest_passatk.runtimes.observer import Observer
from pytest_passatk.runtimes.vllm_hooks import VllmHooks
from pytest_passatk.runtimes.vllm_live import find_runner
from pytest_passatk.stress.play import Play
from pytest_passatk.stress.schedule import BLOCK, Schedule
from pytest_passatk.stress.vllm_loop import Loop

CONTEXT = 256  # tokens of a request: schedules need no more
ROWS = 64  # requests at once
EXACT = 1e-4  # float32: six times what batch mates were seen to do to a log-probability
COARSE = 0.25  # narrower types


def load(target: str, options: ModelOptions) -> "VllmRuntime":
    """An engine of vLLM, ready to be stressed (see `stress.runtime.LoadRuntime`)."""
    name = f"vllm:{target}"
    if not find_spec("vllm"):
        raise MissingExtraError(name, "vllm", "vllm")
    vllm_setup.check_options(options)
    source, adapters = locate(name, target, options.revision), locate_adapters(options)
    vllm_setup.keep_inside()
    arguments = _arguments(source, options) | vllm_arms.adapter_arguments(adapters)
    engine = vllm_start.start(name, arguments, vllm_log.end_of_log())
    arms = [each for each in vllm_arms.adapter_requests(adapters).values() if each]
    for arm in arms:
        engine.add_lora(arm)
    return VllmRuntime(name, engine, [None, *arms])


class VllmRuntime:
    """See `stress.runtime.Runtime`.

    Args:
        name: of the runtime.
        engine: vLLM's `LLMEngine`, in this process.
        arms: vLLM's word for each adapter; `None` is the model as it is.
    """

    def __init__(self, name: str, engine: Any, arms: Sequence[Any]) -> None:
        settings = engine.vllm_config.model_config
        self.name = name
        self.vocabulary = int(settings.get_vocab_size())
        self.context = int(settings.max_model_len)
        self.arms = len(arms)
        self._engine, self._requests = engine, arms
        self._hooks = VllmHooks(engine, find_runner(engine))
        self.tolerance = EXACT if str(self.live.dtype) == "torch.float32" else COARSE
        self.chunks_seeded = str(self.live.device) != "cpu"  # there, vLLM's generators cannot be turned back

    @property
    def live(self) -> Live:
        """See Runtime."""
        return self._hooks.live

    def attached(self, patch: Patch | None, observer: Observer) -> AbstractContextManager[None]:
        """See Runtime."""
        return self._hooks.attached(patch, observer)

    def play(self, schedule: Schedule) -> Play:
        """See Runtime; an engine whose step broke plays the next schedule."""
        return Loop(self._engine, self._hooks, self._requests, schedule, self.vocabulary).play()

    def hooks(self) -> frozenset[str]:
        """See Runtime; those that vLLM has itself are left out."""
        return self._hooks.hooks()

    def close(self) -> None:
        """See Runtime. vLLM shares parts among its engines: another one in this process breaks with it."""
        engine, self._engine = self._engine, None
        if engine is not None:
            with suppress(Exception):  # it may be gone by itself
                engine.engine_core.shutdown()


def _arguments(source: Source, options: ModelOptions) -> dict[str, Any]:
    """Of vLLM's engine: small, exact and eager, with prompts read whole unless a schedule says otherwise."""
    platform = vllm_setup.choose_platform(options.device)
    dtype = vllm_setup.choose_dtype(options.dtype, config.read(source.folder).dtype, platform)
    own = vllm_arguments.convert(options.args)
    limits = (CONTEXT, config.read(source.folder).context, own.get("max_model_len"))
    length = min(limit for limit in limits if limit)
    room = ROWS * length
    _check_parts(own, room)
    setting = vllm_arguments.Setting(source, dtype, platform, length)
    ours = {
        "async_scheduling": False,
        "block_size": BLOCK,
        "enable_chunked_prefill": True,
        "enable_prefix_caching": False,
        "enforce_eager": True,  # what is compiled calls no hook
        "max_num_batched_tokens": room,
        "max_num_seqs": ROWS,
        "skip_tokenizer_init": True,
    }
    return vllm_arguments.engine_arguments(setting, options) | ours | own | {"max_model_len": length}


def _check_parts(own: Mapping[str, Any], room: int) -> None:
    """See that prompts are read in parts where a schedule says so, and only there. Raises UsageError."""
    if own.get("enable_chunked_prefill", True) is True and own.get("max_num_batched_tokens", room) >= room:
        return
    raise UsageError(
        "vllm: in the stress suite schedules say which prompts are read in parts: leave enable_chunked_prefill and "
        f"max_num_batched_tokens out of --passatk-model-args (or give {room} tokens or more)"
    )

"""The start of vLLM's offline engine."""

import gc
import warnings
from collections.abc import Mapping
from traceback import clear_frames, walk_tb
from typing import Any

from pytest_passatk.models import vllm_failure, vllm_log


def start(name: str, arguments: Mapping[str, Any], log: int) -> Any:
    """A running engine of vLLM.

    Args:
        name: of the model, for messages.
        arguments: of the engine.
        log: where vLLM's log ended before (see `vllm_log`).

    Raises:
        ModelError: it does not start.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a run that turns warnings into errors must not trip over vLLM's own
            return _create(arguments)
    except Exception as error:
        raise vllm_failure.fail_start(name, error, vllm_log.last_error(log)) from error


def _create(arguments: Mapping[str, Any]) -> Any:
    from vllm.engine.arg_utils import EngineArgs  # noqa: PLC0415 - heavy
    from vllm.usage.usage_lib import UsageContext  # noqa: PLC0415
    from vllm.v1.engine.llm_engine import LLMEngine  # noqa: PLC0415

    try:
        # As vLLM's own `LLM` does: in any other context it takes the small batches of a server.
        return LLMEngine.from_engine_args(EngineArgs(**arguments), UsageContext.LLM_CLASS)
    except Exception as error:
        _clear(error)
        raise


def _clear(error: Exception) -> None:
    """Free what a failed start leaves: its memory, and the sockets to its processes, which vLLM 0.32 forgets."""
    for frame, _ in walk_tb(error.__traceback__):
        context = getattr(frame.f_locals.get("self"), "ctx", None)
        if context is not None:
            context.destroy(linger=0)
    clear_frames(error.__traceback__)
    gc.collect()

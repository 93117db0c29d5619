"""What vLLM's engine core brings, seen as it comes: first tokens, and whether its process still lives."""

from time import perf_counter
from typing import Any

PULSE = 0.2  # seconds between two looks at a process that says nothing


def watch(core: Any) -> dict[str, float]:
    """Watch all that an engine core brings.

    Args:
        core: of a vLLM engine; its `get_output` is replaced, and raises EngineDeadError where its process is gone.

    Returns:
        The time (by `perf_counter`) at which each request brought its first token, by vLLM's name for it. vLLM's own
        statistics hold it, too, but cost several percent of a small model's time.
    """
    first: dict[str, float] = {}
    get_output = core.get_output

    def get_and_note() -> Any:
        _await_output(core)
        found, now = get_output(), perf_counter()
        first.update((output.request_id, now) for output in found.outputs if output.prefill_stats is not None)
        return found

    core.get_output = get_and_note
    return first


def _await_output(core: Any) -> None:
    """Wait for a core in another process, which in vLLM 0.32 would wait forever for one that was killed."""
    from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415 - heavy

    arrived = getattr(core, "outputs_queue", None)
    if arrived is None:
        return
    with arrived.not_empty:
        while not arrived.queue:
            if core.resources.engine_dead:
                raise EngineDeadError
            arrived.not_empty.wait(PULSE)

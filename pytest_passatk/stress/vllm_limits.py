"""What a schedule leaves vLLM's scheduler to work with, and what the scheduler then does to its requests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.runtimes.replacement import replaced
from pytest_passatk.runtimes.signatures import check_signatures
from pytest_passatk.stress.schedule import Schedule

WRITTEN_FOR = {
    "vllm.v1.core.sched.scheduler:Scheduler._preempt_request": "(self, request, timestamp, drop_stale_output=False)",
    "vllm.v1.core.block_pool:BlockPool.get_new_blocks": "(self, num_blocks)",
    "vllm.v1.core.block_pool:BlockPool.free_blocks": "(self, ordered_blocks)",
}


@contextmanager
def limited(scheduler: Any, schedule: Schedule, preempted: Callable[[str], None]) -> Iterator[None]:
    """Hold a scheduler to the limits of a schedule for the block.

    Args:
        scheduler: vLLM's, in this process.
        schedule: the one to be played.
        preempted: gets vLLM's own id of each request that has to give way.

    Raises:
        UsageError: this version of vLLM works otherwise.
    """
    check_signatures("what plays schedules on vLLM", WRITTEN_FOR)
    limits = {"max_num_active_reqs": schedule.slots, "max_num_scheduled_tokens": schedule.budget}
    original = scheduler._preempt_request  # noqa: SLF001 - nothing else tells

    def preempt(request: Any, *args: Any, **kwargs: Any) -> Any:
        preempted(request.request_id)
        return original(request, *args, **kwargs)

    with ExitStack() as stack:
        for name, limit in limits.items():
            if limit is not None:
                stack.enter_context(replaced(scheduler, name, min(limit, getattr(scheduler, name))))
        stack.enter_context(_held(scheduler.kv_cache_manager.block_pool, schedule.blocks))
        stack.enter_context(replaced(scheduler, "_preempt_request", preempt))
        yield


@contextmanager
def _held(pool: Any, left: int | None) -> Iterator[None]:
    """Hold blocks of the cache back, so that only some are left."""
    free = pool.get_num_free_blocks()
    if left is not None and left > free:
        raise UsageError(
            f"the schedule asks for {left} free blocks, but vLLM's cache has {free}; give it more memory "
            "(--passatk-model-args kv_cache_memory_bytes=…)"
        )
    held = [] if left is None else pool.get_new_blocks(free - left)
    try:
        yield
    finally:
        pool.free_blocks(held)

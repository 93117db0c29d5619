"""Logits processors of vLLM, told of every row that is added, removed or moved: a sound one, and two with a fault.

They stand in for vLLM's own min-p while they are attached, so that no token changes as long as their rows are right.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from samplers import Rows, RowsThatInherit, RowsThatStay
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, MinPLogitsProcessor, MoveDirectionality

from pytest_passatk.core.patch import Live, Patch, Tensor


class Processor(LogitsProcessor):  # type: ignore[misc]  # vLLM has no types here
    """Min-p by the rows that it is given."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.size = 0

    def is_argmax_invariant(self) -> bool:
        return True

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        if batch_update is None:
            return
        for row in batch_update.removed:
            self.rows.remove(row)
        for row, params, *_ in batch_update.added:
            self.rows.add(row, params.min_p)
        for source, target, direction in batch_update.moved:
            assert direction is MoveDirectionality.UNIDIRECTIONAL, "a CPU's batch is never sorted"
            self.rows.move(source, target)

    def apply(self, logits: Tensor) -> Tensor:
        probabilities = logits.softmax(-1)
        least = torch.tensor(self.rows.values[: len(logits)]).to(logits).unsqueeze(1)
        return logits.masked_fill_(probabilities < least * probabilities.amax(-1, keepdim=True), -torch.inf)


class MinPRows(Patch):
    """Puts its processor in the place of vLLM's."""

    kind: ClassVar[type[Rows]] = Rows

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        processors: list[Any] = live.batch.logitsprocs.argmax_invariant
        at = next(at for at, each in enumerate(processors) if isinstance(each, MinPLogitsProcessor))
        own, processors[at] = processors[at], Processor(self.kind(live.capacity))
        try:
            yield
        finally:
            processors[at] = own


class MovedIgnored(MinPRows):
    """A request that moves leaves its value behind."""

    kind = RowsThatStay


class ReusedSlotNotCleared(MinPRows):
    """A request without a value inherits that of the one that had its row before."""

    kind = RowsThatInherit

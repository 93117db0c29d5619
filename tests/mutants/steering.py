"""Patches that push hidden states of what a request generates: a sound one, and the same with one fault each.

Each says that requests do not see each other under it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pytest_passatk.core.patch import Claim, Live, Patch, StepRow, StepView, Tensor
from pytest_passatk.runtimes.taps import find_layer

STRENGTH = 0.5


class EveryRow(Patch):
    """Pushes the rows of all tokens behind the prompt, those too that are read again."""

    claim = Claim.OTHER_DISTRIBUTION
    independent = True

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        self.prompts: dict[str, int] = {}
        self.rows: list[int] = []
        hook = find_layer(live.network, "layers.0").register_forward_hook(self.push)
        try:
            yield
        finally:
            hook.remove()

    def begin_step(self, view: StepView) -> None:
        self.rows, start = [], 0
        for row in view.rows:
            if row.samples:
                self.prompts.setdefault(row.request, row.position + 1)
            self.rows += self.find(row, row.row + 1 - start)
            start = row.row + 1

    def find(self, row: StepRow, count: int) -> list[int]:
        """The packed rows to push, of the last `count` tokens of a request."""
        prompt = self.prompts.get(row.request, row.position + 1)
        return [row.row - back for back in range(count) if row.position - back >= prompt]

    def push(self, module: Any, inputs: Any, output: Any) -> Any:
        """A block of vLLM puts out its branch and the stream; to push one of them is to push their sum."""
        del module, inputs
        first: Tensor = output[0] if isinstance(output, tuple) else output
        rows = first.reshape(-1, first.shape[-1]).clone()
        rows[self.rows] += STRENGTH * torch.ones_like(rows[self.rows])
        pushed = rows.reshape(first.shape)
        return (pushed, *output[1:]) if isinstance(output, tuple) else pushed


class FirstRows(EveryRow):
    """The requests that decode are taken to have the first packed rows."""

    def begin_step(self, view: StepView) -> None:
        self.rows = list(range(len(view.decode)))


class LastRowOnly(EveryRow):
    """Tokens that are read again after a preemption are not pushed again, so that their keys and values are others."""

    def begin_step(self, view: StepView) -> None:
        self.rows = [row.row for row in view.decode]


class FirstPart(EveryRow):
    """Pushes prompts, and of those that are read in parts only the first part."""

    def attach(self, live: Live) -> Any:
        self.seen: set[str] = set()
        return super().attach(live)

    def find(self, row: StepRow, count: int) -> list[int]:
        if row.request in self.seen:
            return []
        self.seen.add(row.request)
        return [row.row - back for back in range(count)]


class WritesTap(Patch):
    """Pushes what a tap shows it: on some runtimes that is the stream, and on vLLM a sum that nobody reads again."""

    claim = Claim.OTHER_DISTRIBUTION
    layers = ("layers.0", "layers.-1")

    def begin_step(self, view: StepView) -> None:
        self.rows = [row.row for row in view.decode]

    def on_layer(self, name: str, tensor: Tensor) -> None:
        if name == self.layers[0]:
            tensor[self.rows] += STRENGTH

"""A persistent batch: rows that stay where they are while requests come and go, as vLLM's `InputBatch` keeps them.

It exists to be patched: what a patch keeps for each row has to follow every `add_request`, `remove_request` and `move`.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from pytest_passatk.stress.schedule import Draw, Planned

Tensor: TypeAlias = Any  # torch is imported only where it is used
SETTINGS = ("temperature", "top_p", "top_k", "min_p")


@dataclass(slots=True, eq=False)
class Running:
    """A request that the scheduler knows.

    Attributes:
        id: its name in the schedule.
        planned: what was asked.
        tokens: of the prompt, and those generated so far.
        sample: index among the requests of its problem.
        computed: how many of the tokens have been read.
        logprobs: of the generated tokens.
        margins: of the likeliest token ahead of the next, for each of them.
        random: its own source of randomness.
    """

    id: str
    planned: Planned
    tokens: list[int]
    sample: int
    computed: int = 0
    logprobs: list[float] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.planned.draw.seed)

    @property
    def generated(self) -> tuple[int, ...]:
        """The tokens behind the prompt."""
        return tuple(self.tokens[self.planned.prompt :])

    @property
    def complete(self) -> bool:
        """Whether it has all its tokens."""
        return len(self.tokens) >= self.planned.prompt + self.planned.length


class PersistentBatch:
    """Rows of requests, with the parameters that their tokens are drawn with.

    Args:
        capacity: the most rows.

    Attributes:
        requests: by row; `None` where a row is free.
        temperature: by row, like `top_p`, `top_k` and `min_p`: float64 tensors with `capacity` elements.
    """

    def __init__(self, capacity: int) -> None:
        import torch  # noqa: PLC0415 - heavy

        self.requests: list[Running | None] = []
        self.temperature, self.top_p, self.top_k, self.min_p = torch.zeros(len(SETTINGS), capacity, dtype=torch.float64)
        self._holes: list[int] = []

    @property
    def req_ids(self) -> list[str]:
        """The ids of the requests, by row; to be asked of a batch without holes."""
        return [request.id for request in self.requests if request]

    def add_request(self, request: Running) -> int:
        """Give a request the first free row; returns it."""
        row = self._holes.pop(0) if self._holes else len(self.requests)
        if row == len(self.requests):
            self.requests.append(None)
        self.requests[row] = request
        self._write(row, request.planned.draw)
        return row

    def remove_request(self, name: str) -> int:
        """Free the row of a request; returns it."""
        row = next(at for at, request in enumerate(self.requests) if request and request.id == name)
        self.requests[row] = None
        self._holes = sorted([*self._holes, row])
        return row

    def condense(self) -> None:
        """Fill the holes that are left with the last rows."""
        while self._holes:
            while self.requests and self.requests[-1] is None:
                self.requests.pop()
            hole = self._holes.pop(0)
            if hole < len(self.requests):
                self.move(len(self.requests) - 1, hole)
        while self.requests and self.requests[-1] is None:
            self.requests.pop()

    def move(self, source: int, target: int) -> None:
        """Move a row into a free one."""
        self.requests[target], self.requests[source] = self.requests[source], None
        for name in SETTINGS:
            column = getattr(self, name)
            column[target] = column[source]

    def settings(self) -> Tensor:
        """Rows × (temperature, top-p, top-k, min-p, repetition penalty), as `models.hf_draw` takes them."""
        import torch  # noqa: PLC0415 - heavy

        rows = len(self.requests)
        columns = [getattr(self, name)[:rows] for name in SETTINGS]
        return torch.stack([*columns, torch.ones(rows, dtype=torch.float64)], dim=1)

    def _write(self, row: int, draw: Draw) -> None:
        for name in SETTINGS:
            getattr(self, name)[row] = getattr(draw, name)

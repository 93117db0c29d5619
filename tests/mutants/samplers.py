"""Rewrites of a sampler, sound ones and the same with one fault each: by rows that move, and by what is drawn.

What a patch keeps for each row of the persistent batch has to follow every request that is added, removed or moved. The
sound ones change no token, so that the claim holds and every fault breaks it.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import torch

from pytest_passatk.core.patch import Claim, Live, Patch, StepRow, StepView, Tensor
from pytest_passatk.runtimes.replacement import replaced


def temperatures(batch: Any, logits: Tensor) -> Tensor:
    """Of each row, as a column like the logits; 0 where the row is greedy."""
    column = batch.temperature if hasattr(batch, "requests") else batch.temperature_cpu_tensor
    return column[: len(logits), None].to(logits)


def divided(batch: Any, logits: Tensor) -> Tensor:
    """The logits divided by their temperatures; greedy ones as they are."""
    own = temperatures(batch, logits)
    return logits / own.where(own > 0, torch.ones_like(own))


def gumbel(shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    """Noise; of scores to which it is added the largest is a draw."""
    return torch.rand(shape, generator=random, dtype=torch.float64).log().neg().log().neg()


class DoubleTemperature(Patch):
    """Divides by the temperature what was divided by it before."""

    def attach(self, live: Live) -> Any:
        self.batch = live.batch
        return super().attach(live)

    def modify_candidates(self, logits: Tensor) -> Tensor:
        return divided(self.batch, logits)


class OwnRandomness(Patch):
    """Says that tokens stay the same, and draws them by Gumbel noise of its own."""

    def attach(self, live: Live) -> Any:
        self.batch = live.batch
        self.random = torch.Generator().manual_seed(live.capacity)
        return super().attach(live)

    def modify_candidates(self, logits: Tensor) -> Tensor:
        drawn = (self.scores(logits).double().cpu() + self.noise(logits)).argmax(1, keepdim=True).to(logits.device)
        only = torch.full_like(logits, -math.inf).scatter(1, drawn, 0.0)
        return only.where(temperatures(self.batch, logits) > 0, logits)

    def noise(self, logits: Tensor) -> Tensor:
        """For each of the logits."""
        return gumbel(logits.shape, self.random)

    def scores(self, logits: Tensor) -> Tensor:
        """What the noise is added to."""
        return logits


class OwnDraw(OwnRandomness):
    """Other tokens of the same distribution, and says so."""

    claim = Claim.SAME_DISTRIBUTION


class OwnColderDraw(OwnDraw):
    """Says the same, and divides by the temperature twice."""

    def scores(self, logits: Tensor) -> Tensor:
        return divided(self.batch, logits)


class RequestDraw(OwnDraw):
    """Draws from a generator of each request, seeded by its problem and number: so requests do not see each other."""

    independent = True

    def attach(self, live: Live) -> Any:
        self.generators: dict[str, torch.Generator] = {}
        return super().attach(live)

    def begin_step(self, view: StepView) -> None:
        self.view = view

    def noise(self, logits: Tensor) -> Tensor:
        return torch.stack([self.noise_of(row, logits.shape[1]) for row in self.view.rows])

    def noise_of(self, row: StepRow, count: int) -> Tensor:
        """Gumbel noise for a request, where it draws."""
        seed = 1000 * int(row.problem) + row.sample
        generator = self.generators.setdefault(row.request, torch.Generator().manual_seed(seed))
        return gumbel((count,), generator) if row.samples else torch.zeros(count, dtype=torch.float64)


class RestartedDraw(RequestDraw):
    """A request that is thrown out gets a new generator, from the same seed, when it comes back."""

    def begin_step(self, view: StepView) -> None:
        super().begin_step(view)
        here = {row.request for row in view.rows}
        self.generators = {name: generator for name, generator in self.generators.items() if name in here}


class SharedNoise(RequestDraw):
    """All rows of a step get the same noise."""

    def noise(self, logits: Tensor) -> Tensor:
        return gumbel((1, logits.shape[1]), self.random)


class GlobalRandomness(Patch):
    """Drops rows of what it looks at by the engine's own source of randomness."""

    layers = ("layers.0",)

    def on_layer(self, name: str, tensor: Tensor) -> None:
        del name
        torch.nn.functional.dropout(tensor)


class HalfPrecision(Patch):
    """Hands candidates on in float16 numbers; hardly a token changes."""

    def modify_candidates(self, logits: Tensor) -> Tensor:
        return logits.half().to(logits)


class TemperatureKept(Patch):
    """Takes the temperatures anew where the number of rows changes, and else those that it had."""

    def attach(self, live: Live) -> Any:
        self.batch, self.kept = live.batch, torch.empty(0)
        return super().attach(live)

    def modify_candidates(self, logits: Tensor) -> Tensor:
        now = temperatures(self.batch, logits)
        if len(self.kept) != len(now):
            self.kept = now.clone()
        both = (now > 0) & (self.kept > 0)
        return logits.where(~both, logits * now / self.kept)


class Rows:
    """A min-p for each row of a batch."""

    def __init__(self, capacity: int) -> None:
        self.values = [0.0] * capacity

    def add(self, row: int, min_p: float) -> None:
        self.values[row] = min_p

    def remove(self, row: int) -> None:
        self.values[row] = 0.0

    def move(self, source: int, target: int) -> None:
        self.values[target], self.values[source] = self.values[source], 0.0


class RowsThatStay(Rows):
    """Moves are ignored."""

    def move(self, source: int, target: int) -> None:
        pass


class RowsThatInherit(Rows):
    """A row is written where a request has a min-p, and else keeps what the last one left."""

    def add(self, row: int, min_p: float) -> None:
        if min_p:
            self.values[row] = min_p

    def remove(self, row: int) -> None:
        pass

    def move(self, source: int, target: int) -> None:
        self.values[target] = self.values[source]


class MinPRows(Patch):
    """Filters by min-p itself, from raw logits and by rows of its own; on the batch of the packed runtimes."""

    kind: ClassVar[type[Rows]] = Rows
    followed: ClassVar[tuple[str, ...]] = ("add_request", "remove_request", "move")

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        self.batch, self.rows = live.batch, self.kind(live.capacity)
        tell: dict[str, Callable[..., None]] = {
            "add_request": lambda row, request: self.rows.add(row, _min_p(request)),
            "remove_request": lambda row, _: self.rows.remove(row),
            "move": lambda _, source, target: self.rows.move(source, target),
        }
        with ExitStack() as stack:
            for name in self.followed:
                stack.enter_context(told(live.batch, name, tell[name]))
            yield

    def on_logits(self, logits: Tensor) -> None:
        self.raw = logits.clone()  # samplers divide in place

    def modify_candidates(self, logits: Tensor) -> Tensor:
        own = divided(self.batch, self.raw.to(logits))
        least = own.amax(1, keepdim=True) + torch.tensor(self.rows.values[: len(own)]).to(own).log().unsqueeze(1)
        dropped = (own < least) | (logits.isneginf() & _filtered(self.batch, logits))
        greedy = temperatures(self.batch, logits) == 0
        return logits.where(greedy, own.masked_fill(dropped, -math.inf))


class MinPNotMoved(MinPRows):
    """A value is written where a request is added; no `condense` moves it, and no `remove_request` clears it."""

    followed = ("add_request",)


class MovedIgnored(MinPRows):
    """A request that moves leaves its value behind."""

    kind = RowsThatStay


class ReusedSlotNotCleared(MinPRows):
    """A request without a value inherits that of the one that had its row before."""

    kind = RowsThatInherit


def told(owner: Any, name: str, tell: Callable[..., None]) -> Any:
    """Let a method tell what it returned, and what it was given, for the block."""
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        tell(found, *args, **kwargs)
        return found

    return replaced(owner, name, call)


def _min_p(request: Any) -> float:
    """Of a request of the packed runtimes, or of vLLM's."""
    own = request.planned.draw if hasattr(request, "planned") else request.sampling_params
    return float(own.min_p)


def _filtered(batch: Any, logits: Tensor) -> Tensor:
    """The rows that top-k or top-p filter, too, as a column."""
    if hasattr(batch, "requests"):
        found = ((batch.top_k > 0) | (batch.top_p < 1))[: len(logits)]
    else:
        found = torch.tensor([name in batch.top_k_reqs | batch.top_p_reqs for name in batch.req_ids])
    return found.to(logits.device).unsqueeze(1)

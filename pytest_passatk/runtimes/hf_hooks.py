"""A patch on a network of transformers: its steps as `models.hf_decode.decode` makes them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from pytest_passatk.core.errors import ModelError, UsageError
from pytest_passatk.core.patch import Live, PatchSpec, Phase, StepRow, StepView, Tensor
from pytest_passatk.models.row import Row
from pytest_passatk.patches.registry import make
from pytest_passatk.runtimes.contexts import named
from pytest_passatk.runtimes.observer import Observer, PatchObserver
from pytest_passatk.runtimes.signatures import check_signatures
from pytest_passatk.runtimes.taps import find_layer, tapped


class Watch:
    """Tells an observer the steps of one batch after the other, counted on from each to the next.

    In the first pass of a batch each distinct prompt is read once, so that requests may share a packed row, and what
    pads the prompts on the left is packed, too. Where memory runs out, a step has begun and does not end.

    Args:
        name: of the patch that watches, for messages.
        observer: what is told.
    """

    def __init__(self, name: str, observer: Observer) -> None:
        self.name = name
        self._observer = observer
        self._step = 0

    @property
    def change(self) -> Callable[[Tensor], Tensor] | None:
        """What gives the logits to sample from, where the observer has a say in them."""
        return self._observer.candidates if self._observer.changes_candidates else None

    def read(self, rows: Sequence[Row], places: Mapping[tuple[int, ...], int]) -> None:
        """Prompts are going to be read, each in its own place; `rows` are the requests."""
        width = max(map(len, places))
        lasts = [(places[row.prompt] + 1) * width - 1 for row in rows]
        self._begin(len(places) * width, rows, lasts, Phase.PREFILL)

    def extend(self, rows: Sequence[Row]) -> None:
        """The last token of each row is going to be read."""
        self._begin(len(rows), rows, range(len(rows)), Phase.DECODE)

    def forwarded(self, logits: Tensor) -> None:
        """The pass is over; the raw logits are those of the requests."""
        self._observer.forwarded()
        self._observer.logits(logits)

    def drawn(self, tokens: Sequence[int]) -> None:
        """The requests got these tokens."""
        self._observer.end(tokens)

    def _begin(self, packed: int, rows: Sequence[Row], lasts: Iterable[int], phase: Phase) -> None:
        told = tuple(_describe(row, last, phase) for row, last in zip(rows, lasts, strict=True))
        view = StepView(self._step, packed, told)
        self._step += 1
        self._observer.begin(view)


class Patched:
    """A patch for the life of an engine.

    Args:
        spec: says which.

    Raises:
        UsageError: its arguments do not fit, or what it hooks by itself has another signature by now.
    """

    def __init__(self, spec: PatchSpec) -> None:
        self.patch = make(spec)
        self._name = f"--patch {spec.name}"
        check_signatures(self._name, self.patch.written_for)

    @property
    def active(self) -> bool:
        """Whether it has done anything yet, by its own counters; one that counts nothing is believed."""
        counters = self.patch.counters()
        return not counters or any(counters.values())

    def check(self, network: Any) -> None:
        """See that what it taps is there. Raises UsageError."""
        for layer in self.patch.layers:
            try:
                find_layer(network, layer)
            except UsageError as error:
                raise UsageError(f"{self._name}: {error}") from error

    @contextmanager
    def on(self, network: Any, capacity: int) -> Iterator[Watch]:
        """Put a network under it for the block; leaving the block restores the network.

        Args:
            network: a causal language model of transformers.
            capacity: the most requests in one step.

        Raises:
            ModelError: it cannot be attached, or not be taken off.
        """
        observer = PatchObserver(self.patch)
        with ExitStack() as left:
            left.enter_context(named(self._name, partial(self.patch.attach, find_live(network, capacity))))
            left.enter_context(tapped(network, observer.layers, observer.layer))
            yield Watch(self._name, observer)

    def idle(self) -> ModelError:
        """What to raise where all was answered, and the patch did nothing."""
        counters = ", ".join(f"{name} = {count}" for name, count in self.patch.counters().items())
        return ModelError(
            f"{self._name} was never active while requests were answered ({counters}), so that they say nothing of it "
            "and are not kept; see that its layers and hooks are called on transformers, and that it counts"
        )


def find_live(network: Any, capacity: int) -> Live:
    """A network of transformers as patches see it."""
    output = network.get_output_embeddings()
    return Live(
        kind="hf",
        engine=network,
        network=network,
        batch=None,
        capacity=capacity,
        hidden=int(network.config.get_text_config().hidden_size),
        dtype=network.dtype,
        device=network.device,
        head=_detach(getattr(output, "weight", None)),
        bias=_detach(getattr(output, "bias", None)),
    )


def _detach(parameter: Tensor | None) -> Tensor | None:
    return None if parameter is None else parameter.detach()


def _describe(row: Row, last: int, phase: Phase) -> StepRow:
    request = row.request
    return StepRow(
        request=f"{request.stream}#{request.index}",
        problem=request.stream,  # two suites may have a problem of one name, with prompts of their own
        sample=request.index,
        row=last,
        position=len(row.prompt) + len(row.tokens) - 1,
        phase=phase,
    )

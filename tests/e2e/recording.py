"""Patches that write down what a runtime tells them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from pytest_passatk.core.patch import Live, Patch, PatchSpec, StepView, Tensor

LAYERS = ("layers.0", "layers.-1.input_layernorm")
FORCED = 40  # a token that ends nothing


class Recording(Patch):
    """Notes every call, with copies of the tensors.

    Attributes:
        made: all instances, in order.
        live: of each time that it was attached.
        views: of all steps.
        calls: of all steps, by the names of the methods.
        layers_of: what the taps showed, by step and layer.
        logits_of: the raw logits, by step.
    """

    made: ClassVar[list["Recording"]] = []
    layers: tuple[str, ...] = LAYERS

    def __init__(self) -> None:
        self.made.append(self)
        self.live: list[Live] = []
        self.views: list[StepView] = []
        self.calls: list[list[str]] = []
        self.layers_of: dict[tuple[int, str], Tensor] = {}
        self.logits_of: list[Tensor] = []

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        self.live.append(live)
        yield

    def begin_step(self, view: StepView) -> None:
        self.views.append(view)
        self.calls.append(["begin"])

    def on_layer(self, name: str, tensor: Tensor) -> None:
        self.calls[-1].append(name)
        self.layers_of[len(self.views) - 1, name] = tensor.clone()

    def on_logits(self, logits: Tensor) -> None:
        self.calls[-1].append("logits")
        self.logits_of.append(logits.clone())

    def end_step(self) -> None:
        self.calls[-1].append("end")

    def counters(self) -> Mapping[str, int]:
        return {"steps": len(self.views)}


class RecordingDeclines(Recording):
    """Sees the candidates, and leaves them as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.candidates: list[Tensor] = []

    def modify_candidates(self, logits: Tensor) -> Tensor:
        self.calls[-1].append("candidates")
        self.candidates.append(logits.clone())
        return logits


class RecordingForces(Recording):
    """Leaves one token to each row."""

    def modify_candidates(self, logits: Tensor) -> Tensor:
        forced = logits.new_full(logits.shape, -float("inf"))
        forced[:, FORCED] = 0.0
        return forced


class RecordingDropsBest(Recording):
    """Takes the likeliest candidate away from each row that has another one."""

    def modify_candidates(self, logits: Tensor) -> Tensor:
        several = (logits > -float("inf")).sum(1, keepdim=True) > 1
        return logits.masked_fill(several & (logits == logits.amax(1, keepdim=True)), -float("inf"))


class RecordingBreaks(Recording):
    """Fails in its fourth step."""

    def on_layer(self, name: str, tensor: Tensor) -> None:
        super().on_layer(name, tensor)
        if len(self.views) == 4:
            raise RuntimeError("out of its depth")


class RecordingHooks(Recording):
    """Hooks the network by itself, too."""

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        hook = live.network.register_forward_pre_hook(lambda *_: self.calls[-1].append("own"), prepend=True)
        with super().attach(live):
            yield
        hook.remove()


class RecordingSilences(RecordingBreaks):
    """Catches what breaks while it is attached."""

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        with suppress(Exception), super().attach(live):
            yield


class RecordingStuck(Recording):
    """Cannot be taken off."""

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        with super().attach(live):
            yield
        raise LookupError("there is no way back")


class RecordingSpoils(Recording):
    """Makes candidates that are no numbers."""

    def modify_candidates(self, logits: Tensor) -> Tensor:
        return logits * float("nan")


class RecordingIdle(Recording):
    """Says that it was never active, for some steps or for ever."""

    def __init__(self, steps: int = 10**9) -> None:
        super().__init__()
        self.idle_steps = steps

    def counters(self) -> Mapping[str, int]:
        return {"hits": max(0, len(self.views) - self.idle_steps), "losses": 0}


class RecordingShapes(Recording):
    """Gives candidates of another shape."""

    def modify_candidates(self, logits: Tensor) -> Tensor:
        return logits[:, :-1]


class RecordingElsewhere(Recording):
    """Taps a layer that is not there."""

    layers = ("layers.9",)


class RecordingDrifted(Recording):
    """Was written for another runtime."""

    written_for: ClassVar[Mapping[str, str]] = {
        "pytest_passatk.models.hf_decode:Batch.push": "(self, tokens, flags)",
        "pytest_passatk.models.hf_decode:Batch.pull": "(self)",
    }


def spec_of(kind: type[Recording], **args: Any) -> PatchSpec:
    """How one of these is asked for."""
    return PatchSpec(f"{__name__}:{kind.__name__}", {name: str(value) for name, value in args.items()})

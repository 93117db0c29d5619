"""The seam between a runtime and whatever watches its steps."""

from collections.abc import Sequence
from typing import Protocol

from pytest_passatk.core.patch import Patch, StepView, Tensor


class Observer(Protocol):
    """Watches the steps of a runtime, in this order within each; row i of a tensor of logits is `view.rows[i]`.

    An exception of an observer goes up through the runtime's own step.
    """

    @property
    def layers(self) -> tuple[str, ...]:
        """The taps that the runtime has to set (see `core.patch.Patch`)."""

    @property
    def changes_candidates(self) -> bool:
        """Whether `candidates` may change anything; a runtime leaves its sampler alone where not."""

    def begin(self, view: StepView) -> None:
        """The batch is final; its forward pass is next."""

    def layer(self, name: str, tensor: Tensor) -> None:
        """A tapped layer has put out its packed rows × hidden."""

    def forwarded(self) -> None:
        """The forward pass is over."""

    def logits(self, logits: Tensor) -> None:
        """The raw logits: requests × vocabulary."""

    def candidates(self, logits: Tensor) -> Tensor:
        """The logits to sample from, behind temperature and filters."""

    def end(self, tokens: Sequence[int]) -> None:
        """The tokens are drawn, one a request of the view; those of a request that does not sample mean nothing."""


class PatchObserver:
    """Hands each step to a patch.

    Args:
        patch: whose turn it is.
    """

    def __init__(self, patch: Patch) -> None:
        self.patch = patch

    @property
    def layers(self) -> tuple[str, ...]:
        """See Observer."""
        return self.patch.layers

    @property
    def changes_candidates(self) -> bool:
        """Whether the patch overrides the method."""
        return type(self.patch).modify_candidates is not Patch.modify_candidates

    def begin(self, view: StepView) -> None:
        """See Observer."""
        self.patch.begin_step(view)

    def layer(self, name: str, tensor: Tensor) -> None:
        """See Observer."""
        self.patch.on_layer(name, tensor)

    def forwarded(self) -> None:
        """Nothing is due here without oracles."""

    def logits(self, logits: Tensor) -> None:
        """See Observer."""
        self.patch.on_logits(logits)

    def candidates(self, logits: Tensor) -> Tensor:
        """See Observer."""
        return self.patch.modify_candidates(logits)

    def end(self, tokens: Sequence[int]) -> None:
        """See Observer."""
        del tokens
        self.patch.end_step()

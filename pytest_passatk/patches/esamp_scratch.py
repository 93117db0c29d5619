"""What ESamp keeps of a step: the rows that decode, where they are, and what two layers put out for them."""

from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Capture, Live, Phase, StepRow, StepView, Tensor


class Scratch:
    """Buffers as long as a batch can be, of which a step uses the first rows, and touches no other.

    Args:
        live: the engine.
        layers: those that are tapped.

    Attributes:
        rows: the requests that decode in this step and draw a token. One that only reads its tokens again, after it was
            preempted, was here before.
    """

    def __init__(self, live: Live, layers: tuple[str, ...]) -> None:
        import torch  # noqa: PLC0415 - heavy

        self.rows: tuple[StepRow, ...] = ()
        self._capacity, self._hidden = live.capacity, live.hidden
        shape = (live.capacity, live.hidden)
        self._packed = torch.zeros(live.capacity, dtype=torch.long, device=live.device)
        self._requests = torch.zeros(live.capacity, dtype=torch.long, device=live.device)
        self._taken = {name: torch.zeros(shape, dtype=live.dtype, device=live.device) for name in layers}
        self._seen: set[str] = set()

    @property
    def active(self) -> int:
        """How many rows the step uses."""
        return len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether there are rows of every layer."""
        return bool(self.rows) and len(self._seen) == len(self._taken)

    def begin(self, view: StepView) -> None:
        """Note which rows decode. Raises UsageError where there are more than the engine said."""
        self._seen.clear()
        at = [at for at, row in enumerate(view.rows) if row.phase is Phase.DECODE and row.samples]
        self.rows = tuple(view.rows[each] for each in at)
        if self.active > self._capacity:
            raise UsageError(
                f"--patch esamp: {self.active} requests decode in step {view.step}, but the engine was to hold at "
                f"most {self._capacity}; its runtime gives a wrong Live.capacity"
            )
        self._write(self._packed, [row.row for row in self.rows])
        self._write(self._requests, at)

    def take(self, layer: str, output: Tensor) -> None:
        """Copy the rows that decode out of what a layer put out."""
        if output.shape[-1] != self._hidden:
            raise UsageError(
                f"--patch esamp: layer {layer} puts out {output.shape[-1]} numbers a token, and the residual stream "
                f"has {self._hidden}; name others as source and target among --passatk-patch-args"
            )
        if self.rows:
            self._taken[layer][: self.active].copy_(output.detach().index_select(0, self._packed[: self.active]))
            self._seen.add(layer)

    def taken(self, layer: str) -> Tensor:
        """The rows of a layer: active × hidden. Only where it was seen."""
        return self._taken[layer][: self.active]

    def has(self, layer: str) -> bool:
        """Whether there are rows of that layer."""
        return layer in self._seen

    @property
    def requests(self) -> Tensor:
        """Which rows of the logits are those that decode."""
        return self._requests[: self.active]

    def captures(self) -> list[Capture]:
        """The rows of each layer that was seen, with their owners."""
        owners = tuple((row.request, row.position) for row in self.rows)
        return [Capture(name, owners, self.taken(name)) for name in self._taken if name in self._seen]

    def drop(self) -> None:
        """Forget what layers put out; it is used once."""
        self._seen.clear()

    def buffers(self) -> dict[str, tuple[Tensor, int]]:
        """All of them, with their active rows."""
        named: dict[str, Any] = {"packed rows": self._packed, "rows of logits": self._requests, **self._taken}
        return {name: (tensor, self.active) for name, tensor in named.items()}

    def _write(self, buffer: Tensor, numbers: list[int]) -> None:
        buffer[: self.active].copy_(buffer.new_tensor(numbers))

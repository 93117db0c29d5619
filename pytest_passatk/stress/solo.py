"""What a request comes to when it runs alone, on the runtime as it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pytest_passatk.core.patch import Patch, Phase
from pytest_passatk.stress.play import Played
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.witness import Witness

Tensor: TypeAlias = Any  # torch is imported only where it is used
STEP = 16  # lengths are rounded up, so that one run serves many


class Everything(Patch):
    """No patch at all, of which every row that samples is due."""

    phases = frozenset(Phase)


@dataclass(frozen=True, slots=True)
class Solo:
    """A request alone.

    Attributes:
        played: its tokens, as many as were asked for or more.
        first: position behind which its first token was drawn.
        rows: hidden states by layer, from that position on: positions × hidden.
    """

    played: Played
    first: int
    rows: Mapping[str, Tensor]

    def row(self, layer: str, position: int) -> Tensor | None:
        """The hidden state of a layer at a position, where it is known."""
        states, at = self.rows.get(layer), position - self.first
        return states[at] if states is not None and 0 <= at < len(states) else None


def key_of(planned: Planned, context: int) -> Planned:
    """The request alone: at once, to the end, with a length that others have, too."""
    length = min(-(-planned.length // STEP) * STEP, context - planned.prompt)
    return replace(planned, arrival=0, abort=None, length=max(length, planned.length))


def run_alone(runtime: Runtime, keys: Iterable[Planned], watch: tuple[str, ...]) -> dict[Planned, Solo]:
    """Each of the requests alone, on the unpatched runtime; `watch` names the layers whose rows are kept."""
    found: dict[Planned, Solo] = {}
    for key in keys:
        witness = Witness(Everything(), watch)
        with runtime.attached(None, witness):
            played = runtime.play(Schedule((key,))).requests["r0"]
        found[key] = Solo(played, key.prompt - 1, _stacked(witness))
    return found


def _stacked(witness: Witness) -> dict[str, Tensor]:
    import torch  # noqa: PLC0415 - heavy

    states: dict[str, list[Tensor]] = {}
    for (_, layer, _), row in witness.log.due.items():
        states.setdefault(layer, []).append(row)
    return {layer: torch.stack(rows) for layer, rows in states.items()}

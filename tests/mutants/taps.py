"""A tap on the residual stream with buffers of a fixed size, and the same tap with one fault each.

`Repaired` is sound. Every other class overrides the one piece that is wrong with it, as it was found in a runtime patch
that worked on all that its author ran: on batches of one size.
"""

from typing import Any, TypeAlias

import torch

from pytest_passatk.core.patch import Capture, Live, Patch, Phase, StepView, Tensor

Owner: TypeAlias = tuple[str, int]  # request, position
Place: TypeAlias = tuple[Owner, int]  # and the packed row
NOBODY: Owner = ("", -1)


class Repaired(Patch):
    """Copies the rows that decode out of two layers; of its buffers it uses the first `count` rows, and no other."""

    layers = ("layers.0", "layers.-1")

    def attach(self, live: Live) -> Any:
        self.index = torch.zeros(live.capacity, dtype=torch.long, device=live.device)
        self.mask = torch.zeros(live.capacity, dtype=torch.bool, device=live.device)
        shape = (live.capacity, live.hidden)
        self.taken = {name: torch.zeros(shape, dtype=live.dtype, device=live.device) for name in self.layers}
        self.owners = [NOBODY] * live.capacity
        self.count = 0
        self.numbers = {"steps": 0, "decode_rows": 0, "layer_calls": 0}
        return super().attach(live)

    def begin_step(self, view: StepView) -> None:
        places = self.find(view)
        self.numbers["steps"] += 1
        self.numbers["decode_rows"] += len(places)
        self.note(places)

    def find(self, view: StepView) -> list[Place]:
        """Whose rows are due, and where they are."""
        return [((row.request, row.position), row.row) for row in view.decode]

    def note(self, places: list[Place]) -> None:
        """Write the first rows of the buffers, and nothing behind them."""
        self.count = len(places)
        self.index[: self.count] = torch.tensor([row for _, row in places], dtype=torch.long)
        self.owners[: self.count] = [owner for owner, _ in places]
        self.clear()
        self.mask[: self.count] = True

    def clear(self) -> None:
        self.mask.fill_(value=False)

    def on_layer(self, name: str, tensor: Tensor) -> None:
        self.numbers["layer_calls"] += 1
        if self.count:
            self.gather(tensor, self.taken[name])

    def gather(self, tensor: Tensor, taken: Tensor) -> None:
        torch.index_select(tensor, 0, self.index[: self.count], out=taken[: self.count])

    def captured(self) -> list[Capture]:
        """What a consumer gets that goes by the mask."""
        active = self.mask.nonzero().flatten().tolist()
        owners = tuple(self.owners[at] for at in active)
        return [Capture(name, owners, taken[active]) for name, taken in self.taken.items() if owners]

    def buffers(self) -> dict[str, tuple[Tensor, int]]:
        named = {"index": self.index, "mask": self.mask, **self.taken}
        return {name: (tensor, self.count) for name, tensor in named.items()}

    def counters(self) -> dict[str, int]:
        return self.numbers


class FullIndex(Repaired):
    """The seventh drift, as it was: the whole index is gathered, whatever is in its tail, in every step."""

    def on_layer(self, name: str, tensor: Tensor) -> None:
        self.numbers["layer_calls"] += 1
        torch.index_select(tensor, 0, self.index, out=self.taken[name])


class GuardOnly(Repaired):
    """The sixth drift repaired without the seventh: nothing is gathered where nothing decodes, else everything."""

    def gather(self, tensor: Tensor, taken: Tensor) -> None:
        torch.index_select(tensor, 0, self.index, out=taken)


class Clamp(Repaired):
    """The seventh drift hidden: no index is out of bounds, and foreign rows are written behind the active ones."""

    def gather(self, tensor: Tensor, taken: Tensor) -> None:
        torch.index_select(tensor, 0, self.index.clamp(0, len(tensor) - 1), out=taken)


class NoGuard(Repaired):
    """The sixth drift: where nothing decodes, the last step's count, owners and indices are used once more."""

    def note(self, places: list[Place]) -> None:
        if places:
            self.kept = places
        super().note(places or getattr(self, "kept", []))


class StaleMask(Repaired):
    """The mask is never cleared, so that a consumer that goes by it sees requests that are gone."""

    def clear(self) -> None:
        pass


class SlotPerRequest(Repaired):
    """Each request has a slot for its life, which is taken for its packed row."""

    def attach(self, live: Live) -> Any:
        self.slots: dict[str, int] = {}
        return super().attach(live)

    def find(self, view: StepView) -> list[Place]:
        for row in view.rows:
            self.slots.setdefault(row.request, len(self.slots) % len(self.index))
        return [(owner, self.slots[owner[0]]) for owner, _ in super().find(view)]


class CountCached(Repaired):
    """Owners and rows are looked up where their number changes, and else taken to be the last ones, a token on."""

    def attach(self, live: Live) -> Any:
        self.known: list[Place] = []
        return super().attach(live)

    def find(self, view: StepView) -> list[Place]:
        found = super().find(view)
        same = len(found) == len(self.known)
        self.known = [((name, position + 1), row) for (name, position), row in self.known] if same else found
        return self.known


class RowsFromZero(Repaired):
    """The requests that decode are taken to have the first packed rows."""

    def find(self, view: StepView) -> list[Place]:
        return [(owner, at) for at, (owner, _) in enumerate(super().find(view))]


class ResumedMisclassified(Repaired):
    """A request decodes if its prompt was read before the step; one that is resumed reads all of it again."""

    def attach(self, live: Live) -> Any:
        self.prompts: dict[str, int] = {}
        return super().attach(live)

    def find(self, view: StepView) -> list[Place]:
        places: list[Place] = []
        start = 0
        for row in view.rows:
            computed = row.position + 1 - (row.row + 1 - start)
            start = row.row + 1
            if row.samples and row.phase is Phase.PREFILL:
                self.prompts.setdefault(row.request, row.position + 1)
            if computed >= self.prompts.get(row.request, row.position + 1):
                places.append(((row.request, row.position), row.row))
        return places


class ResumedUncounted(ResumedMisclassified):
    """The same in a tap that counts its calls alone; nothing but a row that is missing speaks against it."""

    def counters(self) -> dict[str, int]:
        return {"layer_calls": self.numbers["layer_calls"]}


class FirstThirtyTwo(Repaired):
    """Has room for 32 requests, and leaves out the others without a word."""

    def attach(self, live: Live) -> Any:
        self.left_out = 0
        return super().attach(live)

    def find(self, view: StepView) -> list[Place]:
        found = super().find(view)
        self.left_out += len(found[32:])
        return found[:32]

    def counters(self) -> dict[str, int]:
        return self.numbers | {"decode_rows": self.numbers["decode_rows"] + self.left_out}


class Learning(Repaired):
    """Sound: it makes a layer with weights of its own, which takes random numbers before the first step."""

    def attach(self, live: Live) -> Any:
        torch.nn.Linear(live.hidden, 4)
        return super().attach(live)


class Growing(Repaired):
    """Sound: its buffers are made within a step, twice as large as what they have to hold then."""

    def attach(self, live: Live) -> Any:
        attached = super().attach(live)
        self.taken = {name: taken[:1].clone() for name, taken in self.taken.items()}
        return attached

    def on_layer(self, name: str, tensor: Tensor) -> None:
        if len(self.taken[name]) < self.count:
            self.taken[name] = tensor.new_zeros(2 * self.count, tensor.shape[1])
        super().on_layer(name, tensor)

    def buffers(self) -> dict[str, tuple[Tensor, int]]:
        """A buffer that is too small is made anew before it is used."""
        return {name: (tensor, min(active, len(tensor))) for name, (tensor, active) in super().buffers().items()}

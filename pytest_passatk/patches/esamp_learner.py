"""What ESamp does with a step's rows: predict from them, and train on them."""

from collections.abc import Sequence

from pytest_passatk.core.patch import Live, StepView, Tensor
from pytest_passatk.patches.esamp_bank import Bank
from pytest_passatk.patches.esamp_groups import EVERYBODY, Groups, group, leaders
from pytest_passatk.patches.esamp_guidance import Guidance
from pytest_passatk.patches.esamp_init import factorised, starter
from pytest_passatk.patches.esamp_knobs import Knobs
from pytest_passatk.patches.esamp_places import Where, where_of
from pytest_passatk.patches.esamp_ridge import Ridge
from pytest_passatk.patches.esamp_scratch import Scratch
from pytest_passatk.patches.esamp_slots import Slots


class Learner:
    """The distillers of one engine, the slots that they are in, and the scratch of a step.

    Engines run their steps in inference mode, whose tensors cannot be trained with. All that lives longer than a step
    is made, and changed, outside of it.

    Args:
        live: the engine.
        knobs: the settings.
    """

    def __init__(self, live: Live, knobs: Knobs) -> None:
        import torch  # noqa: PLC0415 - heavy

        self._knobs, self._inference = knobs, torch.inference_mode
        with self._inference(False):
            self.scratch = Scratch(live, (knobs.source, knobs.target))
            self.bank = Bank(live, knobs)
            self._start = starter(live, knobs)
            self._ridge = Ridge() if knobs.init == "ridge_svd" else None
            self.slots = Slots(1 if knobs.shared else knobs.slots)
            self._guidance = Guidance(live, knobs.beta) if knobs.beta else None
            if knobs.shared:
                self._place((EVERYBODY,), (EVERYBODY,))

    def begin(self, view: StepView) -> None:
        """Note which rows decode, and give each a distiller."""
        with self._inference(False):
            self.scratch.begin(view)
            if not self._knobs.shared:
                self._place({row.problem for row in self.scratch.rows}, {row.problem for row in view.rows})

    def guide(self, logits: Tensor) -> Tensor:
        """The logits, with those of rows that decode guided."""
        import torch  # noqa: PLC0415 - heavy

        assert self._guidance is not None
        at = self.scratch.requests
        if len(at) == len(logits):
            return self._guidance(logits, self.predict())
        guided = self._guidance(logits.index_select(0, at), self.predict())
        return torch.index_copy(logits, 0, at, guided)

    def predict(self) -> Tensor:
        """ĥ for each row that decodes."""
        rows = self.scratch.rows
        first = leaders(rows) if self._knobs.leaders_predict else {}
        whose = [first.get(row.problem, at) for at, row in enumerate(rows)]
        groups = group(rows, set(whose), shared=self._knobs.shared)
        predicted = self.bank.predict(self._slots_of(groups), self._rows(self._knobs.source, groups))
        places = groups.places
        return predicted.flatten(0, 1).index_select(0, self._numbers([places[at] for at in whose]))

    def train(self) -> Tensor:
        """Update the distillers of these rows once; returns their losses, in the order of their names."""
        with self._inference(False):
            rows = self.scratch.rows
            pupils = leaders(rows).values() if self._knobs.leaders_train else range(len(rows))
            groups = group(rows, pupils, shared=self._knobs.shared)
            source, target = (self._rows(layer, groups) for layer in (self._knobs.source, self._knobs.target))
            losses = self.bank.train(self._slots_of(groups), source, target, self._numbers(groups.sizes))
            if self._ridge:
                self._regress(self._ridge, groups, source, target)
            return losses

    def _regress(self, ridge: Ridge, groups: Groups, source: Tensor, target: Tensor) -> None:
        """Begin anew from a regression, for each distiller that has seen enough for one."""
        for name, size, inputs, outputs in zip(groups.names, groups.sizes, source, target, strict=True):
            slot = self.slots[name]
            if factors := ridge.note(slot, inputs[:size], outputs[:size]):
                self.bank.put(slot, factorised(self._start(name), *factors))

    def _place(self, prompts: Sequence[str] | set[str], present: Sequence[str] | set[str]) -> None:
        fresh = self.slots.place(prompts, present)
        self.bank.resize(self.slots.count)
        for prompt, slot in fresh.items():
            self.bank.put(slot, self._start(prompt))
            if self._ridge:
                self._ridge.forget(slot)

    def _rows(self, layer: str, groups: Groups) -> Tensor:
        """Rows of a layer: distillers × rows × hidden."""
        taken = self.scratch.taken(layer)
        flat = [at for rows in groups.padded for at in rows]
        return taken.index_select(0, self._numbers(flat)).view(len(groups.names), groups.width, -1)

    def _slots_of(self, groups: Groups) -> Where:
        return where_of([self.slots[name] for name in groups.names], self.scratch.requests)

    def _numbers(self, values: list[int]) -> Tensor:
        return self.scratch.requests.new_tensor(values)

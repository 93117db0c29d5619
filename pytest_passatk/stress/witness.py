"""The witness: an observer that hands each step to the patch, and holds what the patch says against the step itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pytest_passatk.core.patch import Capture, Claim, Patch, StepView
from pytest_passatk.runtimes.observer import PatchObserver
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.candidates import likeliest, shifted
from pytest_passatk.stress.distance import equal_rows, same_bits
from pytest_passatk.stress.scratch import Scratch

Tensor: TypeAlias = Any  # torch is imported only where it is used
Place: TypeAlias = tuple[str, str, int]  # request, layer, position
WRITTEN = (
    "on_layer wrote into the tensor of {layer}, which is there to be read: that steers some runtimes, and is lost on "
    "vLLM; hook the module in attach, and return another tensor from there"
)


@dataclass(slots=True)
class Log:
    """What a play was seen to do.

    Attributes:
        steps: the view of each.
        tokens: those drawn in each, one a request of its view.
        due: the hidden state of every row that is due, by place: a copy of the runtime's own.
        captured: what the patch took, in order; a place that is there twice was taken twice.
        layer_calls: how often a tapped layer of the patch put something out.
        alarms: found while it went on.
        likeliest: candidates of each row, by step: their log-probabilities; of patches that say they are independent.
    """

    steps: list[StepView] = field(default_factory=list)
    tokens: list[tuple[int, ...]] = field(default_factory=list)
    due: dict[Place, Tensor] = field(default_factory=dict)
    captured: list[tuple[Place, Tensor]] = field(default_factory=list)
    layer_calls: int = 0
    alarms: list[Alarm] = field(default_factory=list)
    likeliest: list[list[list[float]]] = field(default_factory=list)


class Witness:
    """See `runtimes.observer.Observer`.

    Args:
        patch: that is watched; one that does nothing where there is none.
        watch: layers whose rows are kept beside those that the patch taps.
        poisoned: whether scratch is filled before every step.
        drawn: the requests whose tokens are drawn; a patch that leaves tokens alone leaves their probabilities, too.
    """

    def __init__(
        self, patch: Patch, watch: tuple[str, ...] = (), *, poisoned: bool = False, drawn: frozenset[str] = frozenset()
    ) -> None:
        self.log = Log()
        self.layers = tuple(dict.fromkeys([*patch.layers, *watch]))
        self._patch = patch
        self._hand = PatchObserver(patch)
        self._poisoned = poisoned
        self._drawn = drawn if patch.claim is Claim.SAME_TOKENS else frozenset()
        self._scratch = Scratch(patch, poisoned=poisoned)
        self._now: dict[str, Tensor] = {}

    @property
    def changes_candidates(self) -> bool:
        """See Observer."""
        return self._hand.changes_candidates

    @property
    def view(self) -> StepView:
        """The step at hand."""
        return self.log.steps[-1]

    def spoil(self) -> None:
        """Fill the patch's scratch; said once it is attached, and then by itself behind each step."""
        self._scratch.spoil()

    def begin(self, view: StepView) -> None:
        """See Observer."""
        self.log.steps.append(view)
        self._now = {}
        self._hand.begin(view)

    def layer(self, name: str, tensor: Tensor) -> None:
        """See Observer."""
        if not self.log.steps:  # a warm-up of the runtime
            return
        self._now[name] = tensor
        if name in self._patch.layers:
            self.log.layer_calls += 1
            before = tensor.clone()
            self._hand.layer(name, tensor)
            if not same_bits(before, tensor):
                self._accuse(Oracle.TAP, WRITTEN.format(layer=name))

    def forwarded(self) -> None:
        """See Observer; holds captured rows and scratch against the step."""
        due = [row for row in self.view.rows if row.samples and row.phase in self._patch.phases]
        for layer, tensor in self._now.items():
            self.log.due |= {(row.request, layer, row.position): tensor[row.row].clone() for row in due}
        for capture in self._patch.captured():
            self._hold(capture)
        self._look_at_scratch()

    def logits(self, logits: Tensor) -> None:
        """See Observer."""
        self._hand.logits(logits)

    def candidates(self, logits: Tensor) -> Tensor:
        """See Observer."""
        given = logits.clone() if self._drawn else None
        got = self._hand.candidates(logits)
        if given is not None:
            for request, text in shifted(given, got, self.view.rows, self._drawn):
                self._accuse(Oracle.TOKENS, text, request)
        if self._patch.independent:
            self.log.likeliest.append(likeliest(got))
        return got

    def end(self, tokens: Sequence[int]) -> None:
        """See Observer; looks at scratch again, which the patch may have written while tokens were drawn."""
        self.log.tokens.append(tuple(tokens))
        self._look_at_scratch()
        self._hand.end(tokens)
        self._now = {}
        self.spoil()

    def _hold(self, capture: Capture) -> None:
        """Hold the rows that a patch took against those of the requests that it takes them for, bit for bit."""
        if len(capture.owners) != len(capture.rows):
            self._accuse(Oracle.ACTIVE, f"{capture.layer}: {len(capture.rows)} rows for {len(capture.owners)} owners")
        rows = {(row.request, row.position): row for row in self.view.rows}
        tensor = self._now.get(capture.layer)
        taken = capture.rows.clone()
        places = [(request, capture.layer, position) for request, position in capture.owners]
        self.log.captured += zip(places, taken, strict=False)
        true = [rows[owner].row for owner in capture.owners if owner in rows]
        if tensor is not None and len(true) == len(taken) and all(equal_rows(tensor, true, taken)):
            return
        for owner, row in zip(capture.owners, taken, strict=False):
            if problem := _mismatch(rows.get(owner), tensor, row):
                self._accuse(Oracle.SHADOW, f"{capture.layer}, position {owner[1]}: {problem}", owner[0])

    def _look_at_scratch(self) -> None:
        for oracle, text in self._scratch.wrong():
            self._accuse(oracle, text)

    def _accuse(self, oracle: Oracle, text: str, request: str | None = None) -> None:
        alarm = Alarm(oracle, text, self.view.step, request, self._poisoned)
        if alarm not in self.log.alarms:
            self.log.alarms.append(alarm)


def _mismatch(row: Any, tensor: Tensor | None, taken: Tensor) -> str:
    """Why a captured row is not the one that it is said to be; empty where it is."""
    if row is None:
        return "the request has no such position in this step"
    if tensor is None:
        return "the layer was not tapped in this step"
    true = tensor[row.row]
    if true.shape == taken.shape and bool((true == taken).all()):
        return ""
    others = [at for at in range(len(tensor)) if tensor[at].shape == taken.shape and bool((tensor[at] == taken).all())]
    found = f"packed row {others[0]}" if others else "no row of this step"
    return f"is {found}, and not packed row {row.row}"

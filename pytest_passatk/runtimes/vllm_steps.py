"""The steps of vLLM's model runner, as an observer sees them."""

from dataclasses import dataclass
from typing import Any

from pytest_passatk.core.patch import Phase, StepRow, StepView, Tensor
from pytest_passatk.runtimes.observer import Observer


@dataclass(frozen=True, slots=True)
class Known:
    """Whose a request of the engine is.

    Attributes:
        request: its id, unique in the run.
        problem: see StepRow, as is `sample`.
        prompt_length: tokens in its prompt.
    """

    request: str
    problem: str
    sample: int
    prompt_length: int


class Roster:
    """The requests that an engine runs, by the ids that it has for them itself.

    Args:
        strict: whether an id that nobody made known is an error; else it stands for itself.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._known: dict[str, Known] = {}

    def add(self, internal: str, known: Known) -> None:
        """Make known whose an id is."""
        self._known[internal] = known

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

    def find(self, internal: str, prompt_length: int) -> Known:
        """Whose an id is. Raises RuntimeError where nobody said."""
        known = self._known.get(internal)
        if known is None and self._strict:
            raise RuntimeError(
                f"vLLM runs the request {internal!r}, which nobody made known; register what add_request returns"
            )
        return known or Known(internal, internal, 0, prompt_length)


class Steps:
    """Follows one step after the other, and tells an observer.

    Args:
        runner: vLLM's model runner.
        roster: whose its requests are.
        observer: what is told.

    Attributes:
        count: how many steps have begun.
        view: the step that runs; `None` between two steps, and while vLLM runs its network on nothing.
    """

    def __init__(self, runner: Any, roster: Roster, observer: Observer) -> None:
        self._runner = runner
        self._roster = roster
        self._observer = observer
        self.count = 0
        self.view: StepView | None = None

    def begin(self, *_: Any) -> None:
        """The network is going to run."""
        self.view = None
        if not is_real():
            return
        self.view = read_view(self._runner, self._roster, self.count)
        self.count += 1
        self._observer.begin(self.view)

    def layer(self, name: str, tensor: Tensor) -> None:
        """A layer has run."""
        if self.view:
            self._observer.layer(name, tensor)

    def forwarded(self, *_: Any) -> None:
        """The network has run."""
        if self.view:
            self._observer.forwarded()

    def logits(self, logits: Tensor | None) -> None:
        """The logits are there, where this process holds them."""
        if self.view and logits is not None:
            self._observer.logits(logits)

    def candidates(self, logits: Tensor) -> Tensor:
        """The logits to sample from."""
        if not self.view:
            return logits
        changed = self._observer.candidates(logits)
        if changed.shape != logits.shape:
            raise ValueError(f"a patch made {tuple(changed.shape)} candidates of {tuple(logits.shape)}")
        return changed.to(logits)  # vLLM takes the largest of no other type

    def end(self, tokens: Tensor) -> None:
        """The tokens are drawn: requests × 1."""
        if self.view:
            self.view = None
            self._observer.end(tokens[:, 0].tolist())


def is_real() -> bool:
    """Whether vLLM's network runs on requests, and not to warm up."""
    from vllm.forward_context import get_forward_context, is_forward_context_available  # noqa: PLC0415 - heavy

    return is_forward_context_available() and bool(get_forward_context().attn_metadata)


def read_view(runner: Any, roster: Roster, step: int) -> StepView:
    """The step that a runner has prepared."""
    batch = runner.input_batch
    starts = runner.query_start_loc.np[: batch.num_reqs + 1].tolist()
    rows = tuple(_read_row(batch, roster, at, starts) for at in range(batch.num_reqs))
    return StepView(step=step, packed=starts[-1], rows=rows)


def _read_row(batch: Any, roster: Roster, at: int, starts: list[int]) -> StepRow:
    known = roster.find(batch.req_ids[at], int(batch.num_prompt_tokens[at]))
    read = int(batch.num_computed_tokens_cpu[at]) + starts[at + 1] - starts[at]
    samples = read >= int(batch.num_tokens_no_spec[at])  # else vLLM draws a token too, and throws it away
    decodes = samples and read > known.prompt_length
    return StepRow(
        request=known.request,
        problem=known.problem,
        sample=known.sample,
        row=starts[at + 1] - 1,
        position=read - 1,
        phase=Phase.DECODE if decodes else Phase.PREFILL,
        samples=samples,
    )

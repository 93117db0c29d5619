"""A patch of an inference runtime: what it may do at each step of a batch, and what it claims to leave alone.

Tensors are torch's; the core does not import it, so they are `Any` here.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

Tensor: TypeAlias = Any


class Claim(StrEnum):
    """What a patch says of the tokens that come out under it.

    `SAME_TOKENS`: each request gets the tokens and log-probabilities that it gets without the patch.
    `SAME_DISTRIBUTION`: other tokens, but of the same distribution. `OTHER_DISTRIBUTION`: the patch is there to change
    them; it is held to its scratch buffers, its rows, its counters, and to repeating itself from one seed.
    """

    SAME_TOKENS = "same tokens"
    SAME_DISTRIBUTION = "same distribution"
    OTHER_DISTRIBUTION = "other distribution"


class Phase(StrEnum):
    """What the last token that a request reads in a step is: one of its prompt, or one that it generated."""

    PREFILL = "prefill"
    DECODE = "decode"


@dataclass(frozen=True, slots=True)
class StepRow:
    """One request in one step.

    Attributes:
        request: its id, unique in the run.
        problem: whose samples share a prompt.
        sample: index among these.
        row: packed row of its last token in this step; the hidden state there gives its logits.
        position: of that token in its sequence, from 0.
        phase: `DECODE` where a token is sampled behind one that was generated, also where a request that was preempted
            reads its tokens again; else `PREFILL`.
        samples: whether a token is drawn; not so where a part of a prompt is read, or read again.
    """

    request: str
    problem: str
    sample: int
    row: int
    position: int
    phase: Phase
    samples: bool = True


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of a batch, final before its forward pass starts.

    Attributes:
        step: number of the step since the patch was attached, from 0.
        packed: rows of the packed tensors of this step: one a token that is read.
        rows: the requests; row i of the logits belongs to `rows[i]`.
    """

    step: int
    packed: int
    rows: tuple[StepRow, ...]

    @property
    def decode(self) -> tuple[StepRow, ...]:
        """The requests that decode."""
        return tuple(row for row in self.rows if row.phase is Phase.DECODE)


@dataclass(frozen=True, slots=True)
class Live:
    """A running engine, as a patch sees it.

    Attributes:
        kind: `tensor`, `hf` or `vllm`.
        engine: the runtime's own object: vLLM's `LLMEngine`, the network of transformers, the packed scheduler.
        network: the module (or the stand-in for one) whose layers are tapped.
        batch: the persistent batch, where the runtime has one: vLLM's `InputBatch`, or the packed scheduler's.
        capacity: the most requests in one step.
        hidden: width of the residual stream.
        dtype: of the network.
        device: of the network.
        head: the output embedding, vocabulary × hidden; `None` where it cannot be found.
        bias: of the output embedding, or `None`.
    """

    kind: str
    engine: Any
    network: Any
    batch: Any
    capacity: int
    hidden: int
    dtype: Any
    device: Any
    head: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Rows that a patch took of one layer in one step, and whose it believes them to be.

    Attributes:
        layer: as the patch names it in `layers`.
        owners: request id and position for each row.
        rows: len(owners) × hidden.
    """

    layer: str
    owners: tuple[tuple[str, int], ...]
    rows: Tensor


class Patch:
    """What a patch may do; every method has a default that does nothing.

    A patch is made anew for each engine and each case, with the arguments of `--passatk-patch-args`. Within a step the
    runtime calls `begin_step`, `on_layer` for each tapped layer, `captured`, `on_logits`, `modify_candidates` and
    `end_step`. A patch that hooks the runtime by itself overrides `attach` alone.

    Attributes:
        claim: see Claim.
        layers: taps: `layers.0` is the residual stream behind the first block, `layers.-1.input_layernorm` what the
            last block's first norm puts out; the same names on every runtime.
        phases: of the rows that `captured` tells: each of them is due exactly once.
        independent: of a patch that changes tokens: whether each request gets what it gets alone under the patch,
            whatever its batch mates and however often it is thrown out; not so where requests share what is learnt.
        padded: names of buffers whose rows beyond the active ones the patch writes on purpose, as a CUDA graph does.
        written_for: what the patch hooks by itself, with the signature that it was written for:
            `vllm.v1.sample.sampler:Sampler.sample` → `(self, logits, sampling_metadata, logprobs_mode_override=None)`.
    """

    claim: Claim = Claim.SAME_TOKENS
    layers: tuple[str, ...] = ()
    phases: frozenset[Phase] = frozenset({Phase.DECODE})
    independent: bool = False
    padded: frozenset[str] = frozenset()
    written_for: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def attach(self, live: Live) -> AbstractContextManager[Any]:
        """Prepare for a runtime; leaving the context must restore it exactly."""
        del live
        return nullcontext()

    def begin_step(self, view: StepView) -> None:
        """Take note of a step, before its forward pass."""

    def on_layer(self, name: str, tensor: Tensor) -> None:
        """See what a tapped layer puts out: packed rows × hidden. Not to be written."""

    def captured(self) -> Iterable[Capture]:
        """The rows taken in this step, for the oracles; asked when the forward pass is over."""
        return ()

    def on_logits(self, logits: Tensor) -> None:
        """See the raw logits, one row a request of the view × vocabulary. Not to be written."""

    def modify_candidates(self, logits: Tensor) -> Tensor:
        """The logits to sample from, behind all filters.

        Args:
            logits: one row a request of the view × vocabulary, float; divided by the temperature, −inf where a filter
                dropped a token. Those of a greedy request are neither divided nor filtered, and its largest wins.

        Returns:
            The same tensor, untouched, to decline; else another one.
        """
        return logits

    def end_step(self) -> None:
        """The tokens of the step are drawn."""

    def buffers(self) -> Mapping[str, tuple[Tensor, int]]:
        """Scratch tensors by name, with the rows that are active in this step; asked from the end of `attach` on.

        Scratch holds for one step: before each one the stress suite fills integers with 2^40, floats with NaN and truth
        values with true. What must outlast a step does not belong here.
        """
        return {}

    def counters(self) -> Mapping[str, int]:
        """What the patch did so far, by name; zero means that it was never active.

        `steps`, `rows`, `decode_rows`, `sampled_rows` and `layer_calls` are held against an independent log; all others
        have only to be positive.
        """
        return {}


@dataclass(frozen=True, slots=True)
class PatchSpec:
    """A patch as it was asked for: enough to make it, in another process too.

    Attributes:
        name: as typed: `esamp`, `my_pkg.my_patch:Patch`.
        args: its keyword arguments, as text by name.
        revision: digest of its source, for a sample's key.
    """

    name: str
    args: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""

    def __str__(self) -> str:
        """How records name it: `esamp(beta=0.8)@1f2e3d4c`."""
        args = ",".join(f"{name}={text}" for name, text in sorted(self.args.items()))
        return f"{self.name}({args})@{self.revision}"

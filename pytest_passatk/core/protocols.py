"""The seams of the project: what a model and a judge are to everything else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.problem import Problem
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.core.verdict import Verdict


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a record must say of the model that drew it.

    Attributes:
        name: as a person would call it: `tiny`, a folder's name, a Hub id.
        backend: `tiny`, `hf`, `vllm`, …
        revision: a commit on the Hub, or `sha256:…` over the files of a local folder.
        adapter: the LoRA adapter and its digest, or `None`.
        dtype: of the weights while they run.
        chat_template: digest of the template, or `none` where prompts go in raw.
        versions: library → version, of everything that may change the tokens.
        device: `cpu`, `cuda:0`, …, or `none` where no model works; recorded, but no part of a sample's identity.
        context: the most tokens that prompt and completion may have together, where the model has a limit.
        patch: of the runtime, with its arguments and the digest of its source; `None` where it is as it is.
    """

    name: str
    backend: str
    revision: str
    adapter: str | None
    dtype: str
    chat_template: str
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    context: int | None = None
    patch: str | None = None

    def identity(self) -> dict[str, Any]:
        """All that shapes the distribution of a completion, for a sample's key."""
        own = {k: v for k, v in self.to_dict().items() if k not in {"device", "context"}}
        if self.patch is None:  # samples of before there were patches stay what they are
            del own["patch"]
        return own

    def to_dict(self) -> dict[str, Any]:
        """The plain form, for the store and for reports."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How to load a model; a backend refuses by name what it cannot do.

    Attributes:
        revision: branch, tag or commit on the Hub.
        dtype: `auto`, `float32`, `bfloat16`, `float16`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        adapters: the arms of the run: by label, the folder or Hub id of a LoRA adapter, or `None` for the model as it
            is. A run with one arm has the label ``.
        patches: of the runtime, by arm: the same labels; arms that are not named have none.
        quantization: `8bit` or `4bit`, or `None`.
        chat_template: `auto` (the model's own, where it has one), `none`, or a file with a Jinja template.
        batch_tokens: the most tokens (rows × longest row, prompt and completion) in one batch; `None` lets the
            backend choose.
        base_url: address of an OpenAI-compatible server, or several, comma-separated.
        concurrency: the most requests that a server gets at once; `None` lets the backend choose.
        logprobs: whether completions carry their log-probability, also where that costs time.
        args: backend-specific settings by name (`--passatk-model-args`).
    """

    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    adapters: Mapping[str, str | None] = field(default_factory=lambda: {"": None})
    patches: Mapping[str, PatchSpec] = field(default_factory=dict)
    quantization: str | None = None
    chat_template: str = "auto"
    batch_tokens: int | None = None
    base_url: str | None = None
    concurrency: int | None = None
    logprobs: bool = False
    args: Mapping[str, str] = field(default_factory=dict)

    @property
    def adapter(self) -> str | None:
        """The adapter of a run with one arm."""
        return self.adapters.get("")

    @property
    def arms(self) -> tuple[str, ...]:
        """The labels of the arms, in the order in which they were typed."""
        return tuple(self.adapters)


@runtime_checkable
class Model(Protocol):
    """A source of completions."""

    @property
    def info(self) -> ModelInfo:
        """What goes into every record; known before the weights are loaded."""

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request once, each completion as it finishes.

        A request that cannot be answered yields a completion with finish reason `abort` and its `error`; the others
        go on. Raises ModelError where the model as a whole cannot go on; what was yielded before stands. Closing the
        iterator stops the work.
        """

    def close(self) -> None:
        """Free what the model holds; safe to call twice."""


@runtime_checkable
class Stoppable(Protocol):
    """A model whose work another thread can end, even between two completions or while its engine starts."""

    def stop(self) -> None:
        """Let a running `sample` end soon: it returns, whatever is unanswered. The model is closed after that."""


@runtime_checkable
class Briefed(Protocol):
    """A model that learns what a run is going to ask before it is asked; its `info` is read after that."""

    def brief(self, suites: Sequence[PlannedSuite]) -> Sequence[str]:
        """Take note of all suites that this model samples; returns lines that a person should read at the start.

        Raises ModelError where it can answer nothing of it.
        """


@runtime_checkable
class Local(Protocol):
    """A model that says whether its engine belongs to the process that samples, so that two processes start two."""

    @property
    def loads_weights(self) -> bool:
        """Whether sampling loads the model's weights into this process, or into processes of its own."""


@runtime_checkable
class Armed(Protocol):
    """A model that answers for several arms of one run: with this LoRA adapter, with that one, or with none.

    Its `info` is that of its first arm; the arms are the labels of `ModelOptions.adapters`.
    """

    def info_of(self, arm: str) -> ModelInfo:
        """What goes into the records of one arm."""


def info_of(model: Model, arm: str) -> ModelInfo:
    """What goes into the records of one arm of a model, which is Armed where the arm has a label."""
    return model.info_of(arm) if arm and isinstance(model, Armed) else model.info


class LoadModel(Protocol):
    """What a model's module offers as `load`: cheap, so that heavy libraries wait for the first sample."""

    def __call__(self, target: str, options: ModelOptions) -> Model:
        """A model for the part of the spec behind the colon. Raises UsageError or ModelError."""


class Judge(Protocol):
    """Judges completions of one suite; picklable."""

    def __call__(self, problem: Problem, completion: Completion) -> Verdict:
        """The verdict; an exception of the suite's code becomes a verdict, too."""

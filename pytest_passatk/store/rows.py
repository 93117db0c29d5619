"""What the store tells of runs, as values."""

from dataclasses import dataclass
from typing import Any

from pytest_passatk.core.plan import label, suite_key


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as listed. `seconds` and `exit` are `None` where it was cut off or still goes on."""

    id: int
    started: str
    seconds: float | None
    command: str
    seed: int
    version: str
    exit: int | None


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """One suite of a run.

    `model` and `sampling` are the plain forms of ModelInfo and SamplingParams, `problems` is how many there are,
    `verifier` is `None` where it was not noted, and `repeat` is as in PlannedSuite.
    """

    id: int
    name: str
    title: str
    n: int
    ks: tuple[int, ...]
    extracts: bool
    model: dict[str, Any]
    sampling: dict[str, Any]
    reused: int
    seconds: float
    problems: int
    arm: str = ""
    verifier: str | None = None
    repeat: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Tells it from every other suite of the run."""
        return suite_key(self.name, self.arm, self.repeat)

    @property
    def full_title(self) -> str:
        """The title, and which of several runs of the session it is: `fake@esamp#2`."""
        return label(self.title, "", self.repeat)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What one problem of a run was made of; `row` is the digest of its row, `None` where it was not noted."""

    id: str
    prompt: Any
    row: str | None


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One sample of a run.

    Text and what belongs to it are `None` where the model could not answer; what the verdict says is `None` where
    the sample was not judged.
    """

    index: int
    text: str | None
    tokens: int | None
    finish: str | None
    latency: float | None
    logprob: float | None
    first_token: float | None
    prompt_tokens: int | None
    status: str | None
    reason: str | None
    answer: str | None
    seconds: float | None
    forgeable: bool | None


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """One problem of a run with what there is of its samples, by index; a chat prompt is a list of messages."""

    id: str
    prompt: Any
    samples: tuple[SampleRow, ...]

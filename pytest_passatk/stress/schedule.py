"""A schedule: which requests arrive when, how long each is, and what the scheduler has to serve them with."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pytest_passatk.core.errors import UsageError

LEAST_TOKEN = 5  # below are the special tokens of small models
BLOCK = 32  # tokens in a block of the key-value cache

Thing = TypeVar("Thing")
KINDS: Mapping[Any, Any] = {int: int, int | None: int | None, float: int | float, str: str}  # by the type of a field
WORDS = {int: "a whole number", int | None: "a whole number or null", float: "a number", str: "text"}


@dataclass(frozen=True, slots=True, order=True)
class Draw:
    """How a request's tokens are drawn; greedy by default. Seeds are never left out: without one nothing repeats."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int = 0

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken."""
        return self.temperature == 0


@dataclass(frozen=True, slots=True, order=True)
class Planned:
    """One request of a schedule.

    Attributes:
        prompt: tokens in its prompt, at least 1.
        length: tokens that it generates, at least 1; nothing else ends it.
        arrival: the step before which it is handed to the scheduler.
        abort: the step before which it is taken back; `None` lets it finish.
        problem: requests of one problem with prompts of one length have the same prompt.
        draw: how its tokens are drawn.
        arm: number of the adapter that answers it, where the runtime has several.
    """

    prompt: int
    length: int
    arrival: int = 0
    abort: int | None = None
    problem: int = 0
    draw: Draw = Draw()
    arm: int = 0

    def tokens(self, vocabulary: int) -> tuple[int, ...]:
        """The prompt: a function of problem and length alone."""
        span = vocabulary - LEAST_TOKEN
        return tuple(
            LEAST_TOKEN + zlib.crc32(f"{self.problem} {self.prompt} {at}".encode()) % span for at in range(self.prompt)
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a runtime is driven through.

    Attributes:
        requests: in the order in which they were planned; request i is called `r{i}`.
        slots: the most requests that run at once; `None` takes what the runtime has.
        budget: the most tokens of one step, so that longer prompts are read in parts; `None` for all of them.
        blocks: free blocks of BLOCK tokens in the key-value cache, so that requests are preempted; `None` for enough.
        name: of a classic, or of the file that it was read from; empty for a generated one.
    """

    requests: tuple[Planned, ...]
    slots: int | None = None
    budget: int | None = None
    blocks: int | None = None
    name: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The requests' names."""
        return tuple(f"r{at}" for at in range(len(self.requests)))

    @property
    def drawn(self) -> frozenset[str]:
        """Those whose tokens are drawn, and not just the likeliest."""
        return frozenset(name for name, each in zip(self.ids, self.requests, strict=True) if not each.draw.greedy)

    def sample_of(self, at: int) -> int:
        """The index of a request among those of its problem."""
        return sum(each.problem == self.requests[at].problem for each in self.requests[:at])

    def to_json(self) -> str:
        """One line; `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Schedule":
        """A schedule of `to_json`. Raises ValueError, KeyError or TypeError where the text is none."""
        data: dict[str, Any] = json.loads(text)
        requests = tuple(_planned(each) for each in data.pop("requests"))
        return _checked(cls(requests=requests, **data))

    @classmethod
    def read(cls, path: Path) -> "Schedule":
        """The schedule in a file. Raises UsageError where there is none."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            schedule = cls.from_json(json.dumps(found.get("schedule", found)))
        except OSError as error:
            raise UsageError(f"{path}: the schedule cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} holds no schedule ({type(error).__name__}: {error})") from error
        if not schedule.requests or any(each.prompt < 1 or each.length < 1 for each in schedule.requests):
            raise UsageError(f"{path}: a schedule has at least one request, each with a prompt and a length above 0")
        return replace(schedule, name=schedule.name or path.stem)


def _planned(data: Mapping[str, Any]) -> Planned:
    return _checked(Planned(**{**data, "draw": _checked(Draw(**data.get("draw", {})))}))


def _checked(read: Thing) -> Thing:
    """What was read, as long as its numbers are numbers. Raises TypeError."""
    for name, hint in get_type_hints(type(read)).items():
        value, kinds = getattr(read, name), KINDS.get(hint)
        if kinds and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise TypeError(f"{name} = {value!r} should be {WORDS[hint]}")
    return read

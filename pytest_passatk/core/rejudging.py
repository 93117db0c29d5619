"""What `passatk rejudge` asks of the pytest that it starts, in an environment variable that workers inherit."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

VARIABLE = "PASSATK_REJUDGE"
PLUGIN = "pytest_passatk.harness.rejudge"


@dataclass(frozen=True, slots=True)
class Rejudging:
    """One run to judge again.

    Attributes:
        run: its number.
        store: the file that holds it, absolute.
        suites: the store's numbers of those to judge.
        command: to record.
        report: where the JSON report goes.
        changed: where the ids of problems go that are no longer the ones that were sampled, by their suite's number.
    """

    run: int
    store: str
    suites: tuple[int, ...]
    command: str
    report: str
    changed: str

    def to_environment(self) -> dict[str, str]:
        """The variable."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Rejudging":
        """The same again. Raises KeyError where the variable is not set."""
        values = json.loads(environment[VARIABLE])
        return cls(**values | {"suites": tuple(values["suites"])})

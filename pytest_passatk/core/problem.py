"""A problem: one row of a benchmark, immutable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a suite.

    Attributes:
        id: unique within its suite, stable between versions of the rows, readable in a test id.
        answer: the gold answer, where the benchmark has one.
        tests: the unit tests, where the benchmark judges code.
        fields: the whole row, read-only.
    """

    id: str
    answer: Any = None
    tests: Any = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))

    def __getitem__(self, column: str) -> Any:
        """The row's value in `column`. Raises KeyError where the row has none."""
        return self.fields[column]

    def __reduce__(self) -> tuple[Any, ...]:
        return Problem, (self.id, self.answer, self.tests, dict(self.fields))

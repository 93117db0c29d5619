"""The cells of a matrix: a model on a suite, all arms of it in one run of pytest."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from pytest_passatk.commands.matrix_file import ARMS, OPTION, Entry, Matrix
from pytest_passatk.commands.matrix_options import Options, to_words
from pytest_passatk.core.errors import UsageError

ALWAYS = ("-p", "no:cacheprovider", "--passatk-profile=")  # --lf stays the user's, and no profile adds to the file


@dataclass(frozen=True, slots=True)
class Cell:
    """A model on a suite.

    Attributes:
        model: what the table calls it.
        suite: likewise.
        name: of its files.
        suite_words: arguments of pytest that name the suite.
        options: of the run.
        folder: of its files.
    """

    model: str
    suite: str
    name: str
    suite_words: tuple[str, ...]
    options: Options
    folder: Path

    @property
    def title(self) -> str:
        """What a line about it begins with."""
        return f"{self.model} x {self.suite}"

    @property
    def report(self) -> Path:
        """The JSON report."""
        return self.folder / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """What pytest printed."""
        return self.folder / f"{self.name}.log"

    @property
    def note(self) -> Path:
        """What the report is made from."""
        return self.folder / f"{self.name}.cell"

    @property
    def arms(self) -> int:
        """How many arms it was asked for: every adapter with every patch."""
        return prod(len(text.split(",")) for name in ARMS[:2] for text in self.options.get(name, ()))

    def words(self) -> list[str]:
        """The arguments of pytest."""
        options = [word for name, found in self.options.items() for word in to_words(OPTION[name], found)]
        files = [f"--passatk-json={self.report}", f"--passatk-store={self.folder / 'store.sqlite'}"]
        return [*self.suite_words, *ALWAYS, *options, *files]


def plan_cells(matrix: Matrix) -> list[Cell]:
    """All cells, model by model. Raises UsageError where two would share their files."""
    cells = [_cell(matrix, model, suite) for model in matrix.models for suite in matrix.suites]
    by_name: dict[str, Cell] = {}
    for cell in cells:
        if other := by_name.get(cell.name):
            raise UsageError(f"{matrix.file}: {other.title} and {cell.title} would share files: give one another label")
        by_name[cell.name] = cell
    return cells


def _cell(matrix: Matrix, model: Entry, suite: Entry) -> Cell:
    options = dict(_ordered({**matrix.options, **model.options, **suite.options}))
    name = f"{_slug(model.label)}-{_slug(suite.label)}"
    return Cell(model.label, suite.label, name, suite.words, options, matrix.out)


def _ordered(options: Options) -> Iterator[tuple[str, tuple[str, ...]]]:
    """In the order of the options' table, so that moving a key to another table of the file changes nothing."""
    return ((name, options[name]) for name in OPTION if name in options)


def _slug(label: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", label).strip("-.") or "cell"

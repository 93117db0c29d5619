"""What files hold: how many completions of which problems, by each column that may hold their ids."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.names import name_some
from pytest_passatk.core.sample import Prompt
from pytest_passatk.models.replay_formats import Saved, mark_prompt

Key: TypeAlias = tuple[str, str]  # title of the suite, empty where the file names none, and id


@dataclass(slots=True)
class Column:
    """The problems by one column.

    Attributes:
        name: of the column.
        counts: completions by problem.
        marks: what tells each problem from others with its id, where rows have something to tell it by.
        keys: the problems of an id; several where several suites have it.
        rows: how many rows have the column.
        clash: where a row's problem is another one than that of an earlier row with its id.
    """

    name: str
    counts: Counter[Key] = field(default_factory=Counter)
    marks: dict[Key, str | None] = field(default_factory=dict)
    keys: dict[str, list[Key]] = field(default_factory=dict)
    rows: int = 0
    clash: str | None = None

    def add(self, saved: Saved) -> None:
        """Count the completions of a row."""
        key = self.key(saved)
        if key not in self.marks:
            self.marks[key] = saved.mark
            self.keys.setdefault(key[1], []).append(key)
        elif self.marks[key] != saved.mark and self.clash is None:
            self.clash = f"{saved.where}: {self.name} {key[1]!r}"
        self.counts[key] += sum(text is not None for text in saved.texts)
        self.rows += 1

    def key(self, saved: Saved) -> Key:
        """The problem of a row."""
        return saved.suite, saved.ids[self.name]

    def find(self, id_: str, prompt: Prompt) -> Key | None:
        """The problem with an id; where several suites have it, the one with that prompt, unless they are arms."""
        keys = self.keys.get(id_, [])
        if len(keys) > 1:
            mark = mark_prompt(prompt)
            keys = [key for key in keys if self.marks[key] == mark]
        titles = {suite.rpartition("@")[0] or suite for suite, _ in keys}
        return keys[0] if keys and len(titles) == len(keys) else None


def index_columns(saved: Iterable[Saved]) -> dict[str, Column]:
    """The columns that every row has, the likelier to hold the ids first."""
    columns: dict[str, Column] = {}
    rows = 0
    for each in saved:
        rows += 1
        for name in each.ids:
            columns.setdefault(name, Column(name)).add(each)
    return {name: column for name, column in columns.items() if column.rows == rows}


def choose_column(columns: Mapping[str, Column], asked: Collection[str], named: str | None, source: str) -> Column:
    """The column with the most of the ids that are asked for, of equal ones the first.

    Args:
        columns: of the file.
        asked: ids of the problems of this run.
        named: the column to take in any case.
        source: of the rows, for messages.

    Raises:
        ModelError: there is no such column, it holds none of these ids, or two problems have one id in it.
    """
    if named is not None and named not in columns:
        raise ModelError(
            f"{source}: there is no column {named!r} that could hold ids: --passatk-model-args id=COLUMN takes one of "
            f"{', '.join(columns)}"
        )
    among = [columns[named]] if named else list(columns.values())
    chosen = max(among, key=lambda column: sum(id_ in column.keys for id_ in asked), default=None)
    if chosen is None:
        raise ModelError(f"{source}: its rows have no column with ids in common: give each row an id")
    if not any(id_ in chosen.keys for id_ in asked):
        has = "; ".join(f"{column.name} has {name_some(list(column.keys))}" for column in among)
        raise ModelError(
            f"{source}: no id in it is one of this run's: {has}; asked for are {name_some(list(asked))}: give a file "
            "of this suite, or rename its ids"
        )
    if chosen.clash:
        raise ModelError(
            f"{chosen.clash} is another problem than in an earlier row: files of several suites or versions are mixed: "
            "name those of one, or another column with --passatk-model-args id=COLUMN"
        )
    return chosen

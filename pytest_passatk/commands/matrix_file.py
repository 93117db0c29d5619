"""The file of a matrix: models, suites and arms, and the options of their runs. docs/matrix.md describes it."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from pytest_passatk.commands.matrix_options import FORBIDDEN, Options, read_option
from pytest_passatk.commands.matrix_suites import find_suite
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.harness.options import OPTIONS

Table: TypeAlias = Mapping[str, Any]

ARMS = ("patch", "adapter", "patch-args")  # what tells the arms of a cell from one another
TABLES = ("matrix", "models", "suites", "arms")
OPTION = {option.name: option for option in OPTIONS if option.name not in FORBIDDEN}


@dataclass(frozen=True, slots=True)
class Entry:
    """A model or a suite of a matrix.

    Attributes:
        label: what the table calls it.
        words: arguments of pytest that name it: a suite's place; none of a model.
        options: of its runs.
    """

    label: str
    words: tuple[str, ...]
    options: Options


@dataclass(frozen=True, slots=True)
class Matrix:
    """What a file asks for.

    Attributes:
        file: that it stands in.
        out: the folder for reports, logs and samples.
        options: of all runs, the arms among them.
        models: in the order of the table.
        suites: likewise.
    """

    file: Path
    out: Path
    options: Options
    models: tuple[Entry, ...]
    suites: tuple[Entry, ...]


def read_matrix(file: Path) -> Matrix:
    """What the file asks for. Raises UsageError, with the file and the key, where something in it cannot be used."""
    import tomllib  # noqa: PLC0415 - only this command reads such a file

    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}: name another file") from error
    except ValueError as error:
        raise UsageError(f"{file}: cannot be read as TOML: {error}: mend it, or name another file") from error
    _refuse_unknown(f"{file}:", document, TABLES, "table")
    common = _table(f"{file}: [matrix]", document.get("matrix", {}))
    arms = _arms(file, document)
    models = tuple(_model(file, number, each, arms) for number, each in _entries(file, document, "models"))
    suites = tuple(_suite(file, number, each) for number, each in _entries(file, document, "suites"))
    for kind, entries in (("models", models), ("suites", suites)):
        _refuse_namesakes(f"{file}: [[{kind}]]", [entry.label for entry in entries])
    given = {key: value for key, value in common.items() if key != "out"}
    own = _options(f"{file}: [matrix]", file, given, own=("out",))
    return Matrix(file, _out(file, common), {**own, **arms}, models, suites)


def _out(file: Path, common: Table) -> Path:
    name = common.get("out", file.stem)
    if not isinstance(name, str) or not name:
        raise UsageError(f"{file}: [matrix] out = {name!r}: it must be the name of a folder")
    return Path(os.path.normpath(file.parent / Path(name).expanduser()))


def _arms(file: Path, document: Table) -> Options:
    where = f"{file}: [arms]"
    table = _table(where, document.get("arms", {}))
    for key in table:
        if key.replace("_", "-") not in ARMS:
            raise UsageError(f"{where} {key}: no arms differ in it{_nearest(key, ARMS)}")
    return _options(where, file, table, arms=True)


def _model(file: Path, number: int, table: Table, arms: Options) -> Entry:
    where = f"{file}: [[models]] {number}"
    spec = _text(where, table, "model")
    given = {key: value for key, value in table.items() if key != "label"}
    options = _options(where, file, given, own=("label", "model"), arms=True)
    for name in options.keys() & arms.keys():
        raise UsageError(f"{where} {name}: stands in [arms], too: keep one of them")
    return Entry(_text(where, table, "label", spec), (), options)


def _suite(file: Path, number: int, table: Table) -> Entry:
    where = f"{file}: [[suites]] {number}"
    text = _text(where, table, "suite")
    try:
        words = find_suite(text, file.parent)
    except ValueError as error:
        raise UsageError(f"{where} suite = {text!r}: {error}") from error
    given = {key: value for key, value in table.items() if key not in ("suite", "label")}
    options = _options(where, file, given, own=("label", "suite"))
    return Entry(_text(where, table, "label", _short(text)), words, options)


def _short(suite: str) -> str:
    """`arithmetic` for `suites/arithmetic`, `pytest_passatk.suites.arithmetic` or `test_arithmetic.py::test_it`."""
    last = Path(suite.partition("::")[0]).name.removesuffix(".py")
    return last.rpartition(".")[2].removeprefix("test_") or suite


def _options(
    where: str, file: Path, table: Table, *, own: Collection[str] = (), arms: bool = False
) -> dict[str, tuple[str, ...]]:
    """The options of a table by name, checked."""
    allowed = {name for name in OPTION if arms or name not in ARMS} - ({"model"} - {*own})
    found: dict[str, tuple[str, ...]] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if name in found:
            raise UsageError(f"{where} {key}: stands there twice, with dashes and with underscores: keep one")
        if name not in allowed:
            raise UsageError(f"{where} {key}: {_why_not(name, {*allowed, *own})}")
        found[name] = read_option(f"{where} {key}", OPTION[name], value, file.parent)
    return found


def _why_not(name: str, known: Collection[str]) -> str:
    if name in FORBIDDEN:
        return f"has no place in a matrix: {FORBIDDEN[name]}"
    if name in ARMS and name in OPTION:
        return "it tells arms apart, and stands in [arms] or with a model"
    return f"there is no such option here{_nearest(name, known)}"


def _entries(file: Path, document: Table, kind: str) -> Iterator[tuple[int, Table]]:
    """The tables of an array, numbered from 1."""
    entries = document.get(kind, [])
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{file}: there are no {kind}: write at least one table [[{kind}]]")
    for number, entry in enumerate(entries, start=1):
        yield number, _table(f"{file}: [[{kind}]] {number}", entry)


def _table(where: str, value: Any) -> Table:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where} is {value!r}: it must be a table")
    return value


def _text(where: str, table: Table, key: str, default: str = "") -> str:
    text = table.get(key, default)
    if not isinstance(text, str) or (key in table and not text.strip()):
        raise UsageError(f"{where} {key} = {text!r}: it must be text")
    if not text:
        raise UsageError(f"{where}: it has no {key}: add {key} = …{_misspelt(key, table)}")
    return text


def _misspelt(key: str, table: Table) -> str:
    close = get_close_matches(key, table, n=1)
    return f", in place of {close[0]}" if close else ""


def _refuse_unknown(where: str, table: Table, known: Sequence[str], what: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{where} {key}: there is no such {what}{_nearest(key, known)}")


def _refuse_namesakes(where: str, labels: Sequence[str]) -> None:
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"{where} {labels.count(label)} are called {label}: give each a label of its own")


def _nearest(key: str, known: Collection[str]) -> str:
    close = get_close_matches(key.replace("_", "-"), known, n=3, cutoff=0.5)
    return f"; near to it: {', '.join(close)}" if close else f"; there are {name_some(sorted(known))}"

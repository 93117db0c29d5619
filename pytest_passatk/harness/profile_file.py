"""The profiles in one file: passatk.toml, or the table [tool.passatk] of pyproject.toml."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.harness.options import OPTIONS, Given, Option
from pytest_passatk.harness.profile_values import texts
from pytest_passatk.harness.secrets import mask

FILES = {"passatk.toml": ("profiles",), "pyproject.toml": ("tool", "passatk", "profiles")}  # and the table of profiles
KNOWN = {option.name: option for option in OPTIONS if option.name != "profile"}  # a profile names no other one


@dataclass(frozen=True, slots=True)
class Section:
    """One profile.

    Attributes:
        name: of the profile.
        file: that it stands in.
        path: of its table in the file.
        values: as TOML has them, by the name of the option.
    """

    name: str
    file: Path
    path: tuple[str, ...]
    values: Mapping[str, Any]

    def given(self) -> dict[str, Given]:
        """What it gives, as the options' parsers take it, by the options' fields. Raises UsageError."""
        return {KNOWN[name].field: self._give(KNOWN[name], value) for name, value in self.values.items()}

    def _give(self, option: Option, value: Any) -> Given:
        where = f"{self.file}: {heading(self.path)} {option.name} = "
        try:
            found = texts(option, value, self.file.parent)
        except ValueError as error:
            raise UsageError(mask(f"{where}{value!r}: {error}; wanted: {option.help}")) from error
        return where, found if option.repeats else ",".join(found)


def heading(path: tuple[str, ...]) -> str:
    """A table's name as TOML writes it; nothing for the whole file."""
    return f"[{'.'.join(path)}]" if path else ""


def read_sections(file: Path) -> Iterator[Section]:
    """The profiles of a file. Raises UsageError where something in it cannot be used."""
    import tomllib  # noqa: PLC0415 - only a run with a profile reads a file

    try:
        table: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: cannot be read as TOML: {error}: mend it, or name no profile") from error
    *outer, last = path = FILES[file.name]
    for depth, key in enumerate(outer):
        table = _table(file, path[: depth + 1], table.get(key, {}))
    if unknown := sorted(table.keys() - {last}):
        place = f"{file}: {heading(tuple(outer))}".rstrip()
        raise UsageError(f"{place} {unknown[0]}: unknown; options stand in {heading((*path, 'NAME'))}")
    for name, values in _table(file, path, table.get(last, {})).items():
        yield _section(name, file, (*path, name), values)


def _section(name: str, file: Path, path: tuple[str, ...], values: Any) -> Section:
    options: dict[str, Any] = {}
    for key, value in _table(file, path, values).items():
        where, option = f"{file}: {heading(path)} {key}", key.replace("_", "-")
        if option == "profile":
            raise UsageError(f"{where}: a profile names no other one: put its options here")
        if option not in KNOWN:
            raise UsageError(f"{where}: there is no such option{_nearest(option, KNOWN)}")
        if option in options:
            raise UsageError(f"{where}: stands there twice, with dashes and with underscores: keep one")
        options[option] = value
    return Section(name, file, path, options)


def _table(file: Path, path: tuple[str, ...], value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{file}: {'.'.join(path)} is {value!r}: it must be a table, {heading(path)}")
    return value


def _nearest(key: str, known: Collection[str]) -> str:
    close = get_close_matches(key, known, n=3, cutoff=0.5)
    return f"; near to it: {', '.join(close)}" if close else f"; there are {name_some(sorted(known))}"

"""Where measurements are: what `NAME|PATH|RUN|last` on a command line means."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from pytest_passatk.baselines import file, stored
from pytest_passatk.baselines.names import LAST, SUFFIX, check_name, file_of, files_in, is_path, names_run
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.report.text import visible
from pytest_passatk.store import RunRow, Store, SuiteRow


class Places:
    """Baselines by name or path, and runs of the store.

    Args:
        folder: of the baselines.
        store: for runs; `None` where there is none.
    """

    def __init__(self, folder: Path, store: Store | None) -> None:
        self._folder = folder
        self._store = store

    def names(self) -> list[str]:
        """The names of all baselines."""
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(path.name for path in folders if path.is_dir() and files_in(path))

    def titles(self, place: str) -> tuple[str, ...]:
        """The titles of the suites in a place. Raises UsageError where there is no such place."""
        if names_run(place):
            store = self._open(place)
            suites = store.suites(stored.find_run(store, place).id)
            return tuple(dict.fromkeys(suite.title for suite in suites))
        files = self.files(place)
        if not files:
            raise UsageError(self._no_place(place))
        return tuple(file.read(path, place).title for path in files)

    def files(self, place: str) -> list[Path]:
        """The files of a baseline, by name or path. Raises UsageError where the name cannot be one."""
        where = self._where(place)
        return [where] if _is_file(where) else files_in(where)

    def others(self, place: str, titles: Collection[str]) -> list[str]:
        """What a baseline has beside the suites of these titles; the names of its files, without reading them."""
        known = {file_of(each) for title in titles for each in _titles(title)}
        files = [] if names_run(place) or place.endswith(SUFFIX) else self.files(place)
        return [path.stem for path in files if path.name not in known]

    def find(self, place: str, title: str, *, required: bool = True) -> Measurement | None:
        """The measurement of a suite in a place; that of an arm, `x@arm`, may be that of `x`.

        Args:
            place: name or path of a baseline, number of a run, or `last`.
            title: of the suite.
            required: whether its absence is an error; else `None` stands for it, and the place is one to write to.

        Raises:
            UsageError: it is not there, or cannot be read.
        """
        if not required and (names_run(place) or place.endswith(SUFFIX)):
            raise UsageError(f"{place} is a run or a single file: what is to be updated is a baseline, by its name")
        for each in _titles(title):
            if found := self._measured(place, each) if names_run(place) else self.read(place, each):
                return replace(found, title=title)
        if required:
            raise UsageError(self._no_suite(place, title))
        return None

    def get(self, place: str, title: str) -> Measurement:
        """`find`, where it must be there."""
        found = self.find(place, title)
        assert found, "find raises where something required is absent"
        return found

    def unmeasured(self, place: str, title: str) -> tuple[str, ...]:
        """The problems of a suite in a run that have not all their verdicts; a baseline has none of them."""
        for each in _titles(title) if names_run(place) else ():
            if found := self._run_suite(place, each):
                return stored.unmeasured(self._open(place), found[1])
        return ()

    def read(self, place: str, title: str) -> Measurement | None:
        """What the baseline has of exactly this suite, or `None`. Raises UsageError where a file cannot be read."""
        path = self._file(place, title)
        if not _is_file(path):
            return None
        found = file.read(path, place)
        if found.title == title:
            return found
        if path == self._where(place):  # one file, of another suite
            return None
        raise UsageError(f"{path}:1: it is of suite {visible(found.title)}: rename the file, or the title in it")

    def write(self, place: str, measurement: Measurement) -> Path:
        """Write what a baseline has of a suite; returns the file. Raises UsageError where that fails."""
        path = self._file(place, measurement.title)
        file.write(path, measurement)
        return path

    def _measured(self, place: str, title: str) -> Measurement | None:
        found = self._run_suite(place, title)
        return stored.measured(self._open(place), *found) if found else None

    def _run_suite(self, place: str, title: str) -> tuple[RunRow, list[SuiteRow]] | None:
        """A run and the rows of its suite of exactly that title, or `None` where it has none. Raises UsageError."""
        store = self._open(place)
        try:
            run = stored.find_run(store, place, title)
        except UsageError:
            if place == LAST:  # which of an arm's two names has a run is not known yet
                return None
            raise
        suites = stored.find_suite(store, run, title)
        return (run, suites) if suites else None

    def _open(self, place: str) -> Store:
        if self._store is None:
            raise UsageError(f"{place} is a run, and there is no store: compare with a baseline, or keep a store")
        return self._store

    def _where(self, place: str) -> Path:
        """The folder or file of a baseline."""
        if is_path(place):
            return Path(place)
        check_name(place)
        return self._folder / place

    def _file(self, place: str, title: str) -> Path:
        where = self._where(place)
        return where if _is_file(where) or place.endswith(SUFFIX) else where / file_of(title)

    def _no_place(self, place: str) -> str:
        if is_path(place):
            return f"{place}: there is no baseline file: --passatk-save NAME makes one in {self._folder}"
        return (
            f"no baseline {place!r} in {self._folder}: {_there(place, self.names())}make it with --passatk-save {place}"
        )

    def _no_suite(self, place: str, title: str) -> str:
        if names_run(place):
            store = self._open(place)
            run = stored.find_run(store, place, title)
            titles = list(dict.fromkeys(each.title for each in store.suites(run.id)))
            return f"run {run.id} has no suite {title!r}: {_there(title, titles)}"
        if not self.files(place):
            return self._no_place(place)
        to_make = f"run the suite with --passatk-save {place if not is_path(place) else 'NAME'}"
        return f"baseline {place} has no suite {title!r}: {_there(title, self.titles(place))}{to_make}"


def _is_file(path: Path) -> bool:
    """Whether a file is there. Raises UsageError where nobody may look, or no path can be like that."""
    try:
        return path.is_file()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}: name another baseline") from error


def _titles(title: str) -> tuple[str, ...]:
    """What a suite may be called in a place: by its title, or without its arm."""
    return tuple(dict.fromkeys([title, title.partition("@")[0]]))


def _there(wanted: str, known: Sequence[str]) -> str:
    close = get_close_matches(wanted, known, cutoff=0.5)
    if close:
        return f"near to it: {', '.join(map(visible, close))}; "
    return f"there is {name_some([visible(name) for name in known]) or 'none yet'}; "

"""Where a suite of a matrix is."""

import os
from importlib.util import find_spec
from pathlib import Path

PARTS = {".py", ".jsonl", ".csv", ".tsv", ".parquet", ".txt"}  # of a suite that is a single file
WRITTEN = {".md", ".html", ".xml", ".log"}  # what a run may write into a folder of suites


def find_suite(text: str, folder: Path) -> tuple[str, ...]:
    """The arguments of pytest that collect the suite.

    Args:
        text: a path, relative to `folder` or else to the current folder, with `::function` behind it or without; or the
            name of a module.
        folder: of the file that names the suite.

    Raises:
        ValueError: there is neither.
    """
    place, colons, function = text.partition("::")
    for base in dict.fromkeys((folder, Path())):
        if (base / place).exists():
            return (f"{os.path.normpath(base / place)}{colons}{function}",)
    if _is_module(place):
        return ("--pyargs", text)
    places = " nor in ".join(str(each) for each in dict.fromkeys((folder.absolute(), Path.cwd())))
    raise ValueError(f"there is no such file or folder in {places}, and no module of that name")


def _is_module(name: str) -> bool:
    try:
        return all(part.isidentifier() for part in name.split(".")) and find_spec(name) is not None
    except ImportError:  # of a package that it would be in
        return False


def files_of(words: tuple[str, ...]) -> list[Path]:
    """The files that a suite is made of, as far as they lie with it.

    Of a folder, all that are in it and below, but those that runs leave behind; of a single file, Python and rows
    beside it, since anything may lie there.
    """
    place = words[-1].partition("::")[0]
    found = _module_folder(place) if words[0] == "--pyargs" else Path(place)
    if not found.is_dir():
        return sorted(each for each in found.parent.glob("*") if each.suffix in PARTS and each.is_file())
    return sorted(each for each in found.rglob("*") if each.is_file() and not _is_left_behind(each.relative_to(found)))


def _module_folder(name: str) -> Path:
    """A package's folder, or a module's file."""
    spec = find_spec(name)
    if spec and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0])
    return Path((spec.origin if spec else None) or name)


def _is_left_behind(file: Path) -> bool:
    hidden = any(part == "__pycache__" or part.startswith(".") for part in file.parts)
    return hidden or file.suffix in WRITTEN

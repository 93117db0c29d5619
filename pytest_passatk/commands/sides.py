"""The places that a command line compares or plans with."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

from pytest_passatk.baselines.names import names_run
from pytest_passatk.baselines.places import Places
from pytest_passatk.gate.family import ALPHA
from pytest_passatk.harness.parsers import between
from pytest_passatk.store import Store

FOLDER = Path("baselines")
PLACE = "NAME|PATH|RUN|last"

OpenStore: TypeAlias = Callable[[], Store]
Value = TypeVar("Value")


def add_folder_argument(parser: ArgumentParser) -> None:
    """Where baselines are."""
    parser.add_argument(
        "--baselines", metavar="DIR", type=Path, default=FOLDER, help=f"folder of baselines (default: {FOLDER})"
    )


def open_places(open_store: OpenStore, chosen: Namespace, *places: str) -> Places:
    """The baselines, with the store where one of these places is a run."""
    return Places(chosen.baselines, open_store() if any(map(names_run, places)) else None)


def parsed(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """A type of argparse that tells what a ValueError says."""

    def convert(text: str) -> Value:
        try:
            return parse(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return convert


def add_alpha_argument(parser: ArgumentParser) -> None:
    """The argument that says how often a gate may cry wolf."""
    parser.add_argument(
        "--alpha", type=parsed(between(1e-6, 0.5)), default=ALPHA,
        help=f"chance of any false alarm (default: {ALPHA})",
    )  # fmt: skip

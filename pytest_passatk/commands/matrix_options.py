"""Options in the file of a matrix: from a value of TOML to arguments of pytest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pytest_passatk.core.errors import UsageError
from pytest_passatk.harness.options import Option
from pytest_passatk.harness.parsers import parse_truth
from pytest_passatk.harness.profile_values import texts
from pytest_passatk.harness.secrets import mask

Options: TypeAlias = Mapping[str, tuple[str, ...]]  # by name, with each text that the option is given

OWN = "each cell has its own, in the matrix's folder"
BASELINE = "it compares arms with one another, and no run with a baseline"
FORBIDDEN = {  # why an option has no place in a matrix
    "json": OWN, "store": OWN, "html": OWN, "summary": OWN, "junit-properties": OWN,
    "profile": "it says by itself what its runs are given",
    "check": "it measures models",
    "save": BASELINE, "compare": BASELINE, "update": BASELINE, "update-new-only": BASELINE, "baselines": BASELINE,
    "stop-when-decided": BASELINE,
}  # fmt: skip


def read_option(where: str, option: Option, value: Any, folder: Path) -> tuple[str, ...]:
    """The texts that stand for the value on the command line. Raises UsageError where the option takes no such value.

    Args:
        where: the file and the key, as the begin of a message.
        option: that it is for.
        value: as TOML has it.
        folder: that paths are relative to.
    """
    try:
        parts = texts(option, value, folder)
        found = parts if option.repeats else [",".join(parts)]
        for text in found:
            (option.parse or parse_truth)(text)
    except ValueError as error:
        raise UsageError(mask(f"{where} = {value!r}: {error}; wanted: {option.help}")) from error
    return tuple(found)


def to_words(option: Option, found: tuple[str, ...]) -> list[str]:
    """The option as arguments of pytest; a flag that is false is none."""
    if option.parse is None:
        return [option.flags[0]] if parse_truth(found[-1]) else []
    return [f"{option.flags[0]}={text}" for text in found]

"""A value of TOML as the text that stands for it on the command line."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_passatk.harness.options import Option

LOADERS = {"hf", "vllm", "replay"}  # backends that take a path
WORDS = {"auto", "none", "base", "tiny"}  # mean the same wherever they stand; a file of such a name is written ./none


def texts(option: Option, value: Any, folder: Path) -> list[str]:
    """The parts of the text for an option; one alone where the option takes one.

    Args:
        option: that it is for.
        value: string, number, boolean, array or table.
        folder: that paths are relative to.

    Raises:
        ValueError: the option takes no such value.
    """
    return [_place(option, part, folder) for part in _parts(option, value)]


def _parts(option: Option, value: Any) -> list[str]:
    if isinstance(value, Mapping) and (option.pairs or option.repeats):
        parts = [f"{_key(key)}={_word(each, flag=True)}" for key, each in value.items()]
    elif isinstance(value, list) and (option.lists or option.repeats):
        parts = [_word(each) for each in value]
    else:
        text = _word(value, flag=option.parse is None)
        return [part.strip() for part in text.split(",")] if option.lists else [text]
    split = [part for part in parts if option.lists and "," in part]
    if split:
        raise ValueError(f"{split[0]!r} would be taken apart at its comma")
    return parts


def _key(key: str) -> str:
    if "=" in key:
        raise ValueError(f"the name {key!r} has a = in it")
    return key


def _word(value: Any, *, flag: bool = False) -> str:
    """A single value; true and false are for flags and for what a suite or a backend reads."""
    if isinstance(value, bool) and flag:
        return str(value).lower()
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{value!r} is of a kind that it does not take")  # noqa: TRY004 - a value as any other wrong one
    return str(value)


def _place(option: Option, text: str, folder: Path) -> str:
    """A path as seen from here, where the text is one."""
    if option.path == "always":
        text = os.path.expanduser(text)  # noqa: PTH111 - Path's own raises where there is no such user
    if not option.path or text in WORDS or folder == Path.cwd():
        return text
    if option.name == "model":
        backend, colon, target = text.partition(":")
        if colon and backend in LOADERS:
            return f"{backend}:{_found(target, folder)}"
    return str(folder / text) if option.path == "always" else _found(text, folder)


def _found(text: str, folder: Path) -> str:
    return str(folder / text) if text not in WORDS and (folder / text).exists() else text

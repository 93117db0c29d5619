"""Profiles: options under a name. docs/profiles.md describes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.record import Profile
from pytest_passatk.harness.options import OPTIONS, Given, find_given
from pytest_passatk.harness.profile_file import FILES, KNOWN, Section, heading, read_sections
from pytest_passatk.harness.secrets import mask

OPTION = next(option for option in OPTIONS if option.name == "profile")


def read_profile(config: pytest.Config) -> tuple[Mapping[str, Given], Profile | None]:
    """What the profile of a run gives, by field of the option, and a note of what of it counts.

    Raises:
        UsageError: there is no such profile, or its file has something in it that cannot be used.
    """
    asked = find_given(OPTION, config, {})
    if asked is None or not asked[1]:  # an empty name on the command line takes none
        return {}, None
    section = _find(str(asked[1]), config)
    given = section.given()
    counting = [name for name, each in KNOWN.items() if each.field in given and _counts(name, config, given)]
    options = {name: _shown(given[KNOWN[name].field]) for name in counting}
    return given, Profile(section.name, _seen_from(config.rootpath, section.file), options)


def _counts(name: str, config: pytest.Config, given: Mapping[str, Given]) -> bool:
    """Whether no nearer place gives the option."""
    return find_given(KNOWN[name], config, given) is given[KNOWN[name].field]


def _shown(given: Given) -> str:
    _, text = given
    return mask(text if isinstance(text, str) else " ".join(text))


def _seen_from(root: Path, file: Path) -> str:
    return str(file.relative_to(root) if file.is_relative_to(root) else file)


def _find(name: str, config: pytest.Config) -> Section:
    folders = dict.fromkeys([config.rootpath, *([config.inipath.parent] if config.inipath else [])])
    files = [folder / file for folder in folders for file in FILES]
    sections = [section for file in files if file.is_file() for section in read_sections(file)]
    found = [section for section in sections if section.name == name]
    if len(found) > 1:
        places = " and in ".join(str(section.file) for section in found)
        raise UsageError(f"profile {name}: stands in {places}: keep one of them, or give one another name")
    if not found:
        raise UsageError(f"profile {name}: there is none of that name: {_what_there_is(sections, files)}")
    return found[0]


def _what_there_is(sections: Sequence[Section], files: Sequence[Path]) -> str:
    if sections:
        return "choose among " + ", ".join(f"{section.name} (in {section.file})" for section in sections)
    places = ", ".join(f"{heading(FILES[file.name])} of {file}" for file in files)
    return f"write it into one of {places}"

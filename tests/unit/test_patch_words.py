"""What is said of a patch that cannot be had: its name, what is wrong with it, and what to write instead."""

import re
import sys
from pathlib import Path

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.patches import registry

PATCHES = """
from pytest_passatk import Claim, Patch

class Sound(Patch):
    pass

class Other:
    claim = Claim.SAME_TOKENS

class Unmade(Patch):
    def __init__(self):
        raise RuntimeError("no rows")

class Said(Patch):
    claim = "same tokens"

class Unsaid(Patch):
    claim = None

class Text(Patch):
    layers = "layers.0"

class Scaled(Patch):
    def __init__(self, scale):
        self.scale = 1.0 * scale

def give_class():
    return Sound

def give_number():
    return 3
"""
BROKEN = {
    "lacking": "import json.nothing_of_that_name\n",
    "syntax": "def f(:\n",
    "value": "raise ValueError('no such table')\n",
    "leaving": "import sys\nsys.exit(3)\n",
}


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "worded"
    folder.mkdir()
    for name, code in {"__init__": "", "mod": PATCHES, **BROKEN}.items():
        (folder / f"{name}.py").write_text(code)
    for module in [each for each in sys.modules if each.partition(".")[0] == "worded"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "worded.mod:Soud",
            "module worded.mod has no 'Soud' that makes a patch; it has Said, Scaled, Sound, Text, Un*",
        ),
        ("worded/mod.py:Sound", "unknown patch 'worded/mod.py:Sound': there are esamp; write worded.mod:Sound"),
        ("mod.py:Sound", "there is no module mod.py on Python's path; write mod:Sound"),
        ("worded.mod", "unknown patch 'worded.mod': there are esamp; write pkg.mod:Name for one of your own"),
        ("worded.mod:Other", "is a class of its own: derive Other from pytest_passatk.Patch"),
        ("worded.mod:give_class", "makes the class Sound: it has to make a patch of it"),
        ("worded.mod:give_number", "makes a int: derive it from pytest_passatk.Patch"),
        ("worded.mod:Unmade", "making it raised RuntimeError: no rows (mod.py:12 __init__)"),
        ("worded.mod:Said", "its claim is 'same tokens': it has to be one of Claim.SAME_TOKENS, Claim.SAME_DISTRIB*"),
        ("worded.mod:Unsaid", "its claim is None: it has to be one of Claim.SAME_TOKENS, *"),
        ("worded.mod:Text", "its layers are 'layers.0': write ('layers.0',)"),
        ("worded.lacking:X", "importing worded.lacking raised ModuleNotFoundError: No module named 'json.noth*'*"),
        ("worded.syntax:X", "importing worded.syntax raised SyntaxError: invalid syntax (syntax.py, line 1)"),
        ("worded.value:X", "importing worded.value raised ValueError: no such table (value.py:1 <module>)"),
        ("worded.leaving:X", "importing worded.leaving raised SystemExit: 3 (leaving.py:2 <module>)"),
    ],
)
def test_one_line_names_the_patch_and_what_is_wrong(name: str, text: str) -> None:
    with pytest.raises(UsageError) as raised:
        registry.resolve(name, {})
    shown = str(raised.value)
    named = (
        text
        if text.startswith("unknown")
        else f"--patch {name}{'' if text.startswith(('is', 'makes')) else ':'} {text}"
    )
    assert re.fullmatch(re.escape(named).replace(r"\*", ".*"), shown), shown


def test_a_module_that_is_not_in_its_package_is_told_with_the_place_of_the_package(package: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(f"no module worded.mood on Python's path; worded is {package}")):
        registry.resolve("worded.mood:Sound", {})


def test_arguments_that_a_patch_cannot_use_are_told_before_anything_runs() -> None:
    with pytest.raises(UsageError, match=r"--patch worded\.mod:Scaled: .*; see --passatk-patch-args"):
        registry.resolve("worded.mod:Scaled", {"scale": "[1]"})


def test_a_sound_patch_is_made_anew_for_each_that_asks() -> None:
    spec = registry.resolve("worded.mod:Scaled", {"scale": "2"})
    assert spec == PatchSpec("worded.mod:Scaled", {"scale": "2"}, spec.revision)
    assert registry.make(spec) is not registry.make(spec)

"""The digest of a verifier in a baseline: it follows what judges, and nothing else in the suite's file."""

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_passatk.core.suite import suite_of
from pytest_passatk.harness.reach import form_of
from pytest_passatk.harness.verifier import VerifierDigest

HEAD = "from pytest_passatk import suite\n"
SUITE = (
    HEAD
    + """
ROWS = [{"id": "a"}]
LIMIT = 3

def agree(a, b):
    return a == b

def find(text):
    return text or None

@suite(ROWS, prompt="x", extract=find)
def test_x(problem, completion):
    assert agree(completion.answer, problem.answer)
"""
)
ALIAS = SUITE.replace("import suite", "import suite as bench").replace("@suite", "@bench")
ASSIGNED = SUITE.replace('@suite(ROWS, prompt="x", extract=find)\ndef test_x', "def check") + (
    'test_x = suite(ROWS, prompt="x", extract=find)(check)\n'
)
SPREAD = SUITE.replace("@suite", "COMMON = {'extract': find}\n@suite").replace("extract=find", "**COMMON")
FIXTURE = SUITE.replace("LIMIT = 3", "import pytest\n@pytest.fixture(scope='session')\ndef rule():\n    return 3")
REGISTRY = """
TABLE = {}
def keep(function):
    TABLE[function.__name__] = function
    return function
@keep
def even(a): return a % 2 == 0
"""
FAMILY = """
class Rule:
    kinds = []
    def __init_subclass__(cls): Rule.kinds.append(cls)
class Even(Rule):
    def holds(self, a): return a % 2 == 0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules, which are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # files change within a second
    yield tmp_path
    _forget(tmp_path)


def _forget(folder: Path) -> None:
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]


def digest(folder: Path, source: str | bytes, rules: str = "") -> str:
    """The digest of `test_x` in a file beside a module `rules`."""
    _forget(folder)
    (folder / "rules.py").write_text(rules)
    (folder / "some_suite.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    importlib.invalidate_caches()
    stated = suite_of(importlib.import_module("some_suite").test_x)
    assert stated
    return VerifierDigest(stated, timeout=1).alone


@pytest.mark.parametrize(
    ("one", "another"),
    [
        (SUITE, SUITE.replace("LIMIT", "# a comment\nLIMIT")),
        (SUITE, SUITE.replace('{"id": "a"}', '{"id": "a"}, {"id": "b"}')),
        (SUITE, SUITE.replace('prompt="x"', 'prompt="y", n=3, gold="z"')),
        (SUITE, SUITE.replace("LIMIT = 3", "LIMIT = 4")),
        (SUITE, '"""A suite."""\n' + SUITE),
        (SUITE, SUITE.replace("    return a", '    """Whether they agree."""\n    return a')),
        (SUITE, SUITE.replace("    assert", '    """Judge."""\n    assert')),
        (SUITE, SUITE.replace("a == b", "(\n        a  ==  b\n    )\n")),
        (SUITE.replace("or None", 'or "no"'), SUITE.replace("or None", "or 'no'")),
        (SUITE, SUITE.replace("\n", "\r\n").encode()),
        (SUITE, b"\xef\xbb\xbf" + SUITE.encode()),
        (SUITE, SUITE.replace("@suite", "import pytest\n@pytest.mark.xfail\n@suite")),
        (SUITE, SUITE + "@suite([{}], prompt='y')\ndef test_y(problem, completion): ...\n"),
        (SUITE.replace('"x"', '"\u2028"'), SUITE.replace('"x"', '"\u2028"').replace("b\n", "b  # or not\n")),
        (ALIAS, ALIAS.replace('{"id": "a"}', '{"id": "a"}, {"id": "b"}')),
    ],
)
def test_what_judges_nothing_does_not_count(folder: Path, one: str, another: str | bytes) -> None:
    assert digest(folder, one) == digest(folder, another)


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (SUITE, "a == b", "a is b"),
        (SUITE, "text or None", "text"),
        (SUITE.replace("LIMIT", "\f\nLIMIT"), "a == b", "a is b  # the same"),
        (ALIAS, "text or None", "text"),
        (ASSIGNED, "text or None", "text"),
        (SPREAD, "text or None", "text"),
        (FIXTURE.replace("completion)", "completion, rule)"), "return 3", "return 4"),
        (SUITE.replace("LIMIT = 3", REGISTRY).replace("a == b", "TABLE['even'](a)"), "% 2 == 0", "% 2 == 1"),
        (SUITE.replace("LIMIT = 3", FAMILY).replace("a == b", "Rule.kinds[0]().holds(a)"), "% 2 == 0", "% 2 == 1"),
        (SUITE.replace("a == b", "a == globals()['LIMIT']"), "LIMIT = 3", "LIMIT = 4"),
    ],
)
def test_what_judges_counts(folder: Path, source: str, old: str, new: str) -> None:
    assert digest(folder, source) != digest(folder, source.replace(old, new))


def test_a_file_may_have_any_encoding(folder: Path) -> None:
    source = "# -*- coding: latin-1 -*-\n" + SUITE.replace('"x"', '"\xe9"')
    changed = source.replace("a == b", "a is b")
    assert digest(folder, source.encode("latin-1")) != digest(folder, changed.encode("latin-1"))


@pytest.mark.parametrize(
    "imports",
    [
        "import importlib\nagree = importlib.import_module('rules').agree",
        "import pytest\nagree = pytest.importorskip('rules').agree",
        "import rules",
        "from rules import *",
    ],
)
def test_a_module_counts_however_it_is_imported(folder: Path, imports: str) -> None:
    source = SUITE.replace("def agree", "def unused").replace("LIMIT = 3", imports)
    before = digest(folder, source, "def agree(a, b):\n    return a == b\n")
    assert digest(folder, source, "# A comment.\ndef agree(a, b):\r\n    return a == b\r\n") == before
    assert digest(folder, source, "def agree(a, b):\n    return a is b\n") != before


def test_every_version_of_python_counts_the_same() -> None:
    tree = ast.parse('f"{a:{b}}"')
    before = form_of(tree)
    inner = next(node for node in ast.walk(tree) if isinstance(node, ast.FormattedValue) and node.format_spec)
    assert isinstance(inner.format_spec, ast.JoinedStr)
    inner.format_spec.values = [*inner.format_spec.values[:1], ast.Constant("")]  # as Python 3.12 has it
    assert form_of(tree) == before

"""What changes the digest of a patch, by which its samples are told from others."""

import sys
from pathlib import Path

import pytest

from pytest_passatk.patches import registry

BASE = "from pytest_passatk import Patch\n\nclass Tap(Patch):\n    pass\n"
DERIVED = "from tap_of_tests import Tap\n\nclass Guarded(Tap):\n    pass\n"


def revision(folder: Path, base: str, derived: str) -> str:
    (folder / "tap_of_tests.py").write_text(base)
    (folder / "guarded_of_tests.py").write_text(derived)
    for module in ("tap_of_tests", "guarded_of_tests"):
        sys.modules.pop(module, None)
    return registry.resolve("guarded_of_tests:Guarded", {}).revision


def test_a_change_of_the_patch_or_of_a_class_below_it_changes_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    first = revision(tmp_path, BASE, DERIVED)
    assert revision(tmp_path, BASE, DERIVED) == first
    changed = {revision(tmp_path, BASE + "# other\n", DERIVED), revision(tmp_path, BASE, DERIVED + "# other\n")}
    assert len(changed | {first}) == 3

"""What hooks were written for, held against what is there."""

import re
import warnings
from pathlib import Path

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.runtimes.signatures import check_signatures

LIMIT = "(self, max_denominator=1000000)"
GONE = "it is gone"
NONE = "it has none to compare"


def test_the_same_signature_is_no_drift() -> None:
    check_signatures("who", {"fnmatch:fnmatch": "(name, pat)", "fractions:Fraction.limit_denominator": LIMIT})


def test_what_a_module_warns_of_at_its_import_is_no_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import warnings\nwarnings.warn('old', DeprecationWarning)\ndef there(text): ...\n"
    (tmp_path / "warns_at_import.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_signatures("who", {"warns_at_import:there": "(text)"})


@pytest.mark.parametrize(
    ("target", "drift"),
    [
        ("fractions:Fraction.limit_denominator", f"found {LIMIT}"),
        ("fractions:Fraction.limit", GONE),
        ("fractions_of_old:Fraction", GONE),
        ("math:pi", NONE),
        ("builtins:dict.update", NONE),
    ],
)
def test_every_drift_is_named_with_what_was_expected(target: str, drift: str) -> None:
    with pytest.raises(UsageError, match="who was written for other signatures") as caught:
        check_signatures("who", {"fnmatch:fnmatch": "(name, pat)", target: "(self, bound)"})
    (line,) = str(caught.value).splitlines()[1:]
    assert re.match(rf"{re.escape(target)}: expected \(self, bound\), .*{re.escape(drift)}", line)

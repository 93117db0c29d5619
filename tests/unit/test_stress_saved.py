"""Failing schedules on disk: what is written, read back, and refused."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.case import Finding
from pytest_passatk.stress.classics import CLASSICS
from pytest_passatk.stress.saved import save, saved
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.search import Smallest

PAIR = Schedule((Planned(1, 2), Planned(1, 3)))
ALARM = Alarm(Oracle.SHADOW, "layers.0: row 3 is another's", step=2, request="r1")


def smallest(schedule: Schedule = PAIR) -> Smallest:
    return Smallest(schedule, Finding((ALARM, replace(ALARM, text="second"))), exhausted=True)


def test_a_file_tells_what_failed_and_can_be_reviewed(tmp_path: Path) -> None:
    path = save(tmp_path / "fixtures" / "schedules", smallest(), "esamp", "vllm:tiny")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert (record["patch"], record["runtime"]) == ("esamp", "vllm:tiny")
    assert (record["oracle"], record["text"]) == ("shadow", ALARM.text)
    assert path.read_text(encoding="utf-8").count("\n") > 20  # a line a value: changes show in a diff


@pytest.mark.parametrize("classic", CLASSICS, ids=[each.name for each in CLASSICS])
def test_a_schedule_comes_back_as_it_was(tmp_path: Path, classic: Schedule) -> None:
    path = save(tmp_path, smallest(classic), "esamp", "tensor")
    assert list(saved(tmp_path)) == [(path.stem, classic)]


def test_a_schedule_without_a_name_is_called_as_its_file(tmp_path: Path) -> None:
    path = save(tmp_path, smallest(), "esamp", "tensor")
    assert list(saved(tmp_path)) == [(path.stem, replace(PAIR, name=path.stem))]


def test_one_failure_has_one_file_whatever_the_schedule_is_called(tmp_path: Path) -> None:
    first = save(tmp_path, smallest(), "esamp", "tensor")
    assert save(tmp_path, smallest(replace(PAIR, name="pair")), "esamp", "tensor") == first
    others = {
        save(tmp_path, smallest(replace(PAIR, slots=1)), "esamp", "tensor"),
        save(tmp_path, smallest(), "other", "tensor"),
        save(tmp_path, smallest(), "esamp", "hf:tiny"),
        save(tmp_path, smallest(), "esamp", "hf/tiny"),
    }
    assert len(others | {first}) == 5
    assert [name for name, _ in saved(tmp_path)] == sorted(path.stem for path in others | {first})


def test_names_of_files_are_the_same_everywhere(tmp_path: Path) -> None:
    assert save(tmp_path, smallest(), "esamp", "tensor").name == "esamp-tensor-bd385f49.json"


@pytest.mark.parametrize("patch", ["my_pkg.my_patch:Patch", "../../etc/passwd", "…", "a b\n*?", "x" * 500])
def test_odd_names_stay_in_the_folder_and_safe(tmp_path: Path, patch: str) -> None:
    path = save(tmp_path, smallest(), patch, "vllm:/models/Some Model")
    assert path.parent == tmp_path
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{,150}\.json", path.name)
    assert len(saved(tmp_path)) == 1


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    path = save(tmp_path, smallest(), "esamp", "tensor")
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert list(saved(tmp_path / "none")) == []


def test_other_files_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("words", encoding="utf-8")
    (tmp_path / ".esamp-tensor-0.json.12").write_text("{", encoding="utf-8")
    (tmp_path / ".hidden.json").write_text("{", encoding="utf-8")
    assert list(saved(tmp_path)) == []


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, smallest(), "esamp", "tensor")
    path.write_text(path.read_text(encoding="utf-8")[:90], encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(str(path))):
        saved(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"length": 2', '"length": "many"', "length = 'many' should be a whole number)"),
        ('"prompt": 1', '"prompt": 1.5', "prompt = 1.5 should be a whole number)"),
        ('"abort": null', '"abort": "late"', "abort = 'late' should be a whole number or null)"),
        ('"temperature": 0.0', '"temperature": [1]', "temperature = [1] should be a number)"),
        ('"slots": null', '"slots": true', "slots = True should be a whole number or null)"),
        ('"requests": [', '"requests": [4, ', "int"),
    ],
)
def test_a_file_with_a_word_for_a_number_is_named_with_it(tmp_path: Path, old: str, new: str, words: str) -> None:
    path, text = tmp_path / "mine.json", PAIR.to_json()
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=rf"^{re.escape(str(path))} holds no schedule .*{re.escape(words)}"):
        Schedule.read(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be saved"):
        save(tmp_path / "file" / "schedules", smallest(), "esamp", "tensor")

"""`passatk rejudge`: stored completions through the present verifier, without the model that drew them."""

import json
import re
import shlex
from typing import Any

import pytest
from sessions import HEADER, LEAN, SUITE, Sessions

from pytest_passatk.cli import main
from pytest_passatk.store import Store

ALL = [f"{problem}#{index}" for problem in ("always", "half", "never") for index in range(4)]


class Rejudging:
    """Runs of the command in the folder of some sessions."""

    def __init__(self, sessions: Sessions, capfd: pytest.CaptureFixture[str]) -> None:
        self.sessions = sessions
        self.capfd = capfd

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self.capfd.readouterr()
        status = main(["rejudge", *arguments])
        return status, *self.capfd.readouterr()

    def json(self, *arguments: str) -> dict[str, Any]:
        status, output, error = self(*arguments, "--json")
        assert status == 0, error
        document: dict[str, Any] = json.loads(output)
        return document


@pytest.fixture
def rejudge(sessions: Sessions, capfd: pytest.CaptureFixture[str]) -> Rejudging:
    return Rejudging(sessions, capfd)


@pytest.fixture
def rejudge_alone(alone: Sessions, capfd: pytest.CaptureFixture[str]) -> Rejudging:
    return Rejudging(alone, capfd)


def edited(old: str, new: str, source: str = SUITE) -> str:
    """The suite with a change, which must be one, and one of length: Python tells sources apart by time and size."""
    assert old in source
    assert len(old) != len(new)
    return source.replace(old, new)


def stored(sessions: Sessions) -> list[tuple[int, str, int | None]]:
    store = Store(sessions.store, create=False)
    try:
        return [(run.id, run.command, run.exit) for run in store.runs()]
    finally:
        store.close()


def statuses(sessions: Sessions) -> dict[str, str]:
    """The verdicts of the last run, a letter a sample."""
    return {id_: "".join((s.status or "-")[0] for s in samples) for id_, samples in sessions.samples().items()}


def test_a_mended_verifier_changes_exactly_what_it_changes(sessions: Sessions, rejudge: Rejudging) -> None:
    sessions.write()
    sessions.run()
    sessions.write(edited("== problem.answer", "in {problem.answer, '9'}"))
    status, output, error = rejudge("last")
    assert status == 0, error
    assert output.splitlines() == [
        "run 1 judged again as run 2: 2 of 12 verdicts changed",
        "",
        "fake  fake, 3 problems x 4",
        "  pass@1  0.500 -> 0.667",
        "  pass@2  0.611 -> 0.889",
        "  pass@4  0.667 -> 1.000",
        "  fail -> pass: 2",
        "  never#1  fail -> pass        was: assert '9' == '7'",
        "  never#3  fail -> pass        was: assert '9' == '7'",
    ]
    assert sorted(sessions.log) == ALL
    assert statuses(sessions) == {"always": "pppp", "half": "pfpf", "never": "fpfp"}
    assert [run[1:] for run in stored(sessions)[1:]] == [("passatk rejudge 1", 0)]


def test_the_new_run_can_be_shown_and_the_old_one_stays(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write()
    alone.run()
    alone.write(edited("== problem.answer", "in {problem.answer, '9'}"))
    rejudge_alone("1")
    for run, solved in (("1", 6), ("2", 8)):
        assert main(["show", run]) == 0
        assert f"{solved} of 12 solved" in rejudge_alone.capfd.readouterr().out
    alone.run()
    assert sorted(alone.log) == ALL
    assert alone.counts()["never"] == (4, 2)


def test_nothing_changes_where_nothing_changed(rejudge: Rejudging, sessions: Sessions) -> None:
    sessions.write()
    sessions.run()
    document = rejudge.json("1")
    assert (document["run"], document["rejudged"]) == (1, 2)
    assert document["suites"][0]["changes"] == []
    assert document["suites"][0]["judged"] == 12


def test_completions_are_judged_even_where_the_verifier_looks_the_same(
    alone: Sessions, rejudge_alone: Rejudging
) -> None:
    alone.write(edited("    assert", "    assert completion.text not in open('wrong.txt').read()\n    assert"))
    (alone.pytester.path / "wrong.txt").write_text("x")
    alone.run()
    (alone.pytester.path / "wrong.txt").write_text("7")
    changes = rejudge_alone.json("1")["suites"][0]["changes"]
    assert [(each["problem"], each["index"], each["before"], each["after"]) for each in changes] == [
        *(("always", index, "pass", "fail") for index in range(4)),
        ("half", 0, "pass", "fail"),
        ("half", 2, "pass", "fail"),
    ]
    assert changes[0]["reason"].startswith("assert '7' not in '7'")


def test_neither_model_nor_its_module_is_needed(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write(
        'from fake_model import FakeModel\n\n\ndef load(target, options):\n    return FakeModel("own", options)\n',
        "own.py",
    )
    alone.write()
    assert alone.run("--model", "own:load", "--temperature", "0.5", "--seed", "3").ret == 0
    (alone.pytester.path / "own.py").unlink()
    assert rejudge_alone.json("1")["suites"][0]["judged"] == 12
    store = Store(alone.store, create=False)
    first, second = (store.suites(run)[0] for run in (1, 2))
    store.close()
    assert (second.model, second.sampling, second.n) == (first.model, first.sampling, first.n)


def test_settings_are_those_of_the_run_whatever_the_suite_says_now(sessions: Sessions, rejudge: Rejudging) -> None:
    sessions.write()
    sessions.run("-k", "half or never", "--k", "1,4")
    changed = "n=2, ks=(1, 2), max_tokens=9, temperature=0.25, stop='END'"
    sessions.write(edited("n=4", changed).replace("== problem.answer", "== '8'"))
    suite = rejudge.json("1")["suites"][0]
    assert (suite["n"], suite["judged"], list(suite["pass@k"]["after"])) == (4, 8, ["1", "4"])
    assert statuses(sessions) == {"half": "fpfp", "never": "pfpf"}
    assert (suite["altered"], suite["absent"]) == ([], [])


def test_options_that_stop_early_or_write_files_are_left_away(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write()
    alone.run()  # draws all samples: a run that stops early may not have come to them
    alone.write(edited("    assert", "    raise OSError('harness')\n    assert"))
    junit, report = alone.pytester.path / "junit.xml", alone.pytester.path / "report.json"
    assert alone.run("-x", "--lf", f"--junitxml={junit}").ret == 1
    written = junit.read_bytes(), report.read_bytes()
    alone.write()
    suite = rejudge_alone.json("2")["suites"][0]
    assert statuses(alone) == {"always": "pppp", "half": "pfpf", "never": "ffff"}
    assert {each["before"] for each in suite["changes"]} <= {"error", None}
    assert (junit.read_bytes(), report.read_bytes()) == written


def test_a_run_that_was_a_rejudgement_can_be_judged_again(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write()
    alone.run()
    rejudge_alone("last")
    alone.write(edited("== problem.answer", "in {problem.answer, '8'}"))
    document = rejudge_alone.json("last")
    assert (document["run"], document["rejudged"], len(document["suites"][0]["changes"])) == (2, 3, 4)
    assert [command for _, command, _ in stored(alone)[1:]] == ["passatk rejudge 1", "passatk rejudge 2"]


def test_one_suite_of_a_run_can_be_chosen(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write()
    alone.write(edited("test_fake", "test_other"), "test_two.py")
    alone.run()
    document = rejudge_alone.json("1", "--suite", "other")
    assert [suite["title"] for suite in document["suites"]] == ["other"]
    assert [suite["title"] for suite in rejudge_alone.json("1")["suites"]] == ["fake", "other"]
    assert len(rejudge_alone.json("last")["suites"]) == 2


def test_suites_with_settings_of_their_own_keep_them(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write()
    alone.write(edited("n=4", "n=2, temperature=0.5").replace("test_fake", "test_other"), "test_two.py")
    alone.run()
    assert [(suite["n"], suite["judged"]) for suite in rejudge_alone.json("1")["suites"]] == [(4, 12), (2, 6)]


# What a body needs


FIXTURE = f"""{HEADER}
import pytest

@pytest.fixture(scope="session")
def right():
    return {{"7"}}

@suite([{{"id": "a", "says": "7|8"}}], prompt="{{says}}", n=2, model="fake_model:load")
def test_fixture(problem, completion, right):
    assert completion.text in right
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_fixtures_are_those_of_an_ordinary_session(alone: Sessions, rejudge_alone: Rejudging, start: str) -> None:
    alone.write(FIXTURE)
    alone.run("--passatk-judge-start", start)
    alone.write(edited('{"7"}', '{"7", "8"}', FIXTURE))
    changes = rejudge_alone.json("1")["suites"][0]["changes"]
    assert [(each["problem"], each["index"]) for each in changes] == [("a", 1)]


def test_an_error_of_the_harness_is_a_change_and_no_wrong_answer(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write()
    alone.run()
    alone.write(edited("    assert", "    assert problem.id != 'half' or 1 / 0\n    assert"))
    status, output, _ = rejudge_alone("1")
    assert status == 0
    assert "pass@k withheld now: 4 samples ended in ERROR: fake[half]#0" in output
    assert re.search(r"half#0  pass -> error +.*ZeroDivisionError", output)
    assert statuses(alone)["half"] == "eeee"


# What is no longer there


def test_problems_that_changed_or_are_gone_are_named(sessions: Sessions, rejudge: Rejudging) -> None:
    sessions.write()
    sessions.run()
    source = edited('"says": "7|8"', '"says": "7|8|8"').replace('{"id": "never", "says": "8|9", "answer": "7"},', "")
    sessions.write(source)
    suite = rejudge.json("1")["suites"][0]
    assert (suite["altered"], suite["absent"], suite["judged"]) == (["half"], ["never"], 4)
    output = rejudge("1")[1]
    assert "  not judged, since prompt or settings are no longer those that were sampled: half\n" in output
    assert "  not judged, since they were not collected or could not start: never\n" in output
    assert "fake  fake, 1 problem x 4" in output


def test_where_every_prompt_changed_nothing_is_judged(sessions: Sessions, rejudge: Rejudging) -> None:
    sessions.write()
    sessions.run()
    sessions.write(edited('prompt="{says}"', 'prompt="{says}|7"'))
    status, output, error = rejudge("1")
    assert (status, output) == (2, "")
    assert "passatk: error: run 1 was not judged again: pytest ended with status 5" in error
    assert "fake (prompt or settings of 3 problems changed, such as always)" in error
    assert len(stored(sessions)) == 1


def test_a_suite_whose_file_is_gone_is_named(alone: Sessions, rejudge_alone: Rejudging) -> None:
    path = alone.write()
    alone.run(str(path))
    path.unlink()
    status, _, error = rejudge_alone("1")
    assert status == 2
    assert "fake (test_suite.py is not here)" in error
    assert f"file or directory not found: {path}" in error


def test_one_of_two_suites_that_is_gone_is_named(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write()
    second = alone.write(edited("test_fake", "test_other"), "test_two.py")
    alone.run()
    second.unlink()
    first, other = rejudge_alone.json("1")["suites"]
    assert (first["judged"], first["absent"]) == (12, [])
    assert (other["judged"], other["absent"]) == (0, ["always", "half", "never"])


def test_a_run_that_was_cut_short_is_judged_as_far_as_it_came(sessions: Sessions, rejudge: Rejudging) -> None:
    sessions.write()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_DIES_AFTER", "6")
        sessions.run()
    sessions.write(edited("== problem.answer", "in {problem.answer, '8'}"))
    status, output, error = rejudge("1")
    assert status == 0, error
    assert "6 samples have no completion: the run was cut short" in output
    assert re.search(r"half#1 +(fail|not judged) -> pass", output)
    assert "run 1 has no completion of 'never' here: it was cut short" in error
    assert len(sessions.log) == 6


# Misuse


def test_a_run_that_is_not_there_is_refused(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write()
    alone.run()
    status, output, error = rejudge_alone("7")
    assert (status, output) == (2, "")
    assert error.startswith("passatk: error: no run '7' in ")
    assert rejudge_alone("1", "--suite", "none")[0] == 2


def test_what_is_going_to_run_is_said_first(alone: Sessions, rejudge_alone: Rejudging) -> None:
    alone.write()
    alone.run("-k", "half or never")
    error = rejudge_alone("1")[2]
    how = shlex.join([*LEAN, "-n", "0", "--passatk-json", "report.json", "-k", "half or never"])
    assert error.startswith(f"passatk: judging run 1 again: pytest {how}")
    assert "passatk: fake: the completions of run 1 are judged again, and no model is asked" in error

"""A suite's items are ordinary pytest items: they are selected, marked and reported as any test."""

import xml.etree.ElementTree as ET

import pytest
from sessions import HEADER, SUITE, Sessions

BESIDE = """
import pytest

def test_plain():
    assert True

@pytest.mark.parametrize("word", ["a", "b"])
def test_words(word, tmp_path):
    assert tmp_path.exists()

def test_wrong():
    assert 1 == 2
"""

BROKEN = (
    HEADER
    + """
@suite([{"id": "good", "answer": 1}, {"id": "bad", "answer": 2}, {"id": "last", "answer": 3}], prompt="x", n=2,
       model="fake_model:load")
def test_it(problem, completion):
    if problem.id == "bad":
        raise KeyError("gone")
"""
)


def marked(mark: str) -> str:
    return SUITE.replace("@suite", f"import pytest\n@{mark}\n@suite")


def drawn(sessions: Sessions) -> set[str]:
    """The problems of which the model was asked."""
    return {line.partition("#")[0] for line in sessions.log}


def test_ids_are_stable_and_in_the_order_of_the_rows(alone: Sessions) -> None:
    alone.write()
    result = alone.run("--collect-only", "-q")
    assert result.outlines[:3] == [f"test_suite.py::test_fake[{id_}]" for id_ in ("always", "half", "never")]


def test_collecting_only_creates_and_samples_nothing(sessions: Sessions) -> None:
    path = sessions.write()
    result = sessions.run("--collect-only", "-q", "-p", "no:cacheprovider")
    assert result.ret == 0
    assert {each.name for each in path.parent.iterdir()} <= {path.name, "__pycache__"}
    result.stdout.no_fnmatch_line("*passatk:*")


def test_only_selected_problems_are_sampled(sessions: Sessions) -> None:
    sessions.write()
    sessions.run("-k", "half").assert_outcomes(passed=1)
    assert drawn(sessions) == {"half"}
    assert sessions.counts() == {"half": (4, 2)}


def test_the_function_names_all_its_problems(alone: Sessions) -> None:
    alone.write(SUITE + BESIDE)
    alone.run("test_suite.py::test_fake").assert_outcomes(passed=3)


@pytest.mark.parametrize("how", ["--setup-plan", "--setup-only"])
def test_a_dry_run_samples_nothing(alone: Sessions, how: str) -> None:
    alone.write()
    assert alone.run(how).ret == 0
    assert alone.log == []


def test_deselected_problems_are_not_sampled(alone: Sessions) -> None:
    alone.write()
    alone.run("--deselect", "test_suite.py::test_fake[never]").assert_outcomes(passed=2, deselected=1)
    assert drawn(alone) == {"always", "half"}


def test_a_marker_of_the_function_selects_all_its_problems(alone: Sessions) -> None:
    alone.pytester.makeini("[pytest]\nmarkers =\n    slow: takes long")
    alone.write(marked("pytest.mark.slow"))
    alone.write(SUITE, "test_other.py")
    alone.run("-m", "slow").assert_outcomes(passed=3, deselected=3)
    assert alone.report["suites"][0]["name"] == "test_suite.py::test_fake"


@pytest.mark.parametrize(
    "mark",
    [
        "pytest.mark.skip(reason='not today')",
        "pytest.mark.skipif(len(ROWS) == 3, reason='not today')",
        "pytest.mark.skipif('len(ROWS) == 3', reason='not today')",
        "pytest.mark.xfail(run=False, reason='not today')",
    ],
)
def test_what_a_mark_keeps_from_running_is_not_sampled(alone: Sessions, mark: str) -> None:
    alone.write(marked(mark))
    result = alone.run("-rsx")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*not today*"])
    assert alone.log == []


def test_a_module_skipped_as_a_whole_is_not_sampled(sessions: Sessions) -> None:
    sessions.write("import pytest\npytestmark = pytest.mark.skip(reason='not today')\n" + SUITE)
    sessions.run().assert_outcomes(skipped=3)
    assert sessions.log == []


def test_a_mark_that_cannot_be_evaluated_is_an_error_of_its_items(alone: Sessions) -> None:
    alone.write(marked("pytest.mark.skipif('no_such_name', reason='?')"))
    result = alone.run()
    result.assert_outcomes(errors=3)
    assert alone.log == []


def test_an_expected_failure_is_an_error_of_the_harness(alone: Sessions) -> None:
    alone.write(BROKEN.replace("@suite", "import pytest\n@pytest.mark.xfail(reason='known')\n@suite"))
    result = alone.run("-v")
    result.assert_outcomes(xpassed=2, xfailed=1)
    result.stdout.fnmatch_lines(["*test_it?good?*XPASS*"])
    assert result.ret == 1, "the estimate is withheld"


def test_a_run_stops_at_the_first_error(sessions: Sessions) -> None:
    sessions.write(BROKEN.replace('"bad":', '"good":'))
    result = sessions.run("-x")
    assert result.ret in {1, 2}
    assert result.parseoutcomes()["failed"] == 1
    assert "good" in sessions.report["suites"][0]["withheld"]


def test_maxfail_stops_after_so_many(alone: Sessions) -> None:
    alone.write(BROKEN.replace('if problem.id == "bad":', "if problem:"))
    result = alone.run("--maxfail=2")
    result.assert_outcomes(failed=2)


def test_last_failed_reruns_the_broken_problem_from_the_store(alone: Sessions) -> None:
    alone.write(BROKEN)
    alone.run().assert_outcomes(passed=2, failed=1)
    drawn_before = alone.log
    alone.run("--lf").assert_outcomes(failed=1)
    alone.write(BROKEN.replace("raise KeyError", "assert problem or KeyError"))
    alone.run("--lf").assert_outcomes(passed=1)
    assert alone.log == drawn_before


def test_durations_name_the_problems(alone: Sessions) -> None:
    alone.write()
    alone.run("--durations=0", "-vv").stdout.fnmatch_lines(["*s call*test_fake?half?"])


def test_junit_has_the_counts_and_the_broken_problem(sessions: Sessions) -> None:
    sessions.write(BROKEN)
    sessions.run("--junitxml", "junit.xml")
    tree = ET.parse(sessions.pytester.path / "junit.xml")  # noqa: S314 - pytest just wrote it
    cases = {case.get("name"): case for case in tree.iter("testcase")}
    told = {each.get("name"): each.get("value") for each in cases["test_it[good]"].iter("property")}
    assert told == {"passatk.solved": "2", "passatk.samples": "2"}
    failure = cases["test_it[bad]"].find("failure")
    assert failure is not None
    assert "test_it[bad]#0" in str(failure.text)


def test_ordinary_tests_beside_a_suite_are_untouched(sessions: Sessions) -> None:
    sessions.write(SUITE + BESIDE)
    result = sessions.run("-v")
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*"])
    assert sessions.counts()["half"] == (4, 2)


def test_the_suite_is_still_a_function_to_call(alone: Sessions) -> None:
    alone.write(
        SUITE
        + """
from types import SimpleNamespace

def test_body():
    test_fake(SimpleNamespace(answer=1), SimpleNamespace(answer=1))
"""
    )
    alone.run("-k", "test_body").assert_outcomes(passed=1, deselected=3)


def test_two_suites_of_a_file_are_reported_each(sessions: Sessions) -> None:
    second = SUITE.partition("@suite")[2].replace("test_fake", "test_second").replace("n=4", "n=2")
    sessions.write(SUITE + "\n@suite" + second)
    sessions.run().assert_outcomes(passed=6)
    assert [suite["title"] for suite in sessions.report["suites"]] == ["fake", "second"]
    assert sessions.counts(0)["half"] == (4, 2)
    assert sessions.counts(1)["half"] == (2, 1)
    assert len(sessions.log) == len(set(sessions.log)) == 12, "what both ask for is drawn once"


def test_a_suite_imported_into_another_file_is_a_suite_there(sessions: Sessions) -> None:
    sessions.write()
    sessions.write("from test_suite import test_fake", "test_again.py")
    sessions.run().assert_outcomes(passed=6)
    names = [suite["name"] for suite in sessions.report["suites"]]
    assert names == ["test_again.py::test_fake", "test_suite.py::test_fake"]
    assert sessions.counts(0) == sessions.counts(1) == {"always": (4, 4), "half": (4, 2), "never": (4, 0)}
    assert len(sessions.log) == 12


def test_a_limit_takes_the_first_problems(sessions: Sessions) -> None:
    sessions.write()
    sessions.run("--limit", "2").assert_outcomes(passed=2)
    assert drawn(sessions) == {"always", "half"}


ODD = ["2024/I/1", "with space", "é → ß", "a::b", "x[0]", "100%", "50/50 'quoted'", "-k"]


def test_odd_ids_are_kept_as_they_are(sessions: Sessions) -> None:
    rows = [{"id": id_, "says": "7", "answer": "7"} for id_ in ODD]
    sessions.write(HEADER + f"ROWS = {rows!r}\n" + "@suite" + SUITE.partition("@suite")[2])
    result = sessions.run("-v")
    result.assert_outcomes(passed=len(ODD))
    assert list(sessions.counts()) == ODD


@pytest.mark.parametrize("id_", ODD)
def test_a_problem_with_an_odd_id_can_be_run_alone(alone: Sessions, id_: str) -> None:
    rows = [{"id": each, "says": "7", "answer": "7"} for each in ODD]
    alone.write(HEADER + f"ROWS = {rows!r}\n" + "@suite" + SUITE.partition("@suite")[2])
    alone.run(f"test_suite.py::test_fake[{id_}]").assert_outcomes(passed=1)
    assert drawn(alone) == {id_}


def test_rows_without_ids_are_numbered(alone: Sessions) -> None:
    alone.write(SUITE.replace('"id"', '"name"'))
    alone.run("--collect-only", "-q").stdout.fnmatch_lines(["*::test_fake?0?", "*::test_fake?1?", "*::test_fake?2?"])


def test_a_reason_does_not_tell_where_objects_lie(sessions: Sessions) -> None:
    sessions.write(SUITE.replace("assert completion.answer ==", "assert isinstance(len, str) or completion.answer =="))
    sessions.run()
    reasons = [sample.reason or "" for sample in sessions.samples()["never"]]
    assert all("isinstance" in reason and "0x" not in reason for reason in reasons)

"""Bad input: one clear message that names file, id and remedy, and exit status 4, with and without workers."""

import pytest
from sessions import HEADER, SUITE, MakeSessions, Sessions

ROWS = '[{"id": "a", "says": "7"}, {"id": "b", "says": "8"}]'


def suite(rows: str = ROWS, prompt: str = "'{says}'", signature: str = "problem, completion", **given: object) -> str:
    stated = {"n": 2, "model": "fake_model:load", **given}
    others = "".join(f", {name}={value!r}" for name, value in stated.items() if value is not None)
    return (
        f"{HEADER}from pathlib import Path\nimport pytest\n"
        f"@suite({rows}, prompt={prompt}{others})\ndef test_it({signature}):\n    pass\n"
    )


# Source of the suite's file, arguments of the command line, what the message says.
CASES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "unknown model": (suite(), ("--model", "tinny"), "unknown model 'tinny'"),
    "unknown backend": (suite(), ("--model", "no_such:x"), "unknown backend 'no_such'"),
    "unknown loader": (suite(), ("--model", "fake_model:gone"), "fake_model has no attribute 'gone'"),
    "failing loader": (suite(model="fake_model:fail"), (), "fake_model:fail: cannot be loaded: OSError: no weights"),
    "no model": (suite(model=None), (), "test_suite.py: test_it: which model? Name one with --model: tiny"),
    "no rows": (suite("[]"), (), "test_suite.py: test_it: the suite has no rows: give at least one row"),
    "equal ids": (suite("2 * " + ROWS), (), "test_suite.py: test_it: 2 problem ids come twice, the first is 'a'"),
    "empty id": (suite("[{'id': ''}]"), (), "test_suite.py: test_it: row 0 has the id ''"),
    "line in an id": (suite("[{'id': 'a\\nb'}]"), (), "test_suite.py: test_it: row 0 has the id 'a\\nb'"),
    "no mapping": (suite("['a', 'b']"), (), "test_suite.py: test_it: row 0 is a str: a mapping of columns"),
    "missing field": (
        suite(prompt="'{question}'"), (),
        "test_suite.py: test_it[a]: prompt= uses the field 'question', which the row lacks (it has id, says)",
    ),
    "missing field of a message": (
        suite(prompt="[{'role': 'user', 'content': '{question}'}]"), (),
        "test_suite.py: test_it[a]: prompt= uses the field 'question'",
    ),
    "lone brace": (suite(prompt="'{says} {'"), (), "test_suite.py: test_it[a]: prompt= is no valid template"),
    "n 0": (suite(), ("--n", "0"), "--n=0: must be at least 1"),
    "n word": (suite(), ("--n", "many"), "--n=many: "),
    "n of the suite": (suite(n=0), (), "test_suite.py: test_it: n is 0: "),
    "k 0": (suite(), ("--k", "0,1"), "--k=0,1: must be at least 1"),
    "k of the suite": (suite(ks=(0, 1)), (), "test_suite.py: test_it: ks is (0, 1): at least one k"),
    "no ks in the suite": (suite(ks=()), (), "test_suite.py: test_it: ks is (): at least one k"),
    "k over n": (suite(), ("--k", "4"), "test_suite.py: test_it: pass@4 needs at least 4 samples, n is 2: raise --n"),
    "ks over n": (suite(ks=(1, 3)), (), "test_suite.py: test_it: pass@3 needs at least 3 samples, n is 2"),
    "greedy": (suite(), ("--temperature", "0"), "test_suite.py: test_it: at temperature 0 all 2 samples of a problem"),
    "greedy suite": (suite(temperature=0.0), (), "test_suite.py: test_it: at temperature 0 all 2 samples of a problem"),
    "cold": (suite(), ("--temperature", "-1"), "--temperature=-1: must be from 0"),
    "cold suite": (suite(temperature=-1.0), (), "test_suite.py: test_it: temperature is -1"),
    "nucleus of the suite": (suite(top_p=1.5), (), "test_suite.py: test_it: top_p is 1.5"),
    "nothing to say": (suite(max_tokens=0), (), "test_suite.py: test_it: max_tokens is 0"),
    "nucleus": (suite(), ("--top-p", "2"), "--top-p=2: must be from 0 to 1"),
    "limit": (suite(), ("--limit", "0"), "--limit=0: must be at least 1"),
    "judge start": (suite(), ("--passatk-judge-start", "thread"), "--passatk-judge-start=thread: must be one of"),
    "twice": (
        suite(),
        ("--passatk-model-args", "a=1,b=2,a=3"),
        "--passatk-model-args=a=1,b=2,a=3: a has more than one value",
    ),
    "pairs": (suite(), ("--passatk-model-args", "a"), "--passatk-model-args=a: must be key=value,key=value"),
    "broken row": (suite("Path(__file__).with_name('rows.jsonl')"), (), "rows.jsonl:2: not JSON"),
    "row no object": (suite("Path(__file__).with_name('list.jsonl')"), (), "row 0 is a list: a mapping of columns"),
    "no file": (suite("Path('none.jsonl')"), (), "none.jsonl: No such file or directory: the suite's rows"),
    "signature": (
        suite(signature="completion, problem"), (),
        "takes (problem, completion[, session-scoped fixtures]), this one takes (completion, problem)",
    ),
    "no parameters": (suite(signature=""), (), "test_suite.py: test_it: the body of a suite takes (problem,"),
    "in a class": (
        suite().replace("@suite", "class TestIt:\n  @suite").replace("\ndef test_it", "\n  def test_it"), (),
        "test_suite.py: test_it: a suite is a function of a module: move it out of class TestIt",
    ),
    "decorated above": (
        suite().replace("@suite", "from unittest import mock\n@mock.patch('os.getcwd', new=None)\n@suite"), (),
        "test_suite.py: test_it: a decorator above @suite would not reach the verifier: put it below",
    ),
    "parametrized": (
        suite().replace("@suite", "@pytest.mark.parametrize('x', [1])\n@suite"), (),
        "test_suite.py: test_it: a suite cannot be parametrized: put the parameters into its rows",
    ),
}  # fmt: skip


def refuse(sessions: Sessions, source: str, arguments: tuple[str, ...], message: str) -> None:
    sessions.write(source)
    sessions.write('{"id": "a", "says": "7"}\n{"id": "b"\n', "rows.jsonl")
    sessions.write("[1, 2]\n", "list.jsonl")
    result = sessions.run(*arguments)
    output = "\n".join(result.outlines + result.errlines)
    assert output.count(message) == 1, output
    assert "Traceback" not in output
    assert result.ret == 4
    assert sessions.log == []


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_with_one_message(alone: Sessions, case: str) -> None:
    refuse(alone, *CASES[case])


@pytest.mark.parametrize("case", ["unknown model", "failing loader", "no model", "equal ids", "n 0", "k over n"])
def test_bad_input_is_refused_by_workers_too(make_sessions: MakeSessions, case: str) -> None:
    refuse(make_sessions(2), *CASES[case])


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("PASSATK_N", "0", "PASSATK_N=0: must be at least 1; wanted: samples a problem"),
        ("PASSATK_CHECK", "maybe", "PASSATK_CHECK=maybe: must be true or false"),
        ("PASSATK_K", "1,x", "PASSATK_K=1,x: "),
    ],
)
def test_a_bad_variable_is_named(
    alone: Sessions, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    refuse(alone, suite(), (), message)


def test_a_bad_ini_key_is_named_with_its_file(sessions: Sessions) -> None:
    ini = sessions.pytester.makeini("[pytest]\npassatk_n = none")
    refuse(sessions, suite(), (), f"passatk_n in {ini}=none: ")


def test_a_bad_option_does_not_matter_without_suites(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSATK_N", "0")
    alone.write("def test_plain():\n    pass\n")
    alone.pytester.runpytest().assert_outcomes(passed=1)


def test_a_function_is_one_suite_at_most(alone: Sessions) -> None:
    alone.write(suite().replace("@suite", "@suite([{'id': 'c'}], prompt='x')\n@suite"))
    result = alone.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*test_suite.py: test_it: the function is a suite already: *"])


def test_a_bad_suite_keeps_a_good_one_from_sampling(sessions: Sessions) -> None:
    sessions.write()
    sessions.write(suite("[]"), "test_empty.py")
    result = sessions.run()
    assert result.ret == 4
    assert sessions.log == []


def test_a_broken_file_keeps_a_suite_from_sampling(sessions: Sessions) -> None:
    sessions.write()
    sessions.write("import no_such_module", "test_broken.py")
    result = sessions.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines(["ERROR test_broken.py*"])  # pytest's own line, which follows its own status
    assert sessions.log == []


def test_a_user_may_insist_on_the_rest(sessions: Sessions) -> None:
    sessions.write()
    sessions.write("import no_such_module", "test_broken.py")
    result = sessions.run("--continue-on-collection-errors")
    assert result.ret == 1
    result.assert_outcomes(passed=3, errors=1)
    assert sessions.counts() == {"always": (4, 4), "half": (4, 2), "never": (4, 0)}


def test_a_loader_that_raises_shows_its_traceback(alone: Sessions) -> None:
    alone.write("def load():\n    raise OSError('no network')\n" + suite("load"))
    result = alone.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*raise OSError('no network')*"])


def test_a_store_that_cannot_be_used_is_refused_before_sampling(sessions: Sessions) -> None:
    place = sessions.pytester.path / "text.sqlite"
    place.write_text("not a database, but long enough to be taken for one at first sight\n" * 20)
    refuse(sessions, SUITE, ("--passatk-store", str(place)), f"{place}: not a readable store")
    assert place.read_text().startswith("not a database")


@pytest.mark.parametrize("place", ["folder", "suite.py/store.sqlite"])
def test_a_store_in_an_impossible_place_is_refused(alone: Sessions, place: str) -> None:
    alone.pytester.mkdir("folder")
    (alone.pytester.path / "suite.py").touch()
    refuse(alone, SUITE, ("--passatk-store", place), f"ERROR: {alone.pytester.path / place}: ")


def test_a_report_that_cannot_be_written_turns_the_run_red(sessions: Sessions) -> None:
    sessions.write()
    result = sessions.run("--passatk-json", "/dev/null/report.json")
    assert result.ret == 1
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["ERROR: /dev/null/report.json: cannot be written: *", "*pass@k*"])


def test_a_run_without_a_terminal_says_why_it_is_red(alone: Sessions) -> None:
    alone.write()
    result = alone.run("-p", "no:terminal", "--passatk-json", "/dev/null/report.json")
    assert result.ret == 1
    result.stderr.fnmatch_lines(["ERROR: /dev/null/report.json: cannot be written: *"])

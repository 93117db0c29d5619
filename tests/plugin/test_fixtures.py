"""The fixtures of a suite: session-scoped ones reach the body, narrower ones are refused."""

from pathlib import Path

import pytest
from sessions import HEADER, MakeSessions, Sessions

CONFTEST = """
from pathlib import Path
import pytest

def note(line):
    with Path("fixtures.log").open("a") as log:
        log.write(line + "\\n")

@pytest.fixture(scope="session")
def base():
    note("base up")
    yield 40
    note("base down")

@pytest.fixture(scope="session", autouse=True)
def climate():
    note("climate up")
    yield
    note("climate down")

@pytest.fixture(scope="session")
def used():
    note("used up")
    yield
    note("used down")
"""

SUITE = (
    HEADER
    + """
import pytest

@pytest.fixture(scope="session")
def total(base):
    note("total up")
    yield base + 2
    note("total down")

from conftest import note

@pytest.mark.usefixtures("used")
@suite([{"id": "a", "answer": "7"}, {"id": "b", "answer": "7"}], prompt="7", n=4, model="fake_model:load")
def test_it(problem, completion, total, base):
    assert completion.text == problem.answer
    if (total, base) != (42, 40):
        raise ValueError

def test_plain(total):
    assert total == 42
"""
)


def one(body: str, arguments: str = "thing", marks: str = "") -> str:
    return (
        f"{HEADER}import os\nimport pytest\n{body}\n{marks}\n"
        "@suite([{'id': 'a'}, {'id': 'b'}], prompt='7', n=2, model='fake_model:load')\n"
        f"def test_it(problem, completion, {arguments}):\n    pass\n"
    )


@pytest.mark.parametrize(
    ("workers", "how", "times"),
    [
        (0, ("--passatk-judge-start", "fork"), 1),
        (0, ("--passatk-judge-start", "spawn", "--passatk-judges", "1"), 1),
        (0, ("--passatk-inline",), 1),
        (0, ("--passatk-check",), 1),
        (2, (), 2),
    ],
    ids=["fork", "spawn", "inline", "check", "n2"],
)
def test_session_fixtures_are_set_up_once_in_each_session(
    make_sessions: MakeSessions, workers: int, how: tuple[str, ...], times: int
) -> None:
    sessions = make_sessions(workers)
    sessions.write(CONFTEST, "conftest.py")
    sessions.write(
        SUITE if how != ("--passatk-check",) else SUITE.replace("(42, 40)", "(42, 40) * bool(completion.text)")
    )
    result = sessions.run("-W", "error", *how)
    if how != ("--passatk-check",):
        assert result.ret == 0
        result.assert_outcomes(passed=3)
        assert sessions.counts() == {"a": (4, 4), "b": (4, 4)}
    log = (sessions.pytester.path / "fixtures.log").read_text().splitlines()
    names = ("climate", "used", "base", "total")
    assert sorted(log) == sorted(times * [f"{name} {way}" for name in names for way in ("up", "down")])
    if times == 1:
        assert log[:4] == ["climate up", "used up", "base up", "total up"]
        assert log[4:6] == ["total down", "base down"]


@pytest.mark.parametrize("scope", ["function", "class", "module", "package"])
def test_a_narrower_fixture_is_refused_at_collection(alone: Sessions, scope: str) -> None:
    alone.write(one(f"@pytest.fixture(scope={scope!r})\ndef thing():\n    return 1"))
    result = alone.run()
    assert result.ret == 4
    result.stdout.fnmatch_lines(
        [f"*test_suite.py: test_it: *'thing' is {scope}-scoped, but *once a completion*scope='session'*"]
    )
    assert alone.log == []


def test_a_fixture_of_pytest_is_refused_like_any_other(alone: Sessions) -> None:
    alone.write(one("", "tmp_path"))
    result = alone.run()
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*test_suite.py: test_it: *'tmp_path' is function-scoped*"])


def test_a_parametrized_fixture_is_refused(alone: Sessions) -> None:
    alone.write(one("@pytest.fixture(scope='session', params=[1, 2])\ndef thing(request):\n    return request.param"))
    result = alone.run()
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*test_suite.py: test_it: *'thing' is parametrized*"])


def test_a_narrower_fixture_in_usefixtures_is_refused(alone: Sessions) -> None:
    alone.write(one("", "pytestconfig", "@pytest.mark.usefixtures('tmp_path')"))
    result = alone.run()
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*'tmp_path' is function-scoped*"])


def test_an_unknown_fixture_is_refused(sessions: Sessions) -> None:
    sessions.write(one(""))
    result = sessions.run()
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*test_suite.py: test_it: there is no fixture 'thing' here*"])


def test_a_fixture_that_depends_on_a_narrower_one_fails_its_suite_only(alone: Sessions) -> None:
    alone.write(one("@pytest.fixture(scope='session')\ndef thing(tmp_path):\n    return 1"))
    alone.write(one("", "pytestconfig"), "test_other.py")
    result = alone.run("--passatk-inline")
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(["*ScopeMismatch*"])


def test_a_fixture_that_raises_fails_its_suite_only(sessions: Sessions) -> None:
    sessions.write(one("@pytest.fixture(scope='session')\ndef thing():\n    raise OSError('no database')"))
    sessions.write(one("", "tmp_path_factory"), "test_other.py")
    result = sessions.run()
    assert result.ret == 1
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(["*raise OSError('no database')*", "*OSError: no database*"])
    result.stdout.no_fnmatch_line("*pluggy*_callers.py*")
    assert [suite["name"] for suite in sessions.report["suites"]] == ["test_other.py::test_it"]


def test_a_fixture_that_skips_skips_its_suite_only(alone: Sessions) -> None:
    alone.write(one("@pytest.fixture(scope='session')\ndef thing():\n    pytest.skip('no database')"))
    alone.write(one("", "pytestconfig"), "test_other.py")
    result = alone.run("--passatk-inline", "-rs")
    assert result.ret == 0
    result.assert_outcomes(skipped=2, passed=2)
    result.stdout.fnmatch_lines(["SKIPPED*no database*"])


def test_a_value_that_cannot_be_pickled_is_refused_under_spawn(alone: Sessions) -> None:
    alone.write(one("@pytest.fixture(scope='session')\ndef thing():\n    return lambda: 1"))
    result = alone.run("--passatk-judge-start", "spawn")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*test_suite.py::test_it: *'thing' cannot be sent*spawned*--passatk-inline*"])
    alone.run("--passatk-judge-start", "fork").assert_outcomes(passed=2)


def test_a_module_is_set_up_for_its_ordinary_tests_only(alone: Sessions) -> None:
    alone.write(
        one("def setup_module():\n    os.environ['UP'] = os.environ.get('UP', '') + '1'", "pytestconfig")
        + "\ndef test_plain():\n    assert os.environ['UP'] == '1'\n"
    )
    # pytest's configuration cannot be sent to another process, only inherited.
    alone.run("-p", "no:randomly", "--passatk-judge-start", "fork").assert_outcomes(passed=3)


def test_fixtures_are_made_where_the_suite_is(alone: Sessions) -> None:
    for folder in ("one", "two"):
        place = alone.pytester.mkdir(folder)
        fixture = f"import pytest\n@pytest.fixture(scope='session')\ndef thing():\n    return {folder!r}"
        (place / "conftest.py").write_text(fixture)
        (place / f"test_{folder}.py").write_text(
            one("", "thing").replace("    pass\n", f"    assert thing == {folder!r}\n")
        )
    alone.run().assert_outcomes(passed=4)
    assert all(solved == 2 for suite in (0, 1) for _, solved in alone.counts(suite).values())


def test_a_request_of_the_body_is_a_fixture_too(alone: Sessions) -> None:
    alone.write(one("", "request"))
    result = alone.run()
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*'request'*"])
    assert not Path(alone.store).exists()


def test_a_changed_fixture_judges_again_without_sampling(alone: Sessions) -> None:
    conftest = "import pytest\n@pytest.fixture(scope='session')\ndef base():\n    return '7'\n"
    alone.write(conftest, "conftest.py")
    fixture = "@pytest.fixture(scope='session')\ndef thing(base):\n    return base"
    alone.write(one(fixture).replace("    pass\n", "    assert completion.text == thing\n"))
    alone.run()
    assert alone.counts() == {"a": (2, 2), "b": (2, 2)}
    alone.write(conftest.replace("'7'", "'not 7'"), "conftest.py")
    alone.run()
    assert alone.counts() == {"a": (2, 0), "b": (2, 0)}
    assert len(alone.log) == 4

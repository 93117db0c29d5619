"""Profiles: options under a name, from a file beside the suites."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import SUITE, MakeSessions, Sessions

from pytest_passatk.harness.options import OPTIONS
from pytest_passatk.harness.profile_file import KNOWN

NIGHTLY = "[profiles.nightly]\nn = 2\nk = [1, 2]\ntemperature = 0.5\n"
BY_NAME = ("--passatk-profile", "nightly")


def profiles(sessions: Sessions, text: str = NIGHTLY, name: str = "passatk.toml") -> Path:
    """Sessions with a suite and a file of profiles; returns the file."""
    sessions.write()
    return sessions.write(text, name)


def refusal(sessions: Sessions, *arguments: str) -> str:
    """The one message of a run that does not start."""
    result = sessions.run(*(arguments or BY_NAME))
    output = "\n".join(result.outlines + result.errlines)
    assert result.ret == 4, output
    assert "Traceback" not in output
    assert sessions.log == []
    return output


def told(sessions: Sessions, *arguments: str) -> str:
    """What the header says of the profile."""
    result = sessions.run(*arguments)
    lines = [line for line in result.outlines if line.startswith("passatk: profile")]
    assert len(lines) == 1, result.outlines
    return lines[0]


# What a profile does


def test_a_profile_sets_what_it_names_and_the_header_says_so(sessions: Sessions) -> None:
    profiles(sessions)
    assert told(sessions, *BY_NAME) == "passatk: profile nightly of passatk.toml: n 2, k 1,2, temperature 0.5"
    suite = sessions.report["suites"][0]
    assert (suite["n"], suite["ks"], suite["sampling"]["temperature"]) == (2, [1, 2], 0.5)
    assert sessions.report["run"]["profile"] == {
        "name": "nightly",
        "file": "passatk.toml",
        "options": {"n": "2", "k": "1,2", "temperature": "0.5"},
    }


def test_pyproject_has_profiles_too(sessions: Sessions) -> None:
    profiles(sessions, NIGHTLY.replace("[", "[tool.passatk.", 1), "pyproject.toml")
    assert told(sessions, *BY_NAME).startswith("passatk: profile nightly of pyproject.toml: n 2, ")
    assert sessions.counts()["half"] == (2, 1)


@pytest.mark.parametrize("place", ["variable", "ini"])
def test_a_profile_can_be_named_elsewhere(sessions: Sessions, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    profiles(sessions)
    if place == "ini":
        sessions.pytester.makeini("[pytest]\npassatk_profile = nightly")
    else:
        monkeypatch.setenv("PASSATK_PROFILE", "nightly")
    sessions.run()
    assert sessions.counts()["half"] == (2, 1)
    sessions.run("--passatk-profile=")
    assert sessions.counts()["half"] == (4, 2), "an empty name takes none"
    assert sessions.report["run"]["profile"] is None


def test_a_profile_stands_between_environment_and_ini_file(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles(sessions)
    sessions.pytester.makeini("[pytest]\npassatk_n = 6\npassatk_max_tokens = 9")
    monkeypatch.setenv("PASSATK_TEMPERATURE", "0.7")
    assert told(sessions, *BY_NAME, "--k", "2") == "passatk: profile nightly of passatk.toml: n 2"
    suite = sessions.report["suites"][0]
    assert (suite["n"], suite["ks"]) == (2, [2])
    assert (suite["sampling"]["temperature"], suite["sampling"]["max_tokens"]) == (0.7, 9)


def test_a_profile_of_which_nothing_is_left_says_so(alone: Sessions) -> None:
    profiles(alone, "[profiles.nightly]\nn = 2\n")
    assert told(alone, *BY_NAME, "--n", "3").endswith("profile nightly of passatk.toml: sets nothing")


def test_nothing_is_read_where_no_profile_is_asked_for(sessions: Sessions) -> None:
    profiles(sessions, "this is no TOML")
    assert sessions.run().ret == 0


def test_values_may_have_the_kinds_of_toml(alone: Sessions) -> None:
    text = """[profiles.nightly]
model = "fake_model:load:other"
top_p = 1
limit = "1-2"
no-cache = true
inline = false
model-args = {a = 1, b = "x", c = true}
param = {word = "7", more = "a=b,c"}
base-url = ["http://me:secret@one/v1", "http://two/v1"]
"""
    source = SUITE.replace('"{says}"', '"{word}{more}", parameters={"word": "", "more": ""}')
    profiles(alone, text)
    alone.write(source)
    assert told(alone, *BY_NAME).partition("passatk.toml: ")[2] == (
        "model fake_model:load:other, top-p 1, limit 1-2, param word=7 more=a=b,c, "
        "base-url http://…@one/v1,http://two/v1, model-args a=1,b=x,c=true, inline false, no-cache true"
    )
    assert alone.report["suites"][0]["model"]["name"] == "other"
    assert len(alone.log) == 8
    assert not alone.store.exists()
    assert "secret" not in (alone.pytester.path / "report.json").read_text()


def test_every_option_of_a_profile_can_be_written_with_underscores(alone: Sessions) -> None:
    profiles(alone, "[profiles.nightly]\nmax_tokens = 9\n")
    alone.run(*BY_NAME)
    assert alone.report["suites"][0]["sampling"]["max_tokens"] == 9


# Where it stands


def test_paths_are_relative_to_the_file(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """[profiles.nightly]
store = "kept/store.sqlite"
json = "told.json"
data = "rows.jsonl"
adapter = ["base", "lora", "org/lora"]
chat-template = "none"
"""
    source = SUITE.replace("@suite(ROWS", "from pytest_passatk.datasets import GivenRows\n@suite(GivenRows()")
    file = profiles(alone, text)
    alone.write(source.replace("fake_model:load", "fake_arms:load"))
    alone.write('{"id": "given", "says": "7", "answer": "7"}\n', "rows.jsonl")
    alone.pytester.mkdir("lora")
    monkeypatch.chdir(alone.pytester.mkdir("elsewhere"))
    result = alone.pytester.runpytest(*BY_NAME, "--passatk-no-cache", f"--rootdir={file.parent}", "..")
    result.stdout.fnmatch_lines([f"*adapter base,{file.parent / 'lora'},org/lora, chat-template none*"])
    assert (file.parent / "told.json").exists()


@pytest.mark.parametrize("here", [True, False])
def test_a_path_in_the_home_folder_is_there(alone: Sessions, monkeypatch: pytest.MonkeyPatch, *, here: bool) -> None:
    home = alone.pytester.mkdir("home")
    monkeypatch.setenv("HOME", str(home))
    file = profiles(alone, '[profiles.nightly]\nstore = "~/kept.sqlite"\njson = "~/told.json"\n')
    alone.write()
    if not here:
        monkeypatch.chdir(alone.pytester.mkdir("elsewhere"))
    alone.pytester.runpytest(*BY_NAME, f"--rootdir={file.parent}", str(file.parent)).assert_outcomes(passed=3)
    assert (home / "told.json").exists()
    assert (home / "kept.sqlite").exists()


def test_a_model_is_found_beside_the_file(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles(alone, '[profiles.nightly]\nmodel = "replay:saved.jsonl"\n')
    lines = [f'{{"task_id": "{name}", "completion": "7"}}\n' for name in ("always", "half", "never") * 4]
    alone.write("".join(lines), "saved.jsonl")
    monkeypatch.chdir(alone.pytester.mkdir("elsewhere"))
    result = alone.pytester.runpytest(*BY_NAME, f"--rootdir={alone.pytester.path}", "..")
    result.assert_outcomes(passed=3)


def test_the_rootdir_and_the_folder_of_the_ini_file_are_looked_at(alone: Sessions) -> None:
    alone.write()
    folder = alone.pytester.mkdir("settings")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "passatk.toml").write_text(NIGHTLY)
    alone.write("[profiles.weekly]\nn = 3\n", "passatk.toml")
    places = ("-c", str(folder / "pytest.ini"), f"--rootdir={alone.pytester.path}", "--passatk-profile")
    assert told(alone, *places, "nightly").startswith("passatk: profile nightly of settings/passatk.toml: n 2")
    assert told(alone, *places, "weekly") == "passatk: profile weekly of passatk.toml: n 3"


def test_spawned_judges_collect_what_the_session_did(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[profiles.nightly]\nk = 6\njudge-start = "spawn"\njudges = 1\nlimit = 2\ndata = "rows.jsonl"\n'
    source = SUITE.replace("@suite(ROWS", "from pytest_passatk.datasets import GivenRows\n@suite(GivenRows()")
    profiles(alone, text)
    alone.write(source)
    alone.write("".join(f'{{"id": "{name}", "says": "7", "answer": "7"}}\n' for name in "abc"), "rows.jsonl")
    monkeypatch.setenv("PASSATK_PROFILE", "one that is not there")
    alone.run("--n", "6", *BY_NAME).assert_outcomes(passed=2)
    assert alone.counts() == {"a": (6, 6), "b": (6, 6)}
    monkeypatch.setenv("PASSATK_PROFILE", "nightly")
    alone.run("--n", "6").assert_outcomes(passed=2)


def test_a_run_with_a_profile_can_be_judged_again(alone: Sessions) -> None:
    profiles(alone)
    alone.run(*BY_NAME)
    command = [sys.executable, "-m", "pytest_passatk.cli", "rejudge", "last"]
    done = subprocess.run(command, cwd=alone.pytester.path, capture_output=True, text=True, check=True)
    assert "0 of 6 verdicts changed" in done.stdout


# What is refused

WRONG = {
    "unknown option": ("temprature = 1", r"\[profiles.nightly\] temprature: .*such option; near to it: temperature"),
    "prefix": ("passatk-n = 1", r"\[profiles.nightly\] passatk-n: there is no such option"),
    "another profile": ('profile = "weekly"', r"\[profiles.nightly\] profile: a profile names no other one"),
    "twice": ("top-p = 1\ntop_p = 1", r"\[profiles.nightly\] top_p: stands there twice"),
    "wrong number": ("n = 0", r"\[profiles.nightly\] n = 0: must be at least 1; wanted: samples a problem"),
    "wrong word": ('judge-start = "thread"', r"\[profiles.nightly\] judge-start = thread: must be one of auto"),
    "boolean for a number": ("n = true", r"\[profiles.nightly\] n = True: True is of a kind that it does not take"),
    "number for a flag": ("inline = 3", r"\[profiles.nightly\] inline = 3: must be true or false"),
    "array for one": ('model = ["a", "b"]', r"\[profiles.nightly\] model = \['a', 'b'\]: .* is of a kind that"),
    "table for one": ("n = {a = 1}", r"\[profiles.nightly\] n = \{'a': 1\}: .* is of a kind that"),
    "password": ('base-url = ["http://a:b@c", [3]]', r"base-url = \['http://…@c', \[3\]\]: \[3\] is of a kind that"),
    "date": ("revision = 2026-01-01", r"\[profiles.nightly\] revision = datetime.date.*: .* is of a kind that"),
    "array in an array": ("k = [[1]]", r"\[profiles.nightly\] k = \[\[1\]\]: \[1\] is of a kind that"),
    "comma in a part": ('model-args = {a = "1,b=2"}', r"model-args = .*: 'a=1,b=2' would be taken apart at its comma"),
    "sign in a name": ('param = {"a=b" = 1}', r"param = .*: the name 'a=b' has a = in it"),
    "no table": ("[profiles]\nweekly = 3", r"profiles.weekly is 3: it must be a table, \[profiles.weekly\]"),
    "outside": ("[other]\nn = 3", r"passatk.toml: other: unknown; options stand in \[profiles.NAME\]"),
    "broken": ("n = = 3", r"passatk.toml: cannot be read as TOML: .*line 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_named(alone: Sessions, case: str) -> None:
    text, message = WRONG[case]
    profiles(alone, text if text.startswith("[") else f"[profiles.nightly]\n{text}\n")
    assert re.search(message, refusal(alone))


@pytest.mark.parametrize("text", ["n = 3", "[other]\nn = 3", "[profiles.weekly]\nm = 3", "profiles = 3"])
@pytest.mark.parametrize("head", ["", "tool.passatk."])
def test_what_is_unknown_is_refused_wherever_it_stands(alone: Sessions, text: str, head: str) -> None:
    profiles(alone)
    name = "pyproject.toml" if head else "passatk.toml"
    inner = text if not head else f"[tool.passatk]\n{text}" if "[" not in text else text.replace("[", f"[{head}")
    alone.write(f"{inner}\n", name)
    assert re.search(rf"{name}: .*(unknown; options stand in|no such option|must be a table)", refusal(alone))


def test_a_profile_that_is_not_there_names_those_that_are(sessions: Sessions) -> None:
    profiles(sessions, NIGHTLY + "[profiles.weekly]\n")
    text = refusal(sessions, "--passatk-profile", "nigthly")
    assert "profile nigthly: there is none of that name: choose among nightly (in " in text
    assert re.search(r", weekly \(in .*passatk\.toml\)", text)


def test_without_a_file_the_places_are_named(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write()
    root = sessions.pytester.path
    text = refusal(sessions)
    assert f"[profiles] of {root / 'passatk.toml'}, [tool.passatk.profiles] of {root / 'pyproject.toml'}" in text


def test_a_profile_in_two_files_is_refused(alone: Sessions) -> None:
    profiles(alone)
    alone.write(NIGHTLY.replace("[", "[tool.passatk.", 1), "pyproject.toml")
    assert re.search(r"profile nightly: stands in .*passatk.toml and in .*pyproject.toml: keep one", refusal(alone))


def test_a_bad_value_of_a_profile_that_is_overruled_does_no_harm(alone: Sessions) -> None:
    profiles(alone, "[profiles.nightly]\nn = 0\n")
    assert alone.run(*BY_NAME, "--n", "1").ret == 0


def test_a_profile_can_give_every_other_option() -> None:
    assert {option.name for option in OPTIONS} - KNOWN.keys() == {"profile"}

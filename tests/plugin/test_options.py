"""The options: each changes what a run does, wherever it is given."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401 - sessions run in this process, and these libraries cannot be imported twice
import pytest
import torch  # noqa: F401
from sessions import FAKES, LEAN, SUITE, MakeSessions, Sessions

import pytest_passatk.stress.trial  # noqa: F401
from pytest_passatk.harness.options import OPTIONS, Option
from pytest_passatk.stress.schedule import Planned, Schedule

STRESS = Path(__file__).parents[2] / "suites" / "decode_shrink" / "test_decode_shrink.py"

OWNER = """
def pytest_addoption(parser):
    parser.addoption("--model", default="nothing")
    parser.addoption("--n", type=int, default=0)
"""


GIVEN = SUITE.replace("@suite(ROWS", "from pytest_passatk.datasets import GivenRows, HubRows\n@suite(GivenRows()")


@dataclass(frozen=True)
class Trial:
    """One session with one option given in one place.

    Attributes:
        sessions: where it runs.
        arguments: that give the option, where it stands on the command line.
    """

    sessions: Sessions
    arguments: tuple[str, ...]

    def run(self, source: str = SUITE) -> pytest.RunResult:
        self.sessions.write(source)
        return self.sessions.pytester.runpytest(*LEAN, *self.arguments)

    def has(self, name: str) -> bool:
        return (self.sessions.pytester.path / name).exists()

    @property
    def seen(self) -> Any:
        """What the model was asked."""
        return json.loads((self.sessions.pytester.path / "seen.json").read_text())


def changes(part: str, field: str, value: object) -> Callable[[Trial], None]:
    """The option reaches the model as this field of its settings or of the sampling parameters."""

    def check(trial: Trial) -> None:
        assert trial.run().ret == 0
        assert trial.seen[part][field] == value

    return check


def another_model(trial: Trial) -> None:
    trial.run()
    assert trial.seen["target"] == "other"


def more_samples(trial: Trial) -> None:
    trial.run()
    assert len(trial.sessions.log) == 18


def other_ks(trial: Trial) -> None:
    lines = [line.split()[0] for line in trial.run().outlines if line.lstrip().startswith("pass@")]
    assert lines == ["pass@1", "pass@3"]


def other_seeds(trial: Trial) -> None:
    trial.run()
    first = trial.seen["seeds"]
    (trial.sessions.pytester.path / "pytest.ini").write_text("[pytest]")
    Trial(trial.sessions, ("--passatk-seed", "8")).run()
    assert set(first).isdisjoint(trial.seen["seeds"])


def fewer_problems(trial: Trial) -> None:
    trial.run().assert_outcomes(passed=2)


def given_rows(trial: Trial) -> None:
    trial.sessions.write('{"id": "given", "says": "7", "answer": "7"}\n', "rows.jsonl")
    trial.run(GIVEN).assert_outcomes(passed=1)
    assert trial.sessions.samples().keys() == {"given"}


def another_parameter(trial: Trial) -> None:
    source = SUITE.replace('"{says}"', '"{word}", parameters={"word": "7"}')
    assert trial.run(source).ret == 0
    assert {sample.text for found in trial.sessions.samples().values() for sample in found} == {"a=b", "c,{d}"}


def other_rows(trial: Trial) -> None:
    trial.sessions.write('{"id": "other", "says": "7", "answer": "7"}\n', "rows.jsonl")
    source = GIVEN.replace("GivenRows()", "HubRows('org/name', 'rows', ('says',), digest='sha256:0')")
    given = Trial(trial.sessions, (*trial.arguments, "--passatk-data", "rows.jsonl"))
    given.run(source).assert_outcomes(passed=1)


def three_at_once(trial: Trial) -> None:
    body = """    import os, time
    from pathlib import Path
    Path(f"{os.getpid()}.judge").touch()
    for _ in range(400):
        if len(list(Path().glob("*.judge"))) == 3:
            return
        time.sleep(0.05)
    raise TimeoutError
"""
    trial.run(SUITE.partition("    assert")[0] + body).assert_outcomes(passed=3)


def sooner_timeout(trial: Trial) -> None:
    trial.run(SUITE.replace("    assert", "    import time; time.sleep(60)\n    assert").replace("n=4", "n=1"))
    assert {sample.status for found in trial.sessions.samples().values() for sample in found} == {"timeout"}


def spawned_judges(trial: Trial) -> None:
    body = "    import multiprocessing\n    assert 'Spawn' in multiprocessing.current_process().name\n"
    trial.run(SUITE.partition("    assert")[0].replace("n=4", "n=1") + body)
    assert {sample.status for found in trial.sessions.samples().values() for sample in found} == {"pass"}


def judged_in_this_process(trial: Trial) -> None:
    body = f"    import os\n    assert os.getpid() == {os.getpid()}\n"
    trial.run(SUITE.partition("    assert")[0] + body)
    assert {sample.status for found in trial.sessions.samples().values() for sample in found} == {"pass"}


def no_model(trial: Trial) -> None:
    trial.run().assert_outcomes(passed=3)
    assert trial.sessions.log == []


def no_isolation(trial: Trial) -> None:
    body = """(problem, completion, sandbox):
    from pytest_passatk.sandbox import Sandbox, Tests
    with Sandbox(layers=(), unsafe=sandbox.unsafe) as host:
        host.check("def f(): return 7", Tests("assert f() == 7", ("f",), ""))
"""
    assert trial.run(SUITE.partition("(problem, completion)")[0] + body).ret == 0


def no_store(trial: Trial) -> None:
    assert trial.run().ret == 0
    assert not trial.sessions.store.exists()


def another_store(trial: Trial) -> None:
    assert trial.run().ret == 0
    assert trial.has("kept.sqlite")
    assert not trial.sessions.store.exists()


def several_arms(trial: Trial) -> None:
    trial.run(SUITE.replace("fake_model:load", "fake_arms:load")).assert_outcomes(passed=6)
    assert trial.seen["options"]["adapters"] == {"base": None, "lora": "runs/lora"}


def several_patches(trial: Trial) -> None:
    trial.run(SUITE.replace("fake_model:load", "fake_arms:load")).assert_outcomes(passed=6)
    assert list(trial.seen["options"]["adapters"]) == ["none", "Idle"]
    assert trial.seen["options"]["patches"]["Idle"]["name"] == "fake_patches:Idle"


def patch_settings(trial: Trial) -> None:
    patched = Trial(trial.sessions, (*trial.arguments, "--passatk-patch", "fake_patches:Says"))
    patched.run(SUITE.replace("fake_model:load", "fake_arms:load"))
    assert trial.seen["options"]["patches"][""]["args"] == {"what": "8"}
    assert {(sample.text or "")[:1] for found in trial.sessions.samples().values() for sample in found} == {"8"}


def several_runs(trial: Trial) -> None:
    trial.run().assert_outcomes(passed=9)
    assert len(trial.sessions.log) == 36


def two_engines(trial: Trial) -> None:
    for name in ("fake_model.py", "fake_engine.py"):  # workers search where this process searched when it started
        trial.sessions.write((FAKES / name).read_text(), name)
    both = Trial(trial.sessions, ("-n", "2", *trial.arguments))
    both.run(SUITE.replace("fake_model:load", "fake_engine:load")).assert_outcomes(passed=3)
    log = (trial.sessions.pytester.path / "engines.log").read_text()
    assert {json.loads(line)["worker"] for line in log.splitlines()} == {"gw0", "gw1"}


def costs(trial: Trial) -> None:
    said = trial.run().stdout.str()
    assert "cost 36.00 this run, 36.00 all samples, 18.00 a solved problem" in said  # 12 tokens; two problems
    assert "without untold tokens of 12 samples" in said
    assert "cost 0 this run, 36.00 all samples, 18.00 a solved problem" in trial.run().stdout.str()


def other_options(trial: Trial) -> None:
    trial.sessions.write("[profiles.nightly]\nn = 2\n", "passatk.toml")
    trial.run().assert_outcomes(passed=3)
    assert len(trial.sessions.log) == 6


def with_more(trial: Trial, *arguments: str) -> pytest.RunResult:
    return Trial(trial.sessions, (*trial.arguments, *arguments)).run()


def save_baseline(trial: Trial) -> None:
    """Before the option can compare with it; an update makes what is not there yet, also where a gate is asked for."""
    assert Trial(trial.sessions, ("--passatk-compare", "main", "--passatk-update")).run().ret == 0


def a_baseline(trial: Trial) -> None:
    trial.run()
    assert trial.has("baselines/main/fake.jsonl")


def another_folder(trial: Trial) -> None:
    with_more(trial, "--passatk-save", "main")
    assert trial.has("kept/main/fake.jsonl")


def a_comparison(trial: Trial) -> None:
    save_baseline(trial)
    trial.run().stdout.fnmatch_lines(["fake  this run against main*"])


def needs_a_baseline(trial: Trial) -> None:
    assert trial.run().ret == 4


def strictly(trial: Trial) -> None:
    save_baseline(trial)
    assert with_more(trial, "--passatk-compare", "main").ret == 1


def policy(field: str, value: object) -> Callable[[Trial], None]:
    """The gate goes by this."""

    def check(trial: Trial) -> None:
        save_baseline(trial)
        with_more(trial, "--passatk-compare", "main", "--passatk-json", "report.json")
        assert trial.sessions.report["comparisons"][0]["policy"][field] == value

    return check


def further_k(trial: Trial) -> None:
    trial.run().stdout.fnmatch_lines(["*pass@8 extrapolated*"])


def a_file(name: str) -> Callable[[Trial], None]:
    """The run writes it."""

    def check(trial: Trial) -> None:
        assert trial.run().ret == 0
        assert trial.has(name)

    return check


def figures_in_junit(trial: Trial) -> None:
    with_more(trial, "--junit-xml", "junit.xml")
    assert '"passatk.fake.pass@1"' in (trial.sessions.pytester.path / "junit.xml").read_text()


# A value for each option, and what it does. Flags are given as `true` in variables and ini files.
def stressed(trial: Trial, *arguments: str) -> pytest.RunResult:
    """A session of the stress suite, on the runtime as it is."""
    trial.sessions.write(STRESS.read_text(), "test_stress.py")
    trial.sessions.write(Schedule((Planned(3, 2), Planned(3, 3))).to_json(), "two.json")
    return trial.sessions.pytester.runpytest(*LEAN, "test_stress.py", *arguments, *trial.arguments)


def hardly_a_search(trial: Trial) -> None:
    result = stressed(trial, "-k", "generated")
    result.assert_outcomes(passed=1)
    (line,) = [line for line in result.outlines if " schedule" in line and ", " in line]
    assert int(line.split()[0]) < 5, "half a minute, which is the default, brings more"


def a_single_schedule(trial: Trial) -> None:
    result = stressed(trial, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_decode_shrink[[]two[]] PASSED*", "1 schedule, 2 requests, 3 steps, *"])


EFFECTS: dict[str, tuple[str, Callable[[Trial], None]]] = {
    "model": ("fake_model:load:other", another_model),
    "n": ("6", more_samples),
    "k": ("3,1", other_ks),
    "temperature": ("0.5", changes("params", "temperature", 0.5)),
    "top-p": ("0.9", changes("params", "top_p", 0.9)),
    "top-k": ("5", changes("params", "top_k", 5)),
    "min-p": ("0.1", changes("params", "min_p", 0.1)),
    "repetition-penalty": ("1.1", changes("params", "repetition_penalty", 1.1)),
    "max-tokens": ("9", changes("params", "max_tokens", 9)),
    "seed": ("7", other_seeds),
    "repeat": ("3", several_runs),
    "limit": ("2", fewer_problems),
    "data": ("rows.jsonl", given_rows),
    "param": ("word=a=b|c,{d}", another_parameter),
    "allow-change": ("rows", other_rows),
    "revision": ("main", changes("options", "revision", "main")),
    "adapter": ("base,runs/lora", several_arms),
    "patch": ("none,fake_patches:Idle", several_patches),
    "patch-args": ("what=8", patch_settings),
    "base-url": ("http://a/v1,http://b/v1", changes("options", "base_url", "http://a/v1,http://b/v1")),
    "concurrency": ("3", changes("options", "concurrency", 3)),
    "dtype": ("float16", changes("options", "dtype", "float16")),
    "device": ("cuda:1", changes("options", "device", "cuda:1")),
    "quantization": ("8bit", changes("options", "quantization", "8bit")),
    "chat-template": ("none", changes("options", "chat_template", "none")),
    "batch-tokens": ("100", changes("options", "batch_tokens", 100)),
    "logprobs": ("true", changes("options", "logprobs", True)),
    "engines": ("per-worker", two_engines),
    "model-args": ("a=1,b=x", changes("options", "args", {"a": "1", "b": "x"})),
    "judges": ("3", three_at_once),
    "judge-timeout": ("0.3", sooner_timeout),
    "judge-start": ("spawn", spawned_judges),
    "inline": ("true", judged_in_this_process),
    "check": ("true", no_model),
    "unsafe": ("true", no_isolation),
    "no-cache": ("true", no_store),
    "store": ("kept.sqlite", another_store),
    "price": ("0.5,3e6", costs),
    "save": ("main", a_baseline),
    "compare": ("main", a_comparison),
    "compare-fail": ("pass@2:7pp", policy("asked", {"pass@2": "7pp"})),
    "alpha": ("0.2", policy("alpha", 0.2)),
    "strict": ("true", strictly),
    "update": ("true", needs_a_baseline),
    "update-new-only": ("true", needs_a_baseline),
    "baselines": ("kept", another_folder),
    "stop-when-decided": ("true", needs_a_baseline),
    "extrapolate": ("8", further_k),
    "summary": ("told.md", a_file("told.md")),
    "html": ("told.html", a_file("told.html")),
    "junit-properties": ("true", figures_in_junit),
    "stress-budget": ("0.001s", hardly_a_search),
    "schedule": ("two.json", a_single_schedule),
    "profile": ("nightly", other_options),
    "json": ("told.json", a_file("told.json")),
}


@pytest.fixture
def alone(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setenv("FAKE_SEEN", str(alone.pytester.path / "seen.json"))
    return alone


def spell(option: Option, flag: str) -> tuple[str, ...]:
    return (flag,) if option.parse is None else (flag, EFFECTS[option.name][0])


def test_every_option_has_an_effect_here() -> None:
    assert [option.name for option in OPTIONS] == list(EFFECTS)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_counts_on_the_command_line(alone: Sessions, option: Option) -> None:
    EFFECTS[option.name][1](Trial(alone, spell(option, option.flags[0])))


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.bare], ids=lambda option: option.name)
def test_a_bare_alias_is_the_same(alone: Sessions, option: Option) -> None:
    assert option.flags[1] == f"--{option.name}"
    EFFECTS[option.name][1](Trial(alone, spell(option, option.flags[1])))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_counts_in_the_environment(alone: Sessions, monkeypatch: pytest.MonkeyPatch, option: Option) -> None:
    value, effect = EFFECTS[option.name]
    monkeypatch.setenv(f"PASSATK_{option.field.upper()}", value)
    effect(Trial(alone, ()))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_counts_in_the_ini_file(alone: Sessions, option: Option) -> None:
    value, effect = EFFECTS[option.name]
    alone.pytester.makeini(f"[pytest]\npassatk_{option.field} = {value}")
    effect(Trial(alone, ()))


def test_the_nearest_place_wins(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    alone.write(SUITE.replace("n=4", "n=1"))
    drawn = []
    alone.run("--passatk-no-cache")
    drawn.append(alone.counts()["half"][0])
    alone.pytester.makeini("[pytest]\npassatk_n = 2")
    alone.run("--passatk-no-cache")
    drawn.append(alone.counts()["half"][0])
    monkeypatch.setenv("PASSATK_N", "3")
    alone.run("--passatk-no-cache")
    drawn.append(alone.counts()["half"][0])
    alone.run("--passatk-no-cache", "--n", "4")
    drawn.append(alone.counts()["half"][0])
    assert drawn == [1, 2, 3, 4]


@pytest.mark.parametrize("value", ["0", "false", "No", "off", ""])
def test_a_flag_can_be_off_in_the_environment(alone: Sessions, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PASSATK_CHECK", value)
    alone.write()
    alone.run().assert_outcomes(passed=3)
    assert len(alone.log) == 12


def test_options_can_stand_in_addopts(alone: Sessions) -> None:
    alone.pytester.makeini("[pytest]\naddopts = --n 2 --model fake_model:load:other")
    alone.write()
    alone.run().assert_outcomes(passed=3)
    assert len(alone.log) == 6
    assert alone.report["suites"][0]["model"]["name"] == "other"


def test_samples_and_workers_are_different_options(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write()
    result = sessions.run("--n", "8")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["2 workers*"])
    assert sessions.counts() == {"always": (8, 8), "half": (8, 4), "never": (8, 0)}


THEIRS = """
def test_theirs(pytestconfig):
    assert pytestconfig.getoption("--model") == "theirs"
    assert pytestconfig.getoption("--n") == 9
"""


def test_a_conftest_may_own_the_bare_names(sessions: Sessions) -> None:
    sessions.write(OWNER, "conftest.py")
    sessions.write(SUITE + THEIRS)
    ours = ("--passatk-model", "fake_model:load:ours", "--passatk-n", "2")
    result = sessions.run("--model", "theirs", "--n", "9", *ours)
    assert result.ret == 0
    result.assert_outcomes(passed=4)
    assert sessions.report["suites"][0]["model"]["name"] == "ours"
    assert sessions.counts()["half"] == (2, 1)


def test_a_conftest_that_owns_one_name_leaves_the_others(alone: Sessions) -> None:
    alone.write("def pytest_addoption(parser):\n    parser.addoption('--model')\n", "conftest.py")
    alone.write()
    alone.run("--model", "theirs", "--n", "2", "--limit", "1").assert_outcomes(passed=1)
    assert alone.log == ["always#0", "always#1"]


def test_a_plugin_may_own_the_bare_names(alone: Sessions) -> None:
    alone.write(OWNER, "owner.py")
    alone.pytester.syspathinsert()
    alone.write()
    alone.run("-p", "owner", "--model", "theirs", "--n", "9", "--passatk-n", "2").assert_outcomes(passed=3)
    assert len(alone.log) == 6


def test_the_message_names_the_spelling_that_was_taken(alone: Sessions) -> None:
    alone.write(OWNER, "conftest.py")
    alone.write()
    result = alone.run("--n", "9", "--passatk-n", "0")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--passatk-n=0: must be at least 1*"])


@pytest.mark.parametrize("how", [("-p", "no:terminal"), ("-q",), ("-qq",), ("-vv",), ("-s",), ("--color=yes",)])
def test_a_run_does_not_depend_on_what_is_shown(alone: Sessions, how: tuple[str, ...]) -> None:
    alone.write()
    assert alone.run(*how).ret == 0
    assert alone.counts() == {"always": (4, 4), "half": (4, 2), "never": (4, 0)}


def test_help_names_every_option(alone: Sessions) -> None:
    text = alone.pytester.runpytest("--help").stdout.str()
    for option in OPTIONS:
        assert all(flag in text for flag in option.flags)
        assert f"  {option.dest} (" in text

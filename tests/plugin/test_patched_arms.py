"""Patches as arms of one run, and runs repeated in one session: the same problems, paired, and pooled at the end."""

import json
from pathlib import Path
from typing import Any

import pytest
from sessions import HEADER, SUITE, MakeSessions, Sessions

from pytest_passatk.cli import main

MODEL = ("--model", "fake_arms:load")
TWO = (*MODEL, "--patch", "none,fake_patches:Says")
WORSE = (*TWO, "--passatk-patch-args", "what=8")  # no answer stays right
COUNTS = {"always": (4, 4), "half": (4, 2), "never": (4, 0)}
NONE = {"always": (4, 0), "half": (4, 0), "never": (4, 0)}
SPEC = r"fake_patches:Says(what=8)@"

# Whether a sample is right follows from its seed.
CHANCE = SUITE.replace("fake_model:load", "fake_rate:load:0.5")
AMBIGUOUS = "from fake_patches import Idle as Says"


@pytest.fixture(params=[0, 2], ids=["n0", "n2"])
def sessions(make_sessions: MakeSessions, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    made = make_sessions(request.param)
    made.write()
    monkeypatch.setenv("FAKE_TURNS", str(made.pytester.path / "turns.jsonl"))
    return made


@pytest.fixture
def alone(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    alone.write()
    monkeypatch.setenv("FAKE_TURNS", str(alone.pytester.path / "turns.jsonl"))
    return alone


def turns(sessions: Sessions) -> list[dict[str, Any]]:
    """What the model was asked at a time."""
    lines = (sessions.pytester.path / "turns.jsonl").read_text().splitlines()
    return list(map(json.loads, lines))


def titles(sessions: Sessions) -> list[str]:
    return [suite["title"] for suite in sessions.report["suites"]]


def test_each_patch_is_an_arm_with_the_same_seeds(sessions: Sessions) -> None:
    result = sessions.run(*WORSE)
    assert result.ret == 0
    result.assert_outcomes(passed=6)
    assert [(suite["title"], suite["arm"]) for suite in sessions.report["suites"]] == [
        ("fake@none", "none"), ("fake@Says", "Says")
    ]  # fmt: skip
    none, says = (suite["model"]["patch"] for suite in sessions.report["suites"])
    assert none is None
    assert says.startswith(SPEC)
    assert [sessions.counts(at) for at in range(2)] == [COUNTS, NONE]
    first, second = turns(sessions)
    assert (first["arms"], second["arms"]) == (["none"], ["Says"]), "one behind the other"
    assert first["seeds"] == second["seeds"]
    result.stdout.fnmatch_lines([f"passatk: fake@Says: patch {says}"])


def test_the_arms_are_compared_and_the_difference_is_named(sessions: Sessions) -> None:
    result = sessions.run(*WORSE)
    [comparison] = sessions.report["comparisons"]
    assert (comparison["before"]["label"], comparison["after"]["label"]) == ("none", "Says")
    assert comparison["before"]["model"]["patch"] is None
    assert comparison["after"]["model"]["patch"].startswith(SPEC)
    assert comparison["incomparable"] == []
    assert any(note.startswith(f"another model: patch none, now {SPEC}") for note in comparison["notes"])
    result.stdout.fnmatch_lines(["*= gate =*", "*Says against none*", "*no gate*", "*response of pass@1 and pass@*"])


def test_one_patch_alone_is_one_arm(alone: Sessions) -> None:
    result = alone.run(*MODEL, "--patch", "fake_patches:Says", "--passatk-patch-args", "what=8")
    [suite] = alone.report["suites"]
    assert (suite["title"], suite["arm"]) == ("fake", None)
    assert suite["model"]["patch"].startswith(SPEC)
    assert alone.counts() == NONE
    result.stdout.fnmatch_lines([f"fake  fake + {SPEC}*"])
    alone.run(*MODEL, "--patch", "none")
    assert alone.report["suites"][0]["model"]["patch"] is None
    assert alone.counts() == COUNTS


def test_an_arm_shares_its_samples_with_a_run_of_its_own(alone: Sessions) -> None:
    alone.run(*WORSE)
    assert len(alone.log) == 24
    alone.run(*MODEL, "--patch", "fake_patches:Says", "--passatk-patch-args", "what=8")
    alone.run(*MODEL)
    assert len(alone.log) == 24
    alone.run(*MODEL, "--patch", "fake_patches:Says", "--passatk-patch-args", "what=9")
    assert len(alone.log) == 36, "other arguments make another model"


def test_adapters_and_patches_make_every_pair(alone: Sessions) -> None:
    both = ("--adapter", "base,runs/lora", "--patch", "none,fake_patches:Idle")
    alone.run(*MODEL, *both).assert_outcomes(passed=12)
    assert titles(alone) == [f"fake@{arm}" for arm in ("base+none", "base+Idle", "lora+none", "lora+Idle")]
    models = [suite["model"] for suite in alone.report["suites"]]
    assert [model["adapter"] for model in models] == [None, None, "runs/lora", "runs/lora"]
    assert [bool(model["patch"]) for model in models] == [False, True, False, True]
    alone.run(*MODEL, "--adapter", "runs/lora", "--patch", "none,fake_patches:Idle")
    assert titles(alone) == ["fake@none", "fake@Idle"]
    assert len(alone.log) == 48


def test_patches_of_one_name_keep_all_of_theirs(alone: Sessions) -> None:
    alone.write(AMBIGUOUS, "others.py")
    alone.run(*MODEL, "--patch", "fake_patches:Says,others:Says,fake_patches:Idle")
    assert titles(alone) == ["fake@fake_patches:Says", "fake@others:Says", "fake@Idle"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*MODEL, "--patch", "nothing"), "*unknown patch 'nothing'*write pkg.mod:Name*"),
        ((*MODEL, "--patch", "none,nowhere:Patch"), "*--patch nowhere:Patch: there is no module nowhere*"),
        ((*MODEL, "--patch", "none,a,none"), "*--patch none,a,none: every arm must have a name*"),
        ((*MODEL, "--patch", "fake_patches:Says", "--passatk-patch-args", "how=8"), "*'how'*it takes what*"),
        ((*MODEL, "--passatk-patch-args", "what=8"), "*--passatk-patch-args needs --patch NAME*"),
        (("--patch", "fake_patches:Idle"), "*backend fake_model* has no runtime that can be patched*"),
        ((*MODEL, "--passatk-repeat", "0"), "*--passatk-repeat=0: must be at least 1*"),
    ],
    ids=["unknown", "absent", "twice", "arguments", "idle", "unpatchable", "none"],
)
def test_what_cannot_be_is_refused_before_anything_is_sampled(
    alone: Sessions, arguments: tuple[str, ...], message: str
) -> None:
    result = alone.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert alone.log == []
    result.stderr.fnmatch_lines([message])


def test_a_regression_of_a_patch_fails_where_figures_are_named(sessions: Sessions) -> None:
    result = sessions.run(*WORSE, "--passatk-compare-fail", "pass@1:10pp", "--passatk-repeat", "2")
    assert result.ret == 1
    assert sessions.report["comparisons"][0]["regressed"] == ["pass@1"]
    result.stdout.fnmatch_lines(["FAILED *gate[[]pass@1@Says[]]*"])
    idle = sessions.run(*MODEL, "--patch", "none,fake_patches:Idle", "--passatk-compare-fail", "pass@1:60pp")
    assert idle.ret == 0


def test_runs_are_repeated_one_arm_at_a_time_and_every_second_the_other_way_round(sessions: Sessions) -> None:
    sessions.run(*WORSE, "--passatk-repeat", "3").assert_outcomes(passed=18)
    asked = [(turn["repeats"], turn["arms"]) for turn in turns(sessions)]
    assert asked == [
        ([0], ["none"]), ([0], ["Says"]), ([1], ["Says"]), ([1], ["none"]), ([2], ["none"]), ([2], ["Says"])
    ]  # fmt: skip
    seeds = [turn["seeds"] for turn in turns(sessions)]
    assert seeds[0] == seeds[1]
    assert seeds[2] == seeds[3]
    assert seeds[4] == seeds[5]
    assert len({seed for turn in seeds for seed in turn}) == 36


def test_the_runs_of_an_arm_are_pooled(sessions: Sessions) -> None:
    result = sessions.run(*WORSE, "--passatk-repeat", "3")
    assert titles(sessions) == ["fake@none", "fake@Says"]
    assert sessions.counts(0) == {problem: (3 * n, 3 * c) for problem, (n, c) in COUNTS.items()}
    none = sessions.report["suites"][0]
    assert (none["n"], none["ks"]) == (12, [1, 2, 4]), "k stays within one run"
    runs = none["repeats"]["runs"]
    assert [(run["repeat"], run["seed"], run["n"]) for run in runs] == [(1, 0, 4), (2, 1, 4), (3, 2, 4)]
    assert [{each["id"]: (each["n"], each["c"]) for each in run["problems"]} for run in runs] == [COUNTS] * 3
    assert none["repeats"]["drift"] == {"statistic": pytest.approx(0), "df": 2, "p": pytest.approx(1), "runs": 3}
    [comparison] = sessions.report["comparisons"]
    assert comparison["problems"][0] == {"id": "always", "before": {"n": 12, "c": 12}, "after": {"n": 12, "c": 0}}
    assert [run["seed"] for run in comparison["after"]["runs"]] == [0, 1, 2]
    result.stdout.fnmatch_lines(
        [
            "passatk: fake@none: 3 problems * 4 samples * 3 runs*, seeds 0, 1, 2",
            "fake@none *3 problems * 3 runs * 4*",
            "*runs of fake@none: χ² = 0.0, df = 2, p = 1.00",
            "*runs of fake@Says: no χ²*",
        ]
    )


def test_a_problem_is_named_by_its_run(alone: Sessions) -> None:
    both = (*TWO, "--passatk-repeat", "2")
    alone.run(*both, "test_suite.py::test_fake[half@Says#2]").assert_outcomes(passed=1)
    assert len(alone.log) == 4
    alone.run(*both, "-k", "half and 1]").assert_outcomes(passed=2)
    alone.run(*MODEL, "--passatk-repeat", "2", "test_suite.py::test_fake[half#2]").assert_outcomes(passed=1)


def test_a_repeat_shares_its_samples_with_a_plain_run_of_its_seed(sessions: Sessions) -> None:
    sessions.write(CHANCE)
    result = sessions.run("--passatk-repeat", "3", "--seed", "5", "--n", "8")
    [pooled] = sessions.report["suites"]
    assert (pooled["title"], pooled["arm"], pooled["n"]) == ("fake", None, 24)
    assert sessions.report["comparisons"] == []
    result.stdout.fnmatch_lines(["*runs of fake: χ² = *, df = 2, p = *"])
    assert len(sessions.log) == 72
    right = []
    for seed in ("5", "6", "7"):
        sessions.run("--seed", seed, "--n", "8")
        right.append({problem: c for problem, (_, c) in sessions.counts().items()})
        assert "repeats" in sessions.report["suites"][0]
    assert len(sessions.log) == 72, "nothing is drawn again"
    runs = [{each["id"]: each["c"] for each in run["problems"]} for run in pooled["repeats"]["runs"]]
    assert runs == right
    assert len({tuple(run.values()) for run in runs}) > 1, "their samples differ"


def test_runs_that_differ_are_told(alone: Sessions) -> None:
    """A verifier that is right in one run and wrong in the others: no chance does that."""
    alone.write(
        HEADER
        + """
ROWS = [{"id": f"p{i:02}", "says": "7|8", "answer": "7"} for i in range(16)]

@suite(ROWS, prompt="{says}", n=8, model="fake_drift:load")
def test_fake(problem, completion):
    assert completion.text == problem.answer
"""
    )
    result = alone.run("--passatk-repeat", "3")
    assert alone.report["suites"][0]["repeats"]["drift"]["p"] < 0.001
    result.stdout.fnmatch_lines(["*runs of fake: χ² = *they differ more*"])


def test_the_ratio_of_speeds_has_an_interval_from_two_runs_on(sessions: Sessions) -> None:
    result = sessions.run(*TWO, "--passatk-repeat", "3")
    [pace] = [each for each in sessions.report["comparisons"][0]["pace"] if each["metric"] == "tokens/s"]
    ratio = pace["ratio"]
    assert ratio["runs"] == 3
    assert ratio["interval"]["low"] < ratio["value"] < ratio["interval"]["high"]
    result.stdout.fnmatch_lines(["*tokens/s of Says over none: *95% interval * to * (3 runs each)*"])


def test_one_run_each_gives_a_ratio_and_says_what_gives_an_interval(alone: Sessions) -> None:
    result = alone.run(*TWO)
    [pace] = [each for each in alone.report["comparisons"][0]["pace"] if each["metric"] == "tokens/s"]
    assert pace["ratio"]["value"] > 0
    assert pace["ratio"]["interval"] is None
    said = " ".join(result.stdout.str().split())
    assert "no interval: one run each; --passatk-repeat 3 gives one" in said
    again = alone.run(*TWO)
    assert "tokens/s of" not in again.stdout.str(), "samples of the store have no speed"


def test_the_time_of_an_arm_is_its_own(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DELAY", "0.01")
    alone.run(*TWO, "--passatk-repeat", "2")
    spans = [run["seconds"] for suite in alone.report["suites"] for run in suite["repeats"]["runs"]]
    assert len(spans) == 4
    assert sum(spans) <= alone.report["run"]["seconds"], "no second counts for two"
    assert min(spans) >= 11 * 0.01


def test_pooled_counts_are_kept_and_compared(sessions: Sessions) -> None:
    plain = (*MODEL, "--passatk-repeat", "2", "--n", "8")
    assert sessions.run(*plain, "--passatk-save", "main").ret == 0
    header, *lines = map(json.loads, Path("baselines/main/fake.jsonl").read_text().splitlines())
    assert [run["seed"] for run in header["runs"]] == [0, 1]
    assert [(line["id"], line["n"], line["c"]) for line in lines] == [
        ("always", 16, 16), ("half", 16, 8), ("never", 16, 0)
    ]  # fmt: skip
    patched = (*plain[:2], "--patch", "fake_patches:Says", "--passatk-patch-args", "what=8", *plain[2:])
    result = sessions.run(*patched, "--passatk-compare", "main")
    assert result.ret == 1, "a patched run is compared with what is not"
    [comparison] = sessions.report["comparisons"]
    assert comparison["problems"][0] == {"id": "always", "before": {"n": 16, "c": 16}, "after": {"n": 16, "c": 0}}
    assert all(each["ratio"] is None for each in comparison["pace"]), "runs of another session are no pairs"


def test_the_commands_know_runs_and_arms(
    alone: Sessions, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.run(*WORSE, "--passatk-repeat", "3")
    monkeypatch.chdir(alone.pytester.path)
    capfd.readouterr()
    assert main(["show", "1"]) == 0
    shown = capfd.readouterr().out
    assert "fake@none  fake · 3 problems × 3 runs × 4 · 18 of 36 solved" in shown
    assert "runs of fake@none: χ² = 0.0" in shown
    assert SPEC in shown
    assert main(["show", "1", "--suite", "fake@none#2"]) == 0
    assert "fake@none#2  fake · 3 problems × 4 · 6 of 12 solved" in capfd.readouterr().out
    assert main(["export", "1", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len({(row["suite"], row["problem"], row["index"]) for row in rows}) == len(rows) == 72
    assert alone.run(*TWO, "--n", "12", "--passatk-compare", "1").ret != pytest.ExitCode.USAGE_ERROR
    before = alone.report["comparisons"][0]["before"]
    assert (before["n"], len(before["runs"])) == ({"least": 12, "most": 12}, 3)


def test_repeated_runs_are_judged_again(
    alone: Sessions, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.run(*WORSE, "--passatk-repeat", "2")
    alone.write(SUITE.replace("assert completion", "assert not completion"))
    monkeypatch.chdir(alone.pytester.path)
    for arguments, suites in ((["1"], 4), (["1", "--suite", "fake@Says#1"], 1)):
        capfd.readouterr()
        assert main(["rejudge", *arguments, "--json"]) == 0
        found = json.loads(capfd.readouterr().out)["suites"]
        assert len(found) == suites
        assert all(each["judged"] == 12 for each in found)
    assert len(alone.log) == 48, "no model is asked"


def test_a_patch_that_is_gone_is_not_needed_to_judge_again(
    alone: Sessions, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = alone.write(AMBIGUOUS, "others.py")
    alone.run(*MODEL, "--patch", "none,others:Says")
    module.unlink()
    monkeypatch.chdir(alone.pytester.path)
    capfd.readouterr()
    assert main(["rejudge", "1", "--json"]) == 0
    assert [each["title"] for each in json.loads(capfd.readouterr().out)["suites"]] == ["fake@none", "fake@Says"]


def test_stages_and_repeats_do_not_go_together(alone: Sessions) -> None:
    result = alone.run(*MODEL, "--passatk-compare", "main", "--passatk-stop-when-decided", "--passatk-repeat", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--passatk-repeat 2 asks for 2 whole ones*"])

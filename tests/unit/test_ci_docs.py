"""The jobs of docs/ci.md: they parse, name options that there are, and run as typed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from jsonschema import Draft202012Validator

from pytest_passatk.harness.options import OPTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
REPORTS = ("summary.md", "report.json", "report.html", "junit.xml")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


GITHUB, GITLAB = (yaml.safe_load(block) for block in blocks("yaml"))
STEPS = {step["name"]: step for step in GITHUB["jobs"]["gate"]["steps"] if "name" in step}
BASH = shutil.which("bash") or "bash"
OUTSIDE = {"Install", "Comment"}  # what these do cannot be done here
BASELINE = "\n".join(line for line in blocks("bash")[0].splitlines() if not line.startswith("git "))


def run(folder: Path, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a job does, on two samples of three problems."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PASSATK_", "PYTEST_", "GITHUB_"))}
    asked = {name: str(value) for name, value in GITHUB["jobs"]["gate"]["env"].items()}
    small = {"PASSATK_N": "2", "PASSATK_LIMIT": "3", "GITHUB_STEP_SUMMARY": str(folder / "step.md")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    return subprocess.run(
        [BASH, "-e", "-c", command], cwd=folder, env={**own, **asked, **small, **variables, "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def make_checkout(folder: Path) -> Path:
    shutil.copytree(ROOT / "suites" / "arithmetic", folder / "suites" / "arithmetic")
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return folder


@pytest.fixture(scope="module")
def with_baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_checkout(tmp_path_factory.mktemp("checkout"))
    made = run(folder, BASELINE)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


@pytest.fixture
def checkout(with_baseline: Path, tmp_path: Path) -> Path:
    return shutil.copytree(with_baseline, tmp_path / "checkout")


def counts(folder: Path) -> dict[str, int]:
    lines = (folder / "baselines" / "main" / "arithmetic.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row["n"] for row in map(json.loads, lines[1:])}


def test_there_is_a_job_for_each_service() -> None:
    assert list(GITHUB["jobs"]) == ["gate"]
    assert list(GITLAB) == ["passatk"]
    assert GITLAB["passatk"]["artifacts"]["reports"] == {"junit": "junit.xml"}


def test_every_option_and_variable_of_the_page_is_one() -> None:
    flags, variables = {flag for option in OPTIONS for flag in option.flags}, {option.variable for option in OPTIONS}
    assert set(re.findall(r"--passatk-[a-z-]+", PAGE)) <= flags
    assert set(re.findall(r"PASSATK_[A-Z_]+", PAGE)) - {"PASSATK_GITLAB_TOKEN"} <= variables


def test_both_services_run_the_same_command() -> None:
    script = GITLAB["passatk"]["script"]
    assert script[1] == STEPS["Gate"]["run"]
    assert script[0] == STEPS["Install"]["run"].partition("  #")[0]
    assert GITLAB["passatk"]["variables"] == {key: str(each) for key, each in GITHUB["jobs"]["gate"]["env"].items()}


def test_samples_are_fetched_and_kept_under_one_key() -> None:
    fetch, keep = (STEPS[name]["with"] for name in ("Fetch the samples of earlier runs", "Keep the samples"))
    assert (fetch["path"], fetch["key"]) == (keep["path"], keep["key"])
    assert fetch["key"].startswith(fetch["restore-keys"])


def test_what_a_red_job_needs_most_is_done_although_it_is_red() -> None:
    names = list(STEPS)
    later = names[names.index("Gate") + 1 :]
    assert later == ["Keep the samples", "Comment", "Keep the reports"]
    assert all("always()" in STEPS[name]["if"] for name in later)
    assert GITLAB["passatk"]["artifacts"]["when"] == GITLAB["passatk"]["cache"]["when"] == "always"


def test_every_report_is_kept() -> None:
    kept = STEPS["Keep the reports"]["with"]["path"].split()
    assert set(REPORTS) <= set(kept)
    assert [path.rstrip("/") for path in GITLAB["passatk"]["artifacts"]["paths"]] == kept


def test_only_the_gate_runs_in_a_shell_here() -> None:
    assert {name for name, step in STEPS.items() if "run" in step} - OUTSIDE == {"Gate"}


def test_without_a_baseline_the_job_is_misused(tmp_path: Path) -> None:
    done = run(make_checkout(tmp_path), STEPS["Gate"]["run"])
    assert done.returncode == 4, done.stdout + done.stderr
    assert "--passatk-save main" in done.stdout + done.stderr


def test_the_commands_of_the_page_make_a_baseline_of_three_runs(with_baseline: Path) -> None:
    assert set(counts(with_baseline).values()) == {48}
    assert int(GITHUB["jobs"]["gate"]["env"]["PASSATK_N"]) * 4 <= 48


def test_the_job_passes_where_nothing_changed(checkout: Path) -> None:
    done = run(checkout, STEPS["Gate"]["run"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "regressed" not in headline(checkout)
    assert [name for name in REPORTS if not (checkout / name).is_file()] == []
    assert (checkout / "step.md").read_text(encoding="utf-8").endswith(f"\n\n{summary(checkout)}")
    report = json.loads((checkout / "report.json").read_text(encoding="utf-8"))
    assert not list(Draft202012Validator(SCHEMA).iter_errors(report))
    assert [each["title"] for each in report["comparisons"]] == ["arithmetic"]
    assert "passatk.gate.arithmetic.pass@1" in properties(checkout)


def test_the_job_fails_where_the_model_became_worse(checkout: Path) -> None:
    """Completions of one token say nothing: every problem that was solved is lost."""
    done = run(checkout, STEPS["Gate"]["run"], PASSATK_MAX_TOKENS="1", PASSATK_ALLOW_CHANGE="sampling")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 regressed" in headline(checkout)
    assert "| broken | `arithmetic` |" in summary(checkout)
    assert properties(checkout)["passatk.gate.arithmetic.pass@1"] == "regressed"
    failed = [case.get("name") for case in junit(checkout).iter("testcase") if case.find("failure") is not None]
    assert failed == ["gate[pass@1]"]


def test_another_way_of_sampling_is_refused(checkout: Path) -> None:
    done = run(checkout, STEPS["Gate"]["run"], PASSATK_TEMPERATURE="0.5")
    assert done.returncode == 4, done.stdout + done.stderr


def summary(folder: Path) -> str:
    return (folder / "summary.md").read_text(encoding="utf-8")


def headline(folder: Path) -> str:
    return summary(folder).splitlines()[0]


def junit(folder: Path) -> Any:
    return ET.parse(folder / "junit.xml").getroot()  # noqa: S314 - pytest wrote it


def properties(folder: Path) -> dict[str, str]:
    return {each.get("name", ""): each.get("value", "") for each in junit(folder).iter("property")}

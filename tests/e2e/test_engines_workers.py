"""Real engines under pytest-xdist: one for all workers, and one in each, give the samples of a run without workers."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

ARITHMETIC = Path(__file__).parents[2] / "suites" / "arithmetic"
ENGINES = [pytest.param("hf:tiny", marks=pytest.mark.hf), pytest.param("vllm:tiny", marks=pytest.mark.vllm)]
PATIENCE = 300.0  # seconds; only to end a hang


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "E2E_FOLDER": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    return subprocess.Popen(
        [*command, str(ARITHMETIC), *arguments], cwd=folder, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def run(folder: Path, name: str, *arguments: str) -> tuple[Any, list[Any], str]:
    """What a run with a store of its own reports of each problem, all its samples, and what it said."""
    process = start(folder, "--passatk-json", "report.json", "--passatk-store", name, *arguments)
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, said
    suite = json.loads((folder / "report.json").read_text(encoding="utf-8"))["suites"][0]
    with closing(sqlite3.connect(folder / name)) as connection:
        samples = "SELECT problem, idx, text, tokens FROM samples JOIN streams ON streams.id = stream ORDER BY 1, 2"
        return suite["problems"], connection.execute(samples).fetchall(), said


def left(folder: Path) -> list[int]:
    """The processes of a run that still exist: all of them inherit the environment."""
    mark = f"E2E_FOLDER={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # it ended just now, or is somebody else's
            continue
    return found


@pytest.mark.parametrize("spec", ENGINES)
def test_workers_get_the_samples_of_a_run_without_them(tmp_path: Path, spec: str) -> None:
    asked = ("--model", spec, "--limit", "6", "--n", "4", "--seed", "3")
    problems, samples, _ = run(tmp_path, "alone", *asked)
    assert sum(problem["c"] for problem in problems) > 0
    assert len(samples) == 24
    for how in ("shared", "per-worker"):
        found = run(tmp_path, how, *asked, "-n", "2", "--passatk-engines", how)
        assert found[:2] == (problems, samples)
        assert ("passatk: 2 engines, one in each worker" in found[2]) == (how == "per-worker")


@pytest.mark.parametrize("spec", ENGINES)
def test_a_local_engine_is_not_multiplied_by_accident(tmp_path: Path, spec: str) -> None:
    process = start(tmp_path, "--model", spec, "--limit", "2", "-n", "2")
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == pytest.ExitCode.USAGE_ERROR, said
    assert "-n 2 starts 2 pytest workers; did you mean --n 2 (samples a problem)?" in said


@pytest.mark.parametrize("spec", ENGINES)
def test_an_interrupt_leaves_no_engine_behind(tmp_path: Path, spec: str) -> None:
    asked = ("--model", spec, "--n", "200", "-n", "2", "--passatk-engines", "per-worker")
    process = start(tmp_path, *asked)
    store = tmp_path / ".passatk" / "store.sqlite-wal"
    deadline = time.monotonic() + PATIENCE
    while not (store.exists() and store.stat().st_size > 400_000):  # some samples are in
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    while left(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "sampled 0," not in said

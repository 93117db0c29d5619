"""The stress suite on real vLLM, as a person runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_passatk.stress.schedule import Planned, Schedule
from tests.e2e.adapters import write_adapter

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).parents[2]
STALE = """
import torch
from pytest_passatk import Patch

class Stale(Patch):
    layers = ("layers.0", "layers.-1")

    def attach(self, live):
        self.index = torch.zeros(live.capacity, dtype=torch.long)
        self.rows = torch.zeros(live.capacity, live.hidden, dtype=live.dtype)
        self.count = 0
        return super().attach(live)

    def begin_step(self, view):
        self.count = len(view.decode)
        self.index[: self.count] = torch.tensor([row.row for row in view.decode], dtype=torch.long)

    def on_layer(self, name, tensor):
        if self.count:
            torch.index_select(tensor, 0, self.index, out=self.rows)

    def buffers(self):
        return {"index": (self.index, self.count), "rows": (self.rows, self.count)}

class Idle(Patch):
    def counters(self):
        return {"steps": 0}
"""


def run(folder: Path, model: Path, *arguments: str) -> str:
    """A session of the suite in a folder of its own; gives what it prints."""
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error")
    (folder / "stale.py").write_text(STALE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(ROOT / "suites" / "decode_shrink"), "-c", "pytest.ini", "-p",
         "no:cacheprovider", f"--model=vllm:{model}", "--passatk-stress-budget", "1s", *arguments],
        cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    return done.stdout


def test_the_seventh_drift_breaks_in_the_third_forward_pass(tmp_path: Path, random_model: Path) -> None:
    said = run(tmp_path, random_model, "--patch", "stale:Stale", "-k", "same-8 or pair or generated or restored")
    assert "3 failed, 1 passed" in said
    assert f"stale:Stale breaks on vllm:{random_model}: exception" in said
    assert "exception (step 2): IndexError: index out of range in self (stale.py:" in said
    assert "2 requests\n  r0: problem 0, prompt 1, length 2\n  r1: problem 0, prompt 1, length 3\n" in said
    assert "breaks on vllm:{random_model}: poison" in said or "poison (step" in said, (
        "same lengths break by poison only"
    )


def test_a_patch_that_was_never_called_is_caught(tmp_path: Path, random_model: Path) -> None:
    said = run(tmp_path, random_model, "--patch", "stale:Idle", "-k", "pair")
    assert "the patch was never active" in said


def test_a_runtime_that_answers_for_the_wrong_adapter_is_at_fault_itself(tmp_path: Path, random_model: Path) -> None:
    adapter = write_adapter(random_model, tmp_path / "lora", 1, 4)
    schedule = Schedule((Planned(5, 6), Planned(5, 6, problem=1)))
    (tmp_path / "two.json").write_text(schedule.to_json())
    said = run(tmp_path, random_model, "--adapter", f"base,{adapter}", "--passatk-schedule", "two.json")
    assert "the runtime is at fault: vllm:" in said
    assert "does not pass its own control, without any patch (batch)" in said
    assert f" --adapter base,{adapter} --passatk-schedule fixtures/schedules/" in said

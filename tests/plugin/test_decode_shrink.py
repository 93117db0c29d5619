"""The stress suite as a person runs it: a sound patch passes, a broken one shows the smallest schedule that does it."""

import json
from fnmatch import fnmatch
from pathlib import Path

import hypothesis  # noqa: F401 - sessions run in this process, and these libraries cannot be imported twice
import pytest
import torch
from sessions import MakeSessions, Sessions

import pytest_passatk.stress.trial  # noqa: F401
from pytest_passatk.stress.schedule import Planned, Schedule

ROOT = Path(__file__).parents[2]
SUITE = str(ROOT / "suites" / "decode_shrink")
CLASSICS = 14

TAPS = """
import torch
from pytest_passatk import Capture, Claim, Patch

class Sound(Patch):
    layers = ("layers.0",)

    def attach(self, live):
        self.index = torch.zeros(live.capacity, dtype=torch.long)
        self.rows = torch.zeros(live.capacity, live.hidden, dtype=live.dtype)
        self.count, self.decoded = 0, 0
        return super().attach(live)

    def begin_step(self, view):
        self.owners = tuple((row.request, row.position) for row in view.decode)
        self.count = len(self.owners)
        self.index[: self.count] = torch.tensor([row.row for row in view.decode], dtype=torch.long)
        self.decoded += self.count

    def on_layer(self, name, tensor):
        torch.index_select(tensor, 0, self.index[: self.count], out=self.rows[: self.count])

    def captured(self):
        return [Capture("layers.0", self.owners, self.rows[: self.count])]

    def buffers(self):
        return {"index": (self.index, self.count), "rows": (self.rows, self.count)}

    def counters(self):
        return {"decode_rows": self.decoded}

class Stale(Sound):
    def on_layer(self, name, tensor):
        if self.count:
            torch.index_select(tensor, 0, self.index, out=self.rows)

class Drifted(Sound):
    written_for = {"json:dumps": "(obj)"}

class Idle(Patch):
    pass

class Other(Idle):
    claim = Claim.OTHER_DISTRIBUTION

class Apart(Other):
    independent = True

class Loud(Sound):
    def __init__(self, volume=1):
        if volume > 10:
            raise ValueError(f"volume={volume} is above 10")
"""


REQUESTS = tuple(Planned(3, 2 + at, problem=at) for at in range(2))


@pytest.fixture(autouse=True)
def threads() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def trials(sessions: Sessions) -> Sessions:
    return prepare(sessions)


@pytest.fixture
def single(make_sessions: MakeSessions) -> Sessions:
    return prepare(make_sessions(0))


def prepare(sessions: Sessions) -> Sessions:
    sessions.pytester.makeini("[pytest]")
    sessions.pytester.syspathinsert()
    sessions.write(TAPS, "taps_here.py")
    sessions.write(Schedule(REQUESTS, name="small").to_json(), "small.json")
    return sessions


def run(sessions: Sessions, patch: str, *arguments: str) -> pytest.RunResult:
    named = ("--patch", f"taps_here:{patch}") if patch else ()
    ini = str(sessions.pytester.path / "tox.ini")
    return sessions.run(SUITE, "-c", ini, "--passatk-stress-budget", "1s", *named, *arguments)


def kept(sessions: Sessions) -> list[Path]:
    return sorted((sessions.pytester.path / "fixtures" / "schedules").glob("*.json"))


def test_a_sound_patch_passes_and_the_run_says_what_it_went_through(trials: Sessions) -> None:
    result = run(trials, "Sound")
    result.assert_outcomes(passed=CLASSICS + 2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*= decode-shrink =*", "taps_here:Sound()@?* on tensor, claims the same tokens"])
    line = next(line for line in result.outlines if " schedules, " in line)
    counts = {what: number for number, what in (part.split(" ", 1) for part in line.split(", "))}
    seen = ("refills", "drains", "preemptions", "aborts", "chunked prompts", "mixed steps")
    assert all(int(counts[what]) > 0 for what in seen), line
    assert kept(trials) == []


def test_a_broken_patch_shows_the_smallest_schedule_and_how_to_play_it_again(trials: Sessions) -> None:
    result = run(trials, "Stale", "-k", "fifo")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "taps_here:Stale breaks on tensor: exception",
            "  exception (step 2): IndexError: index out of range*",
            "smallest schedule (from fifo-8): 2 requests",
            "step *0",
            "  r0 *P d",
            "  r1 *P d d",
            "*^ step 2",
            "play it again: pytest *suites/decode_shrink --patch taps_here:Stale --passatk-schedule fixtures/*",
        ]
    )
    (path,) = kept(trials)
    assert json.loads(path.read_text())["oracle"] == "exception"
    again = run(trials, "Stale", "--passatk-schedule", str(path))
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["taps_here:Stale breaks on tensor: exception"])
    run(trials, "Sound", "--passatk-schedule", str(path)).assert_outcomes(passed=1)


def test_a_schedule_that_failed_is_played_first_next_time(single: Sessions) -> None:
    run(single, "Stale", "-k", "pair")
    listed = run(single, "Stale", "--collect-only", "-q").outlines
    items = [line.partition("[")[2] for line in listed if "test_decode_shrink[" in line]
    assert items[0].startswith("saved-taps_here_Stale-tensor-")
    assert items[1:3] == ["alone]", "same-8]"]


def test_the_same_failure_gives_the_same_schedule_twice(single: Sessions) -> None:
    texts = []
    for _ in range(2):
        run(single, "Stale", "-k", "pair").assert_outcomes(failed=1)
        (path,) = kept(single)
        texts.append(path.read_text())
        path.unlink()
    assert texts[0] == texts[1]


def test_without_a_patch_the_runtime_is_tried(single: Sessions) -> None:
    result = run(single, "", "--passatk-schedule", "small.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["tensor as it is: name a patch with --patch"])


def test_a_patch_that_shows_nothing_is_said_to(single: Sessions) -> None:
    result = run(single, "Idle", "--passatk-schedule", "small.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["note: nothing shows that the patch was active*"])


@pytest.mark.parametrize(("patch", "told"), [("Sound", False), ("Other", True), ("Apart", False)])
def test_a_patch_that_may_mix_requests_is_told_what_goes_unseen(single: Sessions, patch: str, told: bool) -> None:
    result = run(single, patch, "--passatk-schedule", "small.json")
    result.assert_outcomes(passed=1)
    assert any(line.startswith("note: requests that see each other") for line in result.outlines) == told


def test_a_signature_that_drifted_is_named_at_the_start(single: Sessions) -> None:
    result = run(single, "Drifted", "-k", "pair or fifo")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(
        ["*Drifted was written for other signatures*", "json:dumps: expected (obj), found (obj, *"]
    )
    result.assert_outcomes(errors=1)


def test_a_search_stops_at_its_budget_and_tells_what_it_tried(single: Sessions) -> None:
    result = run(single, "Sound", "-k", "generated")
    result.assert_outcomes(passed=1)
    (line,) = [line for line in result.outlines if " schedule" in line and " steps, " in line]
    assert int(line.split()[0]) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--patch", "none,taps_here:Sound,taps_here:Stale"), "*tries one patch at a time*"),
        (("--patch", "taps_here:Nobody"), "*module taps_here has no 'Nobody'*"),
        (("--patch", "nothing"), "*unknown patch 'nothing': there are *esamp*"),
        (("--patch", "taps_here:Sound", "--passatk-patch-args", "depth=1"), "*unexpected keyword argument 'depth'*"),
        (("--patch", "taps_here:Loud", "--passatk-patch-args", "volume=11"), "*volume=11 is above 10*"),
        (("--passatk-schedule", "torn.json"), "*torn.json holds no schedule*"),
        (("--passatk-schedule", "nowhere.json"), "*nowhere.json: the schedule cannot be read*"),
        (("--passatk-schedule", "endless.json"), "*the schedule endless never ends*"),
        (("--passatk-stress-budget", "soon"), "*passatk-stress-budget=soon*such as 30s or 2m*"),
    ],
    ids=["two", "attribute", "unknown", "argument", "value", "torn", "missing", "endless", "budget"],
)
def test_what_cannot_be_tried_is_refused_with_the_reason(
    single: Sessions, arguments: tuple[str, ...], message: str
) -> None:
    single.write(Schedule(REQUESTS).to_json()[:-9], "torn.json")
    single.write(Schedule(REQUESTS, slots=0).to_json(), "endless.json")
    result = run(single, "", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any(fnmatch(line, message) for line in [*result.outlines, *result.errlines]), message


def test_a_model_without_a_runtime_to_patch_is_refused(single: Sessions) -> None:
    result = run(single, "Sound", "--model", "tiny", "-k", "pair")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["*decode_shrink cannot drive tiny; take one of hf, tensor, vllm*"])

"""The command `passatk`, on real stores."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from pytest_passatk.cli import main
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.sample import Completion, FinishReason, Prompt, SamplingParams
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.store import Store

Passatk: TypeAlias = Callable[..., tuple[int, str, str]]

MODEL = ModelInfo("tiny", "tiny", "sha256:0", None, "float32", "none")
CHAT: Prompt = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 3+4?"})
STATUSES = {"P": Status.PASS, "F": Status.FAIL, "T": Status.TIMEOUT, "E": Status.ERROR, "S": Status.SKIP}


def add_run(
    store: Store, problems: Mapping[str, str], title: str = "quiz", *, n: int = 4, finished: bool = True
) -> int:
    """A run of one suite; a letter a sample, a full stop for one without a verdict, a space for one that is missing."""
    names = [f"{problem}+1" for problem in problems]
    plan = tuple(PlannedProblem(name, f"What is {name}?", "judge") for name in names)
    suite = PlannedSuite(f"t.py::test_{title}", "tiny", SamplingParams(), n, (1, n), True, plan)
    streams = store.add_streams([{"problem": p.id, "prompt": p.prompt, "suite": title} for p in plan])
    run = store.start_run(
        started="2026-01-02T03:04:05+00:00", command=f"pytest {title} --n {n}", seed=11, version="0.1"
    )
    store.add_suite(run, suite, MODEL, streams, 0)
    for name, letters in zip(streams, problems.values(), strict=True):
        for index, letter in enumerate(letters):
            add_sample(store, name, index, letter)
    if finished:
        store.finish_run(run, seconds=1.5, status=0)
    return run


def add_sample(store: Store, name: str, index: int, letter: str, text: str = "It is 7.") -> None:
    if letter not in " E":
        store.add_completion(Completion(name, index, text, 5, FinishReason.STOP, 0.25))
    if letter in STATUSES:
        verdict = Verdict(STATUSES[letter], "" if letter == "P" else f"reason {letter}", "7", 0.01)
        store.add_verdicts([(name, index, "judge", verdict)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


@pytest.fixture
def passatk(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Passatk:
    monkeypatch.setenv("PASSATK_STORE", str(path))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        return status, *capsys.readouterr()

    return run


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


# runs


def test_runs_are_listed_oldest_first(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "PPFF", "b": "PPPP"})
    add_run(store, {"a": "PP"}, "other", n=2, finished=False)
    status, output, error = passatk("runs")
    assert (status, error) == (0, "")
    assert output.splitlines() == [
        "run  started                    took   exit  model  suites     command",
        "1    2026-01-02T03:04:05+00:00  1.5 s  0     tiny   quiz 2x4   pytest quiz --n 4",
        "2    2026-01-02T03:04:05+00:00  -      -     tiny   other 1x2  pytest other --n 2",
    ]


def test_a_store_without_runs_lists_none(store: Store, passatk: Passatk) -> None:
    assert store.runs() == []
    status, output, _ = passatk("runs")
    assert (status, len(output.splitlines())) == (0, 1)


# show RUN


def test_show_computes_estimates_from_the_counts(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "PPFF", "b": "PPPP", "c": "FFFF", "d": "PTFF"})
    status, output, _ = passatk("show", "1")
    assert status == 0
    assert "run 1: 2026-01-02T03:04:05+00:00, 1.5 s, exit 0, seed 11, pytest-passatk 0.1\npytest quiz --n 4\n" in output
    assert "quiz  tiny · 4 problems × 4 · 7 of 16 solved" in output
    assert re.search(r"^ +pass@1 +0\.438 ", output, re.MULTILINE)  # 7 / 16
    assert re.search(r"^ +pass@4 +0\.750 ", output, re.MULTILINE)
    assert re.search(r"never +1 c\+1$", output, re.MULTILINE)
    assert re.search(r"sometimes +2 a\+1 2/4, d\+1 1/4$", output, re.MULTILINE)
    assert re.search(r"always +1 b\+1$", output, re.MULTILINE)
    assert "timeouts 1" in output


def test_show_lists_every_problem(store: Store, passatk: Passatk) -> None:
    add_run(store, {f"p{i}": "PPFF" for i in range(100)})
    output = passatk("show", "1")[1]
    assert all(f"p{i}+1 2/4" in output for i in range(100))


def test_last_names_the_last_run(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "FFFF"})
    add_run(store, {"a": "PPPP"}, "other")
    assert passatk("show", "last") == passatk("show", "2")
    assert passatk("show", "last") != passatk("show", "1")


@pytest.mark.parametrize(
    ("letters", "reason"),
    [
        ("PPFE", "1 sample ended in ERROR: quiz[b+1]#3"),
        ("PPF.", "1 problem incomplete: quiz[b+1] (3 of 4 judged)"),
        ("P", "1 problem incomplete: quiz[b+1] (1 of 4 judged)"),
    ],
)
def test_show_withholds_what_the_run_withheld(store: Store, passatk: Passatk, letters: str, reason: str) -> None:
    add_run(store, {"a": "PPFF", "b": letters})
    _, output, _ = passatk("show", "last")
    assert f"pass@k withheld: {reason}" in output
    assert "±run" not in output


def test_a_skipped_problem_is_listed_and_left_out(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "PPFF", "b": "SSSS"})
    _, output, _ = passatk("show", "last")
    assert re.search(r"^ +pass@1 +0\.500 ", output, re.MULTILINE)
    assert re.search(r"skipped +1 b\+1$", output, re.MULTILINE)


def test_a_longer_run_does_not_change_what_a_shorter_one_came_to(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "PF  "}, n=2)
    before = passatk("show", "1")
    add_run(store, {"a": "PFPP"}, n=4)
    assert passatk("show", "1") == before


def test_a_mended_verifier_does_not_change_earlier_runs(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "FFFF"})
    before = passatk("show", "1")
    name = store.add_streams([{"problem": "a+1", "prompt": "What is a+1?", "suite": "quiz"}])[0]
    store.add_verdicts((name, index, "mended", Verdict(Status.PASS)) for index in range(4))
    assert passatk("show", "1") == before


# show RUN PROBLEM


def test_show_a_problem_with_its_samples(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "PF.E"})
    status, output, _ = passatk("show", "1", "a+1")
    assert status == 0
    assert output == (
        """\
quiz[a+1]  1 of 4 samples solved

prompt
  │ What is a+1?

sample 0  PASS · answer 7 · 5 tokens · finish stop · sampled in 250 ms · judged in 10 ms
  │ It is 7.

sample 1  FAIL · answer 7 · 5 tokens · finish stop · sampled in 250 ms · judged in 10 ms
  │ It is 7.
reason
  │ reason F

sample 2  NOT JUDGED · 5 tokens · finish stop · sampled in 250 ms
  │ It is 7.

sample 3  ERROR · answer 7 · no completion · judged in 10 ms
reason
  │ reason E
"""
    )


def test_what_an_engine_told_is_shown_and_exported(store: Store, passatk: Passatk, tmp_path: Path) -> None:
    add_prompt(store, "What?", told=True)
    assert (
        "sample 0  PASS · answer 7 · 5 tokens · 1,200 prompt tokens · finish stop · sampled in 250 ms · "
        "first token after 20 ms · logprob -1.250 · judged in 10 ms\n"
    ) in passatk("show", "1", "a")[1]
    [sample] = lines(passatk("export", "1", "--format", "jsonl")[1])
    assert (sample["first_token"], sample["prompt_tokens"], sample["logprob"]) == (0.02, 1200, -1.25)
    parquet = pytest.importorskip("pyarrow.parquet")
    passatk("export", "1", "--format", "parquet", "--output", str(tmp_path / "x.parquet"))
    assert parquet.read_table(tmp_path / "x.parquet").to_pylist() == [sample]


def test_a_chat_is_shown_message_by_message(store: Store, passatk: Passatk) -> None:
    add_prompt(store, CHAT)
    _, output, _ = passatk("show", "1", "a")
    assert "prompt (system)\n  │ Be brief.\n\nprompt (user)\n  │ What is 3+4?\n" in output


def add_prompt(store: Store, prompt: Prompt, text: str = "It is 7.", *, told: bool = False) -> None:
    plan = (PlannedProblem("a", prompt, "judge"),)
    suite = PlannedSuite("t.py::test_quiz", "tiny", SamplingParams(), 1, (1,), True, plan)
    [name] = store.add_streams([{"problem": "a", "prompt": prompt}])
    run = store.start_run(started="", command="", seed=0, version="")
    store.add_suite(run, suite, MODEL, [name], 0)
    if told:  # the first completion of a place stays
        store.add_completion(Completion(name, 0, text, 5, FinishReason.STOP, 0.25, -1.25, 0.02, 1200))
    add_sample(store, name, 0, "P", text)


def test_what_a_model_wrote_is_shown_and_not_obeyed(store: Store, passatk: Passatk) -> None:
    add_prompt(store, "\x1b]0;title\x07", "[bold red]x[/]\r\x1b[2J\x9b31m\u202eevil\x00\ttab\nnext\u2028line")
    _, output, _ = passatk("show", "1", "a")
    assert "  │ \\x1b]0;title\\x07\n" in output
    assert "  │ [bold red]x[/]\\r\\x1b[2J\\x9b31m\\u202eevil\\x00\ttab\n  │ next\\u2028line\n" in output
    assert set(output) & set(map(chr, range(32))) == {"\n", "\t"}


def test_a_problem_may_be_named_with_its_suite(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "PPPP"})
    assert passatk("show", "1", "quiz[a+1]") == passatk("show", "1", "a+1")


# export


def test_jsonl_has_every_sample(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "PE", "b": "F."}, n=2)
    status, output, _ = passatk("export", "last", "--format", "jsonl")
    assert status == 0
    samples = lines(output)
    assert [(s["problem"], s["index"], s["status"]) for s in samples] == [
        ("a+1", 0, "pass"), ("a+1", 1, "error"), ("b+1", 0, "fail"), ("b+1", 1, None),
    ]  # fmt: skip
    assert samples[2] == {
        "suite": "quiz", "problem": "b+1", "index": 0, "prompt": "What is b+1?", "text": "It is 7.", "tokens": 5,
        "finish": "stop", "answer": "7", "status": "fail", "reason": "reason F", "seconds": 0.01, "latency": 0.25,
        "first_token": None, "prompt_tokens": None, "logprob": None,
    }  # fmt: skip
    assert samples[1]["text"] is None


def test_human_eval_has_samples_with_a_verdict(store: Store, passatk: Passatk) -> None:
    add_run(store, {"a": "PFT.E"}, n=5)
    _, output, _ = passatk("export", "1", "--format", "human-eval")
    assert lines(output) == [
        {"task_id": "a+1", "completion": "It is 7.", "result": "passed", "passed": True},
        {"task_id": "a+1", "completion": "It is 7.", "result": "failed: reason F", "passed": False},
        {"task_id": "a+1", "completion": "It is 7.", "result": "timed out", "passed": False},
    ]


def test_parquet_has_the_rows_of_jsonl(store: Store, passatk: Passatk, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    add_run(store, {"a": "PFTE", "b": "P..."})
    _, output, _ = passatk("export", "1", "--format", "jsonl")
    assert passatk("export", "1", "--format", "parquet", "--output", str(tmp_path / "x.parquet")) == (0, "", "")
    assert parquet.read_table(tmp_path / "x.parquet").to_pylist() == lines(output)


def test_parquet_writes_a_chat_as_json(store: Store, passatk: Passatk, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    add_prompt(store, CHAT)
    passatk("export", "1", "--format", "parquet", "--output", str(tmp_path / "x.parquet"))
    [row] = parquet.read_table(tmp_path / "x.parquet").to_pylist()
    assert json.loads(row["prompt"]) == list(CHAT)


def test_jsonl_is_utf8_whatever_is_in_it(store: Store, passatk: Passatk, tmp_path: Path) -> None:
    add_prompt(store, "lone \ud800 ü", "nul \0 line\u2028 \x85 😀")
    _, output, _ = passatk("export", "1", "--format", "jsonl")
    passatk("export", "1", "--format", "jsonl", "--output", str(tmp_path / "x.jsonl"))
    written = (tmp_path / "x.jsonl").read_text(encoding="utf-8")
    assert written == output
    [sample] = [json.loads(line) for line in written.removesuffix("\n").split("\n")]
    assert (sample["prompt"], sample["text"]) == ("lone \ud800 ü", "nul \0 line\u2028 \x85 😀")


def test_export_chooses_a_suite(store: Store, passatk: Passatk) -> None:
    run = add_run(store, {"a": "PPPP"})
    plan = PlannedSuite("u.py::test_more", "tiny", SamplingParams(), 1, (1,), True, (PlannedProblem("x", "", "judge"),))
    [name] = store.add_streams([{"problem": "x", "prompt": ""}])
    store.add_suite(run, plan, MODEL, [name], 0)
    add_sample(store, name, 0, "P")
    assert {s["suite"] for s in lines(passatk("export", "1", "--format", "jsonl")[1])} == {"quiz", "more"}
    assert {s["suite"] for s in lines(passatk("export", "1", "--format", "jsonl", "--suite", "more")[1])} == {"more"}
    status, _, error = passatk("export", "1", "--format", "human-eval")
    assert (status, "quiz, more: choose one with --suite" in error) == (2, True)
    assert len(lines(passatk("export", "1", "--format", "human-eval", "--suite", "u.py::test_more")[1])) == 1
    assert "quiz  tiny" not in passatk("show", "1", "--suite", "more")[1]


# What cannot be done


def refusal(outcome: tuple[int, str, str]) -> str:
    status, output, error = outcome
    assert (status, output) == (2, "")
    assert error.startswith("passatk: error: ")
    assert error.count("\n") == 1
    return error


def test_what_is_unknown_is_refused_with_what_there_is(store: Store, path: Path, passatk: Passatk) -> None:
    add_run(store, {f"p{i}": "PPPP" for i in range(30)})
    assert f"no run '7' in {path}: it has runs 1 to 1" in refusal(passatk("show", "7"))
    assert "no run 'first'" in refusal(passatk("export", "first", "--format", "jsonl"))
    assert "no problem 'p71+1' in quiz; near to it: p" in refusal(passatk("show", "1", "p71+1"))
    assert "there are 30, such as p0+1, p1+1, p2+1, p3+1, p4+1\n" in refusal(passatk("show", "1", "§§§§§§§§§§"))
    assert "suite 'maths'; its suites: quiz\n" in refusal(passatk("show", "1", "--suite", "maths"))


def test_a_store_without_runs_has_none_to_show(store: Store, passatk: Passatk) -> None:
    assert store.runs() == []
    assert "there is no run in it yet: run a suite with pytest first" in refusal(passatk("show", "last"))


@pytest.mark.parametrize("arguments", [["runs"], ["show", "last"], ["export", "1", "--format", "jsonl"]])
def test_a_missing_store_is_refused_and_not_made(passatk: Passatk, tmp_path: Path, arguments: list[str]) -> None:
    assert "store.sqlite: there is no store yet" in refusal(passatk(*arguments))
    assert list(tmp_path.iterdir()) == []


def test_the_option_outranks_the_environment(store: Store, passatk: Passatk, tmp_path: Path) -> None:
    add_run(store, {"a": "PPPP"})
    assert "elsewhere: there is no store yet" in refusal(passatk("runs", "--store", str(tmp_path / "elsewhere")))


def test_parquet_needs_a_file(store: Store, passatk: Passatk) -> None:
    pytest.importorskip("pyarrow")
    add_run(store, {"a": "PPPP"})
    assert "name it with --output" in refusal(passatk("export", "1", "--format", "parquet"))


def test_parquet_without_pyarrow_names_the_extra(
    store: Store, passatk: Passatk, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(store, {"a": "PPPP"})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    error = refusal(passatk("export", "1", "--format", "parquet", "--output", "x.parquet"))
    assert "--format parquet needs pyarrow, which is not installed: pip install 'pytest-passatk[hub]'" in error


def test_an_output_that_cannot_be_written_is_named(store: Store, passatk: Passatk, tmp_path: Path) -> None:
    add_run(store, {"a": "PPPP"})
    assert f"{tmp_path}: cannot be written" in refusal(
        passatk("export", "1", "--format", "jsonl", "--output", str(tmp_path))
    )


@pytest.mark.parametrize("arguments", [[], ["show"], ["export", "1"], ["export", "1", "--format", "csv"], ["dance"]])
def test_bad_usage_ends_with_status_2(passatk: Passatk, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        passatk(*arguments)
    assert exit_.value.code == 2


# As a program


def program(path: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest_passatk.cli", *arguments, "--store", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip


def test_a_reader_that_has_seen_enough_is_no_error(store: Store, path: Path) -> None:
    add_run(store, {f"p{i}": "P" * 400 for i in range(20)}, n=400)
    with program(path, "export", "last", "--format", "jsonl") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("arguments", [["show", "last"], ["show", "last", "größe+1"], ["runs"]])
def test_a_terminal_without_unicode_gets_escapes(store: Store, path: Path, arguments: Sequence[str]) -> None:
    add_run(store, {"größe": "PPPF"})
    with program(path, *arguments, PYTHONIOENCODING="ascii", PYTHONUTF8="0") as process:
        output, error = process.communicate()
    assert (process.returncode, error) == (0, b"")
    assert (b"gr\\xf6\\xdfe+1" in output) == (arguments != ["runs"])


def test_colours_are_for_terminals(store: Store, path: Path) -> None:
    pty = pytest.importorskip("pty")
    add_run(store, {"a": "PPFF"})
    assert b"\x1b[1;32mPASS" in _on_terminal(pty, path, {})
    assert b"\x1b" not in _on_terminal(pty, path, {"NO_COLOR": "1"})


def _on_terminal(pty: Any, path: Path, environment: dict[str, str]) -> bytes:
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "pytest_passatk.cli", "show", "last", "a+1", "--store", str(path)],
        stdout=theirs, env={**os.environ, "NO_COLOR": "", **environment}, check=True,
    )  # fmt: skip
    os.close(theirs)
    output = b""
    while chunk := _read(ours):
        output += chunk
    os.close(ours)
    return output


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux ends a terminal whose other end is closed
        return b""

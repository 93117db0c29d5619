"""Models in processes of their own: as good as in the session's, and no worse for it when one of the two dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pytest_passatk.core.errors import ModelError, PassatkError, UsageError
from pytest_passatk.core.protocols import Armed, Local, Model, ModelOptions, Stoppable
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import registry
from pytest_passatk.models.apart import ApartModel, open_model

pytestmark = pytest.mark.hf

Ask = Callable[..., list[Request]]
Mixed = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]
PATIENCE = 60.0  # seconds; only to end a hang


@pytest.fixture(scope="module")
def apart(random_model: Path) -> Iterator[ApartModel]:
    model = ApartModel(f"hf:{random_model}", ModelOptions())
    yield model
    model.close()


def find_engine(parent: int) -> int | None:
    """The engine's process of a session."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            owner = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_text()
        except OSError:  # it has ended in the meantime
            continue
        if owner == parent and "apart_process" in command:
            return int(entry.name)
    return None


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def await_that(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_answers_and_records_what_the_model_does(
    apart: ApartModel, hf_model: Model, mixed: Mixed, answer: Answer
) -> None:
    ours, theirs = (answer(model, mixed()) for model in (apart, hf_model))
    assert [(c.text, c.tokens, c.finish_reason, c.logprob) for c in ours] == [
        (c.text, c.tokens, c.finish_reason, c.logprob) for c in theirs
    ]
    assert apart.info == hf_model.info
    assert isinstance(apart, Model)
    assert isinstance(apart, Armed)
    assert isinstance(apart, Stoppable)
    assert isinstance(apart, Local)


def test_only_heavy_backends_are_apart(random_model: Path) -> None:
    heavy = {spec: registry.is_heavy(spec) for spec in ("tiny", "openai:x", f"hf:{random_model}", str(random_model))}
    assert heavy == {"tiny": False, "openai:x": False, f"hf:{random_model}": True, str(random_model): True}
    assert not isinstance(open_model("tiny", ModelOptions()), ApartModel)


@pytest.mark.parametrize(
    ("target", "options", "error", "message"),
    [
        ("/no/such/folder", ModelOptions(), ModelError, "there is no folder /no/such/folder"),
        ("tiny", ModelOptions(dtype="int3"), UsageError, "unknown dtype 'int3'"),
    ],
    ids=["model", "option"],
)
def test_what_cannot_be_loaded_is_said_as_in_the_session(
    target: str, options: ModelOptions, error: type[PassatkError], message: str
) -> None:
    with pytest.raises(error, match=message):
        ApartModel(f"hf:{target}", options).info  # noqa: B018 - it is asked for the first time


def test_windows_has_its_models_in_the_session(random_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert not isinstance(open_model(f"hf:{random_model}", ModelOptions()), ApartModel)


def test_where_no_process_starts_the_reason_is_told(random_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(ModelError, match=r"no process can be started for its engine: .*/no/such/python"):
        ApartModel(f"hf:{random_model}", ModelOptions()).info  # noqa: B018 - it is asked for the first time


def test_a_model_that_is_stopped_before_it_starts_does_not(random_model: Path, ask: Ask) -> None:
    model = ApartModel(f"hf:{random_model}", ModelOptions())
    model.stop()
    assert list(model.sample(ask("the"))) == []
    with pytest.raises(ModelError, match="ended by SIGKILL"):
        model.info  # noqa: B018 - as above


def test_a_prompt_that_the_process_cannot_read_is_an_error(apart: ApartModel, ask: Ask, answer: Answer) -> None:
    class Local(str):  # a class of the suite, say
        __slots__ = ()

        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return eval, ("no_such_module",)

    with pytest.raises(ModelError, match=r"NameError.*no_such_module"):
        answer(apart, ask(Local("the")))
    assert len(answer(apart, ask("the", 2, max_tokens=3))) == 2


def test_an_error_of_one_call_leaves_the_next_one_alone(apart: ApartModel, ask: Ask, answer: Answer) -> None:
    assert "the prompt has" in str(answer(apart, ask("a b" * 200))[0].error)
    assert len(answer(apart, ask("the", 2, max_tokens=3))) == 2


def test_a_sampling_that_is_given_up_starts_afresh(apart: ApartModel, mixed: Mixed, ask: Ask, answer: Answer) -> None:
    stream = apart.sample(mixed(8, max_tokens=100))
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # the contract's iterator is a generator
    assert len(answer(apart, ask("the", 2, max_tokens=3))) == 2


def test_a_stopped_model_ends_without_an_error(random_model: Path, mixed: Mixed) -> None:
    model = ApartModel(f"hf:{random_model}", ModelOptions())
    stream = model.sample(mixed(40, max_tokens=100))
    next(stream)
    model.stop()
    assert len(list(stream)) < len(mixed(40)) - 1
    assert list(model.sample(mixed())) == []
    model.close()
    model.close()


SUITE = """
import sys
from pytest_passatk import suite

ROWS = [{"id": f"p{at}", "answer": "x"} for at in range(40)]

@suite(ROWS, prompt="the quick {id}", n=40, max_tokens=64)
def test_words(problem, completion):
    assert problem.answer in completion.text
"""
IMPORTS = """
import sys

def pytest_sessionfinish():
    assert not {"torch", "transformers"} & set(sys.modules)
"""


@pytest.fixture
def start(tmp_path: Path, random_model: Path) -> Callable[..., "subprocess.Popen[str]"]:
    (tmp_path / "test_words.py").write_text(SUITE, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(IMPORTS, encoding="utf-8")

    def run(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest",
             f"--model=hf:{random_model}", *arguments],
            cwd=tmp_path, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    return run


def samples(folder: Path, *, below: int = 40) -> int:
    """How many samples are in the store, of those that are numbered below some number."""
    import sqlite3  # noqa: PLC0415 - only here

    try:
        with sqlite3.connect(f"file:{folder}/.passatk/store.sqlite?mode=ro", uri=True) as store:
            return int(store.execute("SELECT count(*) FROM samples WHERE idx < ?", (below,)).fetchone()[0])
    except sqlite3.Error:
        return 0


def test_an_engine_that_is_killed_ends_the_run_with_the_cause(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    with start() as session:
        await_that(lambda: samples(tmp_path, below=2) > 0 or session.poll() is not None)
        engine = find_engine(session.pid)
        assert engine
        os.kill(engine, signal.SIGKILL)
        said = session.communicate(timeout=PATIENCE)[0]
    assert session.returncode == pytest.ExitCode.TESTS_FAILED, said
    assert "ended by SIGKILL, as the system ends what takes too much memory; what finished is kept" in said
    kept = samples(tmp_path, below=2)
    assert kept > 0
    with start("--n", "2") as session:
        said = session.communicate(timeout=PATIENCE)[0]
    assert session.returncode == 0, said
    assert f"{kept} in the store" in said


def test_the_process_finds_its_libraries_whatever_the_path_of_the_session_holds(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    """Files beside a suite that are called as a library's module is, and entries that are no text."""
    beside = tmp_path / "beside"
    beside.mkdir()
    for name in ("queue", "tokenizers"):
        (beside / f"{name}.py").write_text("raise RuntimeError(__name__)", encoding="utf-8")
    with (tmp_path / "conftest.py").open("a", encoding="utf-8") as file:
        file.write(f"\nfrom pathlib import Path\nsys.path[:0] = [{str(beside)!r}, Path(__file__).parent]\n")
    with start("--n", "1") as session:
        said = session.communicate(timeout=PATIENCE)[0]
    assert session.returncode == 0, said


def test_an_engine_ends_with_its_session(start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path) -> None:
    with start() as session:
        await_that(lambda: samples(tmp_path) > 10 or session.poll() is not None)
        engine = find_engine(session.pid)
        assert engine
        session.kill()
    await_that(lambda: not is_alive(engine))

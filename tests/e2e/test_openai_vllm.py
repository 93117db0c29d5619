"""The openai: backend against vLLM's own server, with the embedded model on whatever vLLM runs on here."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import Briefed, Model, ModelOptions, info_of
from pytest_passatk.core.sample import Completion, FinishReason, Request
from pytest_passatk.models import registry
from pytest_passatk.models.embedded import embedded_folder
from tests.e2e.fake_server import closed_port

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = 512  # of the embedded model
LORA = "strange"
PATIENCE = 300.0  # seconds; only to end a hang
QUESTIONS = [
    f"Compute {expression}. Put the result in \\boxed{{}}."
    for expression in ("3 + 4", "47 - 19", "12 * 4", "8 + 30 - 7", "(9 + 6) * 3", "23 + 54 - 60 + 9")
]
Ask = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the embedded model as `tiny`, and a random LoRA adapter of it."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, write_adapter(embedded_folder(), folder / LORA)) as url:
        yield url


@contextmanager
def serving(folder: Path, adapter: Path) -> Iterator[str]:
    url = closed_port()
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(embedded_folder()),
        "--served-model-name", "tiny", "--host", "127.0.0.1", "--port", url.rpartition(":")[2], "--dtype", "float32",
        "--enforce-eager", "--no-enable-chunked-prefill", "--kv-cache-memory-bytes", str(64 * 2**20),
        "--enable-lora", "--max-lora-rank", "8", "--lora-modules", f"{LORA}={adapter}",
    ]  # fmt: skip
    quick = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1", "TORCHDYNAMO_DISABLE": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **quick, "VLLM_NO_USAGE_STATS": "1"}, stdout=log, stderr=log
        )
    try:
        wait_until_healthy(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()


def wait_until_healthy(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, log.read_text()[-4000:]
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(f"{url}/health"):  # noqa: S310 - the server above
                return
        except OSError:
            time.sleep(0.2)


def write_adapter(model: Path, folder: Path) -> Path:
    """A random LoRA adapter in peft's format."""
    import torch  # noqa: PLC0415 - heavy
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    folder.mkdir()
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    generator = torch.Generator().manual_seed(1)
    tensors: dict[str, Any] = {}
    for name, weight in load_file(model / "model.safetensors").items():
        if "q_proj" in name:
            stem = f"base_model.model.{name.removesuffix('.weight')}"
            outputs, inputs = weight.shape
            tensors[f"{stem}.lora_A.weight"] = torch.randn(4, inputs, generator=generator)
            tensors[f"{stem}.lora_B.weight"] = torch.randn(outputs, 4, generator=generator)
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


@pytest.fixture
def model_at(server: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Model]:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def load(name: str = "tiny", **options: Any) -> Model:
        return registry.load(f"openai:{name}", ModelOptions(base_url=server, **options))

    return load


def questions(ask: Ask, n: int = 1, **params: Any) -> list[Request]:
    settings = {"max_tokens": 64, **params}
    return [request for at, text in enumerate(QUESTIONS) for request in ask(text, n, problem=f"q{at}", **settings)]


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


@pytest.mark.parametrize("template", ["auto", "none"])
@pytest.mark.parametrize("stop", [(), ("=", "0")], ids=["whole", "stopped"])
def test_greedy_completions_are_those_of_the_same_files_here(
    model_at: Callable[..., Model], ask: Ask, answer: Answer, template: str, stop: tuple[str, ...]
) -> None:
    requests = questions(ask, temperature=0.0, stop=stop)
    options = ModelOptions(chat_template=template)
    ours = answer(model_at(chat_template=template, logprobs=True), requests)
    theirs = answer(registry.load("tiny", options), requests)
    assert texts(ours) == texts(theirs)
    assert [(c.tokens, c.finish_reason) for c in ours] == [(c.tokens, c.finish_reason) for c in theirs]
    assert [c.logprob for c in ours] == pytest.approx([c.logprob for c in theirs], abs=1e-2)


@pytest.mark.parametrize("template", ["auto", "none"])
def test_several_samples_in_one_request_cost_one_prompt_and_tokens_each(
    model_at: Callable[..., Model], ask: Ask, answer: Answer, template: str
) -> None:
    requests = questions(ask, 4, temperature=1.5)
    together = answer(model_at(chat_template=template), requests)
    apart = answer(model_at(chat_template=template, args={"n": "1"}), requests)
    counted = answer(model_at(chat_template=template, logprobs=True), requests)
    assert texts(together) == texts(counted)
    assert len(set(texts(together))) > len(QUESTIONS)
    assert [c.tokens for c in together] == [c.tokens for c in counted]
    assert [c.prompt_tokens for c in together[::4]] == [c.prompt_tokens for c in apart[::4]]
    assert {c.prompt_tokens for at, c in enumerate(together) if at % 4} == {0}
    assert None not in {c.logprob for c in counted}
    assert [c.text for c in apart[::4]] == [c.text for c in together[::4]], "the first has its own seed either way"


def test_a_sample_asked_for_alone_is_the_one_it_was_among_others(
    model_at: Callable[..., Model], ask: Ask, answer: Answer
) -> None:
    requests = questions(ask, 3)
    model = model_at(args={"n": "1"})
    whole = texts(answer(model, requests))
    assert texts(answer(model, requests[4:6])) == whole[4:6]
    assert texts(answer(model, requests)) == whole


def test_a_prompt_that_does_not_fit_is_refused_in_the_servers_words(
    model_at: Callable[..., Model], ask: Ask, answer: Answer
) -> None:
    long = ask("1 + 2 + 3 + " * CONTEXT, 2, problem="long")
    found = answer(model_at(), [*long, *questions(ask)])
    assert [c.finish_reason for c in found[:2]] == [FinishReason.ABORT] * 2
    assert f"maximum context length is {CONTEXT}" in str(found[0].error)
    assert {c.error for c in found[2:]} == {None}


def test_a_completion_may_be_as_long_as_the_context_leaves_room(
    model_at: Callable[..., Model], ask: Ask, answer: Answer
) -> None:
    found = answer(model_at(chat_template="none"), ask("1, 2, 3, " * 50, 8, max_tokens=10 * CONTEXT, top_k=1))
    assert {c.error for c in found} == {None}
    assert [c for c in found if c.truncated and c.tokens + int(found[0].prompt_tokens or 0) != CONTEXT] == []


def test_the_record_tells_what_serves_it(model_at: Callable[..., Model], server: str) -> None:
    model = model_at()
    assert isinstance(model, Briefed)
    assert model.brief([]) == []
    info = model.info
    assert (info.name, info.context, info.chat_template, info.adapter) == ("tiny", CONTEXT, "server", None)
    assert info.versions["server"].startswith("vllm ")
    assert info.versions["root"] == str(embedded_folder())
    assert info.versions["address"] == f"{server}/v1"


def test_a_name_that_is_not_served_is_refused(model_at: Callable[..., Model]) -> None:
    model = model_at("huge")
    assert isinstance(model, Briefed)
    with pytest.raises(ModelError, match=f"does not serve 'huge', but tiny, {LORA}"):
        model.brief([])


def test_an_adapter_is_a_model_of_its_own(model_at: Callable[..., Model], ask: Ask, answer: Answer) -> None:
    model = model_at(adapters={"base": None, LORA: LORA})
    requests = questions(ask, temperature=0.0)
    mixed = [replace(r, arm=arm, stream=f"{arm}-{r.stream}") for r in requests for arm in ("base", LORA)]
    all_texts = texts(answer(model, mixed))
    found = {"base": all_texts[::2], LORA: all_texts[1::2]}
    assert found["base"] == texts(answer(registry.load("tiny", ModelOptions()), requests))
    assert found[LORA] != found["base"]
    assert (
        found[LORA] == texts(answer(model_at(adapters={"": LORA}), requests)) == texts(answer(model_at(LORA), requests))
    )
    assert info_of(model, LORA).adapter == LORA


def test_a_whole_session_measures_and_resumes(server: str, tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PASSATK_", "OPENAI_"))}

    def run(*more: str) -> Any:
        command = [
            sys.executable, "-m", "pytest", str(ROOT / "suites" / "arithmetic"), "-p", "no:cacheprovider", "--model",
            "openai:tiny", "--base-url", server, "--limit", "8", "--passatk-store", str(tmp_path / "store.sqlite"),
            "--passatk-json", str(tmp_path / "report.json"), *more,
        ]  # fmt: skip
        done = subprocess.run(command, env=clean, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["suites"][0]

    first = run("--n", "4")
    assert [problem["n"] for problem in first["problems"]] == [4] * 8
    assert sum(problem["c"] for problem in first["problems"]) > 0
    again, more = run("--n", "4"), run("--n", "6")
    assert again["problems"] == first["problems"]
    assert [problem["n"] for problem in more["problems"]] == [6] * 8

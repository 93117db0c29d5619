"""The embedded model's files give the same answers on every engine."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import registry
from pytest_passatk.models.embedded import embedded_folder

Ask = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]
QUESTIONS = [
    f"Compute {expression}. Put the result in \\boxed{{}}."
    for expression in ("3 + 4", "47 - 19", "12 * 4", "8 + 30 - 7", "(9 + 6) * 3", "23 + 54 - 60 + 9")
]


@pytest.fixture(
    scope="module",
    params=[pytest.param("hf:tiny", marks=pytest.mark.hf), pytest.param("vllm:tiny", marks=pytest.mark.vllm)],
)
def engine(request: pytest.FixtureRequest) -> Iterator[Model]:
    loaded = registry.load(request.param, ModelOptions(logprobs=True))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def tiny() -> Model:
    return registry.load("tiny", ModelOptions())


def asked(ask: Ask, n: int, **params: float) -> list[Request]:
    return [r for at, text in enumerate(QUESTIONS) for r in ask(text, n, problem=str(at), max_tokens=60, **params)]


def test_it_is_the_same_model(engine: Model, tiny: Model) -> None:
    assert engine.info.revision == tiny.info.revision
    assert engine.info.chat_template == tiny.info.chat_template != "none"
    assert engine.info.context == tiny.info.context


def test_greedy_texts_are_the_same(engine: Model, tiny: Model, ask: Ask, answer: Answer) -> None:
    ours, theirs = (answer(each, asked(ask, 1, temperature=0.0)) for each in (engine, tiny))
    assert [c.text for c in ours] == [c.text for c in theirs]
    assert [c.tokens for c in ours] == [c.tokens for c in theirs]
    assert [c.logprob for c in ours] == pytest.approx([c.logprob for c in theirs], abs=1e-2)


def test_samples_are_those_of_one_distribution(engine: Model, tiny: Model, ask: Ask, answer: Answer) -> None:
    n = 400
    requests = ask("Compute 47 - 19. Put the result in \\boxed{}.", n, max_tokens=60)
    ours, theirs = ([c.text for c in answer(each, requests)] for each in (engine, tiny))
    for text in {text for text in theirs if theirs.count(text) > n // 20}:
        p = (ours.count(text) + theirs.count(text)) / (2 * n)
        assert abs(ours.count(text) - theirs.count(text)) / n < 5 * (2 * p * (1 - p) / n) ** 0.5  # five deviations


@pytest.mark.hf
def test_transformers_draws_the_very_samples_of_the_small_decoder(ask: Ask, answer: Answer, tiny: Model) -> None:
    requests = asked(ask, 8, temperature=0.9, top_p=0.95)
    ours, theirs = (answer(each, requests) for each in (registry.load("hf:tiny", ModelOptions()), tiny))
    same = sum(a.text == b.text for a, b in zip(ours, theirs, strict=True))
    assert same >= 0.95 * len(requests)  # one stream of uniforms; rounding may move a rare token


@pytest.mark.hf
def test_a_local_folder_of_that_name_comes_first(
    random_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert registry.load("hf:tiny", ModelOptions()).info.revision == revision_of(embedded_folder())
    shutil.copytree(random_model, tmp_path / "tiny", dirs_exist_ok=True)
    assert registry.load("hf:tiny", ModelOptions()).info.revision == revision_of(random_model)


def revision_of(folder: Path) -> str:
    return registry.load(f"hf:{folder}", ModelOptions()).info.revision

"""The backend `tiny`: what it draws depends on the request alone, and every request is answered once."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_passatk import Completion, FinishReason, Request, SamplingParams, UsageError
from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Message, Prompt, sample_seed
from pytest_passatk.models import embedded, tiny
from pytest_passatk.models.row import Row
from pytest_passatk.models.tiny_decode import decode
from pytest_passatk.models.tiny_network import Network

QUESTIONS = tuple(
    f"Compute {expression}. Put the result in \\boxed{{}}."
    for expression in ("3 + 4", "47 - 19", "12 * 4", "8 + 30 - 7", "(9 + 6) * 3", "23 + 54 - 60 + 9")
)
PLAIN = ModelOptions()
RAW = ModelOptions(chat_template="none")
PARAMS = SamplingParams(max_tokens=60)
FOLDER = embedded.embedded_folder()


def ask(prompt: Prompt, index: int = 0, params: SamplingParams = PARAMS) -> Request:
    return Request(str(prompt), str(prompt)[:20], index, prompt, params, sample_seed(0, str(prompt), index))


def load(folder: Path | None = None, options: ModelOptions = PLAIN) -> Model:
    return tiny.load(str(folder or ""), options)


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "tasks", "__pycache__"))
    return folder


@pytest.fixture
def change(copy: Path) -> Callable[..., Path]:
    def change_config(**settings: object) -> Path:
        file = copy / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | settings))
        return copy

    return change_config


def texts(completions: list[Completion]) -> dict[tuple[str, int], tuple[str, int, float | None]]:
    return {(each.stream, each.index): (each.text, each.tokens, each.logprob) for each in completions}


MANY = [ask(question, index) for question in QUESTIONS for index in range(5)]


def test_every_request_is_answered_once(model: Model) -> None:
    answered = [(each.stream, each.index) for each in model.sample(MANY)]
    assert sorted(answered) == sorted((request.stream, request.index) for request in MANY)


def test_it_does_what_it_was_trained_for(model: Model) -> None:
    answers = [each.text for each in model.sample([ask(QUESTIONS[0], index) for index in range(16)])]
    assert sum(text == "3+4=7. \\boxed{7}" for text in answers) > 8


def test_the_same_run_gives_the_same_texts(model: Model) -> None:
    assert texts(list(model.sample(MANY))) == texts(list(load().sample(MANY)))


@pytest.mark.parametrize("tokens", [1, 300, 100_000])
def test_texts_do_not_depend_on_the_batches(model: Model, tokens: int) -> None:
    whole, split = (
        texts(list(model.sample(MANY))),
        texts(list(load(options=ModelOptions(batch_tokens=tokens)).sample(MANY[::-1]))),
    )
    assert {key: value[:2] for key, value in split.items()} == {key: value[:2] for key, value in whole.items()}
    assert [value[2] for key, value in sorted(split.items())] == pytest.approx(
        [value[2] for key, value in sorted(whole.items())]
    )


def test_one_problem_alone_gives_the_texts_that_it_gives_among_others(model: Model) -> None:
    alone = [each.text for each in model.sample(MANY[:1])]
    assert alone == [each.text for each in model.sample(MANY) if (each.stream, each.index) == (MANY[0].stream, 0)]


def test_samples_of_a_problem_differ_by_their_seed_alone(model: Model) -> None:
    requests = [replace(MANY[-1], index=index) for index in range(3)]
    assert len({each.text for each in model.sample(requests)}) == 1
    requests = [replace(MANY[-1], index=index, seed=index) for index in range(30)]
    assert len({each.text for each in model.sample(requests)}) > 1


def test_greedy_decoding_ignores_the_seed(model: Model) -> None:
    greedy = replace(PARAMS, temperature=0.0)
    requests = [ask(question, index, greedy) for question in QUESTIONS for index in range(3)]
    found = {(each.stream, each.text) for each in model.sample(requests)}
    assert len(found) == len(QUESTIONS)


def test_rows_of_a_batch_come_in_the_order_of_their_length(model: Model) -> None:
    lengths = [each.tokens for each in model.sample(MANY)]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_completions_come_before_the_last_one_is_done(model: Model) -> None:
    answers = model.sample(MANY)
    first = next(answers)
    last = list(answers)[-1]
    assert first.latency < last.latency


def test_max_tokens_ends_a_completion(model: Model) -> None:
    (cut,) = model.sample([ask(QUESTIONS[4], params=replace(PARAMS, max_tokens=4))])
    (whole,) = model.sample([ask(QUESTIONS[4])])
    assert (cut.finish_reason, cut.tokens) == (FinishReason.LENGTH, 4)
    assert whole.finish_reason is FinishReason.STOP
    assert whole.text.startswith(cut.text)


def test_requests_of_one_batch_keep_their_own_settings(model: Model) -> None:
    settings = [
        replace(PARAMS, max_tokens=3),
        replace(PARAMS, temperature=0.0),
        replace(PARAMS, top_k=2, temperature=1.5),
        replace(PARAMS, stop=("=",)),
        replace(PARAMS, repetition_penalty=1.5),
    ]
    requests = [ask(QUESTIONS[-1], index, params) for index, params in enumerate(settings)]
    together = texts(list(model.sample(requests)))
    alone = texts([each for request in requests for each in model.sample([request])])
    assert {key: value[:2] for key, value in together.items()} == {key: value[:2] for key, value in alone.items()}


@pytest.mark.parametrize("stop", [("=",), ("boxed",), ("3", "+"), (". \\", "never")])
def test_a_stop_string_ends_a_completion_and_is_cut_off(model: Model, stop: tuple[str, ...]) -> None:
    requests = [ask(question, index) for question in QUESTIONS for index in range(3)]
    whole = {(each.stream, each.index): each for each in model.sample(requests)}
    stopped = model.sample([replace(request, params=replace(PARAMS, stop=stop)) for request in requests])
    for each in stopped:
        full = whole[each.stream, each.index]
        starts = [full.text.find(string) for string in stop if string in full.text]
        assert each.text == full.text[: min(starts, default=None)]
        assert each.finish_reason is (FinishReason.STOP if starts else full.finish_reason)
        assert each.tokens <= full.tokens


def test_a_prompt_beyond_the_context_is_refused_and_the_others_go_on(model: Model) -> None:
    long = ask("7 " * 600)
    done = {each.stream: each for each in model.sample([long, MANY[0]])}
    refused = done[long.stream]
    assert (refused.finish_reason, refused.tokens) == (FinishReason.ABORT, 0)
    assert refused.error is not None
    assert "tokens" in refused.error
    assert "512" in refused.error
    assert long.problem_id in refused.error
    assert done[MANY[0].stream].finish_reason is FinishReason.STOP


def test_a_completion_that_reaches_the_context_ends_with_length(change: Callable[..., Path]) -> None:
    short = load(change(max_position_embeddings=40))
    cut = [each for each in short.sample(MANY) if each.truncated]
    assert cut
    (whole,) = [each for each in load().sample(MANY) if (each.stream, each.index) == (cut[0].stream, cut[0].index)]
    assert cut[0].tokens < whole.tokens
    assert whole.text.startswith(cut[0].text)


def test_an_empty_prompt_is_refused() -> None:
    (refused,) = load(options=RAW).sample([ask("")])
    assert refused.error is not None
    assert "empty" in refused.error


def test_a_text_is_asked_as_a_users_message(model: Model) -> None:
    text, chat = ask(QUESTIONS[5]), ask((Message(role="user", content=QUESTIONS[5]),))
    answers = model.sample([replace(request, seed=5) for request in (text, chat)])
    assert len({each.text for each in answers}) == 1


def test_without_a_template_the_prompt_goes_in_raw() -> None:
    rendered = f"<|im_start|>user\n{QUESTIONS[5]}<|im_end|>\n<|im_start|>assistant\n"
    raw, templated = load(options=RAW), load()
    (left,), (right,) = (
        raw.sample([replace(ask(rendered), seed=3)]),
        templated.sample([replace(ask(QUESTIONS[5]), seed=3)]),
    )
    assert left.text == right.text
    assert raw.info.chat_template == "none" != templated.info.chat_template


def test_no_requests_need_no_weights(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"")
    assert list(load(copy).sample([])) == []


def test_the_log_probability_is_that_of_reading_the_completion_without_a_cache() -> None:
    network = Network(FOLDER)
    row = Row(ask("unused"), tuple(range(3, 20)), 12)
    list(decode(network, [row, Row(ask("other"), (5, 6, 7), 12)], 10**6, lambda row: len(row.tokens) >= row.limit))
    total = 0.0
    for at, token in enumerate(row.tokens):
        prefix = np.array([[*row.prompt, *row.tokens[:at]]])
        start, last = np.array([0]), np.array([prefix.shape[1] - 1])
        logits = network.forward(prefix, start, last, network.allocate(*prefix.shape))[0]
        total += logits[token] - np.log(np.exp(logits).sum())
    assert row.logprob == pytest.approx(total, abs=1e-9)


def test_the_repetition_penalty_sees_prompt_and_completion() -> None:
    params = SamplingParams(temperature=0.0, repetition_penalty=1e9)
    rows = [Row(replace(ask("x"), params=params), prompt, 30) for prompt in ((40, 50, 60), tuple(range(3, 40)))]
    list(decode(Network(FOLDER), rows, 10**6, lambda row: len(row.tokens) >= row.limit))
    for row in rows:
        used = [*row.prompt, *row.tokens]
        assert len(set(used)) == len(used)


def test_weights_that_are_not_finite_are_an_error() -> None:
    network = Network(FOLDER)
    network._norm = network._norm * np.nan
    with pytest.raises(ModelError, match=r"x: the logits are not finite"):
        list(decode(network, [Row(ask("x"), (3, 4), 5)], 10**6, lambda _: True))


def test_info_names_what_shapes_the_tokens(model: Model, copy: Path) -> None:
    info = model.info
    assert (info.name, info.backend, info.dtype, info.device, info.context) == ("tiny", "tiny", "float64", "cpu", 512)
    assert info.revision.startswith("sha256:")
    assert set(info.versions) == {"numpy", "tokenizers", "decoder"}
    assert load(copy).info.revision == info.revision
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert load(copy).info.revision != info.revision


@pytest.mark.parametrize(
    ("named", "options"),
    [
        ("revision.*main", ModelOptions(revision="main")),
        ("dtype.*bfloat16", ModelOptions(dtype="bfloat16")),
        ("device.*cuda", ModelOptions(device="cuda")),
        ("adapter.*some/adapter", ModelOptions(adapters={"": "some/adapter"})),
        ("quantization.*4bit", ModelOptions(quantization="4bit")),
        ("arguments.*max_model_len", ModelOptions(args={"max_model_len": "100"})),
    ],
)
def test_an_option_that_it_cannot_follow_is_refused_by_name(named: str, options: ModelOptions) -> None:
    with pytest.raises(UsageError, match=rf"tiny .*{named}.*hf:tiny"):
        load(options=options)


@pytest.mark.parametrize(
    "settings",
    [
        {"model_type": "qwen2"},
        {"attention_bias": True},
        {"hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "yarn"}},
    ],
)
def test_another_architecture_is_refused(change: Callable[..., Path], settings: dict[str, object]) -> None:
    folder = change(**settings)
    with pytest.raises(UsageError, match=f"hf:{folder}"):
        load(folder)


def test_a_folder_without_a_tokenizer_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        load(copy)


def test_damaged_weights_are_named(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:10_000])
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        list(load(copy).sample(MANY[:1]))


def test_a_missing_embedded_model_names_both_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = tmp_path / "checkout", tmp_path / "wheel"
    monkeypatch.setattr(embedded, "PLACES", places)
    with pytest.raises(UsageError, match=r"checkout.*wheel"):
        embedded.embedded_folder()
    for place in reversed(places):
        shutil.copytree(FOLDER, place)
        assert embedded.embedded_folder() == place


def test_a_closed_model_can_be_closed_again_and_asked_again() -> None:
    model = load()
    first = texts(list(model.sample(MANY[:1])))
    model.close()
    model.close()
    assert texts(list(model.sample(MANY[:1]))) == first


def test_loading_imports_no_heavy_library() -> None:
    code = (
        "import sys; from pytest_passatk.models import tiny; from pytest_passatk.core.protocols import ModelOptions;"
        "tiny.load('', ModelOptions()).info;"
        "print({'torch', 'transformers', 'tokenizers', 'jinja2'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"

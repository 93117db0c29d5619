"""What the openai: backend makes of options and environment, and how servers are written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.sample import FinishReason, Request, SamplingParams
from pytest_passatk.models.openai_address import parse_addresses
from pytest_passatk.models.openai_answer import read
from pytest_passatk.models.openai_call import Call, group
from pytest_passatk.models.openai_settings import read_settings
from pytest_passatk.models.openai_words import LONGEST, complains_of, hide

LOCAL = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        (LOCAL, f"{LOCAL}/v1"),
        (f"{LOCAL}/", f"{LOCAL}/v1"),
        (f"{LOCAL}/v1/", f"{LOCAL}/v1"),
        ("https://host/api/v3", "https://host/api/v3"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_an_address_without_a_path_gets_the_usual_one(typed: str, url: str) -> None:
    (address,) = parse_addresses(typed)
    assert (address.url, address.shown) == (url, url)


def test_an_address_is_shown_without_its_secrets() -> None:
    (address,) = parse_addresses("https://me:pass%2Fword@host/v1?key=hidden")
    assert address.shown == "https://host/v1"
    assert address.query == {"key": "hidden"}
    assert {"pass%2Fword", "pass/word", "hidden"} <= set(address.secrets)
    assert "pass" not in repr(address)


def test_several_addresses_are_told_apart_by_commas() -> None:
    assert [address.shown for address in parse_addresses(f"{LOCAL}, http://b,")] == [f"{LOCAL}/v1", "http://b/v1"]


@pytest.mark.parametrize("typed", ["127.0.0.1:8000", "localhost", "ftp://host", "http://", "http://host:port", ","])
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match=r"--base-url.*write it like http://127\.0\.0\.1:8000/v1"):
        parse_addresses(typed)


def test_the_same_server_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        parse_addresses(f"{LOCAL},{LOCAL}/v1")


def test_the_option_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://a,http://b")
    assert [a.shown for a in read_settings("m", ModelOptions()).addresses] == ["http://a/v1", "http://b/v1"]
    assert [a.shown for a in read_settings("m", ModelOptions(base_url=LOCAL)).addresses] == [f"{LOCAL}/v1"]


def test_a_key_alone_means_the_official_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-1234567 \n")
    settings = read_settings("m", ModelOptions())
    assert settings.addresses[0].shown == "https://api.openai.com/v1"
    assert settings.key == "sk-1234567"
    assert settings.secrets == ("sk-1234567",)
    assert "sk-" not in repr(settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ModelOptions(), "which server"),
        (ModelOptions(base_url="https://api.openai.com/v1"), "OPENAI_API_KEY is not set"),
        (ModelOptions(base_url=LOCAL, dtype="float16"), "dtype when it is started: leave out 'float16'"),
        (ModelOptions(base_url=LOCAL, device="cuda"), "device when it is started: leave out 'cuda'"),
        (ModelOptions(base_url=LOCAL, quantization="4bit"), "quantization when it is started: leave out '4bit'"),
        (ModelOptions(base_url=LOCAL, batch_tokens=8), "batch tokens when it is started: leave out 8"),
        (ModelOptions(base_url=LOCAL, chat_template="own.jinja"), "start it with own.jinja instead"),
        (ModelOptions(base_url=LOCAL, args={"timeouts": "1"}), "no model argument 'timeouts'; did you mean timeout"),
        (ModelOptions(base_url=LOCAL, args={"timeout": "soon"}), "timeout=soon must be a number"),
        (ModelOptions(base_url=LOCAL, args={"timeout": "nan"}), "timeout=nan must be a number"),
        (ModelOptions(base_url=LOCAL, args={"retries": "-1"}), "retries=-1 must be a number from 0 on"),
        (ModelOptions(base_url=LOCAL, args={"n": "0"}), "n=0 must be a number from 1 on"),
        (ModelOptions(base_url=LOCAL, args={"arms": "both"}), "arms=both must be one of apart, together"),
    ],
)
def test_what_no_server_can_follow_is_refused(options: ModelOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_settings("m", options)


def test_a_name_is_wanted() -> None:
    with pytest.raises(UsageError, match="openai:NAME"):
        read_settings("", ModelOptions(base_url=LOCAL))


def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ключ")
    with pytest.raises(UsageError, match="OPENAI_API_KEY holds characters") as raised:
        read_settings("m", ModelOptions(base_url=LOCAL))
    assert "sk-" not in str(raised.value)


def requests_of(n: int, stream: str = "s", temperature: float = 1.0) -> list[Request]:
    return [Request(stream, stream, at, "p", SamplingParams(temperature), at) for at in range(n)]


@given(st.lists(st.integers(1, 9), max_size=5), st.integers(1, 4))
def test_the_calls_of_a_problem_cover_its_samples_in_order(sizes: list[int], most: int) -> None:
    asked = [request for at, size in enumerate(sizes) for request in requests_of(size, str(at))]
    groups = list(group(asked, most))
    assert [[r for call in calls for r in call.requests] for calls in groups] == [
        requests_of(size, str(at)) for at, size in enumerate(sizes)
    ]
    assert all(len(call.requests) <= most for calls in groups for call in calls)


def test_greedy_samples_are_asked_for_one_by_one() -> None:
    greedy = requests_of(2, temperature=0.0)
    assert list(group(greedy, 8)) == [[Call((greedy[0],)), Call((greedy[1],))]]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6), st.integers(0, 500))
def test_shared_tokens_sum_to_what_the_server_told(texts: list[str], total: int) -> None:
    choices = [{"text": text, "finish_reason": "length"} for text in texts]
    found = read({"choices": choices, "usage": {"completion_tokens": total}}, requests_of(len(texts)), 1.0)
    assert sum(completion.tokens for completion in found) == total
    assert min(completion.tokens for completion in found) >= (1 if total >= len(texts) else 0)


def test_listed_tokens_come_before_shares() -> None:
    choices = [{"text": "aaaa", "finish_reason": "stop", "token_ids": ids} for ids in ([1], [1, 2, 3])]
    found = read({"choices": choices, "usage": {"completion_tokens": 4}}, requests_of(2), 1.0)
    assert [completion.tokens for completion in found] == [1, 3]


def test_log_probabilities_are_summed_in_either_form() -> None:
    plain = {"text": "", "finish_reason": "stop", "logprobs": {"token_logprobs": [-1.0, -0.5]}}
    chat = {"message": {"content": ""}, "finish_reason": "stop", "logprobs": {"content": [{"logprob": -2.0}]}}
    found = read({"choices": [plain, chat]}, requests_of(2), 1.0)
    assert [completion.logprob for completion in found] == [-1.5, -2.0]
    assert [completion.tokens for completion in found] == [2, 1]


def test_choices_come_in_the_order_of_their_index() -> None:
    choices = [{"index": at, "text": str(at), "finish_reason": "eos"} for at in (1, 0)]
    found = read({"choices": choices}, requests_of(2), 1.0)
    assert [(c.index, c.text, c.finish_reason) for c in found] == [(0, "0", "stop"), (1, "1", FinishReason.STOP)]


@given(st.text(), st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_no_secret_gets_through(text: str, hidden: str) -> None:
    assert hidden not in hide(f"{text}{hidden}{text}", [hidden])


def test_a_servers_words_have_an_end() -> None:
    assert len(hide("word " * 1000, [])) == LONGEST


@pytest.mark.parametrize(
    ("body", "parameter", "expected"),
    [
        ({"param": "body.n", "message": "seed"}, "n", True),
        ({"param": "body.n", "message": "seed"}, "seed", False),
        ({"message": "n must be 1"}, "n", True),
        ({"message": "it isn't possible\\n"}, "n", False),
        ({"message": "min_n is 5, and so is n_max"}, "n", False),
        ("the `seed` is unknown", "seed", True),
        (None, "n", False),
    ],
)
def test_a_refusal_names_its_parameter(body: object, parameter: str, *, expected: bool) -> None:
    assert complains_of(body, parameter) is expected

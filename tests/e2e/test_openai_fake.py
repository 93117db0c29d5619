"""The openai: backend against a fake server that misbehaves on purpose."""

import json
import logging
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from threading import Barrier, Condition, Event
from threading import enumerate as enumerate_threads
from typing import Any
from urllib.parse import quote

import pytest

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import Briefed, Model, ModelOptions, info_of
from pytest_passatk.core.sample import Completion, FinishReason, Request
from pytest_passatk.models import openai_server, registry
from tests.e2e.fake_server import NAME, Asked, Reply, Script, closed_port, complete, listing, refuse, serving

pytest.importorskip("openai", reason="openai is not installed: pip install 'pytest-passatk[openai]'")

KEY = "sk-very-secret-0123456789"
IN_URL = ("pass-of-the-user", "token-in-the-query")
LAST = 40
PATIENCE = 60.0  # seconds; only to end a hang
Ask = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries at once, and no surroundings of the computer."""
    monkeypatch.setattr(openai_server, "FIRST_PAUSE_SECONDS", 0.001)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def model_at(*urls: str, name: str = NAME, args: dict[str, str] | None = None, **options: Any) -> Model:
    settings = ModelOptions(base_url=",".join(urls), args=args or {}, **options)
    return registry.load(f"openai:{name}", settings)


def once(fault: Reply, then: Script = complete) -> Script:
    """A script that misbehaves at the first request."""
    return lambda asked: fault if asked.number == 0 else then(asked)


def test_each_sample_is_answered_with_what_it_cost(ask: Ask, answer: Answer) -> None:
    with serving() as server:
        found = answer(model_at(server.url), ask("one two three", 3, max_tokens=9, top_p=0.5, stop=("\n", "x")))
    assert [(c.text, c.index, c.finish_reason) for c in found] == [
        (f"one two three {at}", at, FinishReason.STOP) for at in range(3)
    ]
    assert [c.prompt_tokens for c in found] == [3, 0, 0]
    assert [c.tokens for c in found] == [4, 4, 4]
    assert {c.first_token for c in found} == {None}
    assert all(c.latency > 0 for c in found)
    asked = server.asked[0].body
    assert asked["messages"] == [{"role": "user", "content": "one two three"}]
    assert (asked["model"], asked["n"], asked["max_tokens"], asked["top_p"]) == (NAME, 3, 9, 0.5)
    assert asked["stop"] == ["\n", "x"]
    assert "top_k" not in asked, "an unknown server may refuse what the common API does not have"
    assert len(server.asked) == 1


def test_sampling_beyond_the_common_api_is_sent_when_it_is_asked_for(ask: Ask, answer: Answer) -> None:
    with serving() as server:
        answer(model_at(server.url), ask("p", top_k=5, min_p=0.1, repetition_penalty=1.2))
    asked = server.asked[0].body
    assert (asked["top_k"], asked["min_p"], asked["repetition_penalty"]) == (5, 0.1, 1.2)


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ("vllm", {"top_k": 0, "min_p": 0, "repetition_penalty": 1}),
        ("sglang", {"top_k": -1, "min_p": 0, "repetition_penalty": 1}),
        ("llamacpp", {"top_k": 0, "min_p": 0, "repeat_penalty": 1}),
    ],
)
def test_a_server_with_defaults_of_its_own_is_told_to_forget_them(
    ask: Ask, answer: Answer, owner: str, expected: dict[str, float]
) -> None:
    with serving(models=listing(NAME, owned_by=owner)) as server:
        answer(model_at(server.url), ask("p"))
    assert {name: server.asked[0].body[name] for name in expected} == expected


def test_raw_prompts_go_to_the_plain_endpoint(ask: Ask, answer: Answer) -> None:
    with serving() as server:
        found = answer(model_at(server.url, chat_template="none"), ask("plain", 2))
    assert [c.text for c in found] == ["plain 0", "plain 1"]
    assert {asked.path for asked in server.asked} == {"/v1/completions"}


def test_messages_cannot_go_in_raw(ask: Ask, answer: Answer) -> None:
    with serving() as server:
        found = answer(model_at(server.url, chat_template="none"), ask(({"role": "user", "content": "hi"},)))
    assert "p: the prompt is a list of chat messages" in str(found[0].error)
    assert not server.asked


PASSING = {
    "429": refuse(429, "slow down", headers={"retry-after": "0"}),
    "429 until a date": refuse(429, "slow", headers={"retry-after": format_datetime(datetime.now(UTC), usegmt=True)}),
    "429 until nobody knows": refuse(429, "slow", headers={"retry-after": "soon"}),
    "429 for ever": refuse(429, "slow", headers={"retry-after": "inf"}),
    "500": refuse(500, "oops"),
    "503 in another form": Reply("<html>bad gateway</html>", 503, {"content-type": "text/html"}),
    "408": refuse(408, "late"),
    "half an answer": Reply({"choices": []}, half=True),
    "no JSON": Reply("{'choices'"),
    "a page": Reply("<html>", headers={"content-type": "text/html"}),
    "no choices": Reply({"choices": []}),
    "other JSON": Reply([1, 2]),
    "a number for a text": Reply({"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]}),
    "broken off": Reply({"choices": [{"message": {"content": "x"}, "finish_reason": "abort"}]}),
    "prompt tokens without numbers": Reply(
        {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": "x"}}
    ),
    "tokens without numbers": Reply({"choices": [{"message": {"content": "x"}}], "usage": {"completion_tokens": "x"}}),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_passing_failure_is_asked_again(ask: Ask, answer: Answer, fault: Reply) -> None:
    with serving(once(fault)) as server:
        found = answer(model_at(server.url), ask("p", 2))
    assert [c.text for c in found] == ["p 0", "p 1"]
    assert len(server.asked) == 2


def test_a_request_that_hangs_is_asked_again(ask: Ask, answer: Answer) -> None:
    with serving(once(Reply(hang=True))) as server:
        found = answer(model_at(server.url, args={"timeout": "0.2"}), ask("p"))
        assert server.gone.wait(PATIENCE)
    assert [c.text for c in found] == ["p 0"]


def test_a_busy_server_is_left_alone_for_as_long_as_it_says(
    ask: Ask, answer: Answer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(openai_server.Server, "pause", lambda _, seconds: pauses.append(seconds))
    with serving(once(refuse(429, "slow", headers={"retry-after": "617.5"}))) as server:
        answer(model_at(server.url), ask("p"))
    assert pauses == [617.5]
    assert "wants to be left alone for 618 s: 429: slow" in caplog.text


def test_a_busy_server_that_asks_for_little_is_left_alone_longer_each_time(
    ask: Ask, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(openai_server.Server, "pause", lambda _, seconds: pauses.append(seconds))
    with serving(
        lambda asked: refuse(429, "slow", headers={"retry-after": "0.001"}) if asked.number < 8 else complete(asked)
    ) as server:
        answer(model_at(server.url), ask("p"))
    assert pauses[0] == 0.001
    assert pauses[-1] > 0.05


def test_a_busy_server_that_gets_on_is_never_given_up(ask: Ask, answer: Answer) -> None:
    others, arrival = count(), Condition()
    arrived = 0

    def script(asked: Asked) -> Reply:
        nonlocal arrived
        with arrival:
            if asked.prompt != "starved":
                arrived = next(others)
                arrival.notify_all()
                return complete(asked)
            enough = arrived + 2  # the last but one of them has then been answered
            if enough > LAST or not arrival.wait_for(lambda: arrived >= enough, PATIENCE):
                return complete(asked)
            return refuse(429, "slow")

    with serving(script) as server:
        requests = [*ask("starved", problem="starved"), *ask("p", LAST + 1)]
        found = answer(model_at(server.url, args={"retries": "1", "n": "1"}, concurrency=2), requests)
    assert {c.error for c in found} == {None}
    assert [asked.prompt for asked in server.asked].count("starved") > 2


def test_a_server_that_stays_broken_ends_the_run(ask: Ask, answer: Answer) -> None:
    with serving(lambda _: refuse(500, "the engine died")) as server:
        model = model_at(server.url, args={"retries": "2"})
        with pytest.raises(ModelError, match=r"failed 3 times in a row: 500: the engine died; .*same command resumes"):
            answer(model, ask("p"))
    assert len(server.asked) == 3


def test_a_call_that_fails_where_others_succeed_is_the_fault_of_its_problem(ask: Ask, answer: Answer) -> None:
    others = Event()

    def script(asked: Asked) -> Reply:
        if asked.prompt != "bad":
            if asked.prompt == "last":  # asked when the answer to the first has come
                others.set()
            return complete(asked)
        assert others.wait(PATIENCE)
        return refuse(500, "cannot")

    with serving(script) as server:
        model = model_at(server.url, args={"retries": "3"}, concurrency=2)
        found = answer(model, [request for name in ("bad", "first", "last") for request in ask(name, problem=name)])
    assert [c.text for c in found] == ["", "first 0", "last 0"]
    assert re.match(r"bad: http://127.0.0.1:\d+/v1 failed 4 times in a row: 500: cannot", str(found[0].error))
    assert [asked.prompt for asked in server.asked].count("bad") == 4


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_is_charged_to_its_problem_in_the_servers_words(ask: Ask, answer: Answer, status: int) -> None:
    def script(asked: Asked) -> Reply:
        return refuse(status, "maximum context length is 8") if asked.prompt == "long" else complete(asked)

    with serving(script) as server:
        found = answer(model_at(server.url), [*ask("long", 2, problem="long"), *ask("short", problem="short")])
    assert [c.finish_reason for c in found] == [FinishReason.ABORT] * 2 + [FinishReason.STOP]
    assert f"long: {server.url}/v1 refused it: {status}: maximum context length is 8" in str(found[0].error)


def test_a_server_that_refuses_the_first_ten_problems_would_refuse_all(ask: Ask, answer: Answer) -> None:
    with serving(lambda _: refuse(400, "temperature must be 1")) as server:
        requests = [request for at in range(500) for request in ask(f"{at}", problem=f"{at}")]
        with pytest.raises(ModelError, match=r"none of the first 10 problems.* refused it.*temperature must be 1"):
            answer(model_at(server.url, concurrency=1), requests)
    assert len(server.asked) == 10


@pytest.mark.parametrize("reason", ["content_filter", None])
def test_a_server_whose_first_ten_answers_are_of_no_use_ends_the_run(
    ask: Ask, answer: Answer, reason: str | None
) -> None:
    def script(asked: Asked) -> Reply:
        return Reply({"choices": [{"message": {"content": "x"}, "finish_reason": reason}] * asked.body["n"]})

    with serving(script) as server:
        requests = [request for at in range(500) for request in ask(f"{at}", 2, problem=f"{at}")]
        with pytest.raises(ModelError, match=rf"none of the first 10 problems.* with {reason!r}; .*stop or length"):
            answer(model_at(server.url, concurrency=1), requests)
    assert len(server.asked) == 10


def test_one_usable_answer_is_reason_to_go_on(ask: Ask, answer: Answer) -> None:
    def script(asked: Asked) -> Reply:
        return complete(asked) if asked.number == 5 else Reply({"choices": [{"message": {"content": "x"}}]})

    with serving(script) as server:
        found = answer(model_at(server.url, concurrency=1), [r for at in range(30) for r in ask("p", problem=f"{at}")])
    assert [c.error is None for c in found] == [at == 5 for at in range(30)]


@pytest.mark.parametrize("differ", [False, True])
def test_a_server_that_repeats_itself_is_noticed_once(
    ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture, *, differ: bool
) -> None:
    def script(asked: Asked) -> Reply:
        texts = ["same"] * asked.body.get("n", 1)
        return complete(asked, *texts[1:], "other" if differ and asked.prompt == "p9" else "same")

    with serving(script) as server:
        requests = [r for at in range(40) for r in ask(f"p{at}", 1 + at % 4, problem=f"p{at}")]
        answer(model_at(server.url), requests)
    warnings = [r.message for r in caplog.records if "same text" in r.message and "n=1" in r.message]
    assert len(warnings) == (0 if differ else 1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (refuse(401, "bad key"), "401: bad key"),
        (refuse(403, "not yours"), "403: not yours"),
        (refuse(404, "no such model"), "404: no such model; it serves fake"),
        (refuse(429, "no money", type="insufficient_quota"), "429: no money"),
        (refuse(400, "default chat template is no longer allowed"), "--passatk-chat-template none"),
    ],
    ids=["401", "403", "404", "quota", "template"],
)
def test_what_no_other_problem_would_change_ends_the_run_at_once(
    ask: Ask, answer: Answer, fault: Reply, words: str
) -> None:
    with serving(lambda _: fault) as server:
        with pytest.raises(ModelError, match=re.escape(words)):
            answer(model_at(server.url), ask("p"))
        assert len(server.asked) == 1


def test_a_server_that_gives_fewer_choices_is_asked_for_one_at_a_time(ask: Ask, answer: Answer) -> None:
    with serving(lambda asked: complete(asked, f"seed {asked.body['seed']}")) as server:
        requests = ask("p", 5)
        found = answer(model_at(server.url, concurrency=1), requests)
    assert [c.text for c in found] == [f"seed {request.seed & 0x7FFFFFFF}" for request in requests]
    assert [c.prompt_tokens for c in found] == [1] * 5
    assert [asked.body.get("n", 1) for asked in server.asked] == [5, 1, 1, 1, 1]


@pytest.mark.parametrize(
    "fault",
    [
        refuse(400, "must be one", param="n"),
        refuse(400, "`n` is not supported"),
        refuse(400, "Only one completion choice is allowed"),
        Reply({"detail": [{"loc": ["body", "n"], "msg": "extra fields not permitted"}]}, 422),
    ],
    ids=["named", "in words", "in other words", "as a place"],
)
def test_a_server_that_refuses_n_is_asked_for_one_at_a_time(ask: Ask, answer: Answer, fault: Reply) -> None:
    with serving(lambda asked: fault if "n" in asked.body else complete(asked)) as server:
        found = answer(model_at(server.url), [r for at in range(20) for r in ask(f"p{at}", 3, problem=f"p{at}")])
    assert {c.error for c in found} == {None}
    assert Counter(c.text for c in found) == {f"p{at} 0": 3 for at in range(20)}


def test_a_server_that_refuses_seeds_gets_none(ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    with serving(lambda asked: refuse(400, "unknown: seed") if "seed" in asked.body else complete(asked)) as server:
        found = answer(model_at(server.url), [r for at in range(20) for r in ask(f"p{at}", problem=f"p{at}")])
    assert {c.error for c in found} == {None}
    assert [r.message for r in caplog.records if "takes no seeds" in r.message and server.url in r.message] != []


def test_a_server_that_wants_another_name_for_max_tokens_gets_it(ask: Ask, answer: Answer) -> None:
    words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with serving(lambda asked: refuse(400, words) if "max_tokens" in asked.body else complete(asked)) as server:
        found = answer(model_at(server.url), ask("p", max_tokens=7))
    assert found[0].error is None
    assert server.asked[-1].body["max_completion_tokens"] == 7


@pytest.mark.parametrize("reason", ["content_filter", "tool_calls", None])
def test_an_answer_that_ended_for_another_reason_is_an_error(ask: Ask, answer: Answer, reason: str | None) -> None:
    with serving(lambda _: Reply({"choices": [{"message": {"content": None}, "finish_reason": reason}]})) as server:
        found = answer(model_at(server.url), ask("p"))
    assert found[0].finish_reason is FinishReason.ABORT
    assert f"p: the server ended the answer with {reason!r}" in str(found[0].error)


def test_an_answer_that_was_filtered_is_paid_for(ask: Ask, answer: Answer) -> None:
    choices = [
        {"message": {"content": text}, "finish_reason": end} for text, end in (("a", "stop"), ("", "content_filter"))
    ]
    with serving(
        lambda _: Reply({"choices": choices, "usage": {"prompt_tokens": 4, "completion_tokens": 9}})
    ) as server:
        found = answer(model_at(server.url), ask("p", 2))
    assert [c.error is None for c in found] == [True, False]
    assert (sum(c.tokens for c in found), [c.prompt_tokens for c in found]) == (9, [4, 0])
    assert found[1].tokens > 0


def test_thoughts_that_a_server_takes_apart_are_left_away(ask: Ask, answer: Answer) -> None:
    message = {"content": None, "reasoning_content": "hm"}
    reply = Reply({"choices": [{"message": message, "finish_reason": "length"}], "usage": {"completion_tokens": 3}})
    with serving(lambda _: reply) as server:
        found = answer(model_at(server.url), ask("p"))
    assert (found[0].text, found[0].tokens, found[0].truncated) == ("", 3, True)


def test_a_stop_string_that_a_server_does_not_know_is_applied_here(ask: Ask, answer: Answer) -> None:
    with serving(lambda asked: complete(asked, "a\nb")) as server:
        found = answer(model_at(server.url), ask("p", stop=("\n",)))
    assert found[0].text == "a"


def test_tokens_that_are_told_in_one_sum_are_shared_by_length(ask: Ask, answer: Answer) -> None:
    def script(asked: Asked) -> Reply:
        return complete(asked, "a" * 8, "b" * 30, "", usage={"prompt_tokens": 4, "completion_tokens": 17})

    with serving(script) as server:
        found = answer(model_at(server.url), ask("p", 3))
    assert sum(c.tokens for c in found) == 17
    assert found[1].tokens == max(c.tokens for c in found)
    assert found[0].tokens > found[2].tokens > 0


def test_a_server_without_usage_tells_no_prompt_tokens(ask: Ask, answer: Answer) -> None:
    with serving(lambda asked: complete(asked, usage=None)) as server:
        found = answer(model_at(server.url), ask("p", 2))
    assert [(c.prompt_tokens, c.tokens) for c in found] == [(None, 0)] * 2


def test_no_more_requests_than_allowed_are_open_at_once(ask: Ask, answer: Answer) -> None:
    full = Barrier(3)

    def script(asked: Asked) -> Reply:
        full.wait(PATIENCE)
        return complete(asked)

    with serving(script) as server:
        answer(model_at(server.url, concurrency=3, args={"n": "1"}), ask("p", 12))
    assert server.most == 3


def test_several_servers_share_the_work(ask: Ask, answer: Answer) -> None:
    with serving() as one, serving() as two:
        requests = [request for at in range(40) for request in ask(f"p{at}", 2, problem=f"p{at}")]
        found = answer(model_at(one.url, two.url, args={"n": "1"}, concurrency=4), requests)
        assert {c.error for c in found} == {None}
        assert len(one.asked) + len(two.asked) == 80
        assert min(len(one.asked), len(two.asked)) > 0


def test_a_server_that_is_not_there_is_dropped_with_a_notice(ask: Ask, answer: Answer) -> None:
    gone = closed_port()
    with serving() as server:
        model = model_at(gone, server.url)
        assert isinstance(model, Briefed)
        lines = model.brief([])
        found = answer(model, ask("p", 2))
    assert [line for line in lines if line.startswith(f"{gone}/v1 is dropped")] == lines != []
    assert {c.error for c in found} == {None}
    assert model.info.versions["address"] == ", ".join(sorted([f"{gone}/v1", f"{server.url}/v1"]))


def test_where_no_server_is_there_the_run_ends_at_once() -> None:
    gone = [closed_port(), closed_port()]
    model = model_at(*gone)
    assert isinstance(model, Briefed)
    with pytest.raises(ModelError, match=rf"no server answers: {gone[0]}/v1: .*{gone[1]}/v1: .*--base-url"):
        model.brief([])


def test_a_server_that_wants_to_be_left_alone_keeps_nothing_from_one_that_works(ask: Ask, answer: Answer) -> None:
    with serving(lambda _: refuse(429, "slow", headers={"retry-after": "40"})) as busy, serving() as free:
        requests = [r for at in range(100) for r in ask(f"p{at}", 2, problem=f"p{at}")]
        found = answer(model_at(busy.url, free.url, concurrency=8), requests)
    assert {c.error for c in found} == {None}
    assert len(busy.asked) <= 8, "what it had in hand when it refused the first"
    assert Counter(asked.prompt for asked in free.asked) == {f"p{at}": 1 for at in range(100)}


def test_a_call_that_waits_to_be_made_again_is_made_elsewhere(
    ask: Ask, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_server, "FIRST_PAUSE_SECONDS", 40.0)
    with serving(lambda _: refuse(500, "dying")) as bad, serving() as good:
        found = answer(model_at(bad.url, good.url), [r for at in range(30) for r in ask("p", problem=f"p{at}")])
    assert {c.error for c in found} == {None}
    assert len(bad.asked) <= 30
    assert len(good.asked) == 30


def test_a_call_that_fails_everywhere_is_not_passed_on_for_ever(ask: Ask, answer: Answer) -> None:
    def script(asked: Asked) -> Reply:
        return refuse(500, "cannot") if asked.prompt == "bad" else complete(asked)

    with serving(script) as one, serving(script) as two:
        model = model_at(one.url, two.url, args={"retries": "2", "n": "1"}, concurrency=2)
        found = answer(model, [*ask("bad", problem="bad"), *ask("p", 300)])
    assert [c.error is None for c in found[1:]] == [True] * 300
    asked = [asked.prompt for server in (one, two) for asked in server.asked]
    assert asked.count("bad") <= 6


def test_more_requests_than_a_client_has_connections_are_open_at_once(ask: Ask, answer: Answer) -> None:
    full = Barrier(150)

    def script(asked: Asked) -> Reply:
        full.wait(PATIENCE)
        return complete(asked)

    with serving(script) as server:
        found = answer(model_at(server.url, concurrency=150, args={"n": "1"}), ask("p", 150))
    assert {c.error for c in found} == {None}


def test_the_work_of_a_server_that_dies_goes_to_the_others(
    ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    def dying(asked: Asked) -> Reply:
        if asked.number == 0:  # this one would wait forever, were it not taken back
            return Reply(hang=True)
        return complete(asked) if asked.number < 5 else refuse(500, "dying")

    with serving(dying) as bad, serving() as good:
        model = model_at(bad.url, good.url, args={"retries": "1", "n": "1"}, concurrency=2)
        found = answer(model, [r for at in range(30) for r in ask(f"p{at}", 2, problem=f"p{at}")])
        assert {c.error for c in found} == {None}
        assert bad.gone.wait(PATIENCE)
    assert [r.message for r in caplog.records if f"{bad.url}/v1 is dropped" in r.message] != []


def test_what_is_in_flight_at_a_server_that_dies_goes_to_the_others(ask: Ask, answer: Answer) -> None:
    later = Event()

    def dying(asked: Asked) -> Reply:
        if asked.number == 0:
            return complete(asked)
        if asked.number < 3:  # the answer to the first comes while these two wait
            assert later.wait(PATIENCE)
        later.set()
        return refuse(500, "dying")

    with serving(dying) as bad, serving() as good:
        model = model_at(bad.url, good.url, args={"retries": "2", "n": "1"}, concurrency=3)
        found = answer(model, [r for at in range(30) for r in ask(f"p{at}", problem=f"p{at}")])
    assert {c.error for c in found} == {None}


def test_the_last_server_that_dies_ends_the_run(ask: Ask, answer: Answer) -> None:
    with serving(lambda _: refuse(500, "dying")) as one, serving(lambda _: refuse(502, "dying")) as two:
        model = model_at(one.url, two.url, args={"retries": "1"})
        with pytest.raises(ModelError, match=r"no other server is left; .*same command resumes"):
            answer(model, ask("p", 2))


@pytest.mark.parametrize("way", ["iterator", "model"])
def test_closing_cancels_what_is_in_flight(ask: Ask, way: str) -> None:
    with serving(lambda asked: complete(asked) if asked.number == 0 else Reply(hang=True)) as server:
        model = model_at(server.url, args={"n": "1"}, concurrency=2)
        completions = model.sample(ask("p", 3))
        assert isinstance(completions, Generator)
        assert next(completions).error is None
        if way == "iterator":
            completions.close()
        else:
            model.close()
        assert server.gone.wait(PATIENCE)
        assert list(completions) == []
    assert not [thread for thread in enumerate_threads() if thread.name == "passatk-openai"]


def test_a_server_that_tells_tokens_as_text_is_understood(ask: Ask, answer: Answer) -> None:
    usage = {"prompt_tokens": "4", "completion_tokens": "7"}
    with serving(lambda asked: complete(asked, "a", usage=usage)) as server:
        found = answer(model_at(server.url), ask("p"))
    assert [(c.prompt_tokens, c.tokens) for c in found] == [(4, 7)]


@pytest.mark.parametrize("key", ['quo"te\\slash', "a/b+c=="])
def test_a_key_is_hidden_however_a_server_writes_it(
    ask: Ask, answer: Answer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)

    def script(asked: Asked) -> Reply:
        sent = asked.headers["authorization"].partition(" ")[2]
        return refuse(400, f"{sent} | {json.dumps(sent)[1:-1]} | {quote(sent, '')}")

    with serving(script) as server:
        found = answer(model_at(server.url), ask("p"))
    assert str(found[0].error).endswith("400: … | … | …")


@pytest.mark.parametrize("user", ["", f"user:{IN_URL[0]}@"], ids=["key", "password"])
def test_nobody_learns_what_is_secret(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, user: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)  # so that the libraries of the client log, too

    def script(asked: Asked) -> Reply:
        words = f"you sent {asked.headers['authorization']} to {asked.path}, masked sk-very-*****6789"
        return refuse(400, words) if asked.prompt == "bad" else refuse(500, words)

    with serving(script) as server:
        url = f"http://{user}{server.url.removeprefix('http://')}/v1?token={IN_URL[1]}"
        model = model_at(url, args={"retries": "0"}, concurrency=1)
        completions = model.sample([*ask("bad", problem="bad"), *ask("worse", problem="worse")])
        abort = next(completions)
        with pytest.raises(ModelError) as raised:
            next(completions)
    sent = server.asked[0].headers["authorization"].partition(" ")[2]
    assert sent == (b64encode(user[:-1].encode()).decode() if user else KEY)
    assert IN_URL[1] in server.asked[0].path
    said = [str(abort.error), str(raised.value), str(model.info), repr(vars(model)), caplog.text]
    assert re.search(r"you sent (Bearer|Basic) … to /v1/chat/completions\?token=…, masked …", said[0])
    for secret in (sent, KEY, *IN_URL, "sk-very"):
        assert [text for text in said if secret in text] == []
    assert "HTTP Request: POST" in caplog.text
    assert raised.value.__cause__ is None


def test_a_key_that_is_refused_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(models=refuse(401, f"Incorrect API key provided: {KEY}")) as server:
        model = model_at(server.url)
        assert isinstance(model, Briefed)
        with pytest.raises(ModelError, match="401: Incorrect API key provided: …"):
            model.brief([])


@pytest.mark.parametrize("models", [refuse(404, "Not Found"), refuse(405, "no"), Reply("<html>"), Reply("{x")])
def test_a_server_need_not_list_its_models(ask: Ask, answer: Answer, models: Reply) -> None:
    with serving(models=models) as server:
        found = answer(model_at(server.url, args={"retries": "1"}), ask("p"))
    assert found[0].error is None


def test_a_model_that_is_not_served_is_refused_where_any_name_would_be_answered() -> None:
    with serving(models=listing("real", "other", owned_by="sglang")) as server:
        model = model_at(server.url)
        assert isinstance(model, Briefed)
        with pytest.raises(ModelError, match="does not serve 'fake', but real, other"):
            model.brief([])


def test_a_model_that_is_not_listed_elsewhere_is_a_notice() -> None:
    with serving(models=listing("fake:latest")) as server:
        model = model_at(server.url)
        assert isinstance(model, Briefed)
        assert model.brief([]) == [f"{server.url}/v1 does not list fake, but fake:latest"]


def test_an_adapter_is_asked_for_under_its_own_name(ask: Ask, answer: Answer) -> None:
    with serving(lambda asked: complete(asked, asked.body["model"]), listing(NAME, "lora")) as server:
        model = model_at(server.url, adapters={"base": None, "lora": "lora"})
        arms = [replace(request, arm=arm, stream=arm) for arm in ("base", "lora") for request in ask("p")]
        found = answer(model, arms)
    assert [c.text for c in found] == [NAME, "lora"]
    assert [info_of(model, arm).adapter for arm in ("base", "lora")] == [None, "lora"]
    assert model.info == info_of(model, "base")


@pytest.mark.parametrize(("arms", "expected"), [("apart", [NAME] * 3 + ["lora"] * 3), ("together", [NAME, "lora"] * 3)])
def test_arms_are_asked_for_one_after_the_other_unless_told(ask: Ask, arms: str, expected: list[str]) -> None:
    with serving() as server:
        model = model_at(server.url, adapters={"base": None, "lora": "lora"}, concurrency=1, args={"arms": arms})
        problems = [ask(f"{at}", problem=f"{at}")[0] for at in range(3)]
        mixed = [replace(request, arm=arm, stream=arm + request.stream) for request in problems for arm in ("", "lora")]
        list(model.sample([replace(request, arm=request.arm or "base") for request in mixed]))
    assert [asked.body["model"] for asked in server.asked] == expected


def test_the_record_tells_where_the_model_runs_unless_the_user_says_what_it_is() -> None:
    with serving(models=listing(NAME, root="/weights", max_model_len=77)) as server:
        infos = []
        for revision in (None, "v1"):
            model = model_at(server.url, revision=revision)
            assert isinstance(model, Briefed)
            model.brief([])
            infos.append(model.info)
    assert (infos[0].backend, infos[0].name, infos[0].context, infos[0].device) == ("openai", NAME, 77, "server")
    assert infos[0].versions == {"address": f"{server.url}/v1", "root": "/weights"}
    assert (infos[1].revision, infos[1].versions) == ("v1", {})

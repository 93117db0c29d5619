"""Chat templates render what transformers renders, on a fixed date."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk import UsageError
from pytest_passatk.core.sample import Message, Prompt
from pytest_passatk.models import chat

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = """\
{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: " + date_string + "\\n\\n" }}
{{- system_message }}{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not tools is none %}{{- tools | tojson(indent=4) }}{%- endif %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
MISTRAL = """\
{{ bos_token }}
{% for message in messages %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('Conversation roles must alternate user/assistant!') }}
    {% endif %}
    {% if message['role'] == 'user' %}
{{ '[INST] ' + message['content'] + ' [/INST]' }}
    {% else %}
{{ message['content'] + eos_token }}
    {% endif %}
{% endfor %}
"""
JSONISH = (
    "{% for m in messages %}{% if loop.index > 3 %}{% break %}{% endif %}{{ m | tojson }}"
    "{% generation %}{{ m.content | upper }}{% endgeneration %}{% endfor %}{{ unk_token }}{{ tools }}"
)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TURNS: tuple[Message, ...] = (
    {"role": "user", "content": " What is <b>1 & 2</b>?\n"},
    {"role": "assistant", "content": "3 – drei 💡"},
    {"role": "user", "content": "sure?"},
)
SYSTEM: tuple[Message, ...] = ({"role": "system", "content": "Answer briefly. "}, *TURNS)


def reference(template: str, messages: Any) -> str:
    """What transformers renders."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models  # noqa: PLC0415

    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0})), **TOKENS)
    return str(tokenizer.apply_chat_template(
        [dict(m) for m in messages], chat_template=template, tokenize=False, add_generation_prompt=True
    ))  # fmt: skip


@pytest.mark.hf
@pytest.mark.parametrize(
    ("template", "messages"),
    [
        pytest.param(CHATML, TURNS, id="chatml"),
        pytest.param(CHATML, SYSTEM, id="chatml-system"),
        pytest.param(MISTRAL, TURNS, id="mistral"),
        pytest.param(JSONISH, SYSTEM, id="json-and-extensions"),
    ],
)
def test_renders_what_transformers_renders(template: str, messages: tuple[Message, ...]) -> None:
    assert chat.render(template, messages, TOKENS) == reference(template, messages)


@pytest.mark.hf
@pytest.mark.parametrize("messages", [TURNS, SYSTEM], ids=["user", "system"])
def test_a_template_with_a_date_renders_what_transformers_rendered_on_the_fixed_day(
    messages: tuple[Message, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pytest.importorskip("transformers.utils.chat_template_utils")

    class OnThatDay(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return chat.TODAY.astimezone(tz)

    monkeypatch.setattr(module, "datetime", OnThatDay)
    expected = reference(LLAMA, messages)
    assert "Today Date: 26 Jul 2024" in expected
    assert chat.render(LLAMA, messages, TOKENS) == expected


def test_the_date_is_fixed_however_a_template_asks_for_it() -> None:
    assert chat.render("{{ strftime_now('%Y-%m-%d') }}", "x", {}) == "2024-07-26"
    assert chat.render("{{ date_string }}", "x", {}) == "26 Jul 2024"


def test_a_text_becomes_one_message_of_the_user() -> None:
    assert chat.render(CHATML, "Hi", {}) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("text", ["", "2+2=", "  spaces \n kept {{ messages }}"])
def test_without_a_template_a_text_goes_in_as_it_is(text: str) -> None:
    assert chat.render(None, text, TOKENS) == text


def test_messages_without_a_template_are_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match="--passatk-chat-template FILE"):
        chat.render(None, TURNS, {})


@pytest.mark.parametrize(
    ("template", "prompt", "message"),
    [
        (MISTRAL, SYSTEM, "Conversation roles must alternate"),
        ("{% for m in messages %}", "x", "Unexpected end of template"),
        ("{{ messages[0].content + 1 }}", "x", "can only concatenate"),
        ("{{ messages.append(1) }}", "x", "attribute .append. of .list. object is unsafe"),
        ("{{ missing.attribute }}", "x", "'missing' is undefined"),
    ],
    ids=["raises", "syntax", "type", "sandbox", "undefined"],
)
def test_a_template_that_fails_says_why_and_which(template: str, prompt: Prompt, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        chat.render(template, prompt, TOKENS)
    assert chat.digest(template) in str(raised.value)


def write_config(folder: Path, template: object) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}), encoding="utf-8")


def test_a_model_without_files_has_no_template(tmp_path: Path) -> None:
    assert chat.load_template(tmp_path, "auto") is None


@pytest.mark.parametrize(
    ("stored", "loaded"),
    [(None, None), ("A", "A"), ([{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}], "D")],
)
def test_the_template_is_found_in_the_tokenizers_settings(tmp_path: Path, stored: object, loaded: str | None) -> None:
    write_config(tmp_path, stored)
    assert chat.load_template(tmp_path, "auto") == loaded


def test_the_file_beside_the_settings_comes_first(tmp_path: Path) -> None:
    write_config(tmp_path, "A")
    (tmp_path / "chat_template.jinja").write_text("für\n", encoding="utf-8")
    assert chat.load_template(tmp_path, "auto") == "für\n"


def test_none_and_a_file_override_the_models_own(tmp_path: Path) -> None:
    write_config(tmp_path, "A")
    (mine := tmp_path / "mine.jinja").write_text("M", encoding="utf-8")
    assert chat.load_template(tmp_path, "none") is None
    assert chat.load_template(tmp_path, str(mine)) == "M"


def test_named_templates_without_a_default_are_listed(tmp_path: Path) -> None:
    write_config(tmp_path, [{"name": "rag", "template": "R"}, {"name": "tool_use", "template": "T"}])
    with pytest.raises(UsageError, match=r"tokenizer_config\.json.*rag, tool_use"):
        chat.load_template(tmp_path, "auto")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.jinja: No such file"):
        chat.load_template(tmp_path, str(tmp_path / "gone.jinja"))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (file := tmp_path / "bad.jinja").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UsageError, match=r"bad\.jinja: not a text file"):
        chat.load_template(tmp_path, str(file))


def test_broken_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=r"tokenizer_config\.json: not a JSON object"):
        chat.load_template(tmp_path, "auto")


def test_the_digest_changes_with_the_template() -> None:
    assert chat.digest(None) == "none"
    assert chat.digest("a") == chat.digest("a")
    assert len({chat.digest(t) for t in (None, "", "a", "a ")}) == 4


def test_special_tokens_come_from_the_tokenizers_files(tmp_path: Path) -> None:
    (tmp_path / "special_tokens_map.json").write_text('{"bos_token": "<s>", "eos_token": "old"}', encoding="utf-8")
    settings = {"eos_token": {"content": "</s>", "lstrip": False}, "pad_token": None, "model_max_length": 9}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert chat.special_tokens(tmp_path) == {"bos_token": "<s>", "eos_token": "</s>"}

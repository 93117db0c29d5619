"""Chat templates: the text that a model reads for a prompt.

Renders what transformers' `apply_chat_template` renders, without transformers, and with one difference: a template that
asks for today's date gets a fixed one, so that the prompts of a benchmark do not change overnight.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.sample import Message, Prompt

if TYPE_CHECKING:
    from jinja2 import Template

TODAY = datetime(2024, 7, 26, tzinfo=UTC)  # the date that Llama 3's own templates fall back on
SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def load_template(folder: Path, choice: str) -> str | None:
    """The Jinja source of a model's chat template.

    Args:
        folder: the model's folder.
        choice: `auto` (the model's own, where it has one), `none`, or a file with a template.

    Raises:
        UsageError: the file does not exist, or the model has several templates and none is called `default`.
    """
    if choice == "none":
        return None
    if choice != "auto":
        return _read_file(Path(choice).expanduser())
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    return _pick(folder, _read_json(folder / "tokenizer_config.json").get("chat_template"))


def special_tokens(folder: Path) -> dict[str, str]:
    """The special tokens that a model's tokenizer names (`bos_token` → text), for its template."""
    named = _read_json(folder / "special_tokens_map.json") | _read_json(folder / "tokenizer_config.json")
    found = {name: named[name] for name in SPECIAL_TOKENS if named.get(name) is not None}
    return {name: token["content"] if isinstance(token, dict) else token for name, token in found.items()}


def digest(template: str | None) -> str:
    """A short name for a template that changes with its text; `none` for no template."""
    return "none" if template is None else sha256(template.encode()).hexdigest()[:16]


def render(template: str | None, prompt: Prompt, special_tokens: Mapping[str, str]) -> str:
    """The text that the model reads, up to where its answer begins.

    Without a template a text goes in as it is; with one it becomes a user's message.

    Raises:
        UsageError: chat messages without a template, or a template that is broken or refuses the messages.
    """
    if template is None:
        return _raw(prompt)
    from jinja2 import TemplateError  # noqa: PLC0415 - jinja2 waits until a prompt needs it

    messages = [Message(role="user", content=prompt)] if isinstance(prompt, str) else [*prompt]
    try:
        return _compile(template).render(
            {**special_tokens, "messages": messages, "tools": None, "documents": None, "add_generation_prompt": True},
            date_string=TODAY.strftime("%d %b %Y"),
        )
    except (TemplateError, TypeError, ValueError) as error:  # the template's own mistakes raise the latter two
        raise UsageError(
            f"the chat template {digest(template)} does not accept the prompt: {error}; "
            "change the messages, or pass another template with --passatk-chat-template FILE"
        ) from error


def _raw(prompt: Prompt) -> str:
    if isinstance(prompt, str):
        return prompt
    raise UsageError(
        "the prompt is a list of chat messages, but there is no chat template to render them with: "
        "pass one with --passatk-chat-template FILE, or choose a model that has its own"
    )


def _read_file(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--passatk-chat-template {file}: {error.strerror}; give auto, none or a file with a Jinja template"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--passatk-chat-template {file}: not a text file in UTF-8") from error


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UsageError(f"{file}: not a JSON object ({error}); download the model's files again") from error


def _pick(folder: Path, found: Any) -> str | None:
    """The one template to use of what `tokenizer_config.json` holds: nothing, a text, or a list of named texts."""
    if found is None or isinstance(found, str):
        return found
    named = {entry["name"]: str(entry["template"]) for entry in found}
    if "default" in named:
        return named["default"]
    raise UsageError(
        f"{folder / 'tokenizer_config.json'}: none of its chat templates ({', '.join(sorted(named))}) is called "
        "`default`; pass the one to use with --passatk-chat-template FILE"
    )


@lru_cache(maxsize=8)
def _compile(template: str) -> "Template":
    """The template in an environment like transformers': sandboxed, blocks trimmed, loop controls."""
    from jinja2 import nodes  # noqa: PLC0415 - jinja2 waits until a prompt needs it
    from jinja2.ext import Extension, loopcontrols  # noqa: PLC0415
    from jinja2.parser import Parser  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    class Generation(Extension):
        """`{% generation %}` marks what an assistant wrote, for training; here it only scopes."""

        tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals.update(raise_exception=_raise, strftime_now=TODAY.strftime)
    return environment.from_string(template)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is: Jinja's own filter escapes HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> NoReturn:
    from jinja2 import TemplateError  # noqa: PLC0415 - jinja2 waits until a prompt needs it

    raise TemplateError(message)

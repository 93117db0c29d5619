"""What a run asks of its servers, read from the options and the environment."""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models.openai_address import Address, parse_addresses

CONCURRENCY = 64  # requests that a server gets at once
MOST_CHOICES = 128  # completions that one request asks for: the most that OpenAI gives
OFFICIAL = "api.openai.com"
NO_KEY = "none"  # local servers want none, but the client does
ARMS = ("apart", "together")
DEFAULTS = {"timeout": "3600", "retries": "8", "n": str(MOST_CHOICES), "arms": ARMS[0]}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to ask.

    Attributes:
        name: of the model, for messages.
        models: by arm, the name under which a server has it.
        addresses: of the servers.
        key: of all servers.
        raw: whether prompts go in as they are, without the server's chat template.
        concurrency: the most requests that a server gets at once.
        timeout: seconds that a request may take.
        retries: how often a request is asked again after a passing failure.
        choices: the most completions of a problem in one request.
        apart: whether the arms of a run are asked for one after the other: the CPU build of vLLM 0.32 answers without
            an adapter as if with one, where both are in a batch, and no server says that it is such a one.
        logprobs: whether to ask for the log-probability of each completion.
        revision: which weights the user says these are, or `None`.
    """

    name: str
    models: Mapping[str, str]
    addresses: tuple[Address, ...]
    key: str = field(repr=False)
    raw: bool
    concurrency: int
    timeout: float
    retries: int
    choices: int
    apart: bool
    logprobs: bool
    revision: str | None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must not appear anywhere."""
        keys = () if self.key == NO_KEY else (self.key,)
        return (*keys, *(secret for address in self.addresses for secret in address.secrets))


def read_settings(target: str, options: ModelOptions) -> Settings:
    """The settings of a run. Raises UsageError naming what is missing, or what no server can follow."""
    if not target:
        raise UsageError("openai: names no model: put the name that the server gives it behind the colon, openai:NAME")
    _refuse(options)
    given = _arguments(options.args)
    addresses = _addresses(options.base_url)
    return Settings(
        name=target,
        models={arm: adapter or target for arm, adapter in options.adapters.items()},
        addresses=addresses,
        key=_key(addresses),
        raw=options.chat_template == "none",
        concurrency=options.concurrency or CONCURRENCY,
        timeout=_number("timeout", given["timeout"], float, 0.001),
        retries=_number("retries", given["retries"], int, 0),
        choices=_number("n", given["n"], int, 1),
        apart=_choice("arms", given["arms"], ARMS) == ARMS[0],
        logprobs=options.logprobs,
        revision=options.revision,
    )


def _refuse(options: ModelOptions) -> None:
    asked = {
        "dtype": "" if options.dtype == "auto" else options.dtype,
        "device": "" if options.device == "auto" else options.device,
        "quantization": options.quantization,
        "batch tokens": options.batch_tokens,
    }
    for name, value in asked.items():
        if value:
            raise UsageError(f"openai: a server chooses its {name} when it is started: leave out {value!r}")
    if options.chat_template not in {"auto", "none"}:
        raise UsageError(
            f"openai: the server renders chat messages, with a template of its own: start it with "
            f"{options.chat_template} instead, or send prompts as they are with --passatk-chat-template none"
        )


def _arguments(args: Mapping[str, str]) -> dict[str, str]:
    for name in args:
        if name not in DEFAULTS:
            close = difflib.get_close_matches(name, DEFAULTS, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise UsageError(f"openai: no model argument {name!r}{meant} There are {', '.join(DEFAULTS)}")
    return {**DEFAULTS, **args}


def _number(name: str, text: str, kind: Callable[[str], Any], low: float) -> Any:
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not low <= number < float("inf"):
        raise UsageError(f"openai: the model argument {name}={text} must be a number from {low:g} on")
    return number


def _choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise UsageError(f"openai: the model argument {name}={text} must be one of {', '.join(choices)}")
    return text


def _addresses(typed: str | None) -> tuple[Address, ...]:
    text = typed or os.environ.get("OPENAI_BASE_URL", "")
    if text.strip():
        return parse_addresses(text)
    if os.environ.get("OPENAI_API_KEY", "").strip():
        return parse_addresses(f"https://{OFFICIAL}/v1")
    raise UsageError(
        "openai: which server? Give its address with --base-url http://127.0.0.1:8000/v1 or OPENAI_BASE_URL; for "
        f"{OFFICIAL} set OPENAI_API_KEY"
    )


def _key(addresses: tuple[Address, ...]) -> str:
    """The key of the environment. Raises UsageError where it is missing, or cannot be sent; never shows it."""
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError("OPENAI_API_KEY holds characters that cannot be sent; copy the key again")
    if not key and any(f"//{OFFICIAL}/" in f"{address.shown}/" for address in addresses):
        raise UsageError(f"openai: {OFFICIAL} wants a key, and OPENAI_API_KEY is not set")
    return key or NO_KEY

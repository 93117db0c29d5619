"""A server's own words, without secrets."""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

LONGEST = 600  # characters
MASKED = re.compile(r"\bsk-[\w*.-]+")  # OpenAI repeats the ends of a wrong key


def hide(text: str, secrets: Iterable[str]) -> str:
    """A text on one line, with `…` in place of every secret, also as it is written in an address or in JSON."""
    forms = {form for secret in secrets for form in (secret, quote(secret, ""), quote_plus(secret), _quoted(secret))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "…")
    line = " ".join(MASKED.sub("…", text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _quoted(text: str) -> str:
    return json.dumps(text)[1:-1]


class Discreet(logging.Filter):
    """Hides secrets in what a library logs.

    Args:
        secrets: texts that must not appear.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without secrets, and without a traceback, which may hold them."""
        record.msg, record.args = hide(record.getMessage(), self._secrets), ()
        record.exc_info = None
        return True


def words_of(body: Any) -> str:
    """What the body of an error says: its message, its detail, or all of it."""
    if isinstance(body, Mapping):
        for key in ("error", "message", "detail"):
            if body.get(key):
                return words_of(body[key])
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)


def complains_of(body: Any, parameter: str) -> bool:
    """Whether the body of an error is about one parameter of the request: it names it, or has it as a word."""
    if isinstance(body, Mapping):
        named = str(body.get("param") or "").rpartition(".")[2]
        if named:
            return named == parameter
    return re.search(rf"(?<![\w'\\.]){parameter}(?!\w)", words_of(body)) is not None

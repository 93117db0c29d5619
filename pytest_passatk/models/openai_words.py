"""A server's own words, without secrets."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST = 600  # characters
MASKED = re.compile(r"\bsk-[\w*.-]+")  # OpenAI repeats the ends of a wrong key


def hide(text: str, secrets: Iterable[str]) -> str:
    """A text on one line, with `…` in place of every secret."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…")
    line = " ".join(MASKED.sub("…", text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


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

"""What a failed call means: ask again, give up on its problem, or end the run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from math import isfinite
from typing import Any

from pytest_passatk.models.openai_answer import Garbled
from pytest_passatk.models.openai_words import hide, words_of

PASSING = frozenset({408, 409, 425, 429})  # and every 5xx
REFUSED = frozenset({400, 413, 422})
BUSY = 429
NO_MONEY = "insufficient_quota"  # OpenAI says so with 429, too, and waiting does not help
NO_TEMPLATE = "chat template"


class Remedy(Enum):
    """What to do about a failure."""

    AGAIN = "again"
    LEAVE = "leave"  # the problem; the others go on
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that did not work out.

    Attributes:
        remedy: what to do about it.
        words: what the server said, or what happened instead.
        pause: seconds for which the server wants to be left alone, where it says so.
        status: of the answer, where there is one.
        body: of the answer, to look for the parameter that it is about.
    """

    remedy: Remedy
    words: str
    pause: float | None = None
    status: int | None = None
    body: Any = None

    @property
    def busy(self) -> bool:
        """Whether the server has too much to do."""
        return self.status == BUSY


def classify(error: Exception, secrets: Iterable[str]) -> Failure:
    """What an exception of a call means."""
    import openai  # noqa: PLC0415 - an optional library

    if isinstance(error, openai.APIStatusError):
        return _classify_status(error, error.status_code, secrets)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Failure(Remedy.AGAIN, "no answer in time")
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        return Failure(Remedy.AGAIN, hide(f"{type(cause).__name__}: {cause}", secrets))
    if isinstance(error, Garbled):
        return Failure(Remedy.AGAIN, hide(str(error), secrets))
    if isinstance(error, ValueError | openai.APIResponseValidationError):
        return Failure(Remedy.AGAIN, "the answer is no JSON")
    return Failure(Remedy.STOP, hide(f"{type(error).__name__}: {error}", secrets))


def _classify_status(error: Any, status: int, secrets: Iterable[str]) -> Failure:
    words = hide(f"{status}: {words_of(error.body) if error.body else error.message}", secrets)
    if status in REFUSED:
        if NO_TEMPLATE in words.lower():
            words += "; send prompts as they are with --passatk-chat-template none, or start the server with a template"
            return Failure(Remedy.STOP, words, status=status)
        return Failure(Remedy.LEAVE, words, status=status, body=error.body)
    if (status in PASSING or status >= 500) and NO_MONEY not in {error.code, error.type}:  # noqa: PLR2004 - HTTP's own
        return Failure(Remedy.AGAIN, words, _retry_after(error.response.headers), status)
    return Failure(Remedy.STOP, words, status=status)


def _retry_after(headers: Any) -> float | None:
    """Seconds in `Retry-After`, which holds them or a date."""
    text = headers.get("retry-after")
    if not text:
        return None
    try:
        return max(0.0, float(text)) if isfinite(float(text)) else None
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None

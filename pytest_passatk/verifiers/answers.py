r"""Answers in a completion's text; where several stand there, the last one counts.

>>> boxed_integer("12+5=17. \\boxed{17}")
17
"""

import re

INTEGER = r"[-+−]?\d{1,3}(?:,\d{3})+|[-+−]?\d{1,1000}"  # longer ones nobody asks for, and int() refuses them
LAST_INTEGER = re.compile(rf"(?<![\w.])(?:{INTEGER})(?![\w]|[.,]\d)")
BOXED_INTEGER = re.compile(rf"\\boxed\s*\{{\s*({INTEGER})\s*\}}")
LETTER = re.compile(r"answer\s*(?:is)?\s*:?\s*[*(]*([A-Z])\b", re.IGNORECASE)
FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)


def last_integer(text: str) -> int | None:
    """The last integer that stands by itself: no part of a word or of a decimal fraction."""
    found = LAST_INTEGER.findall(text)
    return _integer(found[-1]) if found else None


def boxed_integer(text: str) -> int | None:
    r"""The integer in the last \\boxed{…} that holds one."""
    found = BOXED_INTEGER.findall(text)
    return _integer(found[-1]) if found else None


def tagged(text: str, tag: str = "answer") -> str | None:
    """What stands in the last `<tag>…</tag>`, without spaces around it."""
    found = re.findall(rf"<{re.escape(tag)}>(.*?)</{re.escape(tag)}>", text, re.DOTALL)
    return found[-1].strip() if found else None


def choice_letter(text: str) -> str | None:
    """The capital letter of the last `Answer: X`; `answer is X`, `Answer: (X)` and `Answer: **X**` will do, too."""
    found = [letter for letter in LETTER.findall(text) if letter.isupper()]
    return found[-1] if found else None


def fenced_code(text: str) -> str | None:
    """The code in the last closed block between lines of three backticks."""
    found = FENCE.findall(text)
    return found[-1] if found else None


def _integer(digits: str) -> int:
    return int(digits.replace(",", "").replace("−", "-"))

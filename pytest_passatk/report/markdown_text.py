"""Untrusted text inside Markdown: shown as it is, and without any effect.

Ids, labels, answers and completions go into code spans and code blocks only. Nothing in these is markup, on GitHub and
on GitLab: no link, no HTML, no @mention that notifies a person, no #123 that refers to an issue.
"""

import re
from collections.abc import Iterable, Sequence

from pytest_passatk.report.text import visible

NAME = 80  # characters of an id or a label
SENTENCE = 600  # characters of a note
ROWS = 40  # of a table, or of a list


def code(text: str, most: int = NAME) -> str:
    """A code span with the text in one line, cut to `most` characters."""
    shown = clip(visible(clip(text, most)), most) or " "
    ticks = "`" * (_longest_run(shown) + 1)
    # One space on either side is dropped where both are there, unless there is nothing else.
    edges = shown[0] + shown[-1]
    pad = " " if "`" in edges or (edges == "  " and shown.strip(" ")) else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def block(text: str) -> str:
    """A code block with the text, longer than any run of backticks in it could close."""
    shown = visible(text, keep="\n\t")
    ticks = "`" * max(3, _longest_run(shown) + 1)
    return f"{ticks}text\n{shown}\n{ticks}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], most: int = ROWS) -> str:
    """A table of cells that are Markdown in one line; of more rows than `most`, it says how many are left out."""
    every = [list(row) for row in rows]
    lines = [_row(header), "|" + "---|" * len(header), *map(_row, every[:most])]
    return "\n".join([*lines, *_more(every, most)])


def bullets(items: Sequence[str], most: int = ROWS) -> str:
    """A list of items that are Markdown in one line."""
    return "\n".join([f"- {item}" for item in items[:most]] + _more(items, most))


def clip(text: str, most: int) -> str:
    """The text, or its begin and an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _row(cells: Sequence[str]) -> str:
    # Inside of a table, a bar ends its cell in a code span, too, unless there is a backslash before it.
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _more(items: Sequence[object], most: int) -> list[str]:
    return ["", f"… and {len(items) - most:,} more"] if len(items) > most else []


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)

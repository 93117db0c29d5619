"""Text that a terminal shows and does not obey, in lines of a given width."""

from collections.abc import Sequence
from math import floor, log10
from unicodedata import category

from rich.cells import cell_len

HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, and separators that some take as new lines
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str, keep: str = "") -> str:
    """The text with every sign that would steer a terminal written as its escape, those in `keep` excepted."""
    if text.isprintable():
        return text
    return "".join(sign if sign in keep else _shown(sign) for sign in text)


def _shown(sign: str) -> str:
    if category(sign) in HIDDEN or sign in BIDI:
        return sign.encode("unicode_escape").decode()
    return sign


def joined(words: Sequence[str], separator: str, width: int) -> list[str]:
    """The words in as few lines as they need, none broken; a word wider than `width` has a line of its own."""
    lines: list[str] = []
    room = -1
    for word in words:
        needed = cell_len(separator) + cell_len(word)
        if needed <= room:
            lines[-1] += separator + word
            room -= needed
        else:
            lines.append(word)
            room = width - cell_len(word)
    return lines


def listed(words: Sequence[str], width: int, ellipsis: str, most: int | None = None) -> list[str]:
    """The words in lines with commas; where `most` lines do not take them all, the last says how many are left."""
    if most is None:
        return joined(_with_commas(words), " ", width)
    lines: list[str] = []
    for shown in range(min(len(words), width * most // 3), -1, -1):  # a word and its comma take three columns or more
        rest = len(words) - shown
        tail = [f"{ellipsis} and {rest:,} more"] if rest else []
        lines = joined(_with_commas([*words[:shown], *tail]), " ", width)
        if len(lines) <= most:
            break
    return lines


def seconds(value: float) -> str:
    """`12 ms`, or `3.4 s`."""
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def amount(value: float) -> str:
    """Money: `0`, `0.000450`, `0.0123` or `1,234.50`; three digits that count, and at least two behind the point."""
    return f"{value:,.{max(2, 2 - floor(log10(value)))}f}" if value else "0"


def _with_commas(words: Sequence[str]) -> list[str]:
    return [f"{word}," for word in words[:-1]] + list(words[-1:])

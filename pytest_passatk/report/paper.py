"""What blocks of a report are printed on."""

from collections.abc import Iterable
from io import StringIO

from rich.console import Console, RenderableType
from rich.padding import Padding

INDENT = 2


def printed(things: Iterable[RenderableType], *, width: int, color: bool) -> str:
    """The things one below the other, as text of that many columns, with ANSI colours or without."""
    out = StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None, no_color=not color,
        markup=False, highlight=False, emoji=False, force_jupyter=False, legacy_windows=False,
    )  # fmt: skip
    for thing in things:
        console.print(thing)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).rstrip("\n")


def indented(thing: RenderableType) -> Padding:
    """The thing, below a heading."""
    return Padding(thing, (0, 0, 0, INDENT))

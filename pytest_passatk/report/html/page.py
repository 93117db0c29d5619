"""One page with everything in it, which asks nothing of a network and obeys nothing that a model wrote."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from pytest_passatk.core.record import RunRecord
from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.report.html.chunks import EMBEDDED, Beside, Inside, Shelf, folder_of, remove_stale, size_of
from pytest_passatk.report.html.index import index_of
from pytest_passatk.report.output import replacing

STYLES = ("uplot/uPlot.min.css", "page.css")
SCRIPTS = ("uplot/uPlot.iife.min.js", "elements.js", "texts.js", "charts.js", "figures.js", "search.js", "problems.js",
           "problem.js", "page.js")  # fmt: skip
_SLOT = re.compile(r"%%([a-z]+)%%")
_MARKUP = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})


def write(
    path: Path, run: RunRecord, summaries: Sequence[SuiteSummary], comparisons: Sequence[Comparison] = ()
) -> None:
    """Write the page, whole or not at all; the texts of a large run go before it into the folder `NAME.data` beside it.

    Args:
        path: of the page.
        run: the record, with samples and prompts.
        summaries: of its suites, in the same order.
        comparisons: of any of its suites.

    Raises:
        UsageError: the page, or a file beside it, cannot be written; it names the file.
    """
    folder = folder_of(path)
    special = path.exists() and not path.is_file()  # /dev/stdout has nothing beside it
    shelf: Shelf = Inside() if special or size_of(run) <= EMBEDDED else Beside(folder)
    index = index_of(run, summaries, comparisons, shelf)
    with replacing(path) as stream:
        stream.writelines(_page(index, shelf.payloads))
    if not special:
        remove_stale(folder, shelf.files)


def as_data(value: Any) -> str:
    """JSON that can stand in a script element: no sign of it ends the element or opens a comment."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_MARKUP)


def _page(index: Mapping[str, Any], payloads: Mapping[str, str]) -> Iterator[str]:
    """The template with its slots filled; what fills a slot is never looked through for slots."""
    styles, scripts = _read(*STYLES), '"use strict";\n' + _read(*SCRIPTS)
    slots = {
        "policy": _policy(styles, scripts),
        "styles": styles,
        "index": as_data(index),
        "scripts": scripts,
    }
    for place, part in enumerate(_SLOT.split(_read("page.html"))):
        if place % 2 == 0:
            yield part
        elif part == "chunks":
            yield from (f'<script type="text/plain" id="{name}">{text}</script>\n' for name, text in payloads.items())
        else:
            yield slots[part]


def _policy(styles: str, scripts: str) -> str:
    """What the page may do: run its own script and the scripts that this one adds, and nothing else.

    The texts beside the page are such scripts. Neither their digests nor 'self' would admit them everywhere: browsers
    do not agree on what a page that was opened as a file is the same as. Which addresses the script may add, its
    trusted type says.
    """
    return "; ".join([
        "default-src 'none'",
        f"script-src {_digest(scripts)} 'strict-dynamic'",
        f"style-src {_digest(styles)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types passatk",
    ])  # fmt: skip


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _read(*names: str) -> str:
    folder = files(__package__)
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)

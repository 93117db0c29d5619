"""The prompts and samples of a run, packed so that a page loads those of a problem when somebody opens it."""

import json
import re
from base64 import b64encode
from collections.abc import Collection, Iterator
from contextlib import suppress
from gzip import compress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from pytest_passatk.core.record import Judged, ProblemRecord, RunRecord, SuiteRecord
from pytest_passatk.core.sample import Prompt
from pytest_passatk.report.output import replacing

CHUNK = 1 << 19  # characters of text that are loaded at once: they unpack in the blink of an eye
EMBEDDED = 1 << 24  # characters of text that one page holds; above, it would be slow to open
LEVEL = 4  # of gzip: half the time of the default for a tenth more bytes
_FILE = re.compile(r"[0-9a-f]{16}\.js")


class Shelf(Protocol):
    """Where packed texts lie.

    Attributes:
        folder: name of the folder beside the page; `None` where the page holds the texts.
        payloads: those that the page holds, by name.
        files: names of those that lie in the folder.
    """

    folder: str | None
    payloads: dict[str, str]
    files: set[str]

    def put(self, payload: str) -> str:
        """Keep a payload; returns the name under which the page finds it again."""


class Inside:
    """Texts within the page, kept until it is written."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.payloads: dict[str, str] = {}
        self.files: set[str] = set()

    def put(self, payload: str) -> str:
        """Keep a payload."""
        name = _name(payload)
        self.payloads[name] = payload
        return name


class Beside:
    """Texts in a folder beside the page: scripts, since a page that was opened as a file can load nothing else.

    A file is named by its content, so that an older page keeps its texts until a new one takes its place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder: str | None = folder.name
        self.payloads: dict[str, str] = {}
        self.files: set[str] = set()
        self._path = folder

    def put(self, payload: str) -> str:
        """Write a payload as a script. Raises UsageError where that fails."""
        name = _name(payload)
        with replacing(self._path / f"{name}.js") as stream:
            stream.write(f'passatkChunk("{name}","{payload}");\n')
        self.files.add(name)
        return name


def folder_of(page: Path) -> Path:
    """The folder beside a page."""
    return page.with_name(f"{page.name}.data")


def remove_stale(folder: Path, kept: Collection[str]) -> None:
    """Remove the scripts of older pages, and the folder where nothing is left; what else lies there stays."""
    with suppress(OSError):  # a file that cannot go is in nobody's way
        for file in folder.iterdir():
            if _FILE.fullmatch(file.name) and file.stem not in kept:
                file.unlink()
        if not kept:
            folder.rmdir()


def size_of(run: RunRecord) -> int:
    """The characters of all texts of a run."""
    return sum(_size(problem) for suite in run.suites for problem in suite.problems)


def shelve(record: SuiteRecord, shelf: Shelf) -> list[tuple[int, str]]:
    """Put the texts of a suite on a shelf: for each chunk the position of its first problem, and its name."""
    return [(first, shelf.put(pack(problems))) for first, problems in _chunks(record)]


def pack(problems: list[dict[str, Any]]) -> str:
    """JSON, compressed, in letters that neither HTML nor JavaScript takes for something else."""
    plain = json.dumps(problems, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate becomes its escape, which in JSON reads back as it was.
    return b64encode(compress(plain.encode(errors="backslashreplace"), LEVEL, mtime=0)).decode()


def _chunks(record: SuiteRecord) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    prompts = {problem.id: problem.prompt for problem in record.planned.problems}
    first, size, held = 0, 0, list[dict[str, Any]]()
    for position, problem in enumerate(record.problems):
        if held and size + _size(problem) > CHUNK:
            yield first, held
            first, size, held = position, 0, []
        held.append(_problem(problem, prompts.get(problem.id, "")))
        size += _size(problem)
    if held:
        yield first, held


def _size(problem: ProblemRecord) -> int:
    return sum(len(sample.completion.text) + len(sample.verdict.reason) for sample in problem.samples)


def _problem(problem: ProblemRecord, prompt: Prompt) -> dict[str, Any]:
    return {"prompt": prompt, "samples": [_sample(sample) for sample in problem.samples]}


def _sample(sample: Judged) -> dict[str, Any]:
    completion, verdict = sample.completion, sample.verdict
    return {
        "index": completion.index,
        "status": verdict.status,
        "text": completion.text,
        "answer": verdict.answer,
        "reason": verdict.reason,
        "tokens": completion.tokens,
        "finish": completion.finish_reason,
        "seconds": completion.latency,
        "forgeable": verdict.forgeable,
        "problem": completion.error,
    }


def _name(payload: str) -> str:
    return blake2b(payload.encode(), digest_size=8).hexdigest()

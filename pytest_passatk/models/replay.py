"""The backend `replay`: completions that somebody saved, in the files of this project and of others.

A file is read twice and never held: first to check it and to count, then to hand out what is asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from pytest_passatk.core.errors import ModelError, UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import admit
from pytest_passatk.models.replay_files import digest_files, find_files, read_rows
from pytest_passatk.models.replay_formats import FORMATS, Saved, Text, recognise
from pytest_passatk.models.replay_index import Column, Key, choose_column, index_columns
from pytest_passatk.models.replay_notices import describe_replay

READER = "1"  # goes up when a change of the readers may change a text


def load(target: str, options: ModelOptions) -> "ReplayModel":
    """The completions in `FILE`, or in `FORMAT:FILE` (see `core.protocols.LoadModel`)."""
    _refuse(options)
    name, colon, place = target.partition(":")
    if not colon or name not in FORMATS or Path(target).exists():
        name, place = "", target
    if not place:
        raise UsageError(
            "--model replay: names no file: write replay:FILE, or replay:FORMAT:FILE such as replay:plain:FILE"
        )
    return ReplayModel(place, find_files(place), name or None, options.args.get("id"))


class ReplayModel:
    """Hands out saved completions: sample i of a problem is its i-th one in the order of the files.

    Args:
        place: the files, as the user named them.
        files: these, in order.
        format_: name of their format; `None` recognises it.
        column: that holds the ids; `None` takes the one with the most ids of the run.

    Raises:
        ModelError: a file cannot be read, has no row, or one that is not of the format.
    """

    def __init__(self, place: str, files: Sequence[Path], format_: str | None, column: str | None) -> None:
        self._place = place
        self._files = files
        self._named = format_
        self._column_named = column
        self._format = ""
        self._columns = index_columns(self._read())
        self._revision = digest_files(files)
        self._column: Column | None = None

    @property
    def info(self) -> ModelInfo:
        """What goes into every record; the column of the ids belongs to it once the run is known."""
        ids = {"ids": self._column.name} if self._column else {}
        return ModelInfo(
            name=Path(self._place).name,
            backend="replay",
            revision=f"sha256:{self._revision}",
            adapter=None,
            dtype="none",
            chat_template="none",
            versions={"format": self._format, **ids, "reader": READER},
            device="none",
        )

    def brief(self, suites: Sequence[PlannedSuite]) -> tuple[str, ...]:
        """Find the column of the ids; returns what a person should know (see `core.protocols.Briefed`)."""
        asked = dict.fromkeys(problem.id for suite in suites for problem in suite.problems)
        self._column = choose_column(self._columns, asked, self._column_named, self._place)
        return tuple(describe_replay(self._column, suites, prompts=self._format == "export"))

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request (see `core.protocols.Model`)."""
        asked = dict.fromkeys(request.problem_id for request in requests)
        column = self._column or choose_column(self._columns, asked, self._column_named, self._place)
        wanted: defaultdict[tuple[Key, int], list[Request]] = defaultdict(list)
        for request in requests:
            key = column.find(request.problem_id, request.prompt)
            if key is None or request.index >= column.counts[key]:
                yield admit.abort(request, _shortage(self._place, request, column, key))
            else:
                wanted[key, request.index].append(request)
        yield from self._hand_out(wanted, column)

    def close(self) -> None:
        """Nothing is held."""

    def _hand_out(self, wanted: dict[tuple[Key, int], list[Request]], column: Column) -> Iterator[Completion]:
        seen: Counter[Key] = Counter()
        for saved in self._read() if wanted else ():
            key = column.key(saved)
            for text in filter(None, saved.texts):
                for request in wanted.pop((key, seen[key]), ()):
                    yield _complete(request, text)
                seen[key] += 1
            if not wanted:
                return
        for request in chain.from_iterable(wanted.values()):
            yield admit.abort(request, ModelError(f"{self._place}: changed while it was read: repeat the command"))

    def _read(self) -> Iterator[Saved]:
        """The rows of all files. Raises ModelError."""
        for file in self._files:
            rows = read_rows(file)
            first = next(rows, None)
            if first is None:
                raise ModelError(f"{file}: there is nothing in it: name a file with completions")
            name = self._named or recognise(first)
            if name != (self._format or name):
                raise ModelError(
                    f"{file}: it has the format {name}, and {self._files[0]} has {self._format}: name files of one "
                    "format with a pattern such as 'out/*.jsonl'"
                )
            self._format = name
            yield from FORMATS[name].read(chain([first], rows))


def _shortage(place: str, request: Request, column: Column, key: Key | None) -> ModelError:
    """Why a request cannot be answered."""
    id_ = request.problem_id
    if key is not None and column.counts[key]:
        has = column.counts[key]
        return ModelError(f"{place} has {has} completions of {id_!r}, and no more: --n {has} stays within them")
    if suites := ", ".join(suite for suite, _ in column.keys.get(id_, []) if suite and key is None):
        return ModelError(
            f"{place} has a problem {id_!r} in each of the suites {suites}, but with other prompts, or as arms of one "
            "run: export the run of this one, or one suite with passatk export --suite"
        )
    return ModelError(
        f"{place} has no completion of {id_!r}; by {column.name} it has {name_some(list(column.keys))}: leave the "
        "problem out with -k or --limit, or add its completions"
    )


def _complete(request: Request, text: Text) -> Completion:
    return Completion(
        request.stream, request.index, text.text, text.tokens, text.finish_reason, text.latency, text.logprob
    )  # fmt: skip


def _refuse(options: ModelOptions) -> None:
    """Name an option that means nothing for completions that are there already."""
    asked = {
        "--revision": options.revision,
        "--adapter": ", ".join(filter(None, options.adapters.values())),
        "--passatk-quantization": options.quantization,
        "--passatk-dtype": "" if options.dtype == "auto" else options.dtype,
        "--passatk-device": "" if options.device == "auto" else options.device,
        "--passatk-chat-template": "" if options.chat_template == "auto" else options.chat_template,
        "--passatk-model-args": ", ".join(name for name in options.args if name != "id"),
    }
    for name, value in asked.items():
        if value:
            raise UsageError(
                f"--model replay: hands out saved completions, which {name} {value} cannot change: leave it away"
            )

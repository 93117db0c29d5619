"""`passatk export`: the samples of a run, as other programs read them; a few at a time, however many there are."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from json import dumps
from pathlib import Path
from typing import IO, Any, TypeAlias

from pytest_passatk.commands.lookup import add_run_arguments, find_run, find_suites
from pytest_passatk.core.errors import MissingExtraError, UsageError
from pytest_passatk.report.output import replacing
from pytest_passatk.store import Store, SuiteRow
from pytest_passatk.store.text import storable

NAME = "export"
HELP = "write the samples of a run to a file"
DESCRIPTION = (
    "Write the samples of a run: `jsonl` and `parquet` have all of them, one a line or row; `human-eval` has "
    "those with a verdict, in the form of human-eval's results."
)
ROWS = 1000  # rows of a Parquet table that are held at once
RESULTS = {"pass": "passed", "fail": "failed: {reason}", "timeout": "timed out"}  # as human-eval words them


# The columns of a sample and their types in Parquet; docs/command-line.md describes them.
COLUMNS = {
    "suite": "string", "problem": "string", "index": "int64", "prompt": "string", "text": "string",
    "tokens": "int64", "finish": "string", "answer": "string", "status": "string", "reason": "string",
    "seconds": "float64", "latency": "float64", "first_token": "float64", "prompt_tokens": "int64",
    "logprob": "float64",
}  # fmt: skip
Sample: TypeAlias = dict[str, Any]


def add_arguments(parser: ArgumentParser) -> None:
    """Which run, as what, and where to."""
    add_run_arguments(parser)
    parser.add_argument("--format", required=True, choices=FORMATS, help="how to write a sample")
    parser.add_argument("--output", metavar="FILE", type=Path, help="the file (default: standard output)")


def run(store: Store, chosen: Namespace) -> None:
    """Write the samples."""
    found = find_run(store, chosen.run)
    suites = find_suites(store, found, chosen.suite)
    FORMATS[chosen.format](store, suites, chosen.output)


def _write_jsonl(store: Store, suites: Sequence[SuiteRow], output: Path | None) -> None:
    with _lines(output) as stream:
        for sample in _samples(store, suites):
            stream.write(dumps(sample, ensure_ascii=False) + "\n")


def _write_human_eval(store: Store, suites: Sequence[SuiteRow], output: Path | None) -> None:
    if len(suites) > 1:
        titles = ", ".join(suite.full_title for suite in suites)
        raise UsageError(f"human-eval's form names no suite, and the run has {titles}: choose one with --suite")
    with _lines(output) as stream:
        for sample in _samples(store, suites):
            if sample["status"] in RESULTS:
                stream.write(dumps(_human_eval(sample), ensure_ascii=False) + "\n")


def _human_eval(sample: Sample) -> Sample:
    return {
        "task_id": sample["problem"],
        "completion": sample["text"],
        "result": RESULTS[sample["status"]].format(**sample),
        "passed": sample["status"] == "pass",
    }


def _write_parquet(store: Store, suites: Sequence[SuiteRow], output: Path | None) -> None:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import
        from pyarrow import parquet  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise MissingExtraError("--format parquet", "pyarrow", "hub") from error
    if output is None:
        raise UsageError("--format parquet writes a binary file: name it with --output")
    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()])
    samples = _samples(store, suites)
    with replacing(output, "wb") as stream, parquet.ParquetWriter(stream, schema) as writer:
        while rows := [_flat(sample) for sample in islice(samples, ROWS)]:
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _flat(sample: Sample) -> Sample:
    """The sample with its prompt as one string: a column has one type, so a chat goes in as JSON."""
    prompt = sample["prompt"]
    return sample | {"prompt": storable(prompt if isinstance(prompt, str) else dumps(prompt, ensure_ascii=False))}


def _samples(store: Store, suites: Sequence[SuiteRow]) -> Iterator[Sample]:
    for suite in suites:
        for problem in store.problems(suite.id):
            for s in problem.samples:
                values = (
                    suite.full_title, problem.id, s.index, problem.prompt, s.text, s.tokens, s.finish, s.answer,
                    s.status, s.reason, s.seconds, s.latency, s.first_token, s.prompt_tokens, s.logprob,
                )  # fmt: skip
                yield dict(zip(COLUMNS, values, strict=True))


@contextmanager
def _lines(output: Path | None) -> Iterator[IO[str]]:
    if output is not None:
        with replacing(output) as stream:
            yield stream
    else:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # JSON Lines are UTF-8 everywhere
        yield sys.stdout


FORMATS = {"jsonl": _write_jsonl, "parquet": _write_parquet, "human-eval": _write_human_eval}

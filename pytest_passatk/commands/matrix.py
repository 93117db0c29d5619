"""`passatk matrix`: models x suites x arms, in one table."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pytest_passatk.commands.sides import OpenStore

NAME = "matrix"
HELP = "measure models x suites x arms, and compare the arms"
DESCRIPTION = (
    "Measure every model of a file on every suite, all arms of the two in one run of pytest, and print one table: "
    "pass@k with intervals, what each arm changed with verdicts, and tokens/s. The same command goes on where it was "
    "interrupted. Exit status: 0; 1 where a model on a suite has no figures, or with --fail a gated figure regressed; "
    "2 where the file cannot be used."
)
OWN_STORE = True  # in the folder of the matrix


def add_arguments(parser: ArgumentParser) -> None:
    """Which file, and where the table goes."""
    parser.add_argument("file", metavar="FILE.toml", type=Path, help="models, suites and arms; see docs/matrix.md")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table as Markdown")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the table as JSON")
    parser.add_argument("--fail", action="store_true", help="exit with 1 where a gated figure of an arm regressed")
    parser.add_argument("--again", action="store_true", help="run what is finished again, too, on the stored samples")


def run(open_store: OpenStore, chosen: Namespace) -> int:  # noqa: ARG001 - every command is called alike
    """Measure and print; returns the exit status."""
    from pytest_passatk.commands import matrix_session  # noqa: PLC0415 - it knows the options, and so imports pytest

    return matrix_session.run(chosen)

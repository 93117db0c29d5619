"""The command `passatk`: what earlier runs left in the store, baselines, and matrices."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from pytest_passatk.commands import baseline, compare, export, matrix, plan, rejudge, runs, show
from pytest_passatk.core.errors import PassatkError
from pytest_passatk.store import Store

STORE = Path(".passatk", "store.sqlite")
REFUSED, INTERRUPTED, UNREAD = 2, 130, 141  # as argparse has it; as shells report SIGINT and SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    chosen = _parser().parse_args(arguments)
    _tame_stdout()
    try:
        with ExitStack() as stack:
            status: int = chosen.command(lambda: _open(chosen.store, stack), chosen)
            sys.stdout.flush()
    except PassatkError as error:
        print(f"passatk: error: {error}", file=sys.stderr)  # noqa: T201 - the command's own output
        refused: int = chosen.refused
        return refused
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _open(path: Path, stack: ExitStack) -> Store:
    return stack.enter_context(closing(Store(path, create=False)))


def _on_store(command: Callable[[Store, Namespace], None], open_store: Callable[[], Store], chosen: Namespace) -> int:
    """Run a command that is about the store; the others open it only where they are asked about a run."""
    command(open_store(), chosen)
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "passatk", description="Look at what runs of pytest-passatk left behind, or start a matrix of them."
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    on_store = [(command, partial(_on_store, command.run)) for command in (runs, show, export, rejudge)]
    for command, run in [*on_store, *((command, command.run) for command in (compare, baseline, plan, matrix))]:
        subparser = subparsers.add_parser(command.NAME, help=command.HELP, description=command.DESCRIPTION)
        command.add_arguments(subparser)
        if not getattr(command, "OWN_STORE", False):
            subparser.add_argument(
                "--store",
                metavar="PATH",
                type=Path,
                default=Path(os.environ.get("PASSATK_STORE") or STORE),
                help=f"the store (default: PASSATK_STORE, else {STORE})",
            )
        subparser.set_defaults(command=run, refused=getattr(command, "REFUSED", REFUSED))
    return parser


def _tame_stdout() -> None:
    """Let a stream that cannot take a sign write its escape instead of failing."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())

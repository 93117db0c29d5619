"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pytest_passatk.core.errors import UsageError


@contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file to write, which takes the place of `path` when the block ends well, and leaves it alone otherwise.

    What is no regular file, such as /dev/stdout, is written to directly. Text is UTF-8; a lone surrogate is written as
    its escape, which in JSON reads back as it was.

    Raises:
        UsageError: the file cannot be written.
    """
    target = Path(os.path.realpath(path))  # a link stays, and what it points to is replaced
    direct = target.exists() and not target.is_file()
    place = target if direct else target.with_name(f".{target.name}.{os.getpid()}")
    text = {} if "b" in mode else {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with place.open(mode, **text) as stream:  # type: ignore[call-overload]  # mode and encoding go together
            yield stream
        if not direct:
            place.replace(target)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror or error}: name another file, or free some space"
        ) from error
    finally:
        if not direct:
            with suppress(OSError):  # it has taken its place, or was never there
                place.unlink()

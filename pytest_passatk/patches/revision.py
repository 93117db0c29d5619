"""The digest of a patch's source, by which its samples are told from those of another state of it."""

import inspect
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pytest_passatk import patches
from pytest_passatk.core.patch import Patch

DIGITS = 16  # hex digits


def revision_of(maker: Callable[..., Any]) -> str:
    """Digest of the files that a patch stands in; of what else they import, nothing is known. Empty without a file."""
    files = [file for file in dict.fromkeys(_files(inspect.unwrap(maker))) if file.is_file()]
    digest = blake2b(digest_size=DIGITS // 2)
    for each in files:
        digest.update(each.read_bytes())
    return digest.hexdigest() if files else ""


def _files(maker: Callable[..., Any]) -> Iterator[Path]:
    """The file of a patch, with those of the classes that it derives from, and in this package with its other parts."""
    for kind in maker.__mro__ if inspect.isclass(maker) else (maker,):
        if kind is Patch:
            return
        file = _file(kind)
        own = kind.__module__.startswith(f"{patches.__name__}.")
        yield from sorted(file.parent.glob(f"{file.stem}*.py")) if own else (file,)


def _file(kind: Callable[..., Any]) -> Path:
    try:
        return Path(inspect.getsourcefile(kind) or "")
    except TypeError:  # built in, or an object that can be called
        return Path()

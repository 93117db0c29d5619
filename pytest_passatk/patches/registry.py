"""From the text behind `--patch` to a patch.

There is no central list: a module of this package that defines `load`, an entry point of the group
`pytest_passatk.patches`, or `pkg.mod:Name` anywhere on Python's path.
"""

import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_passatk import patches
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.foreign import import_foreign
from pytest_passatk.core.patch import Patch, PatchSpec

GROUP = "pytest_passatk.patches"
DIGITS = 16  # hex digits of a patch's digest


def resolve(name: str, args: Mapping[str, str]) -> PatchSpec:
    """The patch that a name means, ready to be made anywhere. Raises UsageError where there is none."""
    maker = find(name)
    try:
        inspect.signature(maker).bind(**args)
    except TypeError as error:
        takes = ", ".join(inspect.signature(maker).parameters) or "none"
        raise UsageError(f"--patch {name}: {error} among --passatk-patch-args; it takes {takes}") from error
    return PatchSpec(name, dict(args), _revision(maker))


def make(spec: PatchSpec) -> Patch:
    """A new patch. Raises UsageError where its arguments do not fit, or it is no patch."""
    return maker_of(spec)()


def maker_of(spec: PatchSpec) -> Callable[[], Patch]:
    """What makes new patches, each raising as `make` does; found once. Raises UsageError where there is none."""
    found, args = find(spec.name), {name: parse(text) for name, text in spec.args.items()}

    def make_one() -> Patch:
        try:
            made = found(**args)
        except (TypeError, ValueError) as error:
            raise UsageError(f"--patch {spec.name}: {error}; see --passatk-patch-args") from error
        if not isinstance(made, Patch):
            raise UsageError(f"--patch {spec.name} makes a {type(made).__name__}: derive it from pytest_passatk.Patch")
        return made

    return make_one


def find(name: str) -> Callable[..., Any]:
    """What makes the patch of that name. Raises UsageError."""
    if name.isidentifier() and find_spec(f"{patches.__name__}.{name}"):
        maker = getattr(import_module(f"{patches.__name__}.{name}"), "load", None)
        if maker:
            return maker  # type: ignore[no-any-return]  # a function of ours
    for point in entry_points(group=GROUP, name=name):
        return point.load()  # type: ignore[no-any-return]  # of somebody else's
    return _foreign(name)


def known() -> list[str]:
    """The names of all patches, installed or registered."""
    own = [each.name for each in pkgutil.iter_modules(patches.__path__)]
    return sorted({name for name in own if _loads(name)} | set(entry_points(group=GROUP).names))


def parse(text: str) -> Any:
    """A number, a truth value or a list where the text is one in JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _loads(name: str) -> bool:
    return hasattr(import_module(f"{patches.__name__}.{name}"), "load")


def _foreign(name: str) -> Callable[..., Any]:
    module, colon, attribute = name.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise UsageError(
            f"unknown patch {name!r}: there are {', '.join(known())}; write pkg.mod:Name for one of your own"
        )
    found = import_foreign(module)
    if found is None:
        raise UsageError(f"--patch {name}: there is no module {module} on Python's path")
    if not callable(made := getattr(found, attribute, None)):
        raise UsageError(f"--patch {name}: module {module} has no {attribute!r} that makes a patch")
    return made  # type: ignore[no-any-return]  # checked when it is called


def _revision(maker: Callable[..., Any]) -> str:
    """Digest of the files that a patch stands in; of what else they import, nothing is known."""
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
        file = Path(inspect.getsourcefile(kind) or "")
        own = kind.__module__.startswith(f"{patches.__name__}.")
        yield from sorted(file.parent.glob(f"{file.stem}*.py")) if own else (file,)

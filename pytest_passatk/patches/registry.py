"""From the text behind `--patch` to a patch.

There is no central list: a module of this package that defines `load`, an entry point of the group
`pytest_passatk.patches`, or `pkg.mod:Name` anywhere on Python's path.
"""

import inspect
import json
import pkgutil
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from pytest_passatk import patches
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Patch, PatchSpec
from pytest_passatk.patches.foreign import carefully, corrected, find_foreign, is_name, refuse_unsound
from pytest_passatk.patches.revision import revision_of

GROUP = "pytest_passatk.patches"


def resolve(name: str, args: Mapping[str, str]) -> PatchSpec:
    """The patch that a name means, ready to be made anywhere.

    It is made once here, so that what is wrong with it is said before anything is sampled.

    Raises:
        UsageError: there is none, its arguments do not fit, or it is unsound.
    """
    maker = find(name)
    try:
        inspect.signature(maker).bind(**args)
    except TypeError as error:
        takes = ", ".join(inspect.signature(maker).parameters) or "none"
        raise UsageError(f"--patch {name}: {error} among --passatk-patch-args; it takes {takes}") from error
    spec = PatchSpec(name, dict(args), revision_of(maker))
    make(spec)
    return spec


def make(spec: PatchSpec) -> Patch:
    """A new patch. Raises UsageError where its arguments do not fit, or it is no patch."""
    return maker_of(spec)()


def maker_of(spec: PatchSpec) -> Callable[[], Patch]:
    """What makes new patches, each raising as `make` does; found once. Raises UsageError where there is none."""
    found, args = find(spec.name), {name: parse(text) for name, text in spec.args.items()}

    def make_one() -> Patch:
        made = carefully(spec.name, "making it", partial(_make, spec.name, found, args))
        refuse_unsound(spec.name, made)
        return made  # type: ignore[no-any-return]  # just checked

    return make_one


def find(name: str) -> Callable[..., Any]:
    """What makes the patch of that name. Raises UsageError."""
    if name.isidentifier() and find_spec(f"{patches.__name__}.{name}"):
        maker = getattr(import_module(f"{patches.__name__}.{name}"), "load", None)
        if maker:
            return maker  # type: ignore[no-any-return]  # a function of ours
    for point in entry_points(group=GROUP, name=name):
        return _patch_class(name, carefully(name, f"importing {point.module}", point.load))
    if is_name(name):
        return _patch_class(name, find_foreign(name))
    meant = corrected(name)
    own = f"write {meant}" if meant else "write pkg.mod:Name for one of your own"
    raise UsageError(f"unknown patch {name!r}: there are {', '.join(known())}; {own}")


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


def _patch_class(name: str, maker: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a patch: a function, or a class of them. Raises UsageError for any other class."""
    if inspect.isclass(maker) and not issubclass(maker, Patch):
        raise UsageError(f"--patch {name} is a class of its own: derive {maker.__name__} from pytest_passatk.Patch")
    return maker


def _make(name: str, maker: Callable[..., Any], args: Mapping[str, Any]) -> Any:
    try:
        return maker(**args)
    except (TypeError, ValueError) as error:
        if not args:
            raise
        raise UsageError(f"--patch {name}: {error}; see --passatk-patch-args") from error

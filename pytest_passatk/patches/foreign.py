"""Patches of users: what `pkg.mod:Name` means, and what is wrong with it where it means nothing."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from sysconfig import get_path
from traceback import FrameSummary, extract_tb
from typing import Any

from pytest_passatk.core.errors import PassatkError, UsageError
from pytest_passatk.core.foreign import import_foreign
from pytest_passatk.core.patch import Claim, Patch

LIBRARY = {"site-packages", "dist-packages", "<frozen importlib._bootstrap>"}
STANDARD, OURS = Path(get_path("stdlib")), Path(__file__).parents[1]


def find_foreign(name: str) -> Callable[..., Any]:
    """What makes the patch `pkg.mod:Name`. Raises UsageError where the module or the name is not there, or breaks."""
    module, _, attribute = name.partition(":")
    found = carefully(name, f"importing {module}", lambda: import_foreign(module))
    if found is None:
        raise UsageError(f"--patch {name}: there is no module {module} on Python's path{_elsewhere(name, module)}")
    made = getattr(found, attribute, None)
    if not callable(made):
        raise UsageError(f"--patch {name}: module {module} has no {attribute!r} that makes a patch{_others(found)}")
    return made  # type: ignore[no-any-return]  # checked when it is called


def is_name(text: str) -> bool:
    """Whether a text is `pkg.mod:Name`."""
    module, colon, attribute = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), attribute))


def corrected(text: str) -> str:
    """What is meant by `folder/file.py:Name`, as it should be typed; empty for anything else."""
    file, _, attribute = text.partition(":")
    name = ".".join(Path(file.removesuffix(".py")).parts) + f":{attribute or 'Name'}"
    return name if ("/" in file or file.endswith(".py")) and is_name(name) else ""


def carefully(name: str, doing: str, do: Callable[[], Any]) -> Any:
    """Do something with a user's patch. Raises UsageError, with the user's own line, where it raises."""
    try:
        return do()
    except PassatkError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"--patch {name}: {doing} raised {told(error)}") from error


def refuse_unsound(name: str, made: object) -> None:
    """Refuse what is no patch, or does not say what it is. Raises UsageError."""
    if inspect.isclass(made):
        raise UsageError(f"--patch {name} makes the class {made.__name__}: it has to make a patch of it")
    if not isinstance(made, Patch):
        raise UsageError(f"--patch {name} makes a {type(made).__name__}: derive it from pytest_passatk.Patch")
    if not isinstance(made.claim, Claim):
        claims = ", ".join(f"Claim.{claim.name}" for claim in Claim)
        raise UsageError(f"--patch {name}: its claim is {made.claim!r}: it has to be one of {claims}")
    if isinstance(made.layers, str):
        raise UsageError(f"--patch {name}: its layers are {made.layers!r}: write ({made.layers!r},)")


def told(error: BaseException) -> str:
    """An exception in one line, with the innermost place that it came through outside of libraries, and of this one."""
    frames = list(extract_tb(error.__traceback__))
    own = [frame for frame in frames if not _is_library(frame)] or frames
    own = [frame for frame in own if not Path(frame.filename).is_relative_to(OURS)] or own
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno} {own[-1].name})" if own else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {text}' if text else ''}{'' if isinstance(error, SyntaxError) else place}"


def find_smallest(backend: str, name: str) -> str:
    """What to do about a patch that breaks an engine; `name` is as in `--patch NAME`."""
    return (
        "what finished is kept, but the same command breaks again: repair the patch; its smallest batch that breaks is "
        f"found by pytest suites/decode_shrink --model {backend}:… {name}"
    )


def _is_library(frame: FrameSummary) -> bool:
    path = Path(frame.filename)
    return bool(LIBRARY & {*path.parts}) or path.is_relative_to(STANDARD)


def _elsewhere(name: str, module: str) -> str:
    """What may have been meant, or where the package is that was looked into: not everybody thinks of that one."""
    if meant := corrected(name):
        return f"; write {meant}"
    package, dot, _ = module.partition(".")
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return f"; {package} is {Path(file).parent}" if dot and file else ""


def _others(module: Any) -> str:
    """The patches that a module has."""
    names = [name for name, each in vars(module).items() if inspect.isclass(each) and issubclass(each, Patch)]
    return f"; it has {', '.join(sorted(names))}" if (names := [each for each in names if each != "Patch"]) else ""

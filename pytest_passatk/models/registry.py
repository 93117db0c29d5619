"""From the text behind `--model` to a model.

There is no central list of backends: a module of this package that defines `load`, an entry point of the group
`pytest_passatk.models`, or `pkg.mod:attribute` anywhere on Python's path.
"""

import difflib
import pkgutil
import re
import sys
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from pytest_passatk import models
from pytest_passatk.core.errors import MissingExtraError, UsageError
from pytest_passatk.core.foreign import import_foreign
from pytest_passatk.core.protocols import Model, ModelOptions

GROUP = "pytest_passatk.models"
BARE = "auto"  # the backend of a spec that names none
EXAMPLES = "for example tiny, hf:./folder, hf:org/name, org/name or my_package.my_module:load"


def parse(spec: str) -> tuple[str, str]:
    """The backend and the target of a spec.

    `hf:X` → (`hf`, X); `tiny` → (`tiny`, ``); a folder, a path or a Hub id alone → (`auto`, spec).

    Raises:
        UsageError: the spec is empty, or one word that is neither a backend nor a folder.
    """
    if not spec.strip():
        raise UsageError(f"--model is empty; give {EXAMPLES}")
    if _is_backend(spec):
        return spec, ""
    if _is_path(spec):
        return BARE, spec
    backend, colon, target = spec.partition(":")
    if colon:
        return backend, target
    if "/" in spec:
        return BARE, spec
    raise UsageError(f"{_unknown('model', spec)}; a Hub id without an owner is written hf:{spec}")


def load(spec: str, options: ModelOptions) -> Model:
    """The model that a spec names; its weights wait for the first sample.

    Raises:
        UsageError: no such backend, what it needs is not installed, or it is to be patched and does not say that it
            can be (`PATCHABLE`).
        ModelError: the backend is there, but not the model.
    """
    backend, target = backend_of(spec)
    found, target = _find(backend, target)
    if options.patches and not getattr(_declaring(backend), "PATCHABLE", False):
        names = ", ".join(sorted({patch.name for patch in options.patches.values()}))
        raise UsageError(
            f"--patch {names}: the backend {backend} has no runtime that can be patched; take one that has, such as "
            "--model hf:tiny, hf:PATH or vllm:PATH"
        )
    return cast("Model", found(target, options) if callable(found) else found)


def backend_of(spec: str) -> tuple[str, str]:
    """The backend and the target of a spec, with an engine chosen for one that names none. Raises UsageError."""
    backend, target = parse(spec)
    return (_engine(spec), target) if backend == BARE else (backend, target)


def is_heavy(spec: str) -> bool:
    """Whether a spec's backend says that its libraries are (`HEAVY`); a bare name takes one of those."""
    backend, _ = parse(spec)
    return backend == BARE or bool(getattr(_module(backend), "HEAVY", False))


def backends() -> list[str]:
    """The names of all backends, installed or registered."""
    own = (module.name for module in pkgutil.iter_modules(models.__path__))
    return sorted({name for name in own if _own(name)} | set(entry_points(group=GROUP).names))


def _is_backend(name: str) -> bool:
    """Whether `backends` would list a name; imports that one only. What is installed is looked at for plain names."""
    return ":" not in name and (_own(name) is not None or name in entry_points(group=GROUP).names)


def _is_path(spec: str) -> bool:
    """Whether a spec is a place on the disk: drive letters and colons in existing names belong to it."""
    return bool(re.match(r"[A-Za-z]:[\\/]|[~/\\]|\.{1,2}([\\/]|$)", spec)) or Path(spec).is_dir()


def _engine(spec: str) -> str:
    """The backend for a bare name: vLLM where it is installed and can run, else transformers."""
    from pytest_passatk.models.vllm import can_run  # noqa: PLC0415 - a backend; only a bare name asks for it

    if can_run():
        return "vllm"
    if find_spec("torch") and find_spec("transformers"):
        return "hf"
    raise MissingExtraError(f"--model {spec}", "vllm or transformers", "hf")


def _find(backend: str, target: str) -> tuple[Any, str]:
    """A backend's `load` (or a whole model) with the target to give it."""
    if own := _own(backend):
        return own, target
    for point in entry_points(group=GROUP, name=backend):
        return point.load(), target
    return _foreign(backend, target)


def _own(name: str) -> Any:
    """The `load` of a module of this package, or `None`."""
    return getattr(_module(name), "load", None)


def _module(name: str) -> ModuleType | None:
    """The module of this package that holds a backend, if there is one."""
    module = f"{models.__name__}.{name}"
    if module == __name__ or not name.isidentifier() or not find_spec(module):
        return None
    return import_module(module)


def _declaring(backend: str) -> ModuleType | None:
    """The module that says what a backend can do; it has been imported."""
    if own := _module(backend):
        return own
    points = entry_points(group=GROUP, name=backend)
    return sys.modules.get(next((point.module for point in points), backend))


def _foreign(module: str, target: str) -> tuple[Any, str]:
    """The attribute of a module outside; what follows a second colon is its target."""
    name, _, rest = target.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        raise UsageError(_unknown("backend", module))
    found = import_foreign(module)
    if found is None:
        raise UsageError(_unknown("backend", module))
    if name and hasattr(found, name):
        return getattr(found, name), rest
    raise UsageError(f"--model {module}:{target}: module {module} has no attribute {name!r} that loads a model")


def _unknown(what: str, name: str) -> str:
    known = backends()
    close = difflib.get_close_matches(name.lower(), known, n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return f"unknown {what} {name!r}{meant}: the backends are {', '.join(known)}; write {EXAMPLES}"

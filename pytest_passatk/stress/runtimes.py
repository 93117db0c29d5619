"""From the text behind `--model` to a runtime that plays schedules.

A module `NAME_runtime` of this package that defines `load` is the runtime `NAME`; there is no other list.
"""

import pkgutil
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from pytest_passatk import stress
from pytest_passatk.core.errors import MissingExtraError, UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models import registry
from pytest_passatk.stress.runtime import LoadRuntime, Runtime

DEFAULT = "tensor"
ENDING = "_runtime"
NEEDS = ("torch", "hypothesis")


def load(spec: str | None, options: ModelOptions) -> Runtime:
    """The runtime that a spec names, live in this process; without one the runtime `tensor`.

    Raises:
        UsageError: there is no such runtime, or what it needs is not installed.
        ModelError: it does not start.
    """
    for library in NEEDS:
        if not find_spec(library):
            raise MissingExtraError("suites/decode_shrink", library, "stress")
    backend, target = (DEFAULT, "") if spec in {None, DEFAULT} else registry.backend_of(str(spec))
    module = f"{stress.__name__}.{backend}{ENDING}"
    if not backend.isidentifier() or not find_spec(module):
        raise UsageError(
            f"--model {spec}: decode_shrink cannot drive {backend}; take one of {', '.join(known())}, such as "
            "--model hf:tiny or vllm:PATH, or leave --model away for tensors without a model"
        )
    return cast("LoadRuntime", import_module(module).load)(target, options)


def known() -> list[str]:
    """The names of all runtimes."""
    names = [each.name for each in pkgutil.iter_modules(stress.__path__)]
    return sorted(name.removesuffix(ENDING) for name in names if name.endswith(ENDING))

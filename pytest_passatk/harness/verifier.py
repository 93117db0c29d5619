"""The digest of a verifier: everything of which a change may change a verdict."""

import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_passatk.core.problem import Problem
from pytest_passatk.core.stream import digest
from pytest_passatk.core.suite import Suite

# Installed code changes with its version, not under the hands of the suite's author; our own verifiers do.
INSTALLED = tuple({Path(path).resolve() for name, path in sysconfig.get_paths().items() if "lib" in name})
VERIFIERS = "pytest_passatk.verifiers"


class VerifierDigest:
    """Digests of the judgements of one suite.

    The source files that the suite's functions reach through the globals of their modules count, unless they are
    installed packages; of this project only the verifiers count. So do the files of its fixtures; their values are not
    looked at.

    Args:
        suite: whose verifier.
        timeout: seconds that a judgement may take; it can turn a verdict.
        fixtures: the functions behind the suite's fixtures.
    """

    def __init__(self, suite: Suite, timeout: float, fixtures: Iterable[Callable[..., Any]] = ()) -> None:
        functions = [function for function in (suite.body, suite.extract, suite.same) if function is not None]
        own = sys.modules.get(suite.body.__module__)
        modules = {own} if own else set()
        for function in functions:
            modules |= set(_reachable(function, suite.body.__module__.partition(".")[0]))
        # Several conftest.py may go by one module name, so that the code itself is asked for its file.
        files = {
            function.__code__.co_filename for function in fixtures if not _is_installed(function.__code__.co_filename)
        }
        files |= {module.__file__ for module in modules if module.__file__}
        sources = sorted(map(_source_digest, files))
        self._verifier = [sources, timeout]

    def of(self, problem: Problem) -> str:
        """The digest for one problem: its row holds the gold answer."""
        return digest([self._verifier, problem.id, problem.answer, problem.tests, dict(problem.fields)])


def _source_digest(file: str) -> str:
    return blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()


def _reachable(function: Callable[..., Any], package: str) -> Iterator[ModuleType]:
    function = inspect.unwrap(getattr(function, "func", function))  # a partial, or something decorated
    found: set[str] = set()
    waiting = [getattr(function, "__module__", "")]
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if module is None or name in found or not _counts(module, package):
            continue
        found.add(name)
        yield module
        waiting.extend(_home(value) for value in vars(module).values())


def _home(value: Any) -> str:
    """The name of the module that a global comes from."""
    home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return home if isinstance(home, str) else ""


def _counts(module: ModuleType, package: str) -> bool:
    file, top = getattr(module, "__file__", None), module.__name__.partition(".")[0]
    if not file or not file.endswith(".py"):
        return False
    if top == "pytest_passatk":
        return module.__name__.startswith((VERIFIERS, f"{top}.suites."))
    return top == package or not _is_installed(file)


def _is_installed(file: str) -> bool:
    return any(Path(file).resolve().is_relative_to(place) for place in INSTALLED)

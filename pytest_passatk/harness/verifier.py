"""The digest of a verifier: everything of which a change may change a verdict."""

import ast
import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from pytest_passatk.core.problem import Problem
from pytest_passatk.core.stream import digest
from pytest_passatk.core.suite import Suite
from pytest_passatk.harness.reach import called, form_of, reach

# Installed code changes with its version, not under the hands of the suite's author; our own verifiers do.
INSTALLED = tuple({Path(path).resolve() for name, path in sysconfig.get_paths().items() if "lib" in name})
# Of each of these, all files count together: a verifier may be chosen by its name when the suite runs.
WHOLE = ("pytest_passatk.verifiers", "pytest_passatk.sandbox")
IMPORTERS = {"import_module", "importorskip", "__import__"}
SUITES = "pytest_passatk.suites."  # where the wheel has them


class VerifierDigest:
    """Digests of the judgements of one suite.

    The suite's file counts, and every source file that it imports or has globals from, and these in turn, unless they
    are installed packages; of this project only the verifiers and the sandbox count, all files of each together. So do
    the files of its fixtures, and what these import; their values, and data files that a body reads, are not looked at.

    Args:
        suite: whose verifier.
        timeout: seconds that a judgement may take; it can turn a verdict.
        fixtures: the functions behind the suite's fixtures.
        parameters: values of the suite's parameters; one that names a module counts as an import of it.
    """

    def __init__(
        self,
        suite: Suite,
        timeout: float,
        fixtures: Iterable[Callable[..., Any]] = (),
        parameters: Iterable[str] = (),
    ) -> None:
        self._suite = suite
        self._timeout = timeout
        self._package = suite.body.__module__.partition(".")[0]
        functions = [function for function in (suite.body, suite.extract, suite.same) if function is not None]
        self._modules = set(map(_module, functions))
        self._chosen = [value for value in parameters if all(map(str.isidentifier, value.split(".")))]
        self._fixtures = {*_fixture_files(fixtures, self._package)}
        self._files = {*_reachable([*self._modules, *self._chosen], self._package), *self._fixtures, str(suite.file)}
        self._verifier = [sorted(map(_source_digest, self._files)), timeout]

    @property
    def alone(self) -> str:
        """The digest of what judges, without any row; of the suite's file only what the judging uses.

        It outlives comments and formatting, and is the same on every system.
        """
        file, own = str(self._suite.file), self._suite.body.__module__
        reached = reach(Path(file), self._suite.body.__name__)
        if reached is None:
            return digest([sorted(map(_code_digest, self._files)), self._timeout])
        imported = [name for part in reached.parts for name in _imported(part, _base(own, file))]
        names = [*(self._modules - {own}), *self._chosen, *imported]
        others = {*_reachable(names, self._package), *self._fixtures} - {file}
        return digest([reached.forms, sorted(map(_code_digest, others)), self._timeout])

    def of(self, problem: Problem) -> str:
        """The digest for one problem: its row holds the gold answer."""
        return digest([self._verifier, *_plain_row(problem)])


def row_digest(problem: Problem) -> str:
    """The digest of a problem's row."""
    return digest(_plain_row(problem))


def _plain_row(problem: Problem) -> list[Any]:
    return [problem.id, *map(plain, (problem.answer, problem.tests, problem.fields))]


def _source_digest(file: str) -> str:
    return blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()


def _code_digest(file: str) -> str:
    return _form_digest(Path(file).read_bytes())


@cache
def _form_digest(source: bytes) -> str:
    return blake2b(form_of(ast.parse(source)).encode(), digest_size=16).hexdigest()


def _module(function: Callable[..., Any]) -> str:
    function = inspect.unwrap(getattr(function, "func", function))  # a partial, or something decorated
    return getattr(function, "__module__", "")


def _reachable(names: Iterable[str], package: str) -> Iterator[str]:
    """The files of the modules that some modules import or have globals from, and so on, where they count."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        file = _source_file(name)
        if file and (whole := next((each for each in WHOLE if f"{name}.".startswith(f"{each}.")), None)):
            found.add(whole)
            yield from map(str, Path(_source_file(whole) or file).parent.glob("*.py"))
        elif file and _counts(name, file, package):
            yield file
            waiting += [*_imports(name, file), *map(_home, _globals(name))]


def _fixture_files(functions: Iterable[Callable[..., Any]], package: str) -> Iterator[str]:
    """The files of fixtures, and of what these import; of this project's own only what they import."""
    for function in functions:
        # Several conftest.py may go by one module name, so that the code itself is asked for its file.
        file, name = function.__code__.co_filename, function.__module__
        ours = f"{name}.".startswith("pytest_passatk.") and not name.startswith(SUITES)
        if not Path(file).is_file() or (_is_installed(file) and not ours):
            continue
        if not ours:
            yield file
        yield from _reachable(_imports(name, file), package)


def _source_file(name: str) -> str | None:
    """The source of a module, which may not be imported yet: bodies import, too."""
    module, file = sys.modules.get(name), None
    if module is not None:
        file = getattr(module, "__file__", None)
    elif name:
        with suppress(Exception):  # a package on the way may not exist, or fail to be imported
            spec = find_spec(name)
            file = spec.origin if spec else None
    return file if file and file.endswith(".py") else None


def _imports(name: str, file: str) -> Iterator[str]:
    """What a source imports anywhere in it, as names of modules; some are names in modules, which are none."""
    return _imported(ast.parse(Path(file).read_bytes()), _base(name, file))


def _base(name: str, file: str) -> str:
    """The package that relative imports of a module start from."""
    return name if Path(file).name == "__init__.py" else name.rpartition(".")[0]


def _imported(part: ast.AST, base: str) -> Iterator[str]:
    for node in ast.walk(part):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = base.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(filter(None, [above, node.module]))
            yield from (origin, *(f"{origin}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Call) and called(node) in IMPORTERS:
            yield from (str(name.value) for name in node.args[:1] if isinstance(name, ast.Constant))


def _globals(name: str) -> Iterable[Any]:
    module = sys.modules.get(name)
    return vars(module).values() if module else ()


def _home(value: Any) -> str:
    """The name of the module that a global comes from."""
    home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return home if isinstance(home, str) else ""


def _counts(name: str, file: str, package: str) -> bool:
    top = name.partition(".")[0]
    if top == "pytest_passatk":
        return name.startswith(SUITES)
    return top == package or not _is_installed(file)


def plain(value: Any) -> Any:
    """A row's value as JSON holds it, whole: what prints in short, as a long array does, must not hide a change."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return sorted([repr(key), plain(item)] for key, item in value.items())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, FunctionType):  # its repr tells where it is in memory
        return [value.__qualname__, *_source(value)]
    return plain(value.tolist()) if hasattr(value, "tolist") else repr(value)


def _source(function: FunctionType) -> Iterator[str]:
    with suppress(OSError, TypeError):  # there may be none
        yield inspect.getsource(function)


def _is_installed(file: str) -> bool:
    return any(Path(file).resolve().is_relative_to(place) for place in INSTALLED)

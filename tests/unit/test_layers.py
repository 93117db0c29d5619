"""The layers of the design: imports point down, there is no cycle, and pytest stays in its layer."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pytest_passatk

ROOT = Path(pytest_passatk.__file__).parent
PACKAGE = "pytest_passatk"

# From the bottom up. A module may import its own layer and those below.
LAYERS = [
    {"core"},
    {"gate"},
    {"__init__"},
    {"baselines", "datasets", "judging", "models", "patches", "report", "runtimes", "sandbox", "store", "stress"}
    | {"verifiers"},
    {"sampling"},
    {"cli", "commands", "harness"},
    {"plugin"},
]
SHIPPED = {"fixtures", "suites"}  # part of the wheel, not of the layers


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in SHIPPED}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, inside of functions, too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def layer(module: str) -> int:
    part = "__init__" if module == PACKAGE else module.split(".")[1]
    found = [rank for rank, parts in enumerate(LAYERS) if part in parts]
    assert found, f"{module}: belongs to no layer"
    return found[0]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    ours = {name for name in imports(MODULES[module]) if name.partition(".")[0] == PACKAGE}
    assert [name for name in sorted(ours) if layer(name) > layer(module)] == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_harness_imports_pytest(module: str) -> None:
    top = {name.partition(".")[0] for name in imports(MODULES[module])}
    if module.split(".")[1:2] not in (["harness"], ["plugin"]):
        assert top & {"pytest", "_pytest"} == set()


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.split(".")[1:2] in (["core"], ["gate"])))
def test_the_core_needs_the_standard_library_and_numpy(module: str) -> None:
    top = {name.partition(".")[0] for name in imports(MODULES[module])}
    assert top - set(sys.stdlib_module_names) <= {"numpy", PACKAGE}


def test_there_is_no_cycle() -> None:
    graph = {
        module: {name for name in imports(path) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


def test_files_stay_small() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: length for module, length in lengths.items() if length > 300} == {}

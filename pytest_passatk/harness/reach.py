"""The part of a suite's file that judges: what its body, `extract` and `same` use, and what these use in turn.

Rows, prompts, comments, docstrings and formatting are not among it, so that a new row is no new verifier.
"""

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import filterfalse
from pathlib import Path
from typing import Any

JUDGING = {"extract", "same"}  # arguments of @suite that take part in a verdict
TYPING = {"ctx", "kind", "type_comment"}  # fields of a syntax tree that change nothing when it runs
HARMLESS = {"dataclass", "cache", "lru_cache"}  # decorators that only touch what they decorate


@dataclass(frozen=True, slots=True)
class Reached:
    """What judges in one file.

    Attributes:
        forms: of its parts, see `form_of`.
        parts: the parts of its syntax tree.
    """

    forms: tuple[str, ...]
    parts: tuple[ast.AST, ...]


def reach(file: Path, function: str) -> Reached | None:
    """What judges in a suite's file; `None` where that cannot be told from the rest.

    So it is where the suite is no function of the file's top level under `@suite`, or looks names up as it runs.

    Args:
        file: that the suite is in.
        function: name of its body.
    """
    statements = ast.parse(file.read_bytes()).body
    suites = _names_of_suite(statements)
    bodies = [each for each in statements if isinstance(each, ast.FunctionDef) and each.name == function]
    if len(bodies) != 1 or not any(called(each) in suites for each in bodies[0].decorator_list):
        return None
    body = bodies[0]
    # What runs at import and defines nothing may change anything.
    used = set[str]().union(*map(_names, statements))
    always = [each for each in statements if each is not body and _acts(each, used, suites)]
    parts: list[ast.AST] = [
        *always,
        *filterfalse(_is_docstring, body.body),
        body.args,
        *_judging_decorators(body, suites),
    ]
    parts += _closure(parts, [each for each in statements if each is not body and each not in always])
    if any("globals" in _names(part) for part in parts):
        return None
    return Reached(tuple(map(form_of, parts)), tuple(parts))


def form_of(node: ast.AST) -> str:
    """What a part of a syntax tree does, however it is laid out, the same under every version of Python."""
    return repr(_form(node))


def _form(value: Any) -> Any:
    if isinstance(value, list):
        return [_form(each) for each in value if not _is_docstring(each)]
    if not isinstance(value, ast.AST):
        return value
    if isinstance(value, ast.JoinedStr):  # Python 3.12 puts an empty text behind a nested format
        return "f", [_form(each) for each in value.values if getattr(each, "value", None) != ""]
    fields = [(name, each) for name, each in ast.iter_fields(value) if name not in TYPING]
    return type(value).__name__, [(name, _form(each)) for name, each in fields if each is not None and each != []]


def _closure(parts: Sequence[ast.AST], statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The definitions among some statements that parts use by name, and those that these use, in order of the file."""
    names: set[str] = set()
    waiting = [*parts]
    found: set[int] = set()
    while waiting:
        names |= _names(waiting.pop())
        for place, statement in enumerate(statements):
            if place not in found and names & {*_defines(statement), *_extends(statement)}:
                found.add(place)
                waiting.append(statement)
    return [statements[place] for place in sorted(found)]


def _names(part: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}


def _defines(statement: ast.stmt) -> list[str]:
    """The names that a statement of the top level defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom) and statement.names[0].name != "*":
        return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
    if isinstance(statement, ast.Assign):
        targets = [node for target in statement.targets for node in ast.walk(target)]
        return [node.id for node in targets if isinstance(node, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def _extends(statement: ast.stmt) -> list[str]:
    """The bases of a class, which may keep a list of those that extend them."""
    bases = statement.bases if isinstance(statement, ast.ClassDef) else []
    return [base.id for base in bases if isinstance(base, ast.Name)]


def _acts(statement: ast.stmt, used: Collection[str], suites: Collection[str]) -> bool:
    """Whether a statement of the top level does anything but define a name that others use.

    A decorator may keep what it decorates, or make a fixture of it, which bodies ask for without naming it in code.
    What is imported and never named may be a fixture, too, or imported for what it does.
    """
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return not all(called(each) in suites or _is_harmless(each) for each in statement.decorator_list)
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return not set(_defines(statement)) & set(used)
    return not _defines(statement) and not _is_docstring(statement)


def _is_docstring(statement: Any) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _names_of_suite(statements: Sequence[ast.stmt]) -> set[str]:
    """What `suite` goes by in a file."""
    imports = [each for each in statements if isinstance(each, ast.ImportFrom)]
    names = [alias for each in imports for alias in each.names if alias.name == "suite"]
    return {"suite", *(alias.asname for alias in names if alias.asname)}


def called(node: ast.AST) -> str:
    """The last part of the name of what is called; nothing where that has none, or nothing is called."""
    function = node.func if isinstance(node, ast.Call) else None
    return str(getattr(function, "attr", getattr(function, "id", "")))


def _is_harmless(decorator: ast.expr) -> bool:
    name = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
    return name.startswith("pytest.mark.") or name.rpartition(".")[2] in HARMLESS


def _judging_decorators(body: ast.FunctionDef, suites: Collection[str]) -> Iterator[ast.AST]:
    """The decorators, of @suite only those arguments that take part in a verdict; marks take none."""
    for decorator in body.decorator_list:
        if isinstance(decorator, ast.Call) and called(decorator) in suites:
            yield from (each.value for each in decorator.keywords if each.arg is None or each.arg in JUDGING)
        elif not _is_harmless(decorator):
            yield decorator

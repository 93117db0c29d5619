"""The part of a suite's file that judges: what its body, `extract` and `same` use, and what these use in turn.

Rows, prompts and comments in the same file are not among it, so that a new row is no new verifier.
"""

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

JUDGING = {"extract", "same"}  # arguments of @suite that take part in a verdict


@dataclass(frozen=True, slots=True)
class Reached:
    """What judges in one file.

    Attributes:
        sources: of its parts, without comments.
        parts: the parts of its syntax tree.
    """

    sources: tuple[str, ...]
    parts: tuple[ast.AST, ...]


def reach(file: Path, function: str) -> Reached | None:
    """What judges in a suite's file; `None` where the suite is no function of the file's top level.

    Args:
        file: that the suite is in.
        function: name of its body.
    """
    source = _without_comments(file.read_text(encoding="utf-8"))
    statements = ast.parse(source).body
    bodies = [each for each in statements if isinstance(each, ast.FunctionDef) and each.name == function]
    if len(bodies) != 1:
        return None
    body = bodies[0]
    # What runs at import and defines nothing may change anything.
    always = [each for each in statements if not _defines(each) and not _is_docstring(each)]
    parts: list[ast.AST] = [*always, *body.body, body.args, *_judging_decorators(body)]
    parts += _closure(parts, [each for each in statements if each is not body])
    return Reached(tuple(ast.get_source_segment(source, part) or ast.unparse(part) for part in parts), tuple(parts))


def _closure(parts: Sequence[ast.AST], statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The definitions among some statements that parts use by name, and those that these use, in order of the file."""
    names: set[str] = set()
    waiting = [*parts]
    found: set[int] = set()
    while waiting:
        names |= {node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name)}
        for place, statement in enumerate(statements):
            if place not in found and names & set(_defines(statement)):
                found.add(place)
                waiting.append(statement)
    return [statements[place] for place in sorted(found)]


def _defines(statement: ast.stmt) -> list[str]:
    """The names that a statement of the top level defines, and does nothing else."""
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


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _judging_decorators(body: ast.FunctionDef) -> Iterator[ast.AST]:
    """The decorators, of @suite only those arguments that take part in a verdict."""
    for decorator in body.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).rpartition(".")[2] == "suite":
            yield from (keyword.value for keyword in decorator.keywords if keyword.arg in JUDGING)
        else:
            yield decorator


def _without_comments(source: str) -> str:
    """The source with each comment blanked out; lines keep their numbers."""
    lines = source.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = f"{lines[row - 1][:column].rstrip()}\n"
    return "".join(lines)

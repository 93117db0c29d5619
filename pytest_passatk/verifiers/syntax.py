"""Python's syntax, read and not run."""

import ast
import warnings
from typing import Literal, overload

from pytest_passatk.verifiers.rejection import RejectedError


@overload
def parse(source: str, mode: Literal["exec"], longest: int) -> ast.Module: ...
@overload
def parse(source: str, mode: Literal["eval"], longest: int) -> ast.Expression: ...
def parse(source: str, mode: Literal["exec", "eval"], longest: int) -> ast.Module | ast.Expression:
    """The syntax tree of a source. Raises RejectedError where it is no Python, or has more than `longest` characters.

    What the parser warns of is no business of a verdict: under `-W error` a warning would become an error.
    """
    if len(source) > longest:
        raise RejectedError(f"the code has {len(source)} characters: at most {longest} are evaluated")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source, mode=mode)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise RejectedError(f"{source!r} is not Python: {error}") from error
    assert isinstance(tree, ast.Module | ast.Expression)
    return tree


def depth(tree: ast.AST) -> int:
    """The levels of a syntax tree; 1 for a leaf."""
    levels, nodes = 0, [tree]
    while nodes:
        levels += 1
        nodes = [child for node in nodes for child in ast.iter_child_nodes(node)]
    return levels

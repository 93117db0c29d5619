"""Expressions of integers with + - * and parentheses, worked out without running them.

>>> work_out("(11 + 3) * 2")
(28, [11, 3, 2])
"""

import ast
from operator import add, mul, sub

from pytest_passatk.verifiers.rejection import RejectedError
from pytest_passatk.verifiers.syntax import parse

OPERATIONS = {ast.Add: add, ast.Sub: sub, ast.Mult: mul}
LONGEST = 200  # characters; bounds the depth and the size of every value, too


def work_out(expression: str) -> tuple[int, list[int]]:
    """The value of an expression, and the numbers in it in their order.

    Raises:
        RejectedError: anything else than integers, + - * and parentheses; or more than 200 characters.
    """
    tree, numbers = parse(expression.strip(), "eval", LONGEST), list[int]()
    return _value(tree.body, numbers), numbers


def _value(node: ast.expr, numbers: list[int]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        numbers.append(node.value)
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        left, right = _value(node.left, numbers), _value(node.right, numbers)
        return int(OPERATIONS[type(node.op)](left, right))
    raise RejectedError(f"`{ast.unparse(node)}` is none of integer, + - * and parentheses")

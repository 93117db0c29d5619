r"""One-line functions, evaluated by walking over their syntax tree.

Nothing is compiled or executed: what is not listed here does not exist. The work, the size of every value and the depth
are bounded, and no value can be changed. This is a small language that looks like Python. It is no sandbox: code that
needs statements, imports or the rest of Python must be judged by a real one.

>>> call_function("def f(xs):\n    return sum(v * v for v in xs if v > 2)", [[1, 2, 3, 4]])
25
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pytest_passatk.verifiers.rejection import RejectedError
from pytest_passatk.verifiers.syntax import depth, parse

STEPS = 20_000  # nodes evaluated in one call
SIZE = 1000  # elements of a sequence, characters of a text; what one operation makes of two such stays small
BITS = 4096  # of an integer
LONGEST = 2000  # characters of source
DEEPEST = 100  # levels of the syntax tree
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function for function in (abs, all, any, len, list, max, min, sorted, sum, tuple)
}
METHODS = frozenset({"count", "endswith", "lower", "replace", "startswith", "strip", "title", "upper"})  # of texts
BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, group: item in group,
    ast.NotIn: lambda item, group: item not in group,
}
FAILURES = (ArithmeticError, TypeError, ValueError, LookupError)
Names: TypeAlias = dict[str, Any]


def call_function(source: str, arguments: Sequence[Any]) -> Any:
    """The value of the function in `source`, a `def` with a single `return`, for these arguments.

    Raises:
        RejectedError: the source is something else, uses what is not allowed or too much of it, or fails for the
            arguments.
    """
    function = _parse(source)
    names = [argument.arg for argument in function.args.args]
    if len(names) != len(arguments):
        raise RejectedError(f"{function.name} takes {len(names)} arguments, not {len(arguments)}")
    result = function.body[-1]
    if not isinstance(result, ast.Return) or result.value is None:
        raise RejectedError(f"{function.name} does not end with `return` and a value")
    # A bound of our own: Python's depends on who calls, and a verdict must not.
    if depth(result.value) > DEEPEST:
        raise RejectedError(f"{function.name} is nested more than {DEEPEST} levels deep")
    return Evaluation().value(result.value, dict(zip(names, arguments, strict=True)))


def _parse(source: str) -> ast.FunctionDef:
    """The only function of a source: positional arguments, perhaps a docstring, one more statement."""
    body = parse(source, "exec", LONGEST).body
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
        raise RejectedError("the code is not a single function")
    function = body[0]
    described = ast.get_docstring(function) is not None
    if len(function.body) != 1 + described or function.decorator_list or _is_fancy(function.args):
        raise RejectedError(f"{function.name} has more than plain arguments, a docstring and one statement")
    return function


def _is_fancy(arguments: ast.arguments) -> bool:
    starred = arguments.vararg or arguments.kwarg
    return bool(starred or arguments.kwonlyargs or arguments.posonlyargs or arguments.defaults)


@dataclass(slots=True)
class Evaluation:
    """One call, with what is left of its steps."""

    steps: int = STEPS

    def value(self, node: ast.expr, names: Names) -> Any:
        """The value of an expression. Raises RejectedError."""
        self.steps -= 1
        if self.steps < 0:
            raise RejectedError(f"the function takes more than {STEPS} steps")
        try:
            return _bounded(self._evaluate(node, names))
        except FAILURES as error:
            raise RejectedError(f"`{ast.unparse(node)}`: {type(error).__name__}: {error}") from error

    def _evaluate(self, node: ast.expr, names: Names) -> Any:  # noqa: C901, PLR0911, PLR0912 - one line a kind of node
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                return UNARY[type(op)](self.value(operand, names))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return self._combine(type(op), self.value(left, names), self.value(right, names))
            case ast.BoolOp(op=op, values=parts):
                return self._decide(isinstance(op, ast.And), parts, names)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in COMPARISONS for op in ops):
                return self._compare(left, ops, others, names)
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return self.value(body if self.value(test, names) else otherwise, names)
            case ast.List(elts=elements):
                return [self.value(element, names) for element in elements]
            case ast.Tuple(elts=elements):
                return tuple(self.value(element, names) for element in elements)
            case ast.Subscript(value=group, slice=index):
                return self.value(group, names)[self._index(index, names)]
            case ast.ListComp(elt=element, generators=[loop]):
                return list(self._items(element, loop, names))
            case ast.GeneratorExp(elt=element, generators=[loop]):
                return self._items(element, loop, names)
            case ast.Call(func=function, args=arguments, keywords=keywords):
                return self._call(function, arguments, keywords, names)
        raise RejectedError(f"`{ast.unparse(node)}` is not allowed here")

    def _combine(self, op: type[ast.operator], left: Any, right: Any) -> Any:
        """A binary operation, refused beforehand where its result might be huge."""
        if op is ast.Mod and isinstance(left, str):
            raise RejectedError("% on a text is not allowed")  # '%999999999d' % 1
        if op is ast.Pow and isinstance(left, int) and isinstance(right, int):
            _allow(left.bit_length() * abs(right) <= BITS, "a power")
        if op is ast.Mult:
            for group, times in ((left, right), (right, left)):
                if isinstance(group, str | list | tuple) and isinstance(times, int):
                    _allow(len(group) * times <= SIZE, "a repetition")
        return BINARY[op](left, right)

    def _decide(self, conjunction: bool, parts: Sequence[ast.expr], names: Names) -> Any:
        """`and` and `or`: the first part that decides, or the last one."""
        for part in parts:
            result = self.value(part, names)
            if bool(result) is not conjunction:
                break
        return result

    def _compare(self, left: ast.expr, ops: Sequence[ast.cmpop], others: Sequence[ast.expr], names: Names) -> bool:
        """A chain of comparisons, up to the first that fails."""
        value = self.value(left, names)
        for op, other in zip(ops, others, strict=True):
            following = self.value(other, names)
            if not COMPARISONS[type(op)](value, following):
                return False
            value = following
        return True

    def _index(self, index: ast.expr, names: Names) -> Any:
        if not isinstance(index, ast.Slice):
            return self.value(index, names)
        parts = (index.lower, index.upper, index.step)
        return slice(*(None if part is None else self.value(part, names) for part in parts))

    def _items(self, element: ast.expr, loop: ast.comprehension, names: Names) -> Iterator[Any]:
        """What a comprehension over one plain name yields."""
        if loop.is_async or not isinstance(loop.target, ast.Name):
            raise RejectedError(f"`{ast.unparse(loop.target)}` is not allowed as the name of a loop")
        for item in self.value(loop.iter, names):
            scope = {**names, loop.target.id: item}
            if all(self.value(condition, scope) for condition in loop.ifs):
                yield self.value(element, scope)

    def _call(
        self, function: ast.expr, arguments: Sequence[ast.expr], keywords: Sequence[ast.keyword], names: Names
    ) -> Any:
        """A function of `FUNCTIONS`, or one of a text's `METHODS`."""
        match function:
            case ast.Name(id=name) if name in FUNCTIONS and name not in names:
                called = FUNCTIONS[name]
            case ast.Attribute(value=owner, attr=name) if name in METHODS:
                text = self.value(owner, names)
                _allow(isinstance(text, str), f".{name} of something else than a text")
                called = getattr(text, name)
            case _:
                raise RejectedError(f"`{ast.unparse(function)}` is not allowed here")
        given = [self.value(argument, names) for argument in arguments]
        named = {word.arg: self.value(word.value, names) for word in keywords if word.arg}
        if len(named) < len(keywords):
            raise RejectedError("** is not allowed in a call")
        return called(*given, **named)


def _allow(condition: bool, what: str) -> None:
    if not condition:
        raise RejectedError(f"{what} that large is not allowed")


def _bounded(value: Any) -> Any:
    """The value, if it is of a bounded size."""
    if isinstance(value, int):
        _allow(value.bit_length() <= BITS, "an integer")
    elif isinstance(value, str | list | tuple):
        _allow(len(value) <= SIZE, "a value")
    return value

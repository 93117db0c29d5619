"""The fixtures of a suite's body: session-scoped ones only, set up once, before the judges start.

The body runs once a completion, in a judge's process. A fixture of a narrower scope would have to be set up there again
and again, outside of pytest's own order, so it is refused.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FunctionType
from typing import Any

import pytest
from _pytest.fixtures import FixtureDef, TopRequest

from pytest_passatk.core.errors import UsageError

REMEDY = "give the fixture scope='session', or call an ordinary function in the body"


def fixture_names(body: Callable[..., None], where: str) -> tuple[str, ...]:
    """The fixtures that a body names behind problem and completion.

    Raises:
        UsageError: it does not take these two first.
    """
    names = [p.name for p in inspect.signature(body).parameters.values() if p.default is inspect.Parameter.empty]
    if names[:2] != ["problem", "completion"]:
        raise UsageError(
            f"{where}: the body of a suite takes (problem, completion[, session-scoped fixtures]), this one takes "
            f"({', '.join(names)})"
        )
    return tuple(names[2:])


def refuse_narrow_fixtures(item: pytest.Item, names: Iterable[str], where: str) -> None:
    """Check that all fixtures are known and session-scoped. Raises UsageError."""
    for name in names:
        definition = _definition(item, name)
        if definition is None:
            raise UsageError(f"{where}: there is no fixture {name!r} here: pytest --fixtures lists those there are")
        if definition.scope != "session" or definition.params:
            kind = "parametrized" if definition.params else f"{definition.scope}-scoped"
            raise UsageError(
                f"{where}: the fixture {name!r} is {kind}, but the body runs once a completion, in a process of its "
                f"own: {REMEDY}"
            )


def fixture_functions(item: pytest.Item, names: Iterable[str]) -> Iterator[FunctionType]:
    """The functions behind fixtures, behind those that apply by themselves, and behind those that they depend on."""
    session = [name for name in _applied(item) if (definition := _definition(item, name)) and _is_set_up(definition)]
    waiting, found = [*names, *session], set[str]()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for definition in item.session._fixturemanager.getfixturedefs(name, item) or ():  # noqa: SLF001 - as in _definition
            function = inspect.unwrap(definition.func)
            if isinstance(function, FunctionType):
                yield function
            waiting.extend(definition.argnames)


def set_up_fixtures(item: pytest.Item, names: Sequence[str]) -> dict[str, Any]:
    """The values of session-scoped fixtures; those that apply by themselves are set up, too."""
    session = item.session
    info = session._fixturemanager.getfixtureinfo(node=item, func=None, cls=None)  # noqa: SLF001 - as pytest's doctests
    item._fixtureinfo = info  # type: ignore[attr-defined]  # noqa: SLF001 - pytest's requests look there
    item.fixturenames = info.names_closure  # type: ignore[attr-defined]
    item.funcargs = {}  # type: ignore[attr-defined]
    session._setupstate.setup(item)  # noqa: SLF001 - fixtures are given to active items only
    try:
        values = _values(item, [*info.initialnames, *names])
        return {name: values[name] for name in names}
    finally:
        session._setupstate.teardown_exact(session)  # type: ignore[arg-type]  # noqa: SLF001 - it keeps its fixtures


def _values(item: pytest.Item, names: Iterable[str]) -> dict[str, Any]:
    request = TopRequest(item, _ispytest=True)  # type: ignore[arg-type]
    definitions = {name: _definition(item, name) for name in names}
    return {name: request.getfixturevalue(name) for name, d in definitions.items() if d and _is_set_up(d)}


def _applied(item: pytest.Item) -> Sequence[str]:
    """The fixtures that apply to an item although no body names them."""
    manager = item.session._fixturemanager  # noqa: SLF001 - as in set_up_fixtures
    return manager.getfixtureinfo(node=item, func=None, cls=None).initialnames


def _is_set_up(definition: FixtureDef[Any]) -> bool:
    return definition.scope == "session"


def _definition(item: pytest.Item, name: str) -> FixtureDef[Any] | None:
    manager = item.session._fixturemanager  # noqa: SLF001 - pytest has no public look-up of a fixture's scope
    definitions = manager.getfixturedefs(name, item)
    return definitions[-1] if definitions else None

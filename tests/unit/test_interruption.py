"""Ctrl-C stays Ctrl-C, whatever a library makes of it."""

import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from pytest_passatk.harness.interruption import heard


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """That of Python; a run in the background has none."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def fail_to_import() -> None:
    try:
        press()
    except KeyboardInterrupt:
        raise ImportError("half of it") from None


def swallow(ended: list[str]) -> None:
    with suppress(KeyboardInterrupt):
        press()
    ended.append("the block")


def test_another_error_in_its_place_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt) as raised, heard():
        fail_to_import()
    assert isinstance(raised.value.__cause__, ImportError)


def test_one_that_was_swallowed_is_an_interruption() -> None:
    ended: list[str] = []
    with pytest.raises(KeyboardInterrupt), heard():
        swallow(ended)
    assert ended == ["the block"]


def test_one_that_comes_through_does() -> None:
    with pytest.raises(KeyboardInterrupt), heard():
        press()


def test_other_errors_are_what_they_are() -> None:
    with pytest.raises(ValueError, match="of its own"), heard():
        raise ValueError("of its own")


def test_the_handler_is_as_it_was() -> None:
    with heard():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

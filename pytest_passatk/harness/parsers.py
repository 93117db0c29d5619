"""Parsers of options: each turns text into a value, and raises ValueError with what is wrong with it."""

from collections.abc import Callable, Mapping
from math import isfinite

from pytest_passatk.gate.family import parse_requirement

ANY = float("inf")
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
CHANGES = ("rows", "prompt", "sampling", "verifier", "problems")  # what a baseline may differ in, where allowed


def at_least(low: int) -> Callable[[str], int]:
    """A parser for whole numbers from `low` on."""

    def parse(text: str) -> int:
        number = int(text)
        if number < low:
            raise ValueError(f"must be at least {low}")
        return number

    return parse


def between(low: float, high: float) -> Callable[[str], float]:
    """A parser for numbers from `low` to `high`."""

    def parse(text: str) -> float:
        number = float(text)
        if not (low <= number <= high and isfinite(number)):
            raise ValueError(f"must be from {low:g} to {high:g}")
        return number

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    """A parser for one of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def parse_ks(text: str) -> tuple[int, ...]:
    """`1,8` → (1, 8), ascending, without repetitions."""
    return tuple(sorted({at_least(1)(part) for part in text.split(",")}))


def parse_price(text: str) -> tuple[float, float]:
    """`0.5,2` → (0.5, 2.0), of a million tokens that are read and that are written."""
    prices = tuple(between(0, ANY)(part) for part in text.split(","))
    if len(prices) != 2:  # noqa: PLR2004 - in and out
        raise ValueError("must be two numbers, in,out")
    return prices


def parse_pairs(text: str) -> Mapping[str, str]:
    """`a=1,b=x` → {"a": "1", "b": "x"}."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError("must be key=value,key=value")
    names = [key.strip() for key, _, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice} has more than one value")
    return {key.strip(): value.strip() for key, _, value in pairs}


def parse_parameter(text: str) -> Mapping[str, str]:
    """`a=b=c` → {"a": "b=c"}; the value stays as it is."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ValueError("must be name=value")
    return {name.strip(): value}


def parse_span(text: str) -> range:
    """`N`: the first N, as numbers from 0; `M-N`: the M-th to the N-th, both included."""
    first, dash, last = text.partition("-")
    if not dash:
        return range(at_least(1)(text))
    span = range(at_least(1)(first) - 1, at_least(1)(last))
    if not span:
        raise ValueError(f"must go up, {last.strip()} comes before {first.strip()}")
    return span


def parse_duration(text: str) -> float:
    """`30s`, `2m` or `90` → seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    seconds = float(number) * UNITS[unit]
    if not 0 < seconds < ANY:
        raise ValueError("must be above 0, such as 30s, 2m or 1h")
    return seconds


def parse_truth(text: str) -> bool:
    """A flag in the environment or the ini file."""
    truth = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in truth:
        raise ValueError("must be true or false")
    return truth[text.lower()]


def parse_changes(text: str) -> frozenset[str]:
    """`rows,prompt` → {"rows", "prompt"}."""
    return frozenset(one_of(*CHANGES)(part.strip()) for part in text.split(","))


def parse_gate(text: str) -> Mapping[str, str]:
    """`pass@1:3pp` → {"pass@1": "3pp"}, where both parts mean something; a table of a profile brings `pass@1=3pp`."""
    text = text.replace("=", ":")
    (metric,) = parse_requirement(text)
    return {metric: text.rpartition(":")[2].strip()}

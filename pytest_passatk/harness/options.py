"""The options: on the command line, in the environment, in a profile and in the ini file, from one table.

An option `n` is `--passatk-n` on the command line, `PASSATK_N` in the environment, `n` in a profile and `passatk_n` in
the ini file; the first of these that is given wins. The commonest have a bare alias (`--n`) where no other plugin or
conftest owns it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeAlias

import pytest

from pytest_passatk.core.errors import UsageError

ANY = float("inf")
Given: TypeAlias = tuple[str, Any]  # where a value stands, as the begin of a message, and the value


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: without prefix, with dashes.
        help: one line for `--help`.
        parse: turns text into the value; `None` for a flag.
        metavar: stands for the value in `--help`.
        bare: whether `--name` is an alias.
        repeats: whether it can be given several times, one a line in the environment and the ini file; the values are
            mappings, of which a later one adds to an earlier one.
        lists: whether the value has parts with commas between them; in a profile they can be an array.
        pairs: whether these parts are KEY=VALUE, as those of one that repeats; in a profile they can be a table.
        path: whether the value, or each part, is a path: `always`, or where something is `found` there. In a profile it
            is relative to the profile's file.
    """

    name: str
    help: str
    parse: Callable[[str], Any] | None = str
    metavar: str | None = None
    bare: bool = False
    repeats: bool = False
    lists: bool = False
    pairs: bool = False
    path: Literal["", "always", "found"] = ""

    @property
    def flags(self) -> tuple[str, ...]:
        """The spellings on the command line, the one that is always there first."""
        return (f"--passatk-{self.name}", f"--{self.name}") if self.bare else (f"--passatk-{self.name}",)

    @property
    def field(self) -> str:
        """The name in Python."""
        return self.name.replace("-", "_")

    @property
    def dest(self) -> str:
        """The attribute of pytest's options, which is also the ini key."""
        return f"passatk_{self.field}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.dest.upper()


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


def parse_truth(text: str) -> bool:
    """A flag in the environment or the ini file."""
    truth = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in truth:
        raise ValueError("must be true or false")
    return truth[text.lower()]


OPTIONS = (
    Option(
        "model",
        "tiny, hf:PATH_OR_ID, vllm:PATH_OR_ID, openai:NAME, replay:FILE, PATH_OR_ID or pkg.mod:name",
        metavar="SPEC",
        bare=True,
        path="found",
    ),
    Option("n", "samples a problem", at_least(1), "N", bare=True),
    Option("k", "the k's of pass@k, such as 1,8", parse_ks, "K,K", bare=True, lists=True),
    Option("temperature", "sampling temperature; 0 is greedy", between(0, ANY), "T", bare=True),
    Option("top-p", "nucleus sampling", between(0, 1), "P", bare=True),
    Option("top-k", "sample from that many of the likeliest tokens; 0: from all", at_least(0), "K"),
    Option("min-p", "drop tokens less likely than this share of the likeliest", between(0, 1), "P"),
    Option("repetition-penalty", "penalty on tokens seen before; 1: none", between(0.01, ANY), "R"),
    Option("max-tokens", "the longest completion", at_least(1), "N", bare=True),
    Option("seed", "seed of the run", int, "SEED", bare=True),
    Option("limit", "only the first N rows of each suite, or the M-th to the N-th", parse_span, "N|M-N", bare=True),
    Option(
        "data",
        "where rows are: a file, a folder of files, or a data set on the Hub",
        metavar="PATH_OR_HUB_ID",
        path="found",
    ),
    Option("param", "a parameter of the suite; can be repeated", parse_parameter, "NAME=VALUE", repeats=True),
    Option("allow-change", "rows: take other rows than the suite was made for", one_of("rows"), "rows"),
    Option("revision", "branch, tag or commit of the model on the Hub", metavar="REV", bare=True),
    Option(
        "adapter",
        "a LoRA adapter, or several as arms of one run; base: none",
        metavar="PATH_OR_ID,…",
        bare=True,
        lists=True,
        path="found",
    ),
    Option(
        "base-url", "address of an OpenAI-compatible server, or of several", metavar="URL,URL", bare=True, lists=True
    ),
    Option("concurrency", "the most requests that a server gets at once", at_least(1), "N"),
    Option("dtype", "auto, float32, bfloat16 or float16", one_of("auto", "float32", "bfloat16", "float16"), "TYPE"),
    Option("device", "auto, cpu, cuda, cuda:1, mps, …", metavar="DEVICE"),
    Option("quantization", "8bit or 4bit, through bitsandbytes", one_of("8bit", "4bit"), "BITS"),
    Option("chat-template", "auto, none, or a file with a Jinja template", metavar="auto|none|FILE", path="found"),
    Option("batch-tokens", "the most tokens in one batch of hf or tiny", at_least(1), "N"),
    Option("logprobs", "keep the log-probability of each completion, also where that costs time", None),
    Option("engines", "under pytest-xdist: shared (one) or per-worker", one_of("shared", "per-worker"), "HOW"),
    Option("model-args", "settings of the backend", parse_pairs, "KEY=VALUE,…", lists=True, pairs=True),
    Option("judges", "processes that judge; default: one a core", at_least(1), "N"),
    Option("judge-timeout", "seconds for judging one completion", between(0.01, ANY), "SECONDS"),
    Option("judge-start", "fork, spawn or auto", one_of("auto", "fork", "spawn"), "HOW"),
    Option("inline", "judge in the pytest process, without a time limit; implied by --pdb", None),
    Option("check", "judge gold, empty and corrupted answers instead of a model's", None),
    Option("unsafe", "run what a model wrote where it cannot be isolated, too, with your own rights", None),
    Option("no-cache", "neither read nor keep samples", None),
    Option("store", "the store; default: .passatk/store.sqlite", metavar="PATH", path="always"),
    Option(
        "price", "of a million tokens read and written: adds costs to the report", parse_price, "IN,OUT", lists=True
    ),
    Option("profile", "options under a name, from passatk.toml or pyproject.toml", metavar="NAME"),
    Option("json", "write everything that the report knows", metavar="FILE", path="always"),
)


def add_options(parser: pytest.Parser) -> None:
    """Register the options that cannot collide, and the ini keys."""
    group = parser.getgroup(
        "passatk", "pass@k of language models (each option is also an ini key and PASSATK_… variable)"
    )
    for option in OPTIONS:
        group.addoption(option.flags[0], **_attributes(option))
        kind: Literal["linelist", "string"] = "linelist" if option.repeats else "string"
        parser.addini(option.dest, option.help, type=kind, default=None)


def add_aliases(parser: pytest.Parser) -> None:
    """Register the bare aliases that nobody else owns; to be called when every conftest has had its turn."""
    # pytest offers no public view of the registered options, and registering one twice ends the start-up.
    groups = [*parser._groups, parser._anonymous]  # noqa: SLF001
    taken = {name for group in groups for option in group.options for name in option.names()}
    group = parser.getgroup("passatk")
    for option in OPTIONS:
        if option.bare and option.flags[1] not in taken:
            group.addoption(option.flags[1], **{**_attributes(option), "help": f"same as {option.flags[0]}"})


def _attributes(option: Option) -> dict[str, Any]:
    if option.parse is None:
        return {"dest": option.dest, "action": "store_true", "default": None, "help": option.help}
    action = "append" if option.repeats else "store"
    return {"dest": option.dest, "action": action, "default": None, "metavar": option.metavar, "help": option.help}


def read_options(config: pytest.Config, profile: Mapping[str, Given]) -> dict[str, Any]:
    """The value of every option, by field; `None` where it is given nowhere.

    Args:
        config: of pytest.
        profile: what a profile gives, by field.

    Raises:
        UsageError: a value does not parse; the message names the place that gave it.
    """
    return {option.field: _read(option, find_given(option, config, profile)) for option in OPTIONS}


def find_given(option: Option, config: pytest.Config, profile: Mapping[str, Given]) -> Given | None:
    """The nearest place that gives an option, with the value there; `None` where none does."""
    places: tuple[Given, ...] = (
        (f"{_typed(option, config)}=", config.getoption(option.dest, None)),
        (f"{option.variable}=", os.environ.get(option.variable) or None),
        profile.get(option.field, ("", None)),
        (f"{option.dest} in {config.inipath}=", config.getini(option.dest) or None),
    )
    return next((given for given in places if given[1] is not None), None)


def _read(option: Option, given: Given | None) -> Any:
    if given is None:
        return None
    return _parse_each(option, *given) if option.repeats else _parse(option, *given)


def _parse_each(option: Option, place: str, value: str | list[str]) -> dict[str, str]:
    lines = value.splitlines() if isinstance(value, str) else value
    return {name: text for line in lines if line.strip() for name, text in _parse(option, place, line).items()}


def _typed(option: Option, config: pytest.Config) -> str:
    """The spelling on the command line; a bare one may be somebody else's, the other one never is."""
    typed = {str(argument).partition("=")[0] for argument in config.invocation_params.args}
    return next((flag for flag in option.flags if flag in typed), option.flags[0])


def _parse(option: Option, place: str, value: Any) -> Any:
    if value is True:
        return value
    try:
        return (option.parse or parse_truth)(str(value))
    except ValueError as error:
        raise UsageError(f"{place}{value}: {error}; wanted: {option.help}") from error

"""The options: on the command line, in the environment, in a profile and in the ini file, from one table.

An option `n` is `--passatk-n` on the command line, `PASSATK_N` in the environment, `n` in a profile and `passatk_n` in
the ini file; the first of these that is given wins. The commonest have a bare alias (`--n`) where no other plugin or
conftest owns it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.harness.parsers import (
    ANY,
    at_least,
    between,
    one_of,
    parse_changes,
    parse_duration,
    parse_gate,
    parse_ks,
    parse_pairs,
    parse_parameter,
    parse_price,
    parse_span,
    parse_truth,
)

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
    Option("repeat", "independent runs in this one, each with a seed of its own", at_least(1), "R"),
    Option("limit", "only the first N rows of each suite, or the M-th to the N-th", parse_span, "N|M-N", bare=True),
    Option(
        "data",
        "where rows are: a file, a folder of files, or a data set on the Hub",
        metavar="PATH_OR_HUB_ID",
        path="found",
    ),
    Option("param", "a parameter of the suite; can be repeated", parse_parameter, "NAME=VALUE", repeats=True),
    Option(
        "allow-change",
        "what may differ from the suite or the baseline: rows, prompt, sampling, verifier, problems",
        parse_changes,
        "WHAT,…",
        lists=True,
    ),
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
        "patch",
        "a patch of the runtime, or several as arms of one run; none: as it is",
        metavar="SPEC,…",
        bare=True,
        lists=True,
    ),
    Option("patch-args", "settings of every patch of the run", parse_pairs, "KEY=VALUE,…", lists=True, pairs=True),
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
    Option("save", "keep the counts as a baseline, pooled with what it has", metavar="NAME"),
    Option("compare", "with a baseline, a run of the store, or the last one", metavar="NAME|PATH|RUN|last"),
    Option(
        "compare-fail",
        "fail where a figure drops by more, such as pass@1:3pp or tokens/s:5%; can be repeated",
        parse_gate,
        "METRIC:DROP",
        repeats=True,
    ),
    Option("alpha", "chance of any false alarm among the gates; default: 0.01", between(1e-6, 0.5), "A"),
    Option("strict", "fail where the gate is inconclusive, too", None),
    Option("update", "give the baseline the counts of the problems that ran; the gate does not fail", None),
    Option("update-new-only", "add the problems that the baseline does not have", None),
    Option(
        "baselines", "folder of baselines; default: baselines, beside pytest's ini file", metavar="DIR", path="always"
    ),
    Option("stop-when-decided", "sample in stages, and stop a suite when its gate is decided", None),
    Option("extrapolate", "where pass@K may lie, for a K above n; for information", at_least(2), "K"),
    Option(
        "summary", "write the verdicts as Markdown; GITHUB_STEP_SUMMARY gets them anyway", metavar="FILE", path="always"
    ),
    Option("html", "write a page with everything, samples included", metavar="FILE", path="always"),
    Option("junit-properties", "write the figures into the JUnit file as properties", None),
    Option("stress-budget", "how long decode_shrink searches schedules, such as 30s or 2m", parse_duration, "TIME"),
    Option("schedule", "play that schedule of decode_shrink alone", metavar="FILE", path="always"),
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
    shared = {"dest": option.dest, "default": None, "help": option.help.replace("%", "%%")}
    if option.parse is None:
        return {**shared, "action": "store_true"}
    return {**shared, "action": "append" if option.repeats else "store", "metavar": option.metavar}


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

"""The settings of a run, resolved from its options."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.extrapolation import FARTHEST
from pytest_passatk.core.interval import default_ks
from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.record import Profile
from pytest_passatk.core.rejudging import VARIABLE
from pytest_passatk.core.rows import ALL, Loaded, load_rows
from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.core.source import Parameters, RowRequest
from pytest_passatk.core.suite import Suite
from pytest_passatk.harness.arms import Resolve, refuse_idle_args, resolve_arms
from pytest_passatk.harness.gating import GateSettings, refuse_idle, refuse_stages, resolve_gate
from pytest_passatk.harness.options import OPTIONS, read_options
from pytest_passatk.harness.profiles import read_profile
from pytest_passatk.patches.registry import resolve

STORE = Path(".passatk", "store.sqlite")
JUDGE_TIMEOUT = 10.0
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens")  # fields of SamplingParams


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options of a run come to; `None` leaves a choice to the suite.

    Attributes:
        model: spec of the model.
        n: samples a problem.
        ks: the k's of pass@k.
        sampling: those fields of SamplingParams that the run overrides.
        seed: of the run.
        repeats: how many independent runs this one is, each with a seed of its own.
        span: which rows of a suite, by their number from 0; `None` takes all.
        data: file, folder or Hub id that holds the rows of suites with a row source.
        parameters: of suites, by name.
        allow_change: what may differ from what a suite was made for: `rows`.
        model_options: how to load the model.
        judges: number of judge processes.
        judge_timeout: seconds for one completion, for every suite.
        judge_start: `fork` or `spawn`.
        inline: judge in the pytest process.
        engines: `shared` or `per-worker`; `None` where the user did not say.
        price: of a million tokens in prompts and in completions, or `None`.
        check: judge gold, empty and corrupted answers.
        unsafe: run programs of a model without isolation, where there is none.
        store: the store's file; `None` keeps nothing.
        json: where to write the report.
        gate: what is compared, and kept for later comparisons.
        extrapolate: the K above n to give a range for.
        summary: where to write the Markdown summary.
        step_summary: the file of GitHub Actions to which it is added.
        html: where to write the page.
        junit_properties: whether the JUnit file gets the figures.
        stress_budget: seconds for schedules that the stress suite searches; `None` leaves it to the suite.
        schedule: the file with the only schedule to play.
        profile: what of this came from a profile; `None` where none was asked for.
    """

    model: str | None
    n: int | None
    ks: tuple[int, ...] | None
    sampling: Mapping[str, Any]
    seed: int
    repeats: int
    span: range | None
    data: str | None
    parameters: Parameters
    allow_change: frozenset[str]
    model_options: ModelOptions
    judges: int
    judge_timeout: float | None
    judge_start: str
    inline: bool
    engines: str | None
    price: tuple[float, float] | None
    check: bool
    unsafe: bool
    store: Path | None
    json: Path | None
    gate: GateSettings
    extrapolate: int | None
    summary: Path | None
    step_summary: Path | None
    html: Path | None
    junit_properties: bool
    stress_budget: float | None
    schedule: Path | None
    profile: Profile | None

    def choose_model(self, suite: Suite) -> str:
        """The model that this run samples a suite with.

        Raises:
            UsageError: neither the run nor the suite names one.
        """
        model = self.model or suite.model
        if model is None:
            raise UsageError(
                f"{suite.file}: {suite.body.__name__}: which model? Name one with --model: tiny (the embedded one), "
                "hf:PATH_OR_ID (transformers), vllm:PATH_OR_ID, PATH_OR_ID (whichever of these is installed), "
                "openai:NAME (a server, with --base-url), "
                "replay:FILE (saved completions), or pkg.mod:name (your own)"
            )
        return model

    def params(self, suite: Suite) -> SamplingParams:
        """How this run samples a suite."""
        stop = suite.params.stop if suite.stop is None else tuple(suite.stop(suite.settle(self.parameters)))
        return replace(suite.params, stop=stop, **self.sampling)

    def load(self, suite: Suite) -> Loaded:
        """The problems of a suite that this run asks for. Raises UsageError."""
        request = RowRequest(self.data, self.parameters, "rows" in self.allow_change)
        return load_rows(suite, request, self.span or ALL)

    def patience(self, suite: Suite) -> float:
        """Seconds for judging one completion of a suite."""
        return self.judge_timeout or suite.judge_timeout or JUDGE_TIMEOUT

    def samples(self, suite: Suite) -> int:
        """How many samples this run draws of each problem of a suite."""
        return self.n or suite.n

    def orders(self, suite: Suite) -> tuple[int, ...]:
        """The k's that this run estimates for a suite.

        Raises:
            UsageError: a k is larger than n, n > 1 at temperature 0, or the k to extrapolate to is out of reach.
        """
        n, where = self.samples(suite), f"{suite.file}: {suite.body.__name__}"
        ks = tuple(sorted(set(self.ks or suite.ks or default_ks(n))))
        if ks[-1] > n:
            raise UsageError(
                f"{where}: pass@{ks[-1]} needs at least {ks[-1]} samples, n is {n}: raise --n or lower --k"
            )
        drawn = n * self.repeats
        if self.extrapolate and not drawn < self.extrapolate <= FARTHEST * drawn:
            raise UsageError(
                f"{where}: pass@{self.extrapolate} cannot be extrapolated from n={drawn} samples: "
                f"--passatk-extrapolate takes a K from {drawn + 1} to {FARTHEST * drawn}; raise --n for one further "
                "away"
            )
        if n > 1 and self.params(suite).temperature == 0:
            raise UsageError(
                f"{where}: at temperature 0 all {n} samples of a problem are the same one: use --n 1, "
                "or a temperature above 0"
            )
        return ks


def refuse_nonsense(suite: Suite) -> None:
    """Hold the numbers that a suite states to the limits of the options of the same name. Raises UsageError."""
    where = f"{suite.file}: {suite.body.__name__}"
    parsers = {option.field: option.parse for option in OPTIONS}
    for name, value in {"n": suite.n, **{name: getattr(suite.params, name) for name in SAMPLING}}.items():
        try:
            (parsers[name] or str)(str(value))
        except ValueError as error:
            raise UsageError(f"{where}: {name} is {value}: {error}") from error
    if suite.ks is not None and min(suite.ks, default=0) < 1:
        raise UsageError(f"{where}: ks is {suite.ks}: at least one k is wanted, and each at least 1")


def resolve_settings(config: pytest.Config) -> Settings:
    """The settings of a run. Raises UsageError."""
    told, profile = read_profile(config)
    given = read_options(config, told)
    typed = tuple(map(str, config.invocation_params.args))
    gate, model_options = resolve_gate(given, config.rootpath), _model_options(given, _resolver(config))
    refuse_idle(gate, typed, len(model_options.arms))
    refuse_stages(gate, given["repeat"] or 1)
    refuse_idle_args(model_options.patches, typed)
    return Settings(
        model=given["model"],
        n=given["n"],
        ks=given["k"],
        sampling={name: given[name] for name in SAMPLING if given[name] is not None},
        seed=given["seed"] or 0,
        repeats=given["repeat"] or 1,
        span=given["limit"],
        data=_place(given["data"]),
        parameters=given["param"] or {},
        allow_change=given["allow_change"] or frozenset(),
        model_options=model_options,
        judges=given["judges"] or _cores(config),
        judge_timeout=given["judge_timeout"],
        judge_start=_judge_start(given["judge_start"] or "auto"),
        inline=bool(given["inline"] or config.getoption("usepdb", False) or config.getoption("trace", False)),
        engines=given["engines"],
        price=given["price"],
        check=bool(given["check"]),
        unsafe=bool(given["unsafe"]),
        store=None if given["no_cache"] else Path(given["store"] or STORE).absolute(),
        json=_file(given["json"]),
        gate=gate,
        extrapolate=given["extrapolate"],
        summary=_file(given["summary"]),
        step_summary=_file(os.environ.get("GITHUB_STEP_SUMMARY")),
        html=_file(given["html"]),
        junit_properties=bool(given["junit_properties"]),
        stress_budget=given["stress_budget"],
        schedule=_file(given["schedule"]),
        profile=profile,
    )


def _place(data: str | None) -> str | None:
    """Where rows are, in words that mean the same in every process of the run."""
    here = Path(data).expanduser() if data else None
    return str(here.absolute()) if here and here.exists() else data


def _file(name: str | None) -> Path | None:
    return Path(name).absolute() if name else None


def _model_options(given: Mapping[str, Any], resolve: Resolve) -> ModelOptions:
    names = (
        "revision", "dtype", "device", "quantization", "chat_template", "batch_tokens", "base_url", "concurrency",
        "logprobs",
    )  # fmt: skip
    chosen = {name: given[name] for name in names if given[name] is not None}
    adapters, patches = resolve_arms(given["adapter"], given["patch"], given["patch_args"] or {}, resolve)
    return ModelOptions(**chosen, adapters=adapters, patches=patches, args=given["model_args"] or {})


def _resolver(config: pytest.Config) -> Resolve:
    """What finds patches; where none is going to run, or the controller found it, the name is enough."""
    return PatchSpec if hasattr(config, "workerinput") or VARIABLE in os.environ else resolve


def _cores(config: pytest.Config) -> int:
    """The cores of this machine, shared among the workers of pytest-xdist."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    return max(1, cores // workers)


def _judge_start(how: str) -> str:
    """Forking is fast, but unsafe with the frameworks of macOS and absent on Windows."""
    if how != "auto":
        return how
    return "fork" if sys.platform.startswith("linux") else "spawn"

"""What the options of a run ask of its gate."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_passatk.baselines.names import check_name
from pytest_passatk.core.errors import UsageError
from pytest_passatk.gate.family import ALPHA, Policy, parse_tolerance

FOLDER = "baselines"


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The gate of a run.

    Attributes:
        compare: what to compare with: the name of a baseline, a path, a run of the store, or `last`.
        save: the baseline to keep the counts in.
        folder: of baselines.
        policy: figures, tolerances and risk.
        asked: whether the user named figures, so that arms of one run are gated, too.
        strict: whether an inconclusive gate fails.
        update: `all`, `new` or nothing: what of the baseline compared with takes the counts of this run.
        allowed: what may differ between baseline and run.
        stop_when_decided: whether to sample in stages.
    """

    compare: str | None
    save: str | None
    folder: Path
    policy: Policy
    asked: bool
    strict: bool
    update: str
    allowed: frozenset[str]
    stop_when_decided: bool

    def idle(self) -> "GateSettings":
        """The same where nothing is compared or kept."""
        return replace(self, compare=None, save=None, update="", stop_when_decided=False)


def resolve_gate(given: Mapping[str, Any], root: Path) -> GateSettings:
    """The gate that these options ask for.

    Args:
        given: the value of every option, by field.
        root: what the folder of baselines is in, unless another one is named.

    Raises:
        UsageError: options that contradict each other, or that nothing was named for.
    """
    _refuse_nothing(given)
    if given["compare"] == "":
        raise UsageError("--passatk-compare: the name is empty, so that nothing would be compared: name a baseline")
    if given["save"] is not None:
        check_name(given["save"])
    _refuse_contradictions(given)
    asked = {metric: parse_tolerance(amount) for metric, amount in (given["compare_fail"] or {}).items()}
    return GateSettings(
        compare=given["compare"],
        save=given["save"],
        folder=Path(given["baselines"] or root / FOLDER).absolute(),
        policy=Policy(asked, given["alpha"] or ALPHA),
        asked=bool(asked),
        strict=bool(given["strict"]),
        update="all" if given["update"] else "new" if given["update_new_only"] else "",
        allowed=given["allow_change"] or frozenset(),
        stop_when_decided=bool(given["stop_when_decided"]),
    )


def _refuse_nothing(given: Mapping[str, Any]) -> None:
    """A gate that was asked for and compares with nothing would be green for ever."""
    for name in ("update", "update_new_only", "stop_when_decided"):
        if given[name] and not given["compare"]:
            raise UsageError(
                f"--passatk-{name.replace('_', '-')} needs --passatk-compare NAME: the baseline that it means"
            )


def refuse_idle(gate: GateSettings, typed: Collection[str], arms: int) -> None:
    """Refuse a gate that was typed and has nothing to compare; as an ini file's default it may wait for a run that has.

    Args:
        gate: of the run.
        typed: the arguments of the command line.
        arms: of the run; several compare with each other.

    Raises:
        UsageError: there is no baseline, and no second arm.
    """
    for flag in ("--passatk-compare-fail", "--passatk-strict"):
        if arms == 1 and not gate.compare and any(each.partition("=")[0] == flag for each in typed):
            raise UsageError(f"{flag} needs --passatk-compare NAME, or several arms: there is nothing to compare")


def refuse_stages(gate: GateSettings, repeats: int) -> None:
    """Refuse stages in a session of several runs: these are compared when all are complete. Raises UsageError."""
    if gate.stop_when_decided and repeats > 1:
        raise UsageError(
            f"--passatk-stop-when-decided ends one run, and --passatk-repeat {repeats} asks for {repeats} whole ones: "
            "give one of them"
        )


def _refuse_contradictions(given: Mapping[str, Any]) -> None:
    if given["update"] and given["update_new_only"]:
        raise UsageError("--passatk-update replaces what --passatk-update-new-only keeps: give one of them")
    if given["stop_when_decided"] and (given["save"] is not None or given["update"] or given["update_new_only"]):
        raise UsageError(
            "--passatk-stop-when-decided ends where the counts look clear, and such counts make a biased baseline: "
            "save or update from a run of its own, without it"
        )

"""A comparison as plain data, for the JSON report; docs/json.md describes it."""

from dataclasses import asdict, fields
from typing import Any

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.gate.comparison import Comparison, Line, PaceLine
from pytest_passatk.gate.family import PACES, Policy, Tolerance
from pytest_passatk.gate.look import Looks
from pytest_passatk.gate.measurement import MeasuredRun, Measurement
from pytest_passatk.gate.moves import Move
from pytest_passatk.gate.pairs import Pair
from pytest_passatk.gate.ratio import Ratio
from pytest_passatk.report.json_estimate import plain_estimate, plain_interval

UNIDENTIFIED = {"device", "context"}  # what a measurement does not know of its model
MODEL = [field.name for field in fields(ModelInfo) if field.name not in UNIDENTIFIED]
SAMPLING = [field.name for field in fields(SamplingParams)]


def plain_comparison(comparison: Comparison) -> dict[str, Any]:
    """All of a comparison: both sides, the figures with their verdicts, and the counts of every problem."""
    return {
        "title": comparison.title,
        "suite": comparison.suite or None,
        "arm": comparison.arm or None,
        "before": _side(comparison.before),
        "after": _side(comparison.after),
        "policy": _policy(comparison.policy),
        "regressed": list(comparison.regressed),
        "inconclusive": list(comparison.inconclusive),
        "lines": [_line(line) for line in comparison.lines],
        "pace": [_pace(pace) for pace in comparison.pace],
        "moves": [_move(move) for move in comparison.moves],
        "problems": [_pair(pair) for pair in comparison.pairs],
        "response": asdict(comparison.response) if comparison.response else None,
        "looks": _looks(comparison.looks) if comparison.looks else None,
        "notes": list(comparison.notes),
        "incomparable": list(comparison.incomparable),
    }


def _side(side: Measurement) -> dict[str, Any]:
    sizes = [problem.n for problem in side.problems]
    return {
        "label": side.label,
        "model": {name: side.model.get(name) for name in MODEL},
        "sampling": {name: side.sampling.get(name) for name in SAMPLING},
        "verifier": side.verifier,
        "revision": side.revision,
        "problems": len(sizes),
        "n": {"least": min(sizes), "most": max(sizes)} if sizes else None,
        "runs": [_run(run) for run in side.runs],
    }


def _run(run: MeasuredRun) -> dict[str, Any]:
    figures = {metric: run.pace.figures.get(metric) for metric in PACES} if run.pace else None
    return {
        "key": run.key,
        "seed": run.seed,
        "started": run.started or None,
        "versions": dict(run.versions),
        "pace": {"machine": run.pace.machine, "figures": figures} if run.pace else None,
    }


def _policy(policy: Policy) -> dict[str, Any]:
    return {
        "asked": {metric: _typed(tolerance) for metric, tolerance in policy.asked.items()},
        "alpha": policy.alpha,
        "level": policy.level,
        "enforced": policy.enforced,
    }


def _typed(tolerance: Tolerance) -> str:
    return f"{tolerance.amount:g}{tolerance.unit}"


def _line(line: Line) -> dict[str, Any]:
    return {
        "metric": line.metric,
        "k": line.k,
        "gated": line.gated,
        "decision": line.decision,
        "small_drop": line.small_drop,
        "conservative": line.conservative,
        "before": plain_estimate(line.before),
        "after": plain_estimate(line.after),
        "delta": line.delta,
        "interval": plain_interval(line.interval),
        "bound": line.bound,
        "p": {"down": line.p_down, "up": line.p_up},
        "p_adjusted": {"down": line.adjusted[0], "up": line.adjusted[1]},
        "p_generalises": line.p_generalises,
        "tolerance": {"typed": _typed(line.tolerance), "points": 100 * line.tolerated},
        "detectable": line.detectable,
        "needed": line.needed,
        "look": asdict(line.look) if line.look else None,
    }


def _pace(pace: PaceLine) -> dict[str, Any]:
    return {
        "metric": pace.metric,
        "before": pace.before,
        "after": pace.after,
        "loss": pace.loss,
        "tolerance": _typed(pace.tolerance) if pace.tolerance else None,
        "decision": pace.decision,
        "why": pace.why or None,
        "ratio": _ratio(pace.ratio) if pace.ratio else None,
    }


def _ratio(ratio: Ratio) -> dict[str, Any]:
    return {
        "value": ratio.value,
        "interval": plain_interval(ratio.interval) if ratio.interval else None,
        "runs": ratio.runs,
    }


def _move(move: Move) -> dict[str, Any]:
    return {"kind": move.kind, **_pair(move.pair), "p": move.p, "p_adjusted": move.p_adjusted}


def _pair(pair: Pair) -> dict[str, Any]:
    return {"id": pair.id, "before": _count(pair.before), "after": _count(pair.after)}


def _count(count: Count) -> dict[str, int]:
    return {"n": count.n, "c": count.c}


def _looks(looks: Looks) -> dict[str, Any]:
    return {
        "sizes": list(looks.sizes),
        "taken": looks.taken,
        "saved": looks.saved,
        "gates": looks.gates,
        "lines": [
            {"metric": f"pass@{k}", **asdict(look), "last_level": looks.levels[k]}
            for k, look in sorted(looks.lines.items())
        ],
    }

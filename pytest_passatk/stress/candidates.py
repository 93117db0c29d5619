"""What a patch makes of the logits that tokens are drawn from."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from pytest_passatk.core.patch import StepRow

Tensor: TypeAlias = Any  # torch is imported only where it is used
CLOSE = 1e-4  # of probabilities: float32 computed in another order stays below, a cast to float16 does not
MOST = 8  # candidates of a row that are kept


def shifted(given: Tensor, got: Tensor, rows: tuple[StepRow, ...], drawn: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The requests that draw from other probabilities than they would without the patch, and what differs.

    Args:
        given: to the patch: requests × vocabulary.
        got: from it.
        rows: of the step.
        drawn: the requests whose tokens are drawn; of the others only the largest logit counts.
    """
    if got.shape != given.shape:  # the sampler breaks by itself
        return
    before, after = given.double().softmax(1), got.double().softmax(1)
    distances, tokens = (before - after).abs().nan_to_num(nan=1.0).max(1)
    for at, (row, distance) in enumerate(zip(rows, distances.tolist(), strict=True)):
        if distance > CLOSE and row.samples and row.request in drawn:
            token = int(tokens[at])
            one, other = float(before[at, token]), float(after[at, token])
            yield row.request, f"token {token} has probability {one:.4g} without the patch and {other:.4g} with it"


def likeliest(logits: Tensor) -> list[list[float]]:
    """The log-probabilities of the MOST likeliest candidates of each row, in order."""
    found: list[list[float]] = logits.double().log_softmax(1).topk(min(MOST, logits.shape[1]), dim=1).values.tolist()
    return found


def lead(best: Sequence[float]) -> float:
    """By how much the likeliest candidate is ahead of the next; endlessly where there is no other."""
    return best[0] - best[1] if len(best) > 1 else math.inf

"""Whether a patch leaves the distribution of tokens alone: a permutation test on samples drawn without and with it.

The statistic is the sum, over problems and positions, of the χ² of homogeneity of the tokens there. Positions of one
sample depend on each other, so its distribution is not that of any table; it is found by giving the samples of each
problem their labels anew. If the patch changes nothing, the samples of a problem are exchangeable, all labellings are
equally likely, and the test is exact: with B random ones p = (1 + those at least as extreme) / (B + 1), which falls to
any level with a chance of at most that (Phipson & Smyth 2010). An alarm at ALARM is false once in a thousand runs, or
rarer. Where samples differ by plan, in their length, those that are planned alike form a block, and labels move within
blocks only: moved across them, they would vary more than samples do, and hide a difference.

Rare tokens would add more noise than they tell. Those of a position are put together, the most frequent first, until
they have a share of SHARE in both sides together; that does not depend on the labels, so the test stays exact.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = Mapping[str, Sequence[tuple[int, ...]]]
"""The tokens of each sample, by problem; drawn from seeds of their own, without and with the patch."""

ALARM = 0.001  # the error rate: how often a patch that changes nothing is accused
PERMUTATIONS = 4999
CHUNK = 256  # labellings at a time: what is held at once is this × positions × 1 / SHARE
SHARE = 0.05  # of the samples of a problem, at least, in what is counted at a position
SLACK = 1e-9  # relative; equal statistics may differ by rounding, and count as equal
ENDED = -1  # stands for the token of a sample that has ended


@dataclass(frozen=True, slots=True)
class TwoSample:
    """What the test found.

    Attributes:
        p: the chance of a difference at least as large where the patch changes nothing.
        statistic: the sum of χ² over problems and positions.
        problem: of the largest part of it.
        position: of the same; from 0, in the completion.
        words: the token there whose share differs most, or the rare ones.
    """

    p: float
    statistic: float
    problem: str
    position: int
    words: str

    @property
    def alarm(self) -> bool:
        """Whether the distributions differ, at the error rate ALARM."""
        return self.p <= ALARM


@dataclass(frozen=True, slots=True)
class _Table:
    """The samples of one problem.

    Attributes:
        name: of the problem.
        labels: whether each was drawn with the patch; shape (samples,).
        blocks: the indices of the samples in each block.
        cells: position and tokens of each column.
        present: whether a sample has one of them at that position; shape (samples, cells).
        weights: what a squared deviation of a column's count adds to χ²; shape (cells,).
    """

    name: str
    labels: NDArray[np.bool_]
    blocks: tuple[NDArray[np.intp], ...]
    cells: tuple[tuple[int, tuple[int, ...]], ...]
    present: NDArray[np.float64]
    weights: NDArray[np.float64]

    def parts(self, labels: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The addends of χ² under some labellings; shape (labellings, cells)."""
        expected = self.present.mean(axis=0) * self.labels.sum()
        deviations: NDArray[np.float64] = labels.astype(np.float64) @ self.present - expected
        return deviations**2 * self.weights


def two_sample(
    without: Samples, patched: Samples, *, blocks: int = 1, seed: int = 0, permutations: int = PERMUTATIONS
) -> TwoSample:
    """Test whether two sets of samples have one distribution.

    Args:
        without: drawn without the patch.
        patched: drawn with it, of the same problems; there may be more of them, or fewer.
        blocks: of samples that were planned alike: sample i of a side is in block i mod blocks.
        seed: of the permutations.
        permutations: how many; p is at least 1 / (permutations + 1).

    Raises:
        ValueError: the problems differ, or one has no samples.
    """
    if set(without) != set(patched) or not without:
        raise ValueError("both sides need samples of the same problems, at least one")
    tables = [_table(name, without[name], patched[name], blocks) for name in sorted(without)]
    observed = sum(float(table.parts(table.labels[None]).sum()) for table in tables)
    rng = np.random.default_rng(seed)
    null = sum((_permuted(table, rng, permutations) for table in tables), np.zeros(permutations))
    extreme = int((null >= observed * (1 - SLACK) - SLACK).sum())
    problem, position, words = _largest(tables)
    return TwoSample((1 + extreme) / (permutations + 1), observed, problem, position, words)


def _table(name: str, without: Sequence[tuple[int, ...]], patched: Sequence[tuple[int, ...]], blocks: int) -> _Table:
    if not without or not patched:
        raise ValueError(f"{name}: no sample on one side; both need at least one")
    samples = [*without, *patched]
    longest = max(map(len, samples))
    padded = np.array([[*sample, *[ENDED] * (longest - len(sample))] for sample in samples], dtype=np.int64)
    cells = [(at, group) for at in range(longest) for group in _groups(padded[:, at])]
    columns = [np.isin(padded[:, at], group) for at, group in cells]
    present = np.array(columns, dtype=np.float64).reshape(-1, len(samples)).T
    labels = np.arange(len(samples)) >= len(without)
    # Both sides deviate by the same d from E₀ = n₀m/N and E₁ = n₁m/N: d²/E₀ + d²/E₁ = d² N² / (m n₀ n₁).
    weights = len(samples) ** 2 / (present.sum(axis=0) * len(without) * len(patched))
    block = np.concatenate([np.arange(len(side)) % blocks for side in (without, patched)])
    members = tuple(np.flatnonzero(block == each) for each in range(blocks))
    return _Table(name, labels, members, tuple(cells), present, weights)


def _groups(tokens: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """The tokens at one position, the most frequent first; rare ones together."""
    groups: list[tuple[int, ...]] = []
    held: tuple[int, ...] = ()
    count = 0
    for token, times in sorted(Counter(tokens.tolist()).items(), key=lambda item: (-item[1], item[0])):
        held, count = (*held, token), count + times
        if count >= SHARE * len(tokens):
            groups.append(held)
            held, count = (), 0
    return [*groups[:-1], groups[-1] + held]


def _permuted(table: _Table, rng: np.random.Generator, permutations: int) -> NDArray[np.float64]:
    """χ² of a problem under random labellings of its samples."""
    found = [
        table.parts(_relabelled(table, rng, min(CHUNK, permutations - start))).sum(axis=1)
        for start in range(0, permutations, CHUNK)
    ]
    return np.concatenate(found) if found else np.zeros(0)


def _relabelled(table: _Table, rng: np.random.Generator, times: int) -> NDArray[np.bool_]:
    """Random labellings, each block by itself; shape (times, samples)."""
    labels = np.tile(table.labels, (times, 1))
    for members in table.blocks:
        labels[:, members] = rng.permuted(labels[:, members], axis=1)
    return labels


def _largest(tables: Sequence[_Table]) -> tuple[str, int, str]:
    """The problem and position with the largest part of the statistic, and what differs there."""
    parts = {
        (table.name, at): float(part)
        for table in tables
        for at, part in enumerate(_by_position(table))
    }  # fmt: skip
    name, position = max(parts, key=lambda key: parts[key], default=(tables[0].name, 0))
    table = next(table for table in tables if table.name == name)
    return name, position, _words(table, position)


def _by_position(table: _Table) -> NDArray[np.float64]:
    places = np.array([at for at, _ in table.cells], dtype=np.int64)
    found: NDArray[np.float64] = np.bincount(places, weights=table.parts(table.labels[None])[0]).astype(np.float64)
    return found


def _words(table: _Table, position: int) -> str:
    """The token at a position whose shares differ most."""
    columns = [column for column, (at, _) in enumerate(table.cells) if at == position]
    if not columns:
        return "there are no tokens"
    before, after = (table.present[table.labels == side].mean(axis=0) for side in (False, True))
    column = max(columns, key=lambda each: abs(float(after[each] - before[each])))
    counts = int((~table.labels).sum()), int(table.labels.sum())
    shares = f"{before[column]:.1%} of {counts[0]} without the patch, {after[column]:.1%} of {counts[1]} with it"
    return f"{_called(table.cells[column][1])} {shares}"


def _called(tokens: tuple[int, ...]) -> str:
    if tokens == (ENDED,):
        return "samples that have ended are"
    if len(tokens) == 1:
        return f"token {tokens[0]} is"
    return f"{len(tokens)} rare tokens ({', '.join(map(str, tokens[:3]))}, …) are together"

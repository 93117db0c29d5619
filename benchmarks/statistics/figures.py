"""What every simulation has in common on the command line and in print."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from math import sqrt
from time import perf_counter
from typing import Any

import numpy as np

SEED = 20240601


def options(words: str | None, runs: int) -> Namespace:
    """`runs`, simulated repetitions of every cell, and `seed`."""
    parser = ArgumentParser(description=(words or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=runs, help=f"simulated repetitions of a cell ({runs})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all draws ({SEED})")
    return parser.parse_args()


def percent(hits: Iterable[Any], digits: int = 1) -> str:
    """The share of true ones, in percent."""
    return f"{100 * np.mean(list(hits)):.{digits}f}"


def heading(columns: Sequence[str], title: str = "") -> None:
    """Start a Markdown table, under a title of its own."""
    if title:
        print(f"\n**{title}**\n")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


def row(*cells: object) -> None:
    """A line of it, as soon as it is known."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def footer(chosen: Namespace, started: float) -> None:
    """Seed, runs, the error that so many runs leave, and the time that they took."""
    near = {share: 196 * sqrt(share * (1 - share) / chosen.runs) for share in (0.01, 0.05, 0.5)}
    errors = ", ".join(f"±{error:.1f} around {100 * share:.0f} %" for share, error in near.items())
    print(f"\n{chosen.runs} runs a cell, seed {chosen.seed}; 95 % Monte-Carlo error in points: {errors}.")
    print(f"{perf_counter() - started:.0f} s")

"""The decoding loop on NumPy: equal prompts are read once, and a row that ends makes room at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.sample import Request
from pytest_passatk.models.draw import Flags, Floats, draw_tokens, settings_of
from pytest_passatk.models.tiny_network import Cache, Integers, Network


@dataclass(slots=True, eq=False)
class Row:
    """One completion in the making.

    Attributes:
        request: what is asked.
        prompt: its tokens.
        limit: the most tokens it may generate.
        tokens: those generated so far, the end-of-sequence token included.
        logprob: the sum of their log-probabilities, nats.
    """

    request: Request
    prompt: tuple[int, ...]
    limit: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0


def decode(network: Network, rows: Sequence[Row], ended: Callable[[Row], bool]) -> Iterator[Row]:
    """Fill the rows together, and yield each one as it ends.

    Each row draws from its own stream of uniforms, which follows from its request's seed alone.

    Args:
        network: computes the logits.
        rows: prompts of any lengths.
        ended: whether a row that just got a token is done.

    Raises:
        ModelError: logits are not finite.
    """
    logits, cache = _read_prompts(network, rows)
    settings = settings_of([row.request.params for row in rows])
    most = max(row.limit for row in rows)
    uniforms = np.stack([np.random.default_rng(row.request.seed).random(most) for row in rows])
    seen = _seen(rows, logits.shape[1])
    for step in range(most):
        if not np.isfinite(logits).all():
            raise ModelError(f"{rows[0].request.problem_id}: the logits are not finite: the weights are damaged")
        tokens, logprobs = draw_tokens(logits, settings, uniforms[:, step], seen)
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            row.tokens.append(token)
            row.logprob += logprob
        done = np.array([ended(row) for row in rows])
        yield from (row for row, over in zip(rows, done, strict=True) if over)
        if done.all():
            return
        order = _close_gaps(cache, done)
        rows, tokens = [rows[at] for at in order], tokens[order]
        settings, uniforms, seen = settings[order], uniforms[order], seen[order]
        if seen.size:
            seen[np.arange(len(rows)), tokens] = True
        cache = cache[0][:, : len(rows)], cache[1][:, : len(rows)]
        start = np.array([len(row.prompt) + step for row in rows])
        logits = network.forward(tokens[:, None], start, np.zeros_like(start), cache)


def _read_prompts(network: Network, rows: Sequence[Row]) -> tuple[Floats, Cache]:
    """The logits behind each row's prompt, and a cache with room for its completion."""
    place = {prompt: at for at, prompt in enumerate(dict.fromkeys(row.prompt for row in rows))}
    lengths = np.array([len(prompt) for prompt in place])
    tokens = np.zeros((len(place), lengths.max()), dtype=np.int64)
    for row, prompt in enumerate(place):
        tokens[row, : len(prompt)] = prompt
    read = network.allocate(*tokens.shape)
    logits = network.forward(tokens, np.zeros_like(lengths), lengths - 1, read)
    index = [place[row.prompt] for row in rows]
    cache = network.allocate(len(rows), max(len(row.prompt) + row.limit for row in rows))
    for whole, prompts in zip(cache, read, strict=True):
        whole[:, :, :, : tokens.shape[1]] = prompts[:, index]
    return logits[index], cache


def _close_gaps(cache: Cache, done: Flags) -> Integers:
    """The new order of the unfinished rows: those at the end, and their cache, move to the places of finished ones."""
    live = int((~done).sum())
    order = np.arange(live)
    gaps, movers = np.flatnonzero(done[:live]), live + np.flatnonzero(~done[live:])
    order[gaps] = movers
    for part in cache:
        part[:, gaps] = part[:, movers]
    return order


def _seen(rows: Sequence[Row], vocabulary: int) -> Flags:
    """B × V: which tokens each prompt holds; B × 0 where no row has a repetition penalty."""
    if all(row.request.params.repetition_penalty == 1 for row in rows):
        return np.zeros((len(rows), 0), dtype=np.bool_)
    seen = np.zeros((len(rows), vocabulary), dtype=np.bool_)
    for flags, row in zip(seen, rows, strict=True):
        flags[list(row.prompt)] = True
    return seen

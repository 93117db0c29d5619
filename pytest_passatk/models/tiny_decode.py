"""The decoding loop on NumPy: a fixed number of slots, which finished rows leave to waiting ones."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter

import numpy as np

from pytest_passatk.core.errors import ModelError
from pytest_passatk.models.draw import Flags, Integers, draw_tokens, settings_of
from pytest_passatk.models.row import Row
from pytest_passatk.models.tiny_network import Network

PAIRS = 2**21  # of tokens that attend to each other while prompts are read together: 64 MB with 4 heads
REFILL = 8  # waiting rows come in when this part of the slots is free, so that they are read together


def decode(network: Network, rows: Iterable[Row], budget: int, ended: Callable[[Row], bool]) -> Iterator[Row]:
    """Fill the rows, and yield each one as it ends.

    Each row draws from its own stream of uniforms, which follows from its request's seed alone.

    Args:
        network: computes the logits.
        rows: those with equal prompts side by side, so that these are read together.
        budget: tokens that the cache may hold; it has at least one slot, of the longest row.
        ended: whether a row that just got a token is done.

    Raises:
        ModelError: logits are not finite.
    """
    waiting = deque(rows)
    columns = max((len(row.prompt) + row.limit for row in waiting), default=1)
    together = max(1, PAIRS // max((len(row.prompt) for row in waiting), default=1) ** 2)
    slots = min(len(waiting), max(1, budget // columns))
    batch = Batch(network, slots, columns, penalised=any(row.request.params.repetition_penalty != 1 for row in waiting))
    while waiting or batch.rows:
        free = slots - len(batch.rows)
        if free * REFILL >= slots:
            coming = [waiting.popleft() for _ in range(min(free, len(waiting)))]
            for at in range(0, len(coming), together):
                batch.admit(coming[at : at + together])
        batch.draw()
        done = np.array([ended(row) for row in batch.rows])
        yield from (row for row, over in zip(batch.rows, done, strict=True) if over)
        batch.drop(done)
        batch.advance()


class Batch:
    """The rows at work, in the first slots of a cache, with the logits of each one's next token.

    Args:
        network: computes the logits.
        slots: the most rows.
        columns: the most tokens of a row.
        penalised: whether a row may have a repetition penalty.
    """

    def __init__(self, network: Network, slots: int, columns: int, *, penalised: bool) -> None:
        self.rows: list[Row] = []
        self._network = network
        self._cache = network.allocate(slots, columns)
        self._logits = np.empty((0, network.vocabulary))
        self._settings = settings_of([])
        self._streams: list[np.random.Generator] = []
        self._seen: Flags = np.zeros((0, network.vocabulary if penalised else 0), dtype=np.bool_)

    def admit(self, rows: Sequence[Row]) -> None:
        """Read the prompts of new rows, equal ones once, and give the rows the next slots."""
        now = perf_counter()
        place = {prompt: at for at, prompt in enumerate(dict.fromkeys(row.prompt for row in rows))}
        lengths = np.array([len(prompt) for prompt in place])
        tokens = np.array([[*prompt, *[0] * (lengths.max() - len(prompt))] for prompt in place])
        read = self._network.allocate(*tokens.shape)
        logits = self._network.forward(tokens, np.zeros_like(lengths), lengths - 1, read)
        index, first = [place[row.prompt] for row in rows], len(self.rows)
        for slots, prompts in zip(self._cache, read, strict=True):
            slots[:, first : first + len(rows), :, : tokens.shape[1]] = prompts[:, index]
        self._logits = np.concatenate([self._logits, logits[index]])
        self._settings = np.concatenate([self._settings, settings_of([row.request.params for row in rows])])
        self._streams += [np.random.default_rng(row.request.seed) for row in rows]
        self._seen = np.concatenate([self._seen, np.zeros((len(rows), self._seen.shape[1]), dtype=np.bool_)])
        self.rows += rows
        for slot, row in enumerate(rows, first):
            row.start = now
            if self._seen.size:
                self._seen[slot, list(row.prompt)] = True

    def draw(self) -> None:
        """Give every row its next token. Raises ModelError where logits are not finite."""
        if not np.isfinite(self._logits).all():
            raise ModelError(f"{self.rows[0].request.problem_id}: the logits are not finite: the weights are damaged")
        uniforms = np.array([stream.random() for stream in self._streams])
        tokens, logprobs = draw_tokens(self._logits, self._settings, uniforms, self._seen)
        for row, token, logprob in zip(self.rows, tokens.tolist(), logprobs.tolist(), strict=True):
            row.push(token, logprob)
        if self._seen.size:
            self._seen[np.arange(len(tokens)), tokens] = True

    def drop(self, done: Flags) -> None:
        """Take out finished rows: those in the last slots move, with their cache, into the slots that become free."""
        live = int((~done).sum())
        order: Integers = np.arange(live)
        gaps, movers = np.flatnonzero(done[:live]), live + np.flatnonzero(~done[live:])
        order[gaps] = movers
        used = max((len(row.prompt) + len(row.tokens) for row in self.rows), default=0)
        for part in self._cache:
            part[:, gaps, :, :used] = part[:, movers, :, :used]
        self.rows, self._streams = [self.rows[at] for at in order], [self._streams[at] for at in order]
        self._settings, self._seen, self._logits = self._settings[order], self._seen[order], self._logits[order]

    def advance(self) -> None:
        """Compute the logits behind the last token of every row."""
        if not self.rows:
            return
        tokens = np.array([[row.tokens[-1]] for row in self.rows])
        start = np.array([len(row.prompt) + len(row.tokens) - 1 for row in self.rows])
        cache = self._cache[0][:, : len(self.rows)], self._cache[1][:, : len(self.rows)]
        self._logits = self._network.forward(tokens, start, np.zeros_like(start), cache)

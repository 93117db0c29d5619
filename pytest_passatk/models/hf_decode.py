"""The decoding loop over transformers: shared prompts are read once, finished rows leave the batch at once."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from pytest_passatk.models.hf_draw import Draw
from pytest_passatk.models.row import Row
from pytest_passatk.runtimes.hf_hooks import Watch

Tensor: TypeAlias = Any  # torch is imported only where it is used


def decode(model: Any, rows: Sequence[Row], ended: Callable[[Row], bool], watch: Watch | None = None) -> Iterator[Row]:
    """Fill the rows together, and yield each one as it ends.

    Args:
        model: a causal language model of transformers.
        rows: prompts of any lengths; close lengths waste less.
        ended: whether a row that just got a token is done.
        watch: sees each step.
    """
    place = {prompt: at for at, prompt in enumerate(dict.fromkeys(row.prompt for row in rows))}
    if watch:
        watch.read(rows, place)
    batch = Batch(model, list(place))
    batch.select([place[row.prompt] for row in rows])
    change = watch.change if watch else None
    draw = Draw([row.request for row in rows], [row.prompt for row in rows], batch.logits.device, change)
    while rows:
        if watch:
            watch.forwarded(batch.logits)
        tokens, logprobs = draw(batch.logits)
        if watch:
            watch.drawn(tokens)
        for row, token, logprob in zip(rows, tokens, logprobs, strict=True):
            row.push(token, logprob)
        done = [ended(row) for row in rows]
        yield from (row for row, over in zip(rows, done, strict=True) if over)
        if any(done):
            left = [at for at, over in enumerate(done) if not over]
            rows = [rows[at] for at in left]
            batch.select(left)
            draw.select(left)
        if rows:
            if watch:
                watch.extend(rows)
            batch.push([row.tokens[-1] for row in rows])


class Batch:
    """Rows on their way through a network: their cache, and the logits of each one's next token.

    Prompts are padded on the left by masked tokens, so that all rows end in the same column.
    """

    logits: Tensor

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]]) -> None:
        import torch  # noqa: PLC0415 - heavy

        self._model = model
        self._accepted = accepted(model)
        self._memory = "past_key_values" if "past_key_values" in self._accepted else "cache_params"  # state spaces
        self._cache: Any = None
        width = max(map(len, prompts))
        tokens = [[0] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self._mask = torch.tensor(mask, device=model.device)
        positions = (self._mask.cumsum(1) - 1).clamp(min=0)
        self._forward(torch.tensor(tokens, device=model.device), positions)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may be named several times."""
        import torch  # noqa: PLC0415 - heavy

        if not rows:
            return
        index = torch.tensor(rows, device=self._mask.device)
        self._cache.reorder_cache(index)
        self._mask, self.logits = self._mask[index], self.logits[index]

    def push(self, tokens: Sequence[int]) -> None:
        """Append a token to each row, and compute the logits behind it."""
        import torch  # noqa: PLC0415 - heavy

        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        positions = self._mask.sum(1, keepdim=True) - 1
        self._forward(torch.tensor(tokens, device=self._mask.device).unsqueeze(1), positions)

    def _forward(self, tokens: Tensor, positions: Tensor) -> None:
        import torch  # noqa: PLC0415 - heavy

        optional = {"position_ids": positions, "logits_to_keep": 1}
        chosen = {name: value for name, value in optional.items() if name in self._accepted}
        chosen[self._memory] = self._cache
        with torch.inference_mode():
            output = self._model(input_ids=tokens, attention_mask=self._mask, use_cache=True, **chosen)
        self._cache, self.logits = output[self._memory], output.logits[:, -1]


def accepted(model: Any) -> set[str]:
    """The arguments of the network under a LoRA adapter, if there is one; not every architecture has them all."""
    network = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(inspect.signature(network.forward).parameters)

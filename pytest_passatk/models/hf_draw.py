"""The next token of every row of a batch: filters, and one independent stream of randomness a row."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from pytest_passatk.core.sample import Request, SamplingParams

Tensor: TypeAlias = Any  # torch is imported only where it is used
NOT_FINITE = -1  # the token of a row that has no distribution
ELEMENTS = 2**24  # of one float64 temporary: 128 MB


class Draw:
    """Draws for a fixed list of rows, from which finished ones are dropped.

    A row's tokens depend on its own seed, prompt and parameters. The uniforms come from NumPy, so that every device
    gets the same ones; each picks a token by the inverse of the row's distribution function in float64, so that the
    rounding of a batch's shape moves a token only where it lies within that rounding of a boundary.

    Args:
        requests: by row.
        prompts: their tokens, by row.
        device: of the logits.
        change: gives the logits (rows × vocabulary) to sample from, for those behind penalty, temperature and filters,
            which give −inf; those of greedy rows are neither divided nor filtered. It is asked once for all rows, and
            changes nothing by being asked: what it leaves alone is drawn as without it.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        prompts: Sequence[Sequence[int]],
        device: Any,
        change: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        import torch  # noqa: PLC0415 - heavy

        self._streams = [np.random.default_rng(request.seed) for request in requests]
        settings = [_settings(request.params) for request in requests]
        self._settings = torch.tensor(settings, dtype=torch.float64).to(_wide(device))
        self._prompts = list(prompts) if any(r.params.repetition_penalty != 1 for r in requests) else []
        self._seen: Tensor = None
        self._change = change

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        self._streams = [self._streams[row] for row in rows]
        self._settings = self._settings[list(rows)]
        if self._seen is not None:
            self._seen = self._seen[list(rows)]

    def __call__(self, logits: Tensor) -> tuple[list[int], list[float]]:
        """A token for each row of `logits` (rows × vocabulary), and its log-probability (nats) under plain softmax.

        A row whose logits are not finite gets the token `NOT_FINITE`.
        """
        import torch  # noqa: PLC0415 - heavy

        logits = logits.to(self._settings.device)
        uniform = torch.tensor([stream.random() for stream in self._streams], dtype=torch.float64)
        uniform = uniform.to(logits.device).unsqueeze(1)
        self._look(logits)
        size = max(1, ELEMENTS // logits.shape[1])
        seen = self._seen.split(size) if self._seen is not None else [None] * len(logits)
        parts = list(zip(logits.split(size), uniform.split(size), self._settings.split(size), seen, strict=False))
        drawn = _draw_changed(parts, self._change) if self._change else [_draw(*part) for part in parts]
        tokens, logprobs = (torch.cat(column) for column in zip(*drawn, strict=True))
        if self._seen is not None:
            self._seen.scatter_(1, tokens.clamp(min=0), value=True)
        return tokens.flatten().tolist(), logprobs.flatten().tolist()

    def _look(self, logits: Tensor) -> None:
        """Mark the prompts' tokens as seen, once the size of the vocabulary is known."""
        if not self._prompts:
            return
        import torch  # noqa: PLC0415 - heavy

        self._seen = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
        for row, prompt in enumerate(self._prompts):
            self._seen[row, list(prompt)] = True
        self._prompts = []


def distribution(logits: Tensor, settings: Tensor) -> Tensor:
    """The probabilities from which a sample is drawn, in float64; see `filter_logits`."""
    return filter_logits(logits, settings).softmax(1)


def filter_logits(logits: Tensor, settings: Tensor) -> Tensor:
    """Temperature, then top-k, top-p and min-p, whose victims get −inf.

    The order is transformers' own. Greedy rows divide by 1.

    Args:
        logits: rows × vocabulary, float64, after the repetition penalty.
        settings: rows × (temperature, top-p, top-k, min-p, penalty).
    """
    temperature, top_p, top_k, min_p, _ = settings.split(1, dim=1)
    scaled = logits / temperature.where(temperature > 0, 1.0)
    if top_k.any():
        scaled = _keep_top_k(scaled, top_k)
    if (top_p < 1).any():
        scaled = _keep_top_p(scaled, top_p)
    if min_p.any():
        scaled = scaled.where(scaled >= scaled.amax(1, keepdim=True) + min_p.log(), -float("inf"))
    return scaled


def _wide(device: Any) -> Any:
    """Where float64 is computed: on the device itself, unless that is Apple's, which has none."""
    return "cpu" if device.type == "mps" else device


def _settings(params: SamplingParams) -> list[float]:
    return [params.temperature, params.top_p, params.top_k, params.min_p, params.repetition_penalty]


def _draw(logits: Tensor, uniform: Tensor, settings: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens and log-probabilities (rows × 1) of some rows."""
    logits = logits.double()
    penalised = logits if seen is None else _penalise(logits, seen, settings[:, 4:])
    return _pick(logits, filter_logits(penalised, settings), penalised, uniform, settings)


def _draw_changed(parts: Sequence[Sequence[Tensor]], change: Callable[[Tensor], Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The same of all parts, where something that sees all of them at once has the last word."""
    import torch  # noqa: PLC0415 - heavy

    candidates = torch.cat([_candidates(logits, settings, seen) for logits, _, settings, seen in parts])
    changed = change(candidates)
    if changed.shape != candidates.shape:
        raise ValueError(f"a patch made {tuple(changed.shape)} candidates of {tuple(candidates.shape)}")
    each = changed.to(candidates).split([len(part[0]) for part in parts])
    return [
        _pick(logits.double(), chosen, chosen, uniform, settings)
        for chosen, (logits, uniform, settings, _) in zip(each, parts, strict=True)
    ]


def _candidates(logits: Tensor, settings: Tensor, seen: Tensor) -> Tensor:
    logits = logits.double()
    penalised = logits if seen is None else _penalise(logits, seen, settings[:, 4:])
    return filter_logits(penalised, settings).where(settings[:, :1] > 0, penalised)


def _pick(
    logits: Tensor, filtered: Tensor, likeliest: Tensor, uniform: Tensor, settings: Tensor
) -> tuple[Tensor, Tensor]:
    """Tokens drawn from `filtered`, or in greedy rows the first of `likeliest`; log-probabilities under `logits`."""
    import torch  # noqa: PLC0415 - heavy

    cumulative = filtered.softmax(1).cumsum(1)
    drawn = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    greedy = settings[:, :1] == 0
    tokens = drawn.clamp(max=logits.shape[1] - 1).where(~greedy, likeliest.argmax(1, keepdim=True))
    logprobs = logits.gather(1, tokens) - logits.logsumexp(1, keepdim=True)
    return tokens.where(cumulative[:, -1:].isfinite(), NOT_FINITE), logprobs


def _penalise(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    return (logits / penalty).where(logits > 0, logits * penalty).where(seen, logits)


def _keep_top_k(logits: Tensor, top_k: Tensor) -> Tensor:
    """Drop all below each row's k-th likeliest; ties with it stay. 0 keeps all."""
    size = int(top_k.max().clamp(max=logits.shape[1]))
    place = top_k.long().clamp(1, size) - 1
    kth = logits.topk(size, dim=1).values.gather(1, place)
    return logits.where((logits >= kth) | (top_k == 0), -float("inf"))


def _keep_top_p(logits: Tensor, top_p: Tensor) -> Tensor:
    """Keep the smallest set of likeliest tokens whose probability reaches p, at least one."""
    ordered, order = logits.sort(dim=1, descending=True, stable=True)
    probabilities = ordered.softmax(1)
    drop = (probabilities.cumsum(1) - probabilities >= top_p) & (top_p < 1)
    drop[:, 0] = False
    return logits.masked_fill(drop.scatter(1, order, drop), -float("inf"))

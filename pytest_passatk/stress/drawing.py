"""Tokens from the logits of a step: filters, then each request's own source of randomness."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from pytest_passatk.models.hf_draw import filter_logits
from pytest_passatk.stress.batch import Running

Tensor: TypeAlias = Any  # torch is imported only where it is used


def draw_tokens(
    logits: Tensor,
    settings: Tensor,
    requests: Sequence[Running],
    samples: Sequence[bool],
    change: Callable[[Tensor], Tensor] | None,
) -> list[int]:
    """A token for each row; log-probabilities and margins go to the requests that sample.

    Args:
        logits: rows × vocabulary.
        settings: rows × (temperature, top-p, top-k, min-p, repetition penalty).
        requests: by row.
        samples: which of them draw; a source of randomness moves only then.
        change: gives the logits to sample from, for those behind all filters.
    """
    logits = logits.double()
    greedy = settings[:, :1] == 0
    plain = all(request.planned.draw.greedy for request in requests)
    candidates = logits if plain else logits.where(greedy, filter_logits(logits, settings))
    if change:
        candidates = change(candidates)
    tokens = candidates.argmax(1, keepdim=True)
    best = logits.topk(2, dim=1).values
    margins = best[:, :1] - best[:, 1:]
    if not plain:
        drawn, distances = _sampled(candidates, requests, samples)
        tokens, margins = tokens.where(greedy, drawn), margins.where(greedy, distances)
    logprobs = (logits.gather(1, tokens) - logits.logsumexp(1, keepdim=True)).flatten().tolist()
    for request, samples_now, logprob, margin in zip(
        requests, samples, logprobs, margins.flatten().tolist(), strict=True
    ):
        if samples_now:
            request.logprobs.append(logprob)
            request.margins.append(margin)
    return [int(token) for token in tokens.flatten().tolist()]


def _sampled(candidates: Tensor, requests: Sequence[Running], samples: Sequence[bool]) -> tuple[Tensor, Tensor]:
    """Tokens by the inverse of each row's distribution function, and how far each was from being another: rows × 1."""
    import torch  # noqa: PLC0415 - heavy

    uniform = [request.random.random() if drawn else 0.0 for request, drawn in zip(requests, samples, strict=True)]
    cumulative = candidates.softmax(1).cumsum(1)
    wanted = torch.tensor(uniform, dtype=torch.float64).unsqueeze(1) * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, wanted, right=True).clamp(max=candidates.shape[1] - 1)
    return tokens, (cumulative - wanted).abs().amin(1, keepdim=True)

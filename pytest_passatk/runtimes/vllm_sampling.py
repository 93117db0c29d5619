"""vLLM's sampler with a hand between its filters and its draw."""

from collections.abc import Callable
from typing import Any, TypeAlias

from pytest_passatk.core.patch import Tensor

Sample: TypeAlias = Callable[..., tuple[Tensor, Tensor | None]]
Change: TypeAlias = Callable[[Tensor], Tensor]
GREEDY = 1e-5  # temperatures below are greedy, for vLLM


def sample_changed(sampler: Any, original: Sample, change: Change) -> Sample:
    """What stands in for `Sampler.sample` of vLLM while something may change the candidates.

    It does what the original does, in the same order and with the same functions: where nothing is changed, it draws
    the same tokens, and leaves the same generators behind.

    Args:
        sampler: vLLM's.
        original: its `sample`.
        change: gets the logits behind all filters, requests × vocabulary, those of greedy requests as they came.
    """

    def sample(logits: Tensor, meta: Any, logprobs_mode_override: Any = None) -> tuple[Tensor, Tensor | None]:
        if meta.all_greedy:
            return original(change(logits), meta, logprobs_mode_override)
        candidates = change(_filter(sampler, logits, meta))
        greedy = None if meta.all_random else sampler.greedy_sample(candidates)
        drawn, logprobs = sampler.topk_topp_sampler(candidates, meta.generators, None, None)
        return drawn if greedy is None else greedy.where(meta.temperature < GREEDY, drawn), logprobs

    return sample


def _filter(sampler: Any, logits: Tensor, meta: Any) -> Tensor:
    """Logits divided by their temperature and filtered, but for those of greedy requests."""
    from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p  # noqa: PLC0415 - heavy

    greedy = meta.temperature < GREEDY
    raw = None if meta.all_random else logits[greedy]  # a copy: the division works in place
    logits = sampler.apply_temperature(logits, meta.temperature, meta.all_random)
    for processor in meta.logitsprocs.argmax_invariant:
        logits = processor.apply(logits)
    logits = apply_top_k_top_p(logits, meta.top_k, meta.top_p)
    if raw is not None:
        logits[greedy] = raw
    return logits

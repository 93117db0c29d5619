"""A causal language model of transformers that reads packed rows: parts of many requests in one forward pass."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Tensor
from pytest_passatk.models.hf_decode import accepted
from pytest_passatk.stress.packed import Part

Memory: TypeAlias = list[tuple[Tensor, Tensor]]  # keys and values of each layer: 1 × heads × tokens × width
MASKED = ("eager", "sdpa")  # kinds of attention that take a mask of numbers
TOLERANCE = {"float32": 1e-4}  # of log-probabilities and hidden states, a request alone against one in a batch
NARROW = 0.25  # the same for every narrower type


class HfNetwork:
    """The rows of one pass stand in one sequence; a mask lets each of them see its own request alone.

    Attributes:
        module: whose layers are tapped.
        vocabulary: how many tokens there are.
        context: the most tokens of a request; a sliding window ends it, since the mask has none.
        hidden: width of the residual stream.
        dtype: of the weights.
        device: of the weights.
        head: the output embedding, vocabulary × hidden.
        bias: of the output embedding, or `None`.
        tolerance: how far log-probabilities and hidden states of a request alone and in a batch may be apart.

    Args:
        module: a causal language model of transformers, ready to infer.
        context: the most tokens that it takes, or `None`.

    Raises:
        UsageError: it keeps no keys and values, or its attention takes no mask of numbers.
    """

    def __init__(self, module: Any, context: int | None) -> None:
        settings = module.config.get_text_config()
        self.module = module
        self.vocabulary = int(settings.vocab_size)
        self.context = _context(settings, context)
        self.hidden = int(settings.hidden_size)
        self.dtype, self.device = module.dtype, module.device
        output = module.get_output_embeddings()
        self.head = output.weight.detach()
        self.bias = None if getattr(output, "bias", None) is None else output.bias.detach()
        self.tolerance = TOLERANCE.get(str(self.dtype).removeprefix("torch."), NARROW)
        self._memories: dict[str, Memory] = {}
        self._accepted = accepted(module)
        _check(module, self._accepted)

    def extend(self, parts: Sequence[Part]) -> Tensor:
        """One forward pass over the parts' tokens, packed in that order; each request's keys and values are kept.

        Returns:
            The logits behind the last token of each part: parts × vocabulary.

        Raises:
            ValueError: a part does not start where what its request has read ends.
        """
        import torch  # noqa: PLC0415 - heavy

        pasts = [self._past(part) for part in parts]
        tokens = torch.tensor([[token for part in parts for token in part.tokens]], device=self.device)
        positions, mask = self._layout(parts)
        last = torch.tensor([len(part.tokens) for part in parts], device=self.device).cumsum(0) - 1
        fewer = {"logits_to_keep": last} if "logits_to_keep" in self._accepted else {}
        with torch.inference_mode():
            output = self.module(
                input_ids=tokens, position_ids=positions, attention_mask=mask,
                past_key_values=_join(pasts), use_cache=True, **fewer,
            )  # fmt: skip
        self._keep(parts, pasts, output.past_key_values)
        logits = output.logits[0] if fewer else output.logits[0, last]
        return logits.float()

    def forget(self, request: str) -> None:
        """Drop a request's keys and values, if there are any."""
        self._memories.pop(request, None)

    def _past(self, part: Part) -> Memory:
        past = self._memories.get(part.request, [])
        if (length := _length(past)) != part.start:
            raise ValueError(f"{part.request} has read {length} tokens, and cannot go on at position {part.start}")
        return past

    def _layout(self, parts: Sequence[Part]) -> tuple[Tensor, Tensor]:
        """The rows' positions (1 × rows), and what each row must not see (1 × 1 × rows × columns).

        The columns are what all requests have read before, one request after the other, and then the rows themselves.
        """
        import torch  # noqa: PLC0415 - heavy

        old = [(at, position) for at, part in enumerate(parts) for position in range(part.start)]
        new = [(at, part.start + offset) for at, part in enumerate(parts) for offset in range(len(part.tokens))]
        columns = torch.tensor(old + new, device=self.device)
        rows = columns[len(old) :, None]
        seen = (rows[..., 0] == columns[:, 0]) & (rows[..., 1] >= columns[:, 1])
        mask = torch.zeros(seen.shape, dtype=self.dtype, device=self.device)
        return rows[:, 0, 1][None], mask.masked_fill(~seen, torch.finfo(self.dtype).min)[None, None]

    def _keep(self, parts: Sequence[Part], pasts: Sequence[Memory], cache: Any) -> None:
        """Give each request the columns that it added to what it had."""
        old = sum(part.start for part in parts)
        ends = [old]
        for part in parts:
            ends.append(ends[-1] + len(part.tokens))
        for part, past, (start, end) in zip(parts, pasts, pairwise(ends), strict=True):
            added = [(layer.keys[:, :, start:end], layer.values[:, :, start:end]) for layer in cache.layers]
            both = [past, added] if past else [added]
            self._memories[part.request] = [_concatenate(layer) for layer in zip(*both, strict=True)]


def _join(pasts: Sequence[Memory]) -> Any:
    """A cache of transformers in which the pasts stand one behind the other."""
    from transformers import DynamicCache  # noqa: PLC0415 - heavy

    return DynamicCache([_concatenate(layer) for layer in zip(*filter(None, pasts), strict=True)])


def _concatenate(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Keys and values, one behind the other, in memory of their own."""
    import torch  # noqa: PLC0415 - heavy

    keys, values = zip(*pairs, strict=True)
    return torch.cat(keys, dim=2), torch.cat(values, dim=2)


def _length(memory: Memory) -> int:
    return int(memory[0][0].shape[2]) if memory else 0


def _context(settings: Any, context: int | None) -> int:
    limits = [context, getattr(settings, "max_position_embeddings", None), getattr(settings, "sliding_window", None)]
    return min(int(limit) for limit in limits if limit)


def _check(module: Any, arguments: set[str]) -> None:
    kind = module.config._attn_implementation  # noqa: SLF001 - transformers tells it nowhere else
    if "past_key_values" not in arguments or "position_ids" not in arguments:
        raise UsageError(
            f"{type(module).__name__} keeps no keys and values by position, so it cannot read requests packed; "
            "stress a network with attention"
        )
    if kind not in MASKED:
        raise UsageError(
            f"the stress suite packs requests by a mask, which attention of the kind {kind} does not take: "
            "give --passatk-model-args attn_implementation=sdpa"
        )

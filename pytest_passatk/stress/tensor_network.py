"""A network without a model: a few tensor operations in which every token of a request's past matters.

Position t of a request with tokens x has S_t = Σ_{i ≤ t} E[x_i] ∘ cos(ωi) behind it, and sin(S_t) goes through two
residual blocks. So a row that is taken from another request, or from another step, is never the right one by chance.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypeAlias

from pytest_passatk.stress.packed import Part

Tensor: TypeAlias = Any  # torch is imported only where it is used
VOCABULARY, HIDDEN, BLOCKS, CONTEXT = 48, 16, 2, 256
SHARPNESS = 3.0  # of the logits: temperature 1 has an entropy of some two nats
SEED = 20


class TensorNetwork:
    """See `stress.packed.Network`; in float64, where the order of a batch moves nothing that a draw could see."""

    vocabulary, hidden, context, bias = VOCABULARY, HIDDEN, CONTEXT, None
    tolerance = 1e-9

    def __init__(self) -> None:
        import torch  # noqa: PLC0415 - heavy

        random = torch.Generator().manual_seed(SEED)
        self.dtype, self.device = torch.float64, torch.device("cpu")
        self._embedding = torch.randn(VOCABULARY, HIDDEN, generator=random, dtype=self.dtype)
        self._waves = 3 * torch.rand(HIDDEN, generator=random, dtype=self.dtype)
        self.module = build_blocks(random)
        self.head = torch.randn(VOCABULARY, HIDDEN, generator=random, dtype=self.dtype) * SHARPNESS / HIDDEN**0.5
        self._sums: dict[str, Tensor] = {}

    def extend(self, parts: Sequence[Part]) -> Tensor:
        """See Network."""
        import torch  # noqa: PLC0415 - heavy

        tokens = torch.tensor([token for part in parts for token in part.tokens])
        places = torch.tensor([part.start + at for part in parts for at in range(len(part.tokens))], dtype=self.dtype)
        terms = self._embedding[tokens] * torch.cos(places.unsqueeze(1) * self._waves)
        ends = list(accumulate(len(part.tokens) for part in parts))
        if len(tokens) == len(parts):
            sums = self._decode(parts, terms)
        else:
            pieces = [terms[end - len(part.tokens) : end] for part, end in zip(parts, ends, strict=True)]
            sums = torch.cat([self._read(part, piece) for part, piece in zip(parts, pieces, strict=True)])
        states = self.module(sums.sin())
        return (states if len(tokens) == len(parts) else states[torch.tensor(ends) - 1]) @ self.head.T

    def forget(self, request: str) -> None:
        """See Network."""
        self._sums.pop(request, None)

    def _decode(self, parts: Sequence[Part], terms: Tensor) -> Tensor:
        """All parts at once, where each has one token."""
        import torch  # noqa: PLC0415 - heavy

        nothing = torch.zeros(HIDDEN, dtype=self.dtype)
        sums = terms + torch.stack([self._sums[part.request] if part.start else nothing for part in parts])
        self._sums.update(zip((part.request for part in parts), sums, strict=True))
        return sums

    def _read(self, part: Part, terms: Tensor) -> Tensor:
        sums = terms.cumsum(0)
        if part.start:
            sums = sums + self._sums[part.request]
        self._sums[part.request] = sums[-1]
        return sums


def build_blocks(random: Any) -> Any:
    """The blocks as modules of torch, so that taps and patches find what they find in a model."""
    import torch  # noqa: PLC0415 - heavy

    class Norm(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def forward(self, states: Tensor) -> Tensor:
            return states * states.square().mean(1, keepdim=True).add(1e-6).rsqrt()

    class Block(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.input_layernorm = Norm()
            weights = torch.randn(HIDDEN, HIDDEN, generator=random, dtype=torch.float64) / HIDDEN**0.5
            self.register_buffer("weights", weights)

        def forward(self, states: Tensor) -> Tensor:
            return states + torch.tanh(self.input_layernorm(states) @ self.weights)

    class Blocks(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList([Block() for _ in range(BLOCKS)])

        def forward(self, states: Tensor) -> Tensor:
            for layer in self.layers:
                states = layer(states)
            return states

    return Blocks()

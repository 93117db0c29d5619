"""The guidance of ESamp: logits are moved away from those that the predicted hidden state has."""

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Live, Tensor

DROPPED = float("-inf")  # the logit of what a filter dropped
ENDLESS = float("inf")
MOSTLY = 0.5  # share of the vocabulary beyond which picking candidates costs more than it saves


class Guidance:
    """New z = (1 + β) z − β d with d = W ĥ + b, over what the filters left; all else stays as it is.

    Neither the temperature nor the final norm is applied to d, and nothing is filtered again.

    Args:
        live: the engine, for its output embedding.
        beta: β.

    Raises:
        UsageError: the engine's output embedding is not known.
    """

    def __init__(self, live: Live, beta: float) -> None:
        if live.head is None:
            raise UsageError(
                f"--patch esamp: the output embedding of this {live.kind} network cannot be found, and guidance needs "
                "it; with beta=0 among --passatk-patch-args ESamp trains without guiding"
            )
        self._head = live.head.detach()
        self._bias = None if live.bias is None else live.bias.detach()
        self._beta = beta

    def __call__(self, logits: Tensor, predicted: Tensor) -> Tensor:
        """The guided logits, as a new tensor.

        Args:
            logits: rows × vocabulary; −inf where a filter dropped a token.
            predicted: ĥ, rows × hidden.

        Raises:
            UsageError: they are not finite, though the logits were; vLLM would draw a token from them nevertheless.
        """
        import torch  # noqa: PLC0415 - heavy

        self._check(logits.shape[1])
        columns = (logits > DROPPED).any(0).nonzero().flatten()
        if len(columns) > MOSTLY * logits.shape[1]:
            return self._guide(logits, predicted, slice(logits.shape[1]))
        guided = self._guide(logits.index_select(1, columns), predicted, columns)
        return torch.index_copy(logits, 1, columns, guided)

    def _guide(self, logits: Tensor, predicted: Tensor, columns: Tensor | slice) -> Tensor:
        distilled = predicted.to(self._head.dtype).matmul(self._head[columns].T)  # some engines keep a wider head
        if self._bias is not None:
            distilled = distilled + self._bias[columns]
        guided = distilled.to(logits.dtype).lerp(logits, 1 + self._beta)  # d + (1 + β) (z − d)
        guided = guided.where(logits > DROPPED, logits)
        if not (guided < ENDLESS).all() and (logits < ENDLESS).all():  # NaN is not below anything
            raise UsageError(
                "--patch esamp: guided logits are not finite: distillers have diverged, or beta is too large for these "
                "numbers; give a smaller lr, or a smaller beta, among --passatk-patch-args"
            )
        return guided

    def _check(self, vocabulary: int) -> None:
        if vocabulary > len(self._head):
            raise UsageError(
                f"--patch esamp: there are logits of {vocabulary} tokens, but {len(self._head)} rows of the output "
                "embedding are here: ESamp needs all of it on one device (no tensor parallelism)"
            )

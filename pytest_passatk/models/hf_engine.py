"""Requests through a loaded network: batches within a memory budget, halved where memory runs out."""

import gc
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter

from pytest_passatk.core.errors import ModelError, PassatkError
from pytest_passatk.core.sample import Completion, FinishReason, Request, cut_at_stop
from pytest_passatk.models import admit, hf_batch
from pytest_passatk.models.hf_arms import Arms
from pytest_passatk.models.hf_decode import decode
from pytest_passatk.models.hf_draw import NOT_FINITE
from pytest_passatk.models.hf_text import Text
from pytest_passatk.models.row import Row


class Engine:
    """A network with its tokenizer.

    Args:
        name: of the model, for messages.
        arms: a causal language model of transformers, on its device, with its adapters.
        text: encodes prompts, decodes completions.
        context: tokens that prompt and completion may have together, or `None`.
        ends: the tokens that end a completion.
        budget: tokens in one batch; `None` chooses by the free memory.
    """

    def __init__(
        self, *, name: str, arms: Arms, text: Text, context: int | None, ends: Iterable[int], budget: int | None
    ) -> None:
        self._name = name
        self._arms = arms
        self._text = text
        self._context = context
        self._ends = frozenset(ends)
        self._budget = budget or hf_batch.choose_budget(arms.network)

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request, each as it finishes. Raises ModelError where the network as a whole fails."""
        rows: dict[str, list[Row]] = {arm: [] for arm in self._arms.labels}
        for request in requests:
            try:
                rows[request.arm].append(self._admit(request))
            except PassatkError as error:
                yield admit.abort(request, error)
        for arm, group in rows.items():
            pending = hf_batch.order(group)
            with self._arms.on(arm):
                while pending:
                    yield from self._run(hf_batch.take(pending, self._budget), pending)

    def _admit(self, request: Request) -> Row:
        """The request as a row. Raises OutOfContextError, or UsageError where its prompt cannot be rendered."""
        prompt = self._text.encode(request.prompt)
        return Row(request, prompt, admit.room(self._name, request, len(prompt), self._context))

    def _run(self, batch: list[Row], pending: deque[Row]) -> Iterator[Completion]:
        """Complete a batch; where memory runs out, put back what is unfinished, for batches half as large."""
        finished = set[Row]()
        for row in batch:
            row.start = perf_counter()
        try:
            for row in decode(self._arms.network, batch, self._ended):
                finished.add(row)
                yield self._complete(row)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if not _is_out_of_memory(error):
                raise ModelError(f"{self._name} failed in the middle of a batch ({reason})") from error
        else:
            return
        # Only here, behind the handler, has the traceback let go of the batch's tensors.
        _release_memory()
        if len(batch) == 1:
            request = batch[0].request
            yield admit.abort(
                request, ModelError(f"{request.problem_id}: one completion does not fit into memory ({reason})")
            )
            return
        self._budget = max(1, min(self._budget, hf_batch.cost(batch)) // 2)
        for row in reversed(batch):
            if row not in finished:
                row.restart()
                pending.appendleft(row)

    def _ended(self, row: Row) -> bool:
        last = row.tokens[-1]
        return (
            last in self._ends
            or last == NOT_FINITE
            or len(row.tokens) >= row.limit
            or self._text.stopped(row.prompt, row.tokens, row.request.params.stop)
        )

    def _complete(self, row: Row) -> Completion:
        last = row.tokens[-1]
        if last == NOT_FINITE:
            reason = f"after {len(row.tokens) - 1} tokens the model's logits are not finite; try another --dtype"
            return admit.abort(row.request, ModelError(f"{row.request.problem_id}: {reason}"))
        ended = last in self._ends
        text = self._text.decode(row.prompt, row.tokens[:-1] if ended else row.tokens)
        cut = cut_at_stop(text, row.request.params.stop)
        return Completion(
            stream=row.request.stream,
            index=row.request.index,
            text=text if cut is None else cut,
            tokens=len(row.tokens),
            finish_reason=FinishReason.STOP if ended or cut is not None else FinishReason.LENGTH,
            latency=perf_counter() - row.start,
            logprob=row.logprob,
            first_token=row.first_token,
            prompt_tokens=len(row.prompt),
        )


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out: a GPU's error class, or the words of torch's CPU allocator."""
    import torch  # noqa: PLC0415 - heavy

    words = ("out of memory", "can't allocate memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(w in str(error).lower() for w in words)


def _release_memory() -> None:
    import torch  # noqa: PLC0415 - heavy

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

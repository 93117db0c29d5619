"""Requests through a loaded network: batches within a memory budget, halved where memory runs out."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter

from pytest_passatk.core.errors import ModelError, PassatkError
from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.core.sample import Completion, FinishReason, Request, cut_at_stop
from pytest_passatk.models import admit, hf_batch
from pytest_passatk.models.hf_arms import Arms
from pytest_passatk.models.hf_decode import decode
from pytest_passatk.models.hf_draw import NOT_FINITE
from pytest_passatk.models.hf_memory import is_out_of_memory, release_memory
from pytest_passatk.models.hf_text import Text
from pytest_passatk.models.hf_turns import Turns
from pytest_passatk.models.row import Row
from pytest_passatk.patches.foreign import find_smallest, told
from pytest_passatk.runtimes.contexts import last_behind
from pytest_passatk.runtimes.hf_hooks import Patched, Watch


class Engine:
    """A network with its tokenizer.

    Args:
        name: of the model, for messages.
        arms: a causal language model of transformers, on its device, with its adapters.
        text: encodes prompts, decodes completions.
        context: tokens that prompt and completion may have together, or `None`.
        ends: the tokens that end a completion.
        budget: tokens in one batch; `None` chooses by the free memory.
        patches: of the runtime, by arm.
    """

    def __init__(
        self,
        *,
        name: str,
        arms: Arms,
        text: Text,
        context: int | None,
        ends: Iterable[int],
        budget: int | None,
        patches: Mapping[str, PatchSpec],
    ) -> None:
        self._name = name
        self._arms = arms
        self._text = text
        self._context = context
        self._ends = frozenset(ends)
        self._budget = budget or hf_batch.choose_budget(arms.network)
        self._turns = Turns(arms, patches)

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request, each as it finishes: one repeat after the other, and the arms of each in turn.

        Raises:
            ModelError: the network as a whole fails, or a patch was never active; what came out under it is held back.
            UsageError: a patch cannot be made, or does not fit the network.
        """
        turns = self._turns.order(requests)
        groups: dict[tuple[int, str], list[Row]] = {turn: [] for turn in turns}
        for request in requests:
            try:
                groups[request.repeat, request.arm].append(self._admit(request))
            except PassatkError as error:
                yield admit.abort(request, error)
        for (turn, patch), group in zip(turns.items(), groups.values(), strict=True):
            with self._arms.on(turn[1]):
                yield from self._under(patch, group) if patch and group else self._answer(group)

    def _under(self, patch: Patched, rows: Sequence[Row]) -> Iterator[Completion]:
        """Answer under a patch. Completions wait until it was active once: else they would say nothing of it."""
        waiting: list[Completion] = []
        attached = patch.on(self._arms.base, hf_batch.capacity(rows, self._budget))
        for completion in last_behind(attached, partial(self._answer, rows), len(rows)):
            waiting.append(completion)
            if patch.active:
                yield from waiting
                waiting.clear()
        if any(completion.error is None for completion in waiting):
            raise patch.idle()
        yield from waiting

    def _answer(self, rows: Sequence[Row], watch: Watch | None = None) -> Iterator[Completion]:
        pending = hf_batch.order(rows)
        while pending:
            yield from self._run(hf_batch.take(pending, self._budget), pending, watch)

    def _admit(self, request: Request) -> Row:
        """The request as a row. Raises OutOfContextError, or UsageError where its prompt cannot be rendered."""
        prompt = self._text.encode(request.prompt)
        return Row(request, prompt, admit.room(self._name, request, len(prompt), self._context))

    def _run(self, batch: list[Row], pending: deque[Row], watch: Watch | None) -> Iterator[Completion]:
        """Complete a batch; where memory runs out, put back what is unfinished, for batches half as large.

        These rows start again from their prompts. A patch that learns has seen the steps that were in vain.
        """
        finished = set[Row]()
        for row in batch:
            row.start = perf_counter()
        try:
            for row in decode(self._arms.network, batch, self._ended, watch):
                finished.add(row)
                yield self._complete(row, watch)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            if not is_out_of_memory(error):
                raise self._failure(error, watch) from error
        else:
            return
        # Only here, behind the handler, has the traceback let go of the batch's tensors.
        release_memory()
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

    def _failure(self, error: BaseException, watch: Watch | None) -> ModelError:
        failed = f"{self._name} failed in the middle of a batch"
        if watch is None:
            return ModelError(f"{failed} ({type(error).__name__}: {error})")
        return ModelError(f"{failed} under {watch.name} ({told(error)}); {find_smallest('hf', watch.name)}")

    def _ended(self, row: Row) -> bool:
        last = row.tokens[-1]
        return (
            last in self._ends
            or last == NOT_FINITE
            or len(row.tokens) >= row.limit
            or self._text.stopped(row.prompt, row.tokens, row.request.params.stop)
        )

    def _complete(self, row: Row, watch: Watch | None) -> Completion:
        last = row.tokens[-1]
        if last == NOT_FINITE:
            whose = f"logits are not finite under {watch.name}; see" if watch else "the model's logits are not finite;"
            remedy = " what it makes of them and of hidden states, or" if watch else ""
            reason = f"after {len(row.tokens) - 1} tokens {whose}{remedy} try another --dtype"
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

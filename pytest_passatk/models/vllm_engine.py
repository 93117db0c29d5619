"""Requests through vLLM's offline engine, one step at a time."""

import gc
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.core.sample import Completion, FinishReason
from pytest_passatk.models import admit, vllm_failure, vllm_log, vllm_start, vllm_watch
from pytest_passatk.models.vllm_flight import Flight
from pytest_passatk.models.vllm_patched import Patched
from pytest_passatk.runtimes.contexts import last_behind

DEPTH = 8  # requests that the engine gets, for each that it can run at once: its queue is never short, nor long


@dataclass(frozen=True, slots=True)
class Seat:
    """A flight that the engine has taken: when, by the clock, and under which name it reports the first token."""

    flight: Flight
    taken: float
    name: str


class RefusedError(ModelError):
    """The engine takes no such request; others it may."""


class Engine:
    """A running engine.

    Args:
        name: of the model, for messages.
        arguments: of vLLM's engine.
        adapters: vLLM's own word for the adapter of each arm, or `None`.
        logprobs: whether completions carry their log-probability.

    Attributes:
        counters: what the last patch says that it did.

    Raises:
        ModelError: the engine does not start, or does not take an adapter.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], adapters: Mapping[str, Any], *, logprobs: bool) -> None:
        self._name = name
        self._adapters = adapters
        self._logprobs = logprobs
        self.counters: Mapping[str, int] = {}
        self._patched: Patched | None = None
        self._log = vllm_log.end_of_log()
        self._engine = vllm_start.start(name, arguments, self._log)
        self._first = vllm_watch.watch(self._engine.engine_core)
        self._load_adapters()
        config = self._engine.vllm_config
        self.length = int(config.model_config.max_model_len)
        self._depth = DEPTH * int(config.scheduler_config.max_num_seqs)

    def sample(self, flights: Sequence[Flight], patch: PatchSpec | None = None) -> Iterator[Completion]:
        """Answer every request, each completion as it finishes.

        Args:
            flights: the requests.
            patch: of the engine meanwhile.

        Raises:
            ModelError: the engine breaks, or the patch does, or was never active.
            UsageError: the patch cannot be attached to this engine.
        """
        self._patched = patched = Patched(self._engine, patch) if patch else None
        try:
            attached = patched.attached() if patched else nullcontext()
            yield from last_behind(attached, lambda _: self._answer(flights), len(flights))
        finally:
            self._patched = None

    def forget_prompts(self) -> None:
        """Empty the cache of prompts, so that who comes next does not find what others read."""
        self._engine.reset_prefix_cache()

    def _answer(self, flights: Iterable[Flight]) -> Iterator[Completion]:
        waiting = deque(enumerate(flights))
        seats: dict[str, Seat] = {}
        try:
            while waiting or seats:
                while waiting and len(seats) < self._depth:
                    number, flight = waiting.popleft()
                    try:
                        seats[str(number)] = self._seat(str(number), flight)
                    except RefusedError as error:
                        yield admit.abort(flight.request, error)
                for output in self._step():
                    if output.finished:
                        completion = self._complete(seats.pop(output.request_id), output.outputs[0])
                        self._see_active(completion.tokens > 1 or not (waiting or seats))
                        yield completion
        finally:
            with suppress(Exception):  # an engine that broke may not be able to abort either
                self._engine.abort_request(list(seats))
            self._first.clear()

    def close(self) -> None:
        """Stop the engine, and its processes where it has any."""
        if self._engine is not None:
            with suppress(Exception):  # it may be gone by itself
                self._engine.engine_core.shutdown()
        self._engine = None
        gc.collect()

    def _load_adapters(self) -> None:
        for adapter in filter(None, self._adapters.values()):
            try:
                self._engine.add_lora(adapter)
            except Exception as error:
                self.close()
                raise ModelError(f"--adapter {adapter.lora_path}: vLLM does not take it ({error})") from error

    def _seat(self, number: str, flight: Flight) -> Seat:
        """Hand a request to the engine. Raises RefusedError where it takes no such request."""
        request = flight.request
        taken = perf_counter()
        try:
            name = self._engine.add_request(
                number, {"prompt_token_ids": list(flight.prompt)}, self._params(flight),
                lora_request=self._adapters[request.arm],
            )  # fmt: skip
        except Exception as error:
            if _is_fatal(error):
                raise self._failure(error) from error
            raise RefusedError(f"{request.problem_id}: vLLM does not take the request ({error})") from error
        if self._patched:
            self._patched.know(str(name), flight)
        return Seat(flight, taken, str(name))

    def _step(self) -> list[Any]:
        try:
            return list(self._engine.step())
        except (Exception, SystemExit) as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> ModelError:
        patch = self._patched.name if self._patched else ""
        return vllm_failure.fail_run(self._name, error, vllm_log.last_error(self._log), patch)

    def _see_active(self, due: bool) -> None:
        """See that the patch did something, before what it should have done it to is told."""
        if self._patched:
            self.counters = self._patched.counters
            if due:
                self._patched.check()

    def _params(self, flight: Flight) -> Any:
        """The request's sampling parameters in vLLM's words; one sample a request, as only its last step matters."""
        from vllm import SamplingParams  # noqa: PLC0415 - heavy
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

        params = flight.request.params
        return SamplingParams(
            temperature=params.temperature,
            top_p=params.top_p,
            top_k=params.top_k,
            min_p=params.min_p,
            repetition_penalty=params.repetition_penalty,
            max_tokens=flight.limit,
            stop=list(params.stop),
            seed=flight.request.seed,
            logprobs=0 if self._logprobs else None,  # of the drawn tokens only
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _complete(self, seat: Seat, output: Any) -> Completion:
        request, reason = seat.flight.request, output.finish_reason
        first = self._first.pop(seat.name, None)
        if reason not in {FinishReason.STOP, FinishReason.LENGTH}:
            return admit.abort(request, ModelError(f"{request.problem_id}: vLLM ended the request with {reason!r}"))
        return Completion(
            stream=request.stream,
            index=request.index,
            text=output.text,
            tokens=len(output.token_ids),
            finish_reason=FinishReason(reason),
            latency=perf_counter() - seat.taken,
            logprob=output.cumulative_logprob,
            first_token=None if first is None else first - seat.taken,
            prompt_tokens=len(seat.flight.prompt),
        )


def _is_fatal(error: Exception) -> bool:
    from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415 - heavy

    return isinstance(error, EngineDeadError)

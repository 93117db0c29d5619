"""Requests through vLLM's offline engine, one step at a time."""

import gc
import os
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Any

from pytest_passatk.core.errors import ModelError, OutOfContextError
from pytest_passatk.core.sample import Completion, FinishReason
from pytest_passatk.models import admit, vllm_failure, vllm_log
from pytest_passatk.models.vllm_flight import Flight

DEPTH = 8  # requests that the engine gets, for each that it can run at once: its queue is never short, nor long
PATIENCE = 1.0  # seconds that a stop waits for the step in hand


@dataclass(frozen=True, slots=True)
class Seat:
    """A flight that the engine has taken: when, by the clock, and under which name it reports the first token."""

    flight: Flight
    taken: float
    name: str


class Engine:
    """A running engine.

    Args:
        name: of the model, for messages.
        arguments: of vLLM's engine.
        adapters: vLLM's own word for the adapter of each arm, or `None`.
        logprobs: whether completions carry their log-probability.

    Raises:
        ModelError: the engine does not start, or does not take an adapter.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], adapters: Mapping[str, Any], *, logprobs: bool) -> None:
        self._name = name
        self._adapters = adapters
        self._logprobs = logprobs
        self._lock = Lock()  # a step is taken, or the engine is stopped
        self._stopped = False
        self._log = vllm_log.end_of_log()
        self._engine = _start(name, arguments, self._log)
        self._first = _watch(self._engine.engine_core)
        self._load_adapters()
        config = self._engine.vllm_config
        self.length = int(config.model_config.max_model_len)
        self._depth = DEPTH * int(config.scheduler_config.max_num_seqs)
        self._room = _room(config)

    def sample(self, flights: Iterable[Flight]) -> Iterator[Completion]:
        """Answer every request, each completion as it finishes. Raises ModelError where the engine breaks."""
        waiting = deque(enumerate(flights))
        seats: dict[str, Seat] = {}
        try:
            while (waiting or seats) and not self._stopped:
                while waiting and len(seats) < self._depth:
                    number, flight = waiting.popleft()
                    try:
                        seats[str(number)] = self._seat(str(number), flight)
                    except OutOfContextError as error:
                        yield admit.abort(flight.request, error)
                for output in self._step():
                    if output.finished:
                        yield self._complete(seats.pop(output.request_id), output.outputs[0])
        finally:
            with suppress(Exception):  # an engine that broke may not be able to abort either
                self._engine.abort_request(list(seats))
            self._first.clear()

    def close(self) -> None:
        """Stop the engine, and its processes where it has any; the sampling of another thread ends at its next step."""
        self._stopped = True
        free = self._lock.acquire(timeout=PATIENCE)
        try:
            if self._engine is not None:
                with suppress(Exception):  # it may be gone by itself
                    self._engine.engine_core.shutdown()
            self._engine = None
        finally:
            if free:
                self._lock.release()
        gc.collect()

    def _load_adapters(self) -> None:
        for adapter in filter(None, self._adapters.values()):
            try:
                self._engine.add_lora(adapter)
            except Exception as error:
                self.close()
                raise ModelError(f"--adapter {adapter.lora_path}: vLLM does not take it ({error})") from error

    def _seat(self, number: str, flight: Flight) -> Seat:
        """Hand a request to the engine. Raises OutOfContextError where its memory could never hold it."""
        request = flight.request
        if self._room is not None and flight.length > self._room:
            raise OutOfContextError(
                f"{request.problem_id}: prompt and completion may take {flight.length} tokens, but the cache of vLLM "
                f"holds {self._room}; give it more memory with --passatk-model-args gpu_memory_utilization=… (on a CPU "
                "kv_cache_memory_bytes=…), or ask for fewer tokens"
            )
        taken = perf_counter()
        try:
            name = self._engine.add_request(
                number, {"prompt_token_ids": list(flight.prompt)}, self._params(flight),
                lora_request=self._adapters[request.arm],
            )  # fmt: skip
        except ValueError as error:
            raise OutOfContextError(f"{request.problem_id}: vLLM does not take the request ({error})") from error
        except Exception as error:
            raise vllm_failure.fail_run(self._name, error, vllm_log.last_error(self._log)) from error
        return Seat(flight, taken, str(name))

    def _step(self) -> list[Any]:
        with self._lock:
            if self._stopped:
                return []
            try:
                return list(self._engine.step())
            except Exception as error:
                raise vllm_failure.fail_run(self._name, error, vllm_log.last_error(self._log)) from error

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


def _start(name: str, arguments: Mapping[str, Any], log: int) -> Any:
    """The engine. What vLLM preloads into child processes on a CPU is taken back: it has none there."""
    from vllm.engine.arg_utils import EngineArgs  # noqa: PLC0415 - heavy
    from vllm.usage.usage_lib import UsageContext  # noqa: PLC0415
    from vllm.v1.engine.llm_engine import LLMEngine  # noqa: PLC0415

    preload = os.environ.get("LD_PRELOAD")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a run that turns warnings into errors must not trip over vLLM's own
            # As for vLLM's own `LLM`: any other context gets the small batches of a server.
            return LLMEngine.from_engine_args(EngineArgs(**arguments), UsageContext.LLM_CLASS)
    except Exception as error:
        raise vllm_failure.fail_start(name, error, vllm_log.last_error(log)) from error
    finally:
        if preload is None:
            os.environ.pop("LD_PRELOAD", None)
        else:
            os.environ["LD_PRELOAD"] = preload


def _watch(core: Any) -> dict[str, float]:
    """Note when each request brings its first token, by the clock; what vLLM itself keeps of it costs more."""
    first: dict[str, float] = {}
    get_output = core.get_output

    def get_and_note() -> Any:
        found, now = get_output(), perf_counter()
        first.update((output.request_id, now) for output in found.outputs if output.prefill_stats is not None)
        return found

    core.get_output = get_and_note
    return first


def _room(config: Any) -> int | None:
    """The tokens that the cache can hold of one request: one block of it is never used."""
    share = getattr(config.cache_config, "kv_cache_max_concurrency", None)
    if share is None:
        return None
    return int(share * config.model_config.max_model_len) - int(config.cache_config.block_size)

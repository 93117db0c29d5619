"""Requests through vLLM's offline engine, one step at a time."""

import gc
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from pytest_passatk.core.errors import ModelError, PassatkError
from pytest_passatk.core.sample import Completion, FinishReason, Request
from pytest_passatk.models import admit, hf_load
from pytest_passatk.models.hf_text import Text
from pytest_passatk.models.source import Source


@dataclass(frozen=True, slots=True)
class Flight:
    """A request that the engine has taken, at `taken` on the clock."""

    request: Request
    taken: float


class Engine:
    """A running engine.

    Args:
        source: the model's files.
        adapter: those of a LoRA adapter, or `None`.
        template: the Jinja source of the chat template, or `None` for raw prompts.
        arguments: of vLLM's engine.

    Raises:
        ModelError: the engine does not start.
    """

    def __init__(
        self, source: Source, adapter: Source | None, template: str | None, arguments: Mapping[str, Any]
    ) -> None:
        trust = {"trust_remote_code": str(arguments.get("trust_remote_code", ""))}
        self._name = source.name
        self._text = Text(hf_load.load_tokenizer(source, trust), template)
        self._engine = _start(source.location, arguments)
        self._context = int(self._engine.model_config.max_model_len)
        self._adapter = _lora(adapter)

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request, each at the step that ends it. Raises ModelError where the engine fails."""
        flights: dict[str, Flight] = {}
        try:
            for number, request in enumerate(requests):
                try:
                    flights[str(number)] = self._add(str(number), request)
                except PassatkError as error:
                    yield admit.abort(request, error)
            while flights:
                for output in self._step():
                    if output.finished:
                        yield _complete(flights.pop(output.request_id), output.outputs[0])
        finally:
            with suppress(Exception):  # an engine that broke may not be able to abort either
                self._engine.abort_request(list(flights))

    def close(self) -> None:
        """Stop the engine, and its processes where it has any."""
        if self._engine is not None:
            self._engine.engine_core.shutdown()
        self._engine = None
        gc.collect()

    def _add(self, number: str, request: Request) -> Flight:
        """Hand a request to the engine. Raises OutOfContextError, or UsageError where its prompt cannot be rendered."""
        prompt = self._text.encode(request.prompt)
        limit = admit.room(self._name, request, len(prompt), self._context)
        inputs = {"prompt_token_ids": list(prompt)}
        try:
            self._engine.add_request(number, inputs, _params(request, limit), lora_request=self._adapter)
        except ValueError as error:
            raise ModelError(f"{request.problem_id}: vLLM does not take the request ({error})") from error
        return Flight(request, perf_counter())

    def _step(self) -> list[Any]:
        try:
            return list(self._engine.step())
        except Exception as error:
            raise ModelError(f"{self._name} failed inside vLLM ({type(error).__name__}: {error})") from error


def _start(location: str, arguments: Mapping[str, Any]) -> Any:
    """The engine. What vLLM preloads into child processes on a CPU is taken back: it has none there."""
    from vllm.engine.arg_utils import EngineArgs  # noqa: PLC0415 - heavy
    from vllm.v1.engine.llm_engine import LLMEngine  # noqa: PLC0415

    preload = os.environ.get("LD_PRELOAD")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a run that turns warnings into errors must not trip over vLLM's own
            return LLMEngine.from_engine_args(EngineArgs(**arguments))
    except Exception as error:
        raise ModelError(f"{location}: vLLM does not start ({type(error).__name__}: {error})") from error
    finally:
        if preload is None:
            os.environ.pop("LD_PRELOAD", None)
        else:
            os.environ["LD_PRELOAD"] = preload


def _params(request: Request, limit: int) -> Any:
    """The request's sampling parameters in vLLM's words; one sample a request, as only its last step matters."""
    from vllm import SamplingParams  # noqa: PLC0415 - heavy
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    params = request.params
    return SamplingParams(
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=params.top_k,
        min_p=params.min_p,
        repetition_penalty=params.repetition_penalty,
        max_tokens=limit,
        stop=list(params.stop),
        seed=request.seed,
        logprobs=0,  # of the drawn tokens only
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _complete(flight: Flight, output: Any) -> Completion:
    request, reason = flight.request, output.finish_reason
    if reason not in {FinishReason.STOP, FinishReason.LENGTH}:
        return admit.abort(request, ModelError(f"{request.problem_id}: vLLM ended the request with {reason!r}"))
    return Completion(
        stream=request.stream,
        index=request.index,
        text=output.text,
        tokens=len(output.token_ids),
        finish_reason=FinishReason(reason),
        latency=perf_counter() - flight.taken,
        logprob=output.cumulative_logprob,
    )


def _lora(adapter: Source | None) -> Any:
    if adapter is None:
        return None
    from vllm.lora.request import LoRARequest  # noqa: PLC0415 - heavy

    return LoRARequest(adapter.name, 1, str(adapter.folder))

"""Patches that hook vLLM by themselves, as they were when vLLM moved away under them; and one that was kept up.

The first five drifts of a patch that was written for vLLM 0.10. Each fault is there twice: as it breaks, and with the
signature declared that it was written for, so that it is refused before anything breaks.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import torch
from samplers import told
from taps import Place, Repaired

from pytest_passatk.core.patch import Live, Patch, StepView, Tensor
from pytest_passatk.runtimes.replacement import replaced
from pytest_passatk.runtimes.taps import find_layer, stream_of
from pytest_passatk.runtimes.vllm_live import find_runner

PREPARE = "vllm.v1.worker.gpu_model_runner:GPUModelRunner._prepare_inputs"
SAMPLER = "vllm.v1.sample.sampler:Sampler"
ADD = "vllm.v1.engine.llm_engine:LLMEngine.add_request"


class OldTemperature(Patch):
    """The first drift: `apply_temperature` without `all_random`."""

    def attach(self, live: Live) -> Any:
        def apply_temperature(logits: Tensor, temp: Tensor) -> Tensor:
            return logits.div_(temp.where(temp > 0, torch.ones_like(temp)).unsqueeze(1))

        return replaced(find_runner(live.engine).sampler, "apply_temperature", apply_temperature)


class OldTemperatureDeclared(OldTemperature):
    written_for: ClassVar[Mapping[str, str]] = {f"{SAMPLER}.apply_temperature": "(logits, temp)"}


class OldPrepare(Patch):
    """The second: a wrapper of `_prepare_inputs` that hands on one argument."""

    def attach(self, live: Live) -> Any:
        runner = find_runner(live.engine)
        original = runner._prepare_inputs

        def prepare_inputs(scheduler_output: Any) -> Any:
            return original(scheduler_output)

        return replaced(runner, "_prepare_inputs", prepare_inputs)


class OldPrepareDeclared(OldPrepare):
    written_for: ClassVar[Mapping[str, str]] = {PREPARE: "(self, scheduler_output)"}


class TokensExpected(Patch):
    """The third: what `sample` returns is taken for tokens, and is tokens and log-probabilities."""

    def attach(self, live: Live) -> Any:
        sampler = find_runner(live.engine).sampler
        original = sampler.sample

        def sample(logits: Tensor, sampling_metadata: Any) -> Any:
            return original(logits, sampling_metadata).to(torch.int64)

        return replaced(sampler, "sample", sample)


class TokensExpectedDeclared(TokensExpected):
    written_for: ClassVar[Mapping[str, str]] = {f"{SAMPLER}.sample": "(self, logits, sampling_metadata)"}


class TokensAlone(Patch):
    """The same the other way round: tokens are returned where both are expected."""

    def attach(self, live: Live) -> Any:
        sampler = find_runner(live.engine).sampler
        original = sampler.topk_topp_sampler.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            return original(*args, **kwargs)[0]

        return replaced(sampler.topk_topp_sampler, "forward", forward)


class SelfHooked(Repaired):
    """The sound tap, with hooks of its own in the place of the runtime's."""

    written_for: ClassVar[Mapping[str, str]] = {PREPARE: "(self, scheduler_output, num_scheduled_tokens)"}

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        runner = find_runner(live.engine)
        self.batch = runner.input_batch
        self.names: dict[str, str] = {}
        with ExitStack() as stack:
            stack.enter_context(super().attach(live))
            stack.enter_context(told(live.engine, "add_request", self.arrived))
            stack.enter_context(told(runner, "_prepare_inputs", self.prepared))
            for name in self.layers:
                hook = find_layer(live.network, name).register_forward_hook(partial(self.put_out, name))
                stack.callback(hook.remove)
            yield

    def begin_step(self, view: StepView) -> None:
        """Its own hook sees the step."""

    def on_layer(self, name: str, tensor: Tensor) -> None:
        """Its own hook sees the layer."""

    def arrived(self, internal: str, name: str, *_: Any, **__: Any) -> None:
        """Names are kept by the id that vLLM gives, which is not the one that it was given."""
        self.names[internal] = name

    def prepared(self, found: Any, *_: Any, **__: Any) -> None:
        indices = self.parse(found)
        if indices is None:
            return
        places = list(self.locate([-1, *indices.tolist()]))
        self.numbers["steps"] += 1
        self.numbers["decode_rows"] += len(places)
        self.note(places)

    def parse(self, found: Any) -> Tensor | None:
        """The packed rows whose logits are wanted: the one tensor among what `_prepare_inputs` returns."""
        return next((each for each in found if isinstance(each, torch.Tensor)), None)

    def locate(self, lasts: list[int]) -> Iterator[Place]:
        """Whose the rows are that decode."""
        batch = self.batch
        for at, (before, row) in enumerate(pairwise(lasts)):
            read = int(batch.num_computed_tokens_cpu[at]) + row - before
            decodes = read >= batch.num_tokens_no_spec[at] and read > batch.num_prompt_tokens[at]
            if decodes and (name := self.names.get(batch.req_ids[at])):
                yield (name, read - 1), row

    def put_out(self, name: str, module: Any, inputs: Any, output: Any) -> None:
        del module, inputs
        super().on_layer(name, stream_of(name, output))


class ArityParsed(SelfHooked):
    """The fourth: two or more values are taken for attention metadata and indices, as they once were."""

    written_for: ClassVar[Mapping[str, str]] = {}

    def parse(self, found: Any) -> Tensor | None:
        _, indices, *_ = found
        return indices if isinstance(indices, torch.Tensor) else None


class ArityParsedDeclared(ArityParsed):
    written_for: ClassVar[Mapping[str, str]] = OldPrepareDeclared.written_for


class InputIds(SelfHooked):
    """The fifth: names are kept by the id that a request was added with."""

    def arrived(self, internal: str, name: str, *_: Any, **__: Any) -> None:
        del internal
        self.names[name] = name


class InputIdsDeclared(InputIds):
    written_for: ClassVar[Mapping[str, str]] = {
        ADD: "(self, request_id, prompt, params, arrival_time=None, lora_request=None, tokenization_kwargs=None, "
        "trace_headers=None, priority=0)"
    }

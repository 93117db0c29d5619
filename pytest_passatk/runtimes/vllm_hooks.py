"""A patch and an observer on a running vLLM engine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from pytest_passatk.core.patch import Patch
from pytest_passatk.runtimes.contexts import unsilenced
from pytest_passatk.runtimes.observer import Observer
from pytest_passatk.runtimes.replacement import replaced
from pytest_passatk.runtimes.signatures import check_signatures
from pytest_passatk.runtimes.taps import tapped
from pytest_passatk.runtimes.vllm_live import find_live
from pytest_passatk.runtimes.vllm_sampling import sample_changed
from pytest_passatk.runtimes.vllm_steps import Known, Roster, Steps
from pytest_passatk.runtimes.vllm_traces import find_traces, name_changes

RUNNER, SAMPLER, DRAW = (
    f"vllm.v1.{name}"
    for name in ("worker.gpu_model_runner:GPUModelRunner", "sample.sampler:Sampler", "sample.ops.topk_topp_sampler")
)
WRITTEN_FOR = {  # what is replaced, and what the replacement calls
    f"{RUNNER}._sample": "(self, logits, spec_decode_metadata)",
    f"{SAMPLER}.sample": "(self, logits, sampling_metadata, logprobs_mode_override=None)",
    f"{SAMPLER}.apply_temperature": "(logits, temp, all_random)",
    f"{SAMPLER}.greedy_sample": "(logits)",
    f"{DRAW}:apply_top_k_top_p": "(logits, k, p)",
    f"{DRAW}:TopKTopPSampler.forward_native": "(self, logits, generators, k, p)",
    "vllm.forward_context:get_forward_context": "()",
    "vllm.forward_context:is_forward_context_available": "()",
}


class VllmHooks:
    """Puts one engine under patches, one after the other.

    Args:
        engine: vLLM's `LLMEngine`, or what stands for it in a process of a worker.
        runner: its model runner, which is in this process.
        strict: whether each request of the engine has to be made known.

    Attributes:
        live: the engine as patches see it.
    """

    def __init__(self, engine: Any, runner: Any, *, strict: bool = True) -> None:
        self.live = find_live(engine, runner)
        self._engine, self._runner = engine, runner
        self._roster = Roster(strict=strict)
        self._steps: Steps | None = None
        self._before = find_traces(engine, runner)

    @property
    def count(self) -> int:
        """How many steps the engine made under the patch that was attached last; 0 where none is."""
        return self._steps.count if self._steps else 0

    def know(self, internal: str, request: str, problem: str, sample: int, prompt_length: int) -> None:
        """Say whose a request is: `internal` is what `add_request` returned, which is not the id that it was given."""
        self._roster.add(internal, Known(request, problem, sample, prompt_length))

    def forget(self) -> None:
        """Forget whose the requests are; those that run are known no more."""
        self._roster.clear()

    @contextmanager
    def attached(self, patch: Patch | None, observer: Observer) -> Iterator[None]:
        """Put the engine under a patch, and its steps under an observer, for the block; blocks may be nested.

        Args:
            patch: attaches itself, and no more: the observer hands it the steps.
            observer: sees the steps from now on, the first one as number 0.

        Raises:
            UsageError: these hooks, or the patch, were written for other signatures, or a tapped layer is not there.
        """
        check_signatures("what hooks vLLM's steps", WRITTEN_FOR)
        outer, self._steps = self._steps, (steps := Steps(self._runner, self._roster, observer))
        try:
            with ExitStack() as stack:
                if patch is not None:
                    check_signatures(f"patch {type(patch).__qualname__}", patch.written_for)
                    stack.enter_context(unsilenced(patch.attach(self.live)))
                self._install(stack, steps, observer)
                yield
        finally:
            self._steps = outer

    def hooks(self) -> frozenset[str]:
        """The names of all that hooks the engine now and did not when this was made, and of what is gone since."""
        return name_changes(self._before, find_traces(self._engine, self._runner))

    def _install(self, stack: ExitStack, steps: Steps, observer: Observer) -> None:
        network, sampler = self.live.network, self._runner.sampler
        stack.enter_context(tapped(network, observer.layers, steps.layer))
        for hook in (
            network.register_forward_pre_hook(steps.begin, prepend=True),  # ahead of what the patch hooks by itself
            network.register_forward_hook(steps.forwarded),
        ):
            stack.callback(hook.remove)
        told = _telling(network.compute_logits, steps.logits)
        ended = _telling(self._runner._sample, lambda output: steps.end(output.sampled_token_ids))  # noqa: SLF001 - no other
        stack.enter_context(replaced(network, "compute_logits", told))
        stack.enter_context(replaced(self._runner, "_sample", ended))
        if observer.changes_candidates:
            changed = sample_changed(sampler, sampler.sample, steps.candidates)
            stack.enter_context(replaced(sampler, "sample", changed))


def _telling(original: Callable[..., Any], tell: Callable[[Any], None]) -> Callable[..., Any]:
    """A function that does what another does, and tells what came out."""

    def call(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        tell(found)
        return found

    return call

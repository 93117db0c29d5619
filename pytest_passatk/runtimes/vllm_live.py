"""Where the parts of a running vLLM engine are: its model runner, its network, its output embedding."""

from collections.abc import Iterator
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Live, Tensor

INSIDE = "VLLM_ENABLE_V1_MULTIPROCESSING"  # set to 0, the engine's core runs in the process that asks
NEWER = "VLLM_USE_V2_MODEL_RUNNER"


def find_runner(engine: Any) -> Any:
    """The model runner of an `LLMEngine` in this process. Raises UsageError where it is in another process."""
    executor = getattr(engine, "model_executor", None)
    if executor is None:
        raise UsageError(
            f"patch: the core of vLLM's engine runs in a process of its own, which no patch reaches; set {INSIDE}=0 "
            "before vLLM is imported"
        )
    worker = getattr(executor, "driver_worker", None)
    if worker is None:
        raise UsageError(
            f"patch: vLLM's workers run in processes of their own ({type(executor).__name__}), which no patch reaches; "
            f"set {INSIDE}=0 and leave tensor_parallel_size and pipeline_parallel_size at 1"
        )
    return check_runner(worker.worker.model_runner)


def check_runner(runner: Any) -> Any:
    """The runner, as long as its steps can be seen. Raises UsageError."""
    if not hasattr(runner, "input_batch"):
        raise UsageError(
            f"patch: {type(runner).__module__}.{type(runner).__name__} is vLLM's newer model runner, which keeps no "
            f"input_batch to tell the rows of a step by; set {NEWER}=0 before vLLM is imported"
        )
    if runner.speculative_config is not None:
        raise UsageError("patch: with speculative decoding, a request has several rows a step; switch it off")
    return runner


def find_live(engine: Any, runner: Any) -> Live:
    """The engine as patches see it."""
    network = runner.get_model()
    hidden = int(runner.model_config.get_hidden_size())
    weight, bias = _find_head(network, int(runner.model_config.get_vocab_size()), hidden)
    return Live(
        kind="vllm",
        engine=engine,
        network=network,
        batch=runner.input_batch,
        capacity=int(runner.scheduler_config.max_num_seqs),
        hidden=hidden,
        dtype=runner.model_config.dtype,
        device=runner.device,
        head=weight,
        bias=bias,
    )


def _find_head(network: Any, vocabulary: int, hidden: int) -> tuple[Tensor | None, Tensor | None]:
    """Weight and bias of the output embedding, without the rows that vLLM adds.

    `None` where there are none, or only a part of them, or where they are quantised.
    """
    for head in _heads(network):
        weight, bias = getattr(head, "weight", None), getattr(head, "bias", None)
        if weight is None or not weight.is_floating_point():
            continue
        if weight.shape[1:] == (hidden,) and len(weight) >= vocabulary:
            return weight[:vocabulary].detach(), None if bias is None else bias[:vocabulary].detach()
    return None, None


def _heads(network: Any) -> Iterator[Any]:
    """What may be the output embedding: what is called so, else the one embedding that does both."""
    modules = list(network.modules())
    named = [found for module in modules if (found := getattr(module, "lm_head", None)) is not None]
    embeddings = [module for module in modules if type(module).__name__.startswith("VocabParallelEmbedding")]
    for module in [*named, *embeddings[: len(embeddings) == 1]]:
        yield getattr(module, "base_layer", module)  # an adapter wraps it

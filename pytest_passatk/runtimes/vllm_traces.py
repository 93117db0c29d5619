"""All that may hook a running vLLM engine, for a comparison of before and after."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

HOOKS = (  # of torch's modules
    "_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks", "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
)  # fmt: skip
METHODS = (FunctionType, staticmethod, classmethod, property)
BEHIND = ("impl", "quant_method")  # what vLLM's modules leave their work to
FUNCTION = "function "
COMPILER = "torch._dynamo."  # hooks torch's modules by itself, with the first function that it compiles


def find_traces(engine: Any, runner: Any) -> dict[str, Any]:
    """What runs in a step, by name: modules and their hooks, methods of objects and classes, functions of modules."""
    network, sampler = runner.get_model(), runner.sampler
    modules = [*_named("model", network), *_named("sampler", sampler)]
    objects = dict([*_objects(engine, runner), *_behind(modules)])
    kinds = {kind for each in [*objects.values(), *(module for _, module in modules)] for kind in type(each).__mro__}
    return {
        **dict(modules),
        **objects,
        **dict(_hooks_of_all()),
        **{trace: hook for name, module in modules for trace, hook in _hooks(name, module)},
        **{trace: value for name, owner in [*modules, *objects.items()] for trace, value in _own(name, owner)},
        **dict(_methods(kinds)),
        **dict(_functions()),
    }


def name_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> frozenset[str]:
    """What is there now and was not, and what is gone; new functions are those of a module that was imported since."""
    new = {
        f"{name} is {_describe(found)}"
        for name, found in now.items()
        if before.get(name) is not found and (name in before or not name.startswith(FUNCTION))
        if not str(getattr(found, "__module__", "")).startswith(COMPILER)
    }
    return frozenset(new | {f"{name} is gone" for name in before.keys() - now.keys()})


def _objects(engine: Any, runner: Any) -> Iterator[tuple[str, Any]]:
    """The living objects around a runner; some of them only where they are in this process."""
    yield from (("runner", runner), ("runner.sampler", runner.sampler), ("runner.input_batch", runner.input_batch))
    core = getattr(getattr(engine, "engine_core", None), "engine_core", None)
    executor = getattr(engine, "model_executor", None)
    scheduler = getattr(core, "scheduler", None)
    cache = getattr(scheduler, "kv_cache_manager", None)
    around = {
        "engine": engine,
        "engine.input_processor": getattr(engine, "input_processor", None),
        "engine.output_processor": getattr(engine, "output_processor", None),
        "engine.engine_core": core,
        "scheduler": scheduler,
        "kv_cache_manager": cache,
        "block_pool": getattr(cache, "block_pool", None),
        "executor": executor,
        "worker": getattr(getattr(executor, "driver_worker", None), "worker", None),
    }
    yield from ((name, each) for name, each in around.items() if each is not None)
    yield from _processors(runner.input_batch)


def _processors(batch: Any) -> Iterator[tuple[str, Any]]:
    """What changes logits by the request."""
    processors = getattr(batch, "logitsprocs", None)
    for kind in ("argmax_invariant", "non_argmax_invariant"):
        for at, each in enumerate(getattr(processors, kind, ())):
            yield f"input_batch.logitsprocs.{kind} {at}", each


def _behind(modules: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for name, module in modules:
        for attribute in BEHIND:
            if (found := vars(module).get(attribute)) is not None:
                yield f"{name}.{attribute}", found


def _named(root: str, module: Any) -> list[tuple[str, Any]]:
    return [(f"{root}.{name}" if name else root, each) for name, each in module.named_modules()]


def _hooks(name: str, module: Any) -> Iterator[tuple[str, Any]]:
    for kind in HOOKS:
        for key, hook in getattr(module, kind, {}).items():
            yield f"{name}.{kind.strip('_')} {key}", hook


def _hooks_of_all() -> Iterator[tuple[str, Any]]:
    """Those of every module of torch."""
    from torch.nn.modules import module  # noqa: PLC0415 - heavy

    for kind, hooks in vars(module).items():
        if kind.startswith("_global_") and isinstance(hooks, dict):
            yield from ((f"torch{kind} {key}", hook) for key, hook in hooks.items())


def _own(name: str, owner: Any) -> Iterator[tuple[str, Any]]:
    """What an object can call without its class."""
    for attribute, value in getattr(owner, "__dict__", {}).items():
        if callable(value):
            yield f"{name}.{attribute}", value


def _methods(kinds: Iterable[type]) -> Iterator[tuple[str, Any]]:
    for kind in kinds:
        for name, value in vars(kind).items():
            if isinstance(value, METHODS):
                yield f"{kind.__module__}.{kind.__qualname__}.{name}", value


def _functions() -> Iterator[tuple[str, Any]]:
    """What vLLM's modules call by a global name."""
    for module, found in tuple(sys.modules.items()):
        if module.startswith("vllm."):
            for name, value in tuple(getattr(found, "__dict__", {}).items()):
                if isinstance(value, FunctionType):
                    yield f"{FUNCTION}{module}.{name}", value


def _describe(found: Any) -> str:
    name = getattr(found, "__qualname__", None) or type(found).__qualname__
    return f"{getattr(found, '__module__', None) or type(found).__module__}.{name}"

"""What hooks an object of a runtime at present, by name."""

from typing import Any

WHOLE = "network"  # the module itself, as patches know it
HOOKS = ("_forward_hooks", "_forward_pre_hooks")  # of torch's modules


def names(module: Any) -> frozenset[str]:
    """Every forward hook and replaced method in a module of torch and below."""
    found: set[str] = set()
    for inner, each in module.named_modules():
        path = inner or WHOLE
        found |= {f"{path}.{kind}[{place}]" for kind in HOOKS for place in range(len(getattr(each, kind)))}
        found |= replaced(path, each)
    return frozenset(found)


def replaced(path: str, thing: Any) -> frozenset[str]:
    """The methods of an object that its own attributes hide."""
    own = getattr(thing, "__dict__", {})
    return frozenset(f"{path}.{name}" for name, value in own.items() if callable(value) and hasattr(type(thing), name))

"""Whether what a patch or a runtime hooks still has the signature that it was written for."""

import inspect
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pytest_passatk.core.errors import UsageError


def check_signatures(who: str, written_for: Mapping[str, str]) -> None:
    """Hold each hooked function against the signature that the hook was written for.

    Args:
        who: does the hooking, for the message.
        written_for: signature, as text without annotations, by `module:Class.function`.

    Raises:
        UsageError: functions are gone or take other parameters; the message names all of them.
    """
    drifts = [f"{target}: {drift}" for target, wanted in written_for.items() if (drift := _drift(target, wanted))]
    if drifts:
        raise UsageError(
            "\n".join([f"{who} was written for other signatures than this runtime has; adapt it to them:", *drifts])
        )


def signature_of(target: str) -> str:
    """The signature of `module:Class.function` as text, without annotations.

    Raises:
        AttributeError: it is not there; so does ImportError.
        ValueError: it tells none, as what is written in C; so does TypeError, of what cannot be called.
    """
    module, _, path = target.partition(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what others have to say to each other at their import is no drift
        found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in inspect.signature(found).parameters.values()]
    return str(inspect.Signature(bare))


def _drift(target: str, wanted: str) -> str:
    try:
        found = signature_of(target)
    except (AttributeError, ImportError) as error:
        return f"expected {wanted}, but it is gone ({error})"
    except (TypeError, ValueError) as error:
        return f"expected {wanted}, but it has none to compare ({error}); leave it out of written_for"
    return "" if found == wanted else f"expected {wanted}, found {found}"

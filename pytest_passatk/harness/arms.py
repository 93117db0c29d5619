"""The arms of a run: adapters and patches, each alone or one with the other."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TypeAlias

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import PatchSpec

Resolve: TypeAlias = Callable[[str, Mapping[str, str]], PatchSpec]

BASE = "base"  # the arm without an adapter
NONE = "none"  # the arm without a patch


def resolve_arms(
    adapters: str | None, patches: str | None, args: Mapping[str, str], resolve: Resolve
) -> tuple[Mapping[str, str | None], Mapping[str, PatchSpec]]:
    """The adapter of each arm, and the patch of those that have one, by the label of the arm.

    Where both options name several, every adapter runs with every patch, under the label `adapter+patch`; an option
    that names one, or nothing, has no part in labels.

    Args:
        adapters: as typed behind `--adapter`.
        patches: as typed behind `--patch`.
        args: of every patch.
        resolve: the patch of a name, with its arguments.

    Raises:
        UsageError: an arm is named twice or not at all, or there is no such patch.
    """
    arms = list(product(parse_adapters(adapters).items(), parse_patches(patches).items()))
    specs = {patch: resolve(patch, args) for _, (_, patch) in arms if patch}
    labels = ["+".join(filter(None, (first, second))) for (first, _), (second, _) in arms]
    if len(set(labels)) < len(labels):
        raise UsageError(f"--adapter {adapters} --patch {patches}: two arms would be called the same: {labels}")
    named = list(zip(labels, arms, strict=True))
    return (
        {label: adapter for label, ((_, adapter), _) in named},
        {label: specs[patch] for label, (_, (_, patch)) in named if patch},
    )


def parse_adapters(text: str | None) -> Mapping[str, str | None]:
    """The arms of `--adapter`: each adapter under the shortest end of its path that no other one has.

    Nothing → {"": None}; `lora` → {"": "lora"}; `base,runs/a,runs/b` → {"base": None, "a": "runs/a", "b": "runs/b"}.

    Raises:
        UsageError: an arm is named twice, or not at all.
    """
    typed = _split("--adapter", text, f"{BASE},PATH,PATH")
    if len(typed) < 2:  # noqa: PLR2004 - one alone is no comparison
        return {"": None if typed in ([], [BASE]) else typed[0]}
    return {_end(name, typed): None if name == BASE else name for name in typed}


def parse_patches(text: str | None) -> Mapping[str, str | None]:
    """The arms of `--patch`: each patch under what stands behind its colon, or whole where that is another one's, too.

    Nothing → {"": None}; `esamp` → {"": "esamp"}; `none,pkg.mod:Tap` → {"none": None, "Tap": "pkg.mod:Tap"}.

    Raises:
        UsageError: an arm is named twice, or not at all.
    """
    typed = _split("--patch", text, f"{NONE},NAME,pkg.mod:Name")
    if len(typed) < 2:  # noqa: PLR2004 - one alone is no comparison
        return {"": None if typed in ([], [NONE]) else typed[0]}
    short = [name.rpartition(":")[2] for name in typed]
    labels = [each if short.count(each) == 1 else name for name, each in zip(typed, short, strict=True)]
    return {label: None if name == NONE else name for label, name in zip(labels, typed, strict=True)}


def refuse_idle_args(patches: Mapping[str, PatchSpec], typed: Collection[str]) -> None:
    """Refuse arguments that were typed and that no patch gets. Raises UsageError.

    Args:
        patches: of the run, by arm.
        typed: the arguments of the command line.
    """
    if not patches and any(each.partition("=")[0] == "--passatk-patch-args" for each in typed):
        raise UsageError("--passatk-patch-args needs --patch NAME: there is no patch that would get them")


def _split(option: str, text: str | None, example: str) -> Sequence[str]:
    typed = [part.strip() for part in text.split(",")] if text else []
    if len(typed) > 1 and (not all(typed) or len(set(typed)) < len(typed)):
        raise UsageError(f"{option} {text}: every arm must have a name, and no two the same: {example}")
    return typed


def _end(name: str, among: Sequence[str]) -> str:
    """The last parts of a path, as many as tell it from the others."""
    parts = [Path(each).parts for each in among]
    own = Path(name).parts
    for size in range(1, len(own)):
        if sum(other[-size:] == own[-size:] for other in parts) == 1:
            return "/".join(own[-size:])
    return name

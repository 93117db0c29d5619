"""Which arm of which repeat has its turn when, and the patch that it has."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.core.sample import Request
from pytest_passatk.core.turns import turn
from pytest_passatk.models.hf_arms import Arms
from pytest_passatk.runtimes.hf_hooks import Patched

Turn: TypeAlias = tuple[int, str]  # a repeat and an arm


class Turns:
    """The turns of one call of an engine, each with a new patch.

    A repeat needs nothing else of its own: beside its patches, an engine remembers nothing.

    Args:
        arms: of the network.
        patches: by arm.
    """

    def __init__(self, arms: Arms, patches: Mapping[str, PatchSpec]) -> None:
        self._arms = arms
        self._patches = patches

    def order(self, requests: Iterable[Request]) -> dict[Turn, Patched | None]:
        """The turns that requests need, in order, each with its patch. Raises UsageError where one does not fit."""
        places = {arm: place for place, arm in enumerate(self._arms.labels)}
        turns = {(request.repeat, request.arm) for request in requests}
        order = sorted(turns, key=lambda each: turn(each[0], places[each[1]]))
        return {(repeat, arm): self._patch(arm) for repeat, arm in order}

    def _patch(self, arm: str) -> Patched | None:
        spec = self._patches.get(arm)
        if spec is None:
            return None
        made = Patched(spec)
        made.check(self._arms.base)
        return made

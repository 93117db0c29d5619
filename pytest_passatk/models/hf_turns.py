"""Which arm of which repeat has its turn when, and the patch that it has."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.core.sample import Request
from pytest_passatk.models.hf_arms import Arms
from pytest_passatk.runtimes.hf_hooks import Patched

Turn: TypeAlias = tuple[int, str]  # a repeat and an arm


class Turns:
    """The turns of an engine, with a patch for each that lives as long as the engine.

    A repeat has patches of its own, and needs nothing else of its own: beside them, an engine remembers nothing.

    Args:
        arms: of the network.
        patches: by arm.
    """

    def __init__(self, arms: Arms, patches: Mapping[str, PatchSpec]) -> None:
        self._arms = arms
        self._patches = patches
        self._made: dict[Turn, Patched] = {}

    def order(self, requests: Iterable[Request]) -> dict[Turn, Patched | None]:
        """The turns that requests need, in order, each with its patch. Raises UsageError where one does not fit."""
        turns = sorted({(request.repeat, request.arm) for request in requests}, key=self._rank)
        return {turn: self._patch(turn) for turn in turns}

    def _rank(self, turn: Turn) -> tuple[int, int]:
        """Odd repeats take the arms the other way round, so that none of them always comes first."""
        repeat, arm = turn
        place = self._arms.labels.index(arm)
        return repeat, -place if repeat % 2 else place

    def _patch(self, turn: Turn) -> Patched | None:
        spec = self._patches.get(turn[1])
        if spec is None:
            return None
        if turn not in self._made:
            made = Patched(spec)
            made.check(self._arms.base)
            self._made[turn] = made
        return self._made[turn]

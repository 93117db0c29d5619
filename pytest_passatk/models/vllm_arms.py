"""The arms of a run in one engine: which adapter answers for which, which may share a batch, and whose turn it is."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.turns import turn
from pytest_passatk.models.source import Source
from pytest_passatk.models.vllm_flight import Flight

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # of LoRA, as vLLM allocates them


def adapter_arguments(adapters: Mapping[str, Source | None]) -> dict[str, Any]:
    """The engine's arguments for all adapters of a run. Raises ModelError where vLLM allocates no rank as large."""
    used = [adapter for adapter in adapters.values() if adapter]
    if not used:
        return {}
    return {"enable_lora": True, "max_loras": len(used), "max_lora_rank": max(_rank(each.folder) for each in used)}


def adapter_requests(adapters: Mapping[str, Source | None]) -> dict[str, Any]:
    """The adapter of each arm as vLLM's request carries it, `None` for the model as it is."""
    if not any(adapters.values()):
        return dict.fromkeys(adapters)
    from vllm.lora.request import LoRARequest  # noqa: PLC0415 - heavy

    return {
        arm: LoRARequest(arm or adapter.name, number, str(adapter.folder)) if adapter else None
        for number, (arm, adapter) in enumerate(adapters.items(), start=1)
    }


def waves(flights: Iterable[Flight], *, apart: bool) -> list[list[Flight]]:
    """What may be in the engine at the same time: all of one run, or one arm of it after the other.

    On a CPU, vLLM 0.32 answers requests without an adapter, or with another one, with the adapter that is last in the
    batch; there arms are kept apart. So they are where one is patched: each arm's speed is its own then.
    """
    groups: defaultdict[tuple[int, str], list[Flight]] = defaultdict(list)
    for flight in flights:
        groups[flight.request.repeat, flight.request.arm if apart else ""].append(flight)
    places = {arm: place for place, arm in enumerate(dict.fromkeys(arm for _, arm in groups))}
    return [groups[group] for group in sorted(groups, key=lambda group: turn(group[0], places[group[1]]))]


def _rank(adapter: Path) -> int:
    """The rank to allocate for an adapter. Raises ModelError where vLLM has none as large."""
    needed = int(json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["r"])
    for rank in RANKS:
        if rank >= needed:
            return rank
    raise ModelError(f"--adapter {adapter} has rank {needed}, but vLLM takes at most {RANKS[-1]}; take hf: instead")

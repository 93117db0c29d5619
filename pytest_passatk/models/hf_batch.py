"""Which rows go through the network together."""

import os
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from pytest_passatk.models.row import Row

LEAST, MOST = 4096, 131_072  # tokens; beyond the most a batch gains nothing, and its rows finish late
UNKNOWN_MEMORY = 4 * 2**30  # bytes, where the system does not say


def order(rows: Iterable[Row]) -> deque[Row]:
    """Longest first, so that too large a batch shows at once; equal prompts side by side, to be read once."""
    return deque(sorted(rows, key=lambda row: (len(row.prompt) + row.limit, row.prompt), reverse=True))


def take(pending: deque[Row], budget: int) -> list[Row]:
    """Remove the next batch from `pending`: as many rows as the budget of tokens holds, at least one."""
    batch: list[Row] = []
    prompt = limit = 0
    while pending:
        prompt, limit = max(prompt, len(pending[0].prompt)), max(limit, pending[0].limit)
        if batch and (len(batch) + 1) * (prompt + limit) > budget:
            break
        batch.append(pending.popleft())
    return batch


def cost(rows: Sequence[Row]) -> int:
    """Tokens that a batch may come to hold: rows × the longest prompt and the longest completion."""
    return len(rows) * (max(len(row.prompt) for row in rows) + max(row.limit for row in rows))


def capacity(rows: Sequence[Row], budget: int) -> int:
    """The most of these rows that a batch can hold, also under a smaller budget; at least one."""
    least = min((len(row.prompt) + row.limit for row in rows), default=1)
    return max(1, min(len(rows), budget // least))


def choose_budget(model: Any) -> int:
    """The tokens whose cache fills half of a GPU's free memory, or an eighth of the computer's, within limits."""
    try:
        token = cache_bytes(model.config, model.dtype.itemsize)
    except AttributeError:  # a state space has no keys and values, so its settings do not say what a row takes
        return LEAST
    return min(MOST, max(LEAST, _spare_bytes(model.device) // token))


def cache_bytes(config: Any, itemsize: int) -> int:
    """The bytes that one token's keys and values take in all layers, by transformers' settings of a model.

    Raises:
        AttributeError: the settings name no attention heads, or no layers.
    """
    text = config.get_text_config()
    heads = text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // heads
    groups = getattr(text, "num_key_value_heads", None) or heads
    return int(2 * text.num_hidden_layers * groups * head * itemsize)


def computer_bytes() -> int:
    """The memory of this computer, in bytes."""
    if not hasattr(os, "sysconf"):  # Windows
        return UNKNOWN_MEMORY
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _spare_bytes(device: Any) -> int:
    if device.type == "cuda":
        import torch  # noqa: PLC0415 - heavy

        return int(torch.cuda.mem_get_info(device)[0]) // 2
    return computer_bytes() // 8

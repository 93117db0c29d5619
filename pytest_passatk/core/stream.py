"""The identity of a stream: the endless sequence of samples of one problem under one set of settings.

A sample is a position in its stream, so a longer run continues a shorter one, and an interrupted run resumes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

from pytest_passatk.core.sample import Prompt, SamplingParams


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, UTF-8 kept."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def digest(value: Any) -> str:
    """128 bits over the canonical JSON of a value, in hex."""
    return blake2b(canonical_json(value).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def stream_settings(
    identity: Mapping[str, Any], prompt: Prompt, params: SamplingParams, seed: int, problem_id: str
) -> dict[str, Any]:
    """All that shapes the samples of one problem; its digest names the stream.

    Args:
        identity: of the model (`ModelInfo.identity`).
        prompt: as the suite rendered it; the chat template's digest is in `identity`.
        params: how completions are drawn.
        seed: of the run.
        problem_id: enters the seed of every sample.
    """
    return {
        "model": dict(identity),
        "prompt": prompt if isinstance(prompt, str) else [dict(message) for message in prompt],
        "sampling": asdict(params),
        "seed": seed,
        "problem": problem_id,
    }

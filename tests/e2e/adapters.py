"""LoRA adapters for tests."""

import json
from pathlib import Path
from typing import Any


def write_adapter(model: Path, folder: Path, seed: int, rank: int) -> Path:
    """A random LoRA adapter of the query projections, in peft's format."""
    import torch  # noqa: PLC0415 - heavy
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    folder.mkdir()
    kind = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 8, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(kind), encoding="utf-8")
    tensors: dict[str, Any] = {}
    generator = torch.Generator().manual_seed(seed)
    for name, weight in load_file(model / "model.safetensors").items():
        if "q_proj" in name:
            stem, (outputs, inputs) = f"base_model.model.{name.removesuffix('.weight')}", weight.shape
            tensors[f"{stem}.lora_A.weight"] = torch.randn(rank, inputs, generator=generator)
            tensors[f"{stem}.lora_B.weight"] = torch.randn(outputs, rank, generator=generator)
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder

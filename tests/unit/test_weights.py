"""The digest of a model's folder changes with what shapes its tokens, and with nothing else."""

import json
import re
from pathlib import Path

import pytest

from pytest_passatk.core.errors import ModelError
from pytest_passatk.models import config, weights

FILES = {
    "config.json": "{}",
    "generation_config.json": "{}",
    "tokenizer.json": "{}",
    "tokenizer_config.json": "{}",
    "chat_template.jinja": "x",
    "model-00001-of-00002.safetensors": "one",
    "model-00002-of-00002.safetensors": "two",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_the_digest_is_a_sha256(folder: Path) -> None:
    assert re.fullmatch("sha256:[0-9a-f]{64}", weights.digest_folder(folder))


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_shapes_tokens_changes_the_digest(folder: Path, name: str) -> None:
    before = weights.digest_folder(folder)
    (folder / name).write_text('{"changed": true}')
    assert weights.digest_folder(folder) != before


def test_a_new_name_changes_the_digest(folder: Path) -> None:
    before = weights.digest_folder(folder)
    (folder / "chat_template.jinja").rename(folder / "vocab.txt")
    assert weights.digest_folder(folder) != before


@pytest.mark.parametrize("name", ["README.md", "optimizer.pt", "trainer_state.json", "train.py", "pytorch_model.bin"])
def test_other_files_do_not_change_the_digest(folder: Path, name: str) -> None:
    before = weights.digest_folder(folder)
    (folder / name).write_text("x")
    assert weights.digest_folder(folder) == before


def test_the_place_of_the_folder_does_not_change_the_digest(folder: Path, tmp_path: Path) -> None:
    before = weights.digest_folder(folder)
    assert weights.digest_folder(tmp_path.rename(tmp_path.with_name("elsewhere"))) == before


def test_code_that_the_model_brings_changes_the_digest(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "modeling.Model"}}))
    before = weights.digest_folder(folder)
    (folder / "modeling.py").write_text("x")
    assert weights.digest_folder(folder) != before


def test_older_weights_are_found(folder: Path) -> None:
    for file in folder.glob("*.safetensors"):
        file.unlink()
    (folder / "pytorch_model.bin").write_text("old")
    before = weights.digest_folder(folder)
    (folder / "pytorch_model.bin").write_text("new")
    assert weights.digest_folder(folder) != before


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["config.json"], "is no model: it has no config.json"),
        (["tokenizer.json"], "has no tokenizer"),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], "has no weights"),
    ],
)
def test_what_is_missing_is_named_with_the_folder(folder: Path, names: list[str], message: str) -> None:
    for name in names:
        (folder / name).unlink()
    with pytest.raises(ModelError, match=f"^{re.escape(str(folder))} {message}"):
        weights.digest_folder(folder)


def test_an_adapter_has_a_digest_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--adapter"):
        weights.digest_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors must both be there"):
        weights.digest_adapter(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_text("1")
    before = weights.digest_adapter(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_text("2")
    assert weights.digest_adapter(tmp_path) != before


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, config.Config("float32", None, code=False)),
        ({"torch_dtype": "bfloat16", "n_positions": 1024}, config.Config("bfloat16", 1024, code=False)),
        ({"dtype": "torch.float16", "auto_map": {}}, config.Config("float16", None, code=True)),
        (
            {"text_config": {"max_position_embeddings": 4096, "dtype": "bfloat16"}, "dtype": "float32"},
            config.Config("bfloat16", 4096, code=False),
        ),
    ],
)
def test_the_settings_are_read_under_their_many_names(
    tmp_path: Path, settings: dict[str, object], expected: config.Config
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert config.read(tmp_path) == expected


def test_broken_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ModelError, match=r"config\.json: not a model's settings"):
        config.read(tmp_path)

"""The files of a local model folder: what must be there, and a digest of all that shapes its tokens."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import file_digest, sha256
from pathlib import Path

from pytest_passatk.core.errors import ModelError
from pytest_passatk.models import config

TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.tiktoken", "tekken.json",
             "spiece.model", "sentencepiece.bpe.model")  # fmt: skip
SETTINGS = ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
            "added_tokens.json", "merges.txt", "chat_template.jinja")  # fmt: skip
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")  # the first kind that is there is the one that gets loaded
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")


def digest_folder(folder: Path) -> str:
    """`sha256:…` over the settings, tokenizer, chat template and weights of a model, by name and content.

    Raises:
        ModelError: the folder has no readable config.json, no tokenizer or no weights.
    """
    check(folder)
    code = ("*.py",) if config.read(folder).code else ()
    return _digest([*_find(folder, SETTINGS + TOKENIZER + code), *_weights(folder)])


def digest_adapter(folder: Path) -> str:
    """`sha256:…` over the settings and weights of a LoRA adapter.

    Raises:
        ModelError: the folder is no adapter.
    """
    files = _find(folder, ADAPTER)
    if len(files) < 2:  # noqa: PLR2004 - settings and weights
        raise ModelError(
            f"--adapter {folder}: adapter_config.json and adapter_model.safetensors must both be there; "
            "give the folder that peft's save_pretrained wrote"
        )
    return _digest(files)


def check(folder: Path) -> None:
    """See that a folder holds a whole model. Raises ModelError naming the folder, what is missing and the remedy."""
    check_settings(folder)
    if not _weights(folder):
        raise ModelError(f"{folder} has no weights ({' or '.join(WEIGHTS)}): copy them there, or give another folder")


def check_settings(folder: Path) -> None:
    """See that a folder holds a model's settings and tokenizer. Raises ModelError as `check` does."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is no model: it has no config.json; give the folder that save_pretrained wrote")
    if not _find(folder, TOKENIZER):
        raise ModelError(
            f"{folder} has no tokenizer (tokenizer.json or tokenizer.model): save it there with "
            "AutoTokenizer.from_pretrained(…).save_pretrained(…), or copy the files of the model it was trained from"
        )


def _find(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})


def _weights(folder: Path) -> list[Path]:
    return next((found for kind in WEIGHTS if (found := _find(folder, (kind,)))), [])


def _digest(files: Iterable[Path]) -> str:
    """Threads, because hashing releases the interpreter's lock and weights come in many files."""
    names = sorted(set(files))
    with ThreadPoolExecutor() as pool:
        contents = list(pool.map(_hash, names))
    lines = (f"{name.name}\0{content}\n" for name, content in zip(names, contents, strict=True))
    return f"sha256:{sha256(''.join(lines).encode()).hexdigest()}"


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()

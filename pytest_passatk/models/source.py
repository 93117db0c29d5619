"""Where a model's files are: a local folder, or a snapshot of a repository on the Hub."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_passatk.core.errors import MissingExtraError, ModelError, UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models import weights

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True, slots=True)
class Source:
    """The files of a model or of an adapter.

    Attributes:
        name: as a person would call it.
        folder: holds settings and tokenizer; the weights too, unless they are still on the Hub.
        revision: the commit on the Hub, or a digest of the folder's files.
        location: what a library's `from_pretrained` takes, and
        commit: the `revision` to give it.
    """

    name: str
    folder: Path
    revision: str
    location: str
    commit: str | None = None


def locate(spec: str, target: str, revision: str | None) -> Source:
    """Find a model without fetching its weights.

    Args:
        spec: what the user typed, for messages.
        target: folder or Hub id; `tiny` is the embedded model, unless a local folder of that name holds a model.
        revision: branch, tag or commit on the Hub.

    Raises:
        UsageError: the target is empty, or a revision is asked of a folder.
        ModelError: no such folder, a folder that is no model, or nothing on the Hub or in its cache.
    """
    if not target:
        raise UsageError(f"{spec} names no model: put a folder or a Hub id behind the colon, like {spec}org/name")
    folder = Path(target).expanduser()
    if target == "tiny" and not (folder / "config.json").is_file():
        from pytest_passatk.models.embedded import embedded_folder  # noqa: PLC0415 - unpacks files when first asked

        folder = embedded_folder()
    if folder.is_dir():
        if revision is not None:
            raise UsageError(f"{spec} is the local folder {folder}, which has no --revision {revision}; leave it away")
        return Source(_name(folder), folder, weights.digest_folder(folder), str(folder))
    source = _from_hub(spec, target, revision, weights.SETTINGS + weights.TOKENIZER)
    weights.check_settings(source.folder)
    return source


def locate_adapter(target: str) -> Source:
    """Find a LoRA adapter: a folder, or a repository on the Hub. Raises ModelError where there is none."""
    folder = Path(target).expanduser()
    if folder.is_dir():
        return Source(_name(folder), folder, weights.digest_adapter(folder), str(folder))
    source = _from_hub(f"--adapter {target}", target, None, weights.ADAPTER)
    weights.digest_adapter(source.folder)
    return source


def locate_adapters(options: ModelOptions) -> dict[str, Source | None]:
    """Find the adapters of all arms, by label. Raises ModelError where one is not there."""
    return {arm: locate_adapter(adapter) if adapter else None for arm, adapter in options.adapters.items()}


def describe_adapter(adapter: Source | None) -> str | None:
    """What a record says of an adapter: its name and its digest."""
    return f"{adapter.name}@{adapter.revision}" if adapter else None


def _name(folder: Path) -> str:
    return folder.resolve().name


def _from_hub(spec: str, target: str, revision: str | None, files: Iterable[str]) -> Source:
    if not HUB_ID.fullmatch(target):
        raise ModelError(f"{spec}: there is no folder {target}; give an existing folder, or a Hub id like org/name")
    folder = _download(spec, target, revision, list(files))
    return Source(target, folder, folder.name, target, folder.name)


def _download(spec: str, repository: str, revision: str | None, files: list[str]) -> Path:
    """The cached snapshot of some files, named after its commit."""
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - only a model of the Hub needs it
    except ImportError as error:
        raise MissingExtraError(spec, "huggingface_hub", "hub") from error
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=files))
    except Exception as error:  # the Hub's client raises the errors of several libraries
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(
            f"{spec}: there is no folder {repository}, and revision {revision or 'main'} of {repository} can be read "
            f"neither from the Hub nor from its cache ({reason[0]}); give a local folder, set HF_HOME to a cache that "
            "holds it, or set HF_ENDPOINT to a mirror within reach"
        ) from error

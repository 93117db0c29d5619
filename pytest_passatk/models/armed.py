"""What models with arms have in common: a record for each arm; those from folders, their files and settings, too."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.models import chat, config
from pytest_passatk.models.source import Source


class Recorded(ABC):
    """A model that has something to say of each arm of a run."""

    _options: ModelOptions

    @property
    def info(self) -> ModelInfo:
        """What goes into the records of the first arm; may import a heavy library to see the devices."""
        return self.info_of(self._options.arms[0])

    def info_of(self, arm: str) -> ModelInfo:
        """What goes into the records of one arm (see `core.protocols.Armed`)."""
        return self._infos[arm]

    @cached_property
    @abstractmethod
    def _infos(self) -> dict[str, ModelInfo]:
        """The same by arm."""


class ArmedModel(Recorded):
    """A model with LoRA adapters beside it, which an engine loads for the first sample.

    Args:
        source: the model's files.
        adapters: those of LoRA adapters, by arm; `None` is the model without one.
        options: of the run.
    """

    def __init__(self, source: Source, adapters: Mapping[str, Source | None], options: ModelOptions) -> None:
        self._source = source
        self._adapters = adapters
        self._options = options
        self._config = config.read(source.folder)
        self._template = chat.load_template(source.folder, options.chat_template)

    @cached_property
    def _infos(self) -> dict[str, ModelInfo]:
        infos = {arm: self._describe(adapter) for arm, adapter in self._adapters.items()}
        patches = self._options.patches
        return {arm: replace(info, patch=str(patches[arm])) if arm in patches else info for arm, info in infos.items()}

    @abstractmethod
    def _describe(self, adapter: Source | None) -> ModelInfo:
        """What goes into the records of the model under an adapter."""

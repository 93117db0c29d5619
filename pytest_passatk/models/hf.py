"""The backend `hf:PATH_OR_ID`: transformers, batched across problems, with a seed a sample."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec

from pytest_passatk.core.errors import MissingExtraError
from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import chat, hf_load
from pytest_passatk.models.armed import ArmedModel
from pytest_passatk.models.hf_arms import Arms
from pytest_passatk.models.hf_engine import Engine
from pytest_passatk.models.hf_text import Text
from pytest_passatk.models.source import Source, describe_adapter, locate, locate_adapters

HEAVY = True  # see `apart`
PATCHABLE = True


def load(target: str, options: ModelOptions) -> "HfModel":
    """A model of transformers from a local folder or the Hub (see `core.protocols.LoadModel`)."""
    for library in ("torch", "transformers"):
        if not find_spec(library):
            raise MissingExtraError(f"hf:{target}", library, "hf")
    hf_load.check_options(options)
    source = locate(f"hf:{target}", target, options.revision)
    return HfModel(source, locate_adapters(options), options)


class HfModel(ArmedModel):
    """A causal language model on transformers; its weights are loaded for the first sample.

    Args:
        source: the model's files.
        adapters: those of LoRA adapters, by arm; `None` is the model without one.
        options: dtype, device, quantization, chat template, batch size and further arguments.
    """

    def __init__(self, source: Source, adapters: Mapping[str, Source | None], options: ModelOptions) -> None:
        super().__init__(source, adapters, options)
        self._engine: Engine | None = None

    def _describe(self, adapter: Source | None) -> ModelInfo:
        quantized = f"{self._options.quantization}/" if self._options.quantization else ""
        return ModelInfo(
            name=self._source.name,
            backend="hf",
            revision=self._source.revision,
            adapter=describe_adapter(adapter),
            dtype=quantized + self._dtype,
            chat_template=chat.digest(self._template),
            versions={
                **{library: version(library) for library in self._libraries(adapter)},
                **{f"argument {name}": value for name, value in self._options.args.items()},
            },
            device=self._device,
            context=self._context(),
        )

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request, each completion as it finishes (see `core.protocols.Model`)."""
        if requests:
            self._engine = self._engine or self._load()
            yield from self._engine.sample(requests)

    def close(self) -> None:
        """Let go of the weights."""
        self._engine = None
        gc.collect()

    @cached_property
    def _device(self) -> str:
        return hf_load.choose_device(self._options.device)

    @property
    def _dtype(self) -> str:
        """On a CPU `auto` is float32: narrower types are slow there, and make batch mates visible."""
        if self._options.dtype != "auto":
            return self._options.dtype
        return "float32" if self._device == "cpu" else self._config.dtype

    def _libraries(self, adapter: Source | None) -> list[str]:
        extra = {"peft": adapter, "bitsandbytes": self._options.quantization}
        return ["torch", "transformers", "tokenizers", *(library for library, used in extra.items() if used)]

    def _context(self) -> int | None:
        limits = [self._config.context, hf_load.context_argument(self._options)]
        return min((limit for limit in limits if limit), default=None)

    def _load(self) -> Engine:
        tokenizer = hf_load.load_tokenizer(self._source, self._options.args)
        network = hf_load.load_network(self._source, self._dtype, self._device, self._options)
        ends = hf_load.end_tokens(network, tokenizer)
        return Engine(
            name=self._source.name,
            arms=Arms(network, self._adapters),
            text=Text(tokenizer, self._template),
            context=self._context(),
            ends=ends,
            budget=self._options.batch_tokens,
            patches=self._options.patches,
        )

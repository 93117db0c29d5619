"""The backend `vllm:PATH_OR_ID`: vLLM in offline mode, one engine with every request in flight at once."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec

from pytest_passatk.core.errors import MissingExtraError
from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import chat, config, vllm_setup
from pytest_passatk.models.source import Source, locate, locate_adapter
from pytest_passatk.models.vllm_engine import Engine


def load(target: str, options: ModelOptions) -> "VllmModel":
    """A model of vLLM from a local folder or the Hub (see `core.protocols.LoadModel`)."""
    if not find_spec("vllm"):
        raise MissingExtraError(f"vllm:{target}", "vllm", "vllm")
    vllm_setup.check_options(options)
    source = locate(f"vllm:{target}", target, options.revision)
    return VllmModel(source, locate_adapter(options.adapter) if options.adapter else None, options)


def can_run() -> bool:
    """Whether vLLM is installed, and built for a device that is here; imports it to know."""
    return find_spec("vllm") is not None and bool(vllm_setup.find_platform())


class VllmModel:
    """A model on vLLM's offline engine, which starts for the first sample.

    Args:
        source: the model's files.
        adapter: those of a LoRA adapter, or `None`.
        options: dtype, device, quantization, chat template, and arguments of vLLM's engine by name.
    """

    def __init__(self, source: Source, adapter: Source | None, options: ModelOptions) -> None:
        self._source = source
        self._adapter = adapter
        self._options = options
        self._config = config.read(source.folder)
        self._template = chat.load_template(source.folder, options.chat_template)
        self._engine: Engine | None = None

    @cached_property
    def info(self) -> ModelInfo:
        """What goes into every record; imports vLLM to see its platform. Raises UsageError for another device."""
        platform = vllm_setup.choose_platform(self._options.device)
        vllm_setup.check_args(self._options.args)
        dtype = vllm_setup.choose_dtype(self._options.dtype, self._config.dtype, platform)
        return ModelInfo(
            name=self._source.name,
            backend="vllm",
            revision=self._source.revision,
            adapter=f"{self._adapter.name}@{self._adapter.revision}" if self._adapter else None,
            dtype=f"{self._options.quantization}/{dtype}" if self._options.quantization else dtype,
            chat_template=chat.digest(self._template),
            versions={
                "vllm": vllm_setup.installed_version(),
                **{library: version(library) for library in ("torch", "transformers", "tokenizers")},
                **{f"argument {name}": value for name, value in self._options.args.items()},
            },
            device=platform,
            context=int(self._options.args.get("max_model_len", 0)) or self._config.context,
        )

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request, each completion as it finishes (see `core.protocols.Model`)."""
        if requests:
            self._engine = self._engine or self._start()
            yield from self._engine.sample(requests)

    def close(self) -> None:
        """Stop the engine, and the processes that it may have started."""
        if self._engine:
            self._engine.close()
        self._engine = None

    def _start(self) -> Engine:
        arguments = vllm_setup.engine_arguments(
            self._source, self._adapter, self._options,
            dtype=self.info.dtype.rpartition("/")[2], platform=self.info.device, context=self.info.context,
        )  # fmt: skip
        return Engine(self._source, self._adapter, self._template, arguments)

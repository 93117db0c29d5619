"""The backend `vllm:PATH_OR_ID`: vLLM in offline mode, one engine with every request in flight at once."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec

from pytest_passatk.core.errors import MissingExtraError, ModelError, PassatkError
from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import admit, chat, hf_load, vllm_arguments, vllm_arms, vllm_setup
from pytest_passatk.models.armed import ArmedModel
from pytest_passatk.models.hf_text import Text
from pytest_passatk.models.source import Source, describe_adapter, locate, locate_adapters
from pytest_passatk.models.vllm_engine import Engine
from pytest_passatk.models.vllm_flight import Flight

HEAVY = True  # see `apart`
PATCHABLE = True


def load(target: str, options: ModelOptions) -> "VllmModel":
    """A model of vLLM from a local folder or the Hub (see `core.protocols.LoadModel`)."""
    if not find_spec("vllm"):
        raise MissingExtraError(f"vllm:{target}", "vllm", "vllm")
    vllm_setup.check_options(options)
    if options.patches:
        vllm_setup.keep_inside()
    source = locate(f"vllm:{target}", target, options.revision)
    return VllmModel(source, locate_adapters(options), options)


def can_run() -> bool:
    """Whether vLLM is installed, and built for a device that is here; imports it to know."""
    return find_spec("vllm") is not None and bool(vllm_setup.find_platform())


class VllmModel(ArmedModel):
    """A model on vLLM's offline engine, which starts for the first sample.

    Args:
        source: the model's files.
        adapters: those of LoRA adapters, by arm; `None` is the model without one.
        options: dtype, device, quantization, chat template, and arguments of vLLM's engine by name.
    """

    def __init__(self, source: Source, adapters: Mapping[str, Source | None], options: ModelOptions) -> None:
        super().__init__(source, adapters, options)
        self._engine: Engine | None = None
        self._repeat: int | None = None

    def _describe(self, adapter: Source | None) -> ModelInfo:
        quantized = f"{self._options.quantization}/" if self._options.quantization else ""
        return ModelInfo(
            name=self._source.name,
            backend="vllm",
            revision=self._source.revision,
            adapter=describe_adapter(adapter),
            dtype=quantized + self._dtype,
            chat_template=chat.digest(self._template),
            versions={
                "vllm": vllm_setup.installed_version(),
                **{library: version(library) for library in ("torch", "transformers", "tokenizers")},
                **vllm_arguments.recorded(self._options.args),
            },
            device=self._platform,
            context=self._number("max_model_len") or self._config.context,
        )

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request, each completion as it finishes (see `core.protocols.Model`)."""
        flights: list[Flight] = []
        for request in requests:
            try:
                flights.append(self._admit(request))
            except PassatkError as error:
                yield admit.abort(request, error)
        patches, needed = self._options.patches, max((flight.length for flight in flights), default=None)
        for wave in vllm_arms.waves(flights, apart=bool(patches) or self._platform == "cpu"):
            try:
                self._begin(wave[0].request.repeat)
                engine = self._ready(needed)
                if patches:
                    engine.forget_prompts()
                yield from engine.sample(wave, patches.get(wave[0].request.arm))
            except ModelError:
                self.close()  # a broken engine answers nothing more, but another may
                raise

    def close(self) -> None:
        """Stop the engine, and the processes that it may have started."""
        engine, self._engine = self._engine, None
        if engine:
            engine.close()

    def _begin(self, repeat: int) -> None:
        """Let each of several independent runs have an engine of its own."""
        if self._repeat not in {None, repeat}:
            self.close()
        self._repeat = repeat

    @cached_property
    def _platform(self) -> str:
        platform = vllm_setup.choose_platform(self._options.device)
        vllm_arguments.check(self._options.args, platform)
        return platform

    @property
    def _dtype(self) -> str:
        return vllm_setup.choose_dtype(self._options.dtype, self._config.dtype, self._platform)

    @cached_property
    def _text(self) -> Text:
        trust = {"trust_remote_code": self._options.args.get("trust_remote_code", "")}
        return Text(hf_load.load_tokenizer(self._source, trust), self._template)

    def _number(self, argument: str) -> int:
        """A number among the user's arguments; 0 where it is not given."""
        return int(self._options.args.get(argument, 0))

    def _admit(self, request: Request) -> Flight:
        """A request that fits. Raises OutOfContextError, or UsageError where its prompt cannot be rendered."""
        prompt = self._text.encode(request.prompt)
        context = self.info.context or self._ready(None).length
        flight = Flight(request, prompt, admit.room(self._source.name, request, len(prompt), context))
        if self._platform == "cpu":
            admit.check_whole(request, flight.length, self._number("max_num_batched_tokens"))
        return flight

    def _ready(self, needed: int | None) -> Engine:
        """An engine for requests of that length: the running one, or one that is started, or started again, for them.

        Raises:
            ModelError: it does not start.
        """
        if self._engine and needed and needed > self._engine.length:
            # Twice as long, lest it grow in small steps.
            needed = max(needed, min(2 * self._engine.length, self.info.context or needed))
            self.close()
        self._engine = self._engine or self._start(needed)
        return self._engine

    def _start(self, needed: int | None) -> Engine:
        # vLLM picks the factors of stretched positions by its length: they must not depend on what is asked.
        fixed = self._config.stretched or self._number("max_model_len") or self.info.context is None
        length = self.info.context if fixed else needed
        setting = vllm_arguments.Setting(self._source, self._dtype, self._platform, length)
        arguments = vllm_arguments.engine_arguments(setting, self._options)
        return Engine(
            self._source.location,
            arguments | vllm_arms.adapter_arguments(self._adapters),
            vllm_arms.adapter_requests(self._adapters),
            logprobs=self._options.logprobs,
        )

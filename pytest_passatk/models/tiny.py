"""The backend `tiny`: the embedded model, or another small Llama in a folder, on NumPy alone."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from pytest_passatk.core.errors import PassatkError, UsageError
from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, FinishReason, Request, cut_at_stop
from pytest_passatk.models import admit, weights
from pytest_passatk.models.embedded import embedded_folder
from pytest_passatk.models.row import Row
from pytest_passatk.models.tiny_decode import decode
from pytest_passatk.models.tiny_network import Network
from pytest_passatk.models.tiny_text import Text
from pytest_passatk.models.tiny_weights import read_config

DECODER = "1"  # goes up when a change of the decoder may change a token
BATCH_TOKENS = 16_384  # 64 MB of cache for the embedded model


def load(target: str, options: ModelOptions) -> "TinyModel":
    """The embedded model, or the one in the folder `target` (see `core.protocols.LoadModel`)."""
    _refuse(options, target)
    folder = Path(target).expanduser() if target else embedded_folder()
    weights.check(folder)
    return TinyModel(folder, options, name=folder.resolve().name)


class TinyModel:
    """A Llama model on NumPy; its weights are read for the first sample.

    Args:
        folder: the model's files.
        options: chat template and batch size.
        name: as a person would call it.
    """

    def __init__(self, folder: Path, options: ModelOptions, name: str) -> None:
        self._folder = folder
        self._name = name
        self._context: int = read_config(folder)["max_position_embeddings"]
        self._budget = options.batch_tokens or BATCH_TOKENS
        self._text = Text(folder, options.chat_template)
        self._network: Network | None = None

    @cached_property
    def info(self) -> ModelInfo:
        """What goes into every record."""
        return ModelInfo(
            name=self._name,
            backend="tiny",
            revision=weights.digest_folder(self._folder),
            adapter=None,
            dtype="float64",
            chat_template=self._text.template_digest,
            versions={"decoder": DECODER} | {library: version(library) for library in ("numpy", "tokenizers")},
            context=self._context,
        )

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request, each completion as it finishes (see `core.protocols.Model`)."""
        rows = []
        for request in requests:
            try:
                rows.append(self._admit(request))
            except PassatkError as error:
                yield admit.abort(request, error)
        if rows:
            self._network = self._network or Network(self._folder)
            rows.sort(key=lambda row: (len(row.prompt), row.prompt))
            for row in decode(self._network, rows, self._budget, self._ended):
                yield self._complete(row)

    def close(self) -> None:
        """Let go of the weights."""
        self._network = None

    def _admit(self, request: Request) -> Row:
        """The request as a row. Raises OutOfContextError, or UsageError where its prompt cannot be rendered."""
        prompt = self._text.encode(request.prompt)
        return Row(request, prompt, admit.room(self._name, request, len(prompt), self._context))

    def _ended(self, row: Row) -> bool:
        return (
            row.tokens[-1] in self._text.ends
            or len(row.tokens) >= row.limit
            or self._text.holds(row.tokens, row.request.params.stop)
        )

    def _complete(self, row: Row) -> Completion:
        ended = row.tokens[-1] in self._text.ends
        text = self._text.decode(row.tokens[:-1] if ended else row.tokens)
        cut = cut_at_stop(text, row.request.params.stop)
        return Completion(
            row.request.stream,
            row.request.index,
            text if cut is None else cut,
            tokens=len(row.tokens),
            finish_reason=FinishReason.STOP if ended or cut is not None else FinishReason.LENGTH,
            latency=perf_counter() - row.start,
            logprob=row.logprob,
            first_token=row.first_token,
            prompt_tokens=len(row.prompt),
        )


def _refuse(options: ModelOptions, target: str) -> None:
    """Name an option that this backend cannot follow."""
    asked = {
        "revision": options.revision,
        "adapter": ", ".join(filter(None, options.adapters.values())),
        "quantization": options.quantization,
        "dtype": "" if options.dtype in {"auto", "float64"} else options.dtype,
        "device": "" if options.device in {"auto", "cpu"} else options.device,
        "model arguments": ", ".join(options.args),
    }
    for name, value in asked.items():
        if value:
            raise UsageError(
                f"tiny decodes a local folder in float64 on the CPU, without a choice of {name}: leave out {value!r}, "
                f"or run the same files as hf:{target or 'tiny'}"
            )

"""One network under several LoRA adapters, one of them or none at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from pytest_passatk.core.errors import ModelError
from pytest_passatk.models.source import Source


class Arms:
    """A network with its adapters beside it, unmerged: merging rounds, and quantized weights cannot take it.

    Attributes:
        network: a causal language model of transformers; inside of `on`, with the adapter of an arm.

    Args:
        network: the model without an adapter.
        adapters: by arm; `None` is the model as it is.

    Raises:
        ModelError: an adapter does not fit the model, or cannot be read.
    """

    def __init__(self, network: Any, adapters: Mapping[str, Source | None]) -> None:
        self.network = network
        self._names: dict[str, str | None] = {}
        for arm, adapter in adapters.items():
            self._names[arm] = None if adapter is None else self._add(adapter, f"arm{len(self._names)}")
        self.network.eval()

    @property
    def base(self) -> Any:
        """The network without peft's wrapper, which calls it by another name; adapters stand within its layers."""
        return self.network.get_base_model() if hasattr(self.network, "get_base_model") else self.network

    @property
    def labels(self) -> tuple[str, ...]:
        """The arms, in order."""
        return tuple(self._names)

    @contextmanager
    def on(self, arm: str) -> Iterator[None]:
        """Put the network under an arm's adapter for the block."""
        name = self._names[arm]
        if name is not None:
            self.network.set_adapter(name)
        bare = name is None and any(self._names.values())
        with self.network.disable_adapter() if bare else nullcontext():
            yield

    def _add(self, adapter: Source, name: str) -> str:
        """Load an adapter; returns its name. Labels do not serve as names: peft takes no dots in them."""
        from peft import PeftModel  # noqa: PLC0415 - heavy

        try:
            if isinstance(self.network, PeftModel):
                self.network.load_adapter(adapter.location, name, revision=adapter.commit)
            else:
                self.network = PeftModel.from_pretrained(
                    self.network, adapter.location, adapter_name=name, revision=adapter.commit
                )
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise ModelError(f"--adapter {adapter.location} does not fit the model, or is damaged ({what})") from error
        return name

"""Between text and tokens, with a tokenizer.json."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_passatk.core.sample import Prompt, cut_at_stop
from pytest_passatk.models import chat

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SLACK = 8  # tokens; a stop string may begin inside a token, and a character may span several


class Text:
    """The tokenizer and chat template of a model.

    Args:
        folder: the model's files.
        template: `auto`, `none`, or a file with a chat template.

    Attributes:
        template_digest: names the template in records.
    """

    def __init__(self, folder: Path, template: str) -> None:
        self._folder = folder
        self._template = chat.load_template(folder, template)
        self._special = chat.special_tokens(folder)
        self.template_digest = chat.digest(self._template)
        self._encoded: dict[str, tuple[int, ...]] = {}  # samples share their problem's prompt

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens that end a completion: the tokenizer's, and those of the generation settings."""
        file = self._folder / "generation_config.json"
        settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        named = settings.get("eos_token_id")
        listed = named if isinstance(named, list) else [named]
        return frozenset(token for token in [*listed, self._id(self._special.get("eos_token"))] if token is not None)

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """The tokens that the model reads; a raw text gets the special tokens that the tokenizer adds by itself."""
        key = json.dumps(prompt)
        if key not in self._encoded:
            text = chat.render(self._template, prompt, self._special)
            encoded = self._tokenizer.encode(text, add_special_tokens=self._template is None)
            self._encoded[key] = tuple(encoded.ids)
        return self._encoded[key]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        return str(self._tokenizer.decode(list(tokens)))

    def holds(self, tokens: Sequence[int], stop: Sequence[str]) -> bool:
        """Whether the completion holds a stop string that its last token may have completed."""
        if not stop:
            return False
        longest = max(len(string.encode()) for string in stop)  # a token may be as little as one byte
        tail = self.decode(tokens[-longest - SLACK :])
        return any(string in tail for string in stop) and cut_at_stop(self.decode(tokens), stop) is not None

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self._tokenizer.token_to_id(token)

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer  # noqa: PLC0415 - not needed before the first prompt

        return Tokenizer.from_file(str(self._folder / "tokenizer.json"))

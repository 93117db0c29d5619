"""Between text and tokens, with a tokenizer of transformers."""

import json
from collections.abc import Sequence
from typing import Any

from pytest_passatk.core.sample import Prompt, cut_at_stop
from pytest_passatk.models import chat

LEAD = 8  # tokens of the prompt before a completion: they show a tokenizer whether a word begins there


class Text:
    """A tokenizer with a chat template.

    Args:
        tokenizer: of transformers, fast or slow.
        template: the Jinja source, or `None` for raw prompts.
    """

    def __init__(self, tokenizer: Any, template: str | None) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._encoded: dict[str, tuple[int, ...]] = {}  # samples share their problem's prompt

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """The tokens that the model reads; a raw text gets the special tokens that the tokenizer adds by itself."""
        key = json.dumps(prompt)
        if key not in self._encoded:
            text = chat.render(self._template, prompt, self._tokenizer.special_tokens_map)
            tokens = self._tokenizer(text, add_special_tokens=self._template is None, verbose=False)["input_ids"]
            self._encoded[key] = tuple(tokens)
        return self._encoded[key]

    def decode(self, prompt: Sequence[int], tokens: Sequence[int]) -> str:
        """A completion's text, without special tokens; spaces at its start stay, as the prompt's end shows them."""
        lead = list(prompt[-LEAD:])
        before, whole = self._plain(lead), self._plain([*lead, *tokens])
        return whole[len(before) :] if whole.startswith(before) else self._plain(tokens)

    def stopped(self, prompt: Sequence[int], tokens: Sequence[int], stop: Sequence[str]) -> bool:
        """Whether the completion holds a stop string that its last token may have completed."""
        if not stop:
            return False
        longest = max(len(string.encode()) for string in stop)  # a token may be as little as one byte
        tail = self._plain(tokens[-longest - LEAD :])
        return any(string in tail for string in stop) and cut_at_stop(self.decode(prompt, tokens), stop) is not None

    def _plain(self, tokens: Sequence[int]) -> str:
        # The clean-up drops spaces before punctuation, which code and stop strings need.
        text = self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

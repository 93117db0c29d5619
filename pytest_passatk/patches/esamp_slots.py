"""Which prompt has which slot."""

from collections.abc import Collection, Iterable

from pytest_passatk.core.errors import UsageError

START = 4  # slots before there is need for more


class Slots:
    """Gives each prompt that decodes a slot of its own.

    Nobody says when a prompt has ended. One without a row in a step may have, or its samples wait to be resumed; so it
    keeps its slot until another prompt needs it, and the one that was seen last longest ago loses it first.

    Args:
        limit: the most slots; 0 makes more whenever each prompt that holds one is in the batch.

    Attributes:
        count: slots that there are.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[str, int] = {}  # by prompt, the one seen longest ago first
        self.count = limit or START

    def __getitem__(self, prompt: str) -> int:
        return self._held[prompt]

    def __contains__(self, prompt: str) -> bool:
        return prompt in self._held

    def place(self, prompts: Iterable[str], present: Collection[str]) -> dict[str, int]:
        """Give a slot to each of the prompts; returns those that had none, with their slots.

        Args:
            prompts: those that decode.
            present: all with a row in this step.

        Raises:
            UsageError: more prompts decode at once than there may be slots.
        """
        for prompt in sorted(present):
            if prompt in self._held:
                self._held[prompt] = self._held.pop(prompt)
        fresh = [prompt for prompt in sorted(prompts) if prompt not in self._held]
        for prompt in fresh:
            self._held[prompt] = self._free(present)
        return {prompt: self._held[prompt] for prompt in fresh}

    def _free(self, present: Collection[str]) -> int:
        if len(self._held) < self.count:
            return len(self._held)
        gone = next((prompt for prompt in self._held if prompt not in present), None)
        if gone is not None:
            return self._held.pop(gone)
        if self._limit:
            raise UsageError(
                f"--patch esamp: slots={self._limit}, but more prompts decode at once; raise it among "
                "--passatk-patch-args, or leave it out to have as many as are needed"
            )
        self.count *= 2
        return len(self._held)

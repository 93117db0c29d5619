"""Whether the samples of one request differ: a server may draw all of them with the one seed that it gets."""

from collections.abc import Sequence

ENOUGH = 10  # answers to tell by


class Siblings:
    """The first answers of a server that brought several samples."""

    def __init__(self) -> None:
        self._seen = 0
        self._differ = False

    def repeat(self, texts: Sequence[str]) -> bool:
        """Note an answer; returns, once, whether all of the first ones repeated a single text."""
        if len(texts) > 1:
            self._seen += 1
            self._differ = self._differ or len(set(texts)) > 1
        return len(texts) > 1 and self._seen == ENOUGH and not self._differ

"""The places of the workers of pytest-xdist."""

SEAT = "passatk_seat"  # of a worker, in what its controller tells it


class Seats:
    """Who sits where: a worker that replaces another takes its seat, and with it the GPU of that."""

    def __init__(self) -> None:
        self._names: list[str | None] = []

    @property
    def names(self) -> tuple[str | None, ...]:
        """The worker on each seat; `None` on an empty one."""
        return tuple(self._names)

    def take(self, name: str) -> int:
        """Give a worker the first empty seat; returns its number, from 0."""
        if None not in self._names:
            self._names.append(None)
        seat = self._names.index(None)
        self._names[seat] = name
        return seat

    def leave(self, name: str) -> None:
        """Empty a worker's seat."""
        self._names = [None if each == name else each for each in self._names]

"""Whose turn it is, where arms and repeated runs share an engine."""


def turn(repeat: int, place: int) -> tuple[int, int]:
    """Sorts by run, and in it by the place of the arm; every second run has its arms the other way round.

    So no arm always comes first, and what drifts in a machine weighs on all of them alike.
    """
    return repeat, -place if repeat % 2 else place

"""How a verifier refuses an answer that it cannot evaluate."""


class RejectedError(AssertionError):
    """An answer has not the form that is asked for, or fails while it is evaluated: it is wrong, for this reason."""

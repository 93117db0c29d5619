"""Text as SQLite takes it."""


def storable(text: str) -> str:
    """The text, each lone surrogate replaced by U+FFFD: UTF-8 has none, but byte-level decoding can produce them."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def storable_json(text: str) -> str:
    """The JSON text, each lone surrogate written as its JSON escape, so that it reads back as it was."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

"""What must not be written down: names, passwords and keys in the addresses of servers."""

import re

USER = re.compile(r"(?<=://)[^/@\s,'\"]+(?=@)")
QUERY = re.compile(r"(?<=://)([^?\s,'\"]*)\?[^\s,'\"]+")


def mask(text: str) -> str:
    """A text with `…` for the user and the query of every address in it."""
    return QUERY.sub(r"\1?…", USER.sub("…", text))

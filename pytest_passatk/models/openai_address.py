"""Where a server is: as it is called, and as it may be written down."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from pytest_passatk.core.errors import UsageError

EXAMPLE = "write it like http://127.0.0.1:8000/v1, several of them with commas between"


@dataclass(frozen=True, slots=True)
class Address:
    """One base URL.

    Attributes:
        url: what requests go to, without its query.
        query: to send with every request.
        shown: without what may be secret: neither user nor password, nor query.
        secrets: those texts, to keep them out of messages.
    """

    url: str = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def root(self) -> str:
        """The server itself, where vLLM tells its version."""
        return self.url.removesuffix("/v1")


def parse_addresses(text: str) -> tuple[Address, ...]:
    """The base URLs of a comma-separated list; one without a path gets `/v1`, where servers have their API.

    Raises:
        UsageError: one of them is no address on the web, or is there twice.
    """
    addresses = tuple(_parse(part.strip()) for part in text.split(",") if part.strip())
    if not addresses:
        raise UsageError(f"--base-url is empty; {EXAMPLE}")
    shown = [address.shown for address in addresses]
    for one in shown:
        if shown.count(one) > 1:
            raise UsageError(f"--base-url names {one} twice; give each server once")
    return addresses


def _parse(typed: str) -> Address:
    try:
        parts = urlsplit(typed)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--base-url: an address cannot be read ({error}); {EXAMPLE}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError(f"--base-url {typed.rpartition('@')[2]}: no http:// or https:// address; {EXAMPLE}")
    path = parts.path.rstrip("/") or "/v1"
    named = f"[{host}]" if ":" in host else host
    place = named if port is None else f"{named}:{port}"
    query = dict(parse_qsl(parts.query))
    return Address(
        url=urlunsplit((parts.scheme, parts.netloc, path, "", "")),
        query=query,
        shown=urlunsplit((parts.scheme, place, path, "", "")),
        secrets=(*_credentials(parts.netloc.rpartition("@")[0]), *filter(None, query.values())),
    )


def _credentials(userinfo: str) -> tuple[str, ...]:
    """The forms in which `user:password` may come back; a name alone is a token."""
    if not userinfo:
        return ()
    typed, meant = userinfo, unquote(userinfo)
    sent = b64encode(meant.encode()).decode()
    return (sent, *(text.rpartition(":")[2] or text.rpartition(":")[0] for text in (typed, meant)))

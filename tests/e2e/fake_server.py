"""A fake of a server with OpenAI's API, for what a real one does not do on demand: refuse, hang, break off, garble.

It listens on 127.0.0.1 only. What it answers is decided by a script, a function from what is asked to a reply.
"""

import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, TypeAlias

NAME = "fake"


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        number: of the request among all for completions, from 0.
        path: of the URL.
        headers: by lower-case name.
        body: its JSON.
    """

    number: int
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def prompt(self) -> str:
        """The last of what was asked, in either form of the API."""
        return str(self.body["prompt"] if "prompt" in self.body else self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Reply:
    """What goes back.

    Attributes:
        body: JSON, or a text that goes as it is.
        status: of HTTP.
        headers: besides the usual ones.
        half: break off in the middle of the body.
        hang: say nothing until the client is gone.
    """

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    half: bool = False
    hang: bool = False


Script: TypeAlias = Callable[[Asked], Reply]


def complete(asked: Asked, *texts: str, **changes: Any) -> Reply:
    """A proper answer, with one choice a text (by default as many as asked, each the prompt and its number)."""
    given = texts or tuple(f"{asked.prompt} {at}" for at in range(asked.body.get("n", 1)))
    plain = asked.path.endswith("/completions") and "chat" not in asked.path
    choices = [
        {"index": at, "finish_reason": "stop", **({"text": text} if plain else {"message": {"content": text}})}
        for at, text in enumerate(given)
    ]
    usage = {"prompt_tokens": len(asked.prompt.split()), "completion_tokens": sum(len(text.split()) for text in given)}
    return Reply({"choices": choices, "usage": usage, **changes})


def refuse(status: int, message: str, **more: Any) -> Reply:
    """An error in the API's words."""
    headers = more.pop("headers", {})
    return Reply({"error": {"message": message, **more}}, status, headers)


def listing(*names: str, **more: Any) -> Reply:
    """A list of models."""
    return Reply({"object": "list", "data": [{"id": name, "owned_by": NAME, **more} for name in names]})


class FakeServer(ThreadingHTTPServer):
    """Follows a script.

    Attributes:
        script: answers what asks for completions.
        models: answers what asks for the models.
        asked: every request for completions so far.
        gone: set when a client left while it hung.
    """

    daemon_threads = True
    request_queue_size = 128  # clients come in crowds

    def __init__(self, script: Script, models: Reply) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.models = models
        self.asked: list[Asked] = []
        self.most = 0
        self.gone = Event()
        self._open = 0
        self._lock = Lock()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def note(self, path: str, headers: Mapping[str, str], body: Any) -> Asked:
        """Keep a request."""
        with self._lock:
            asked = Asked(len(self.asked), path, headers, body)
            self.asked.append(asked)
            self._open += 1
            self.most = max(self.most, self._open)
        return asked

    def done(self) -> None:
        """Note that a request is over."""
        with self._lock:
            self._open -= 1


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        models = self.path.partition("?")[0].endswith("/models")
        self._send(self.server.models if models else refuse(404, "Not Found"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = self.server.note(self.path, headers, body)
        try:
            self._send(self.server.script(asked))
        finally:
            self.server.done()

    def _send(self, reply: Reply) -> None:
        if reply.hang:
            self._hang()
            return
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        data = text.encode()
        self.send_response(reply.status)
        for name, value in {"content-type": "application/json", "content-length": len(data), **reply.headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if reply.half else data)
        self.close_connection = reply.half
        if reply.half:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset

    def _hang(self) -> None:
        while self.connection.recv(1024):
            pass
        self.server.gone.set()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Stay silent."""


@contextmanager
def serving(script: Script = complete, models: Reply | None = None) -> Iterator[FakeServer]:
    """A running fake, which lists the model `fake` unless told otherwise."""
    server = FakeServer(script, models or listing(NAME))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"

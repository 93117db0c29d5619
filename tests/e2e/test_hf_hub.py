"""Models of the Hub, played by a local server that speaks as much of its protocol as a download needs."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.hf

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REVISIONS = {"main": COMMIT, "v1": COMMIT, COMMIT: COMMIT}
PROGRAM = """
import json, sys
from pytest_passatk.core.errors import PassatkError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.sample import Request, SamplingParams
from pytest_passatk.models import registry
target, revision, adapter = (value or None for value in sys.argv[1:])
try:
    model = registry.load(f"hf:{target}", ModelOptions(revision=revision, adapter=adapter))
    info = model.info.to_dict()
    (done,) = model.sample([Request("s", "p", 0, "the", SamplingParams(temperature=0.0, max_tokens=4), 1)])
    print(json.dumps({"info": info, "tokens": done.tokens}))
except PassatkError as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
"""


class FakeHub(ThreadingHTTPServer):
    """Serves one folder as the repository `org/name`, and remembers which paths were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        content, headers = self.find(path)
        self.send_response(404 if content is None else 200)
        for name, value in {**headers, "Content-Length": str(len(content or b""))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body and content:
            self.wfile.write(content)

    def find(self, path: str) -> tuple[bytes | None, dict[str, str]]:
        """The content behind a path, and the headers that the client reads."""
        match path.strip("/").split("/"):
            case ["api", "models", "org", "name", "revision", revision]:
                return (self.describe(), {}) if revision in REVISIONS else (None, {"X-Error-Code": "RevisionNotFound"})
            case ["api", "models", "org", "name", "tree", revision, *_] if revision in REVISIONS:
                return self.list_tree(), {}
            case ["org", "name", "resolve", revision, name] if revision in REVISIONS:
                file = self.server.folder / name
                if not file.is_file():
                    return None, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}
                return file.read_bytes(), {"ETag": f'"{digest(file)}"', "X-Repo-Commit": COMMIT}
        return None, {"X-Error-Code": "RepoNotFound"}

    def describe(self) -> bytes:
        names = [{"rfilename": file.name} for file in sorted(self.server.folder.iterdir())]
        return json.dumps({"id": "org/name", "modelId": "org/name", "sha": COMMIT, "siblings": names}).encode()

    def list_tree(self) -> bytes:
        files = sorted(self.server.folder.iterdir())
        rows = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": digest(f)} for f in files]
        return json.dumps(rows).encode()


def digest(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def hub(random_model: Path) -> Iterator[FakeHub]:
    server = FakeHub(random_model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class User:
    """Someone with an own cache, who loads in new processes, as the Hub's client reads its settings only once."""

    def __init__(self, home: Path, url: str) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_HOME": str(home), "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        }  # fmt: skip

    def load(self, target: str, revision: str = "", adapter: str = "", **environment: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, target, revision, adapter],
            env=self._environment | environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return found


@pytest.fixture
def user(tmp_path: Path, hub: FakeHub) -> User:
    return User(tmp_path / "home", hub.url)


def test_a_model_of_the_hub_is_recorded_by_its_commit_and_reused_without_the_hub(user: User, hub: FakeHub) -> None:
    online = user.load("org/name", revision="v1")
    info = online["info"]
    assert isinstance(info, dict)
    assert (info["name"], info["revision"]) == ("org/name", COMMIT)
    assert online["tokens"] == 4
    assert any(path.endswith("model.safetensors") for path in hub.asked)
    hub.asked.clear()
    assert user.load("org/name", revision="v1", HF_HUB_OFFLINE="1") == online
    assert hub.asked == []


@pytest.mark.parametrize(
    ("target", "revision", "adapter", "message"),
    [
        ("org/absent", "", "", "hf:org/absent: there is no folder org/absent, and revision main of org/absent can be"),
        ("org/name", "v9", "", "hf:org/name: there is no folder org/name, and revision v9 of org/name can be read"),
        ("org/name", "", "org/lora", "--adapter org/lora: there is no folder org/lora, and revision main"),
    ],
    ids=["model", "revision", "adapter"],
)
def test_what_the_hub_does_not_have_is_one_error_with_remedies(
    user: User, target: str, revision: str, adapter: str, message: str
) -> None:
    error = str(user.load(target, revision, adapter)["error"])
    assert error.startswith(f"ModelError: {message}")
    assert all(remedy in error for remedy in ("a local folder", "HF_HOME", "HF_ENDPOINT"))


def test_without_the_hub_and_without_a_cache_there_is_one_error_with_remedies(user: User) -> None:
    error = str(user.load("org/name", HF_HUB_OFFLINE="1")["error"])
    assert error.startswith("ModelError: hf:org/name: there is no folder org/name, and revision main of org/name")
    assert all(remedy in error for remedy in ("a local folder", "HF_HOME", "HF_ENDPOINT"))

"""Models of the Hub, which a local server plays."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_hub import COMMIT, FakeHub, Repository, serving, surroundings

pytestmark = pytest.mark.hf

PROGRAM = """
import json, sys
from pytest_passatk.core.errors import PassatkError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.sample import Request, SamplingParams
from pytest_passatk.models import registry
target, revision, adapter = (value or None for value in sys.argv[1:])
try:
    model = registry.load(f"hf:{target}", ModelOptions(revision=revision, adapters={"": adapter}))
    info = model.info.to_dict()
    (done,) = model.sample([Request("s", "p", 0, "the", SamplingParams(temperature=0.0, max_tokens=4), 1)])
    print(json.dumps({"info": info, "tokens": done.tokens}))
except PassatkError as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
"""


@pytest.fixture
def hub(random_model: Path) -> Iterator[FakeHub]:
    with serving({"models/org/name": Repository(random_model)}) as server:
        yield server


class User:
    """Someone with an own cache, who loads in new processes, as the Hub's client reads its settings only once."""

    def __init__(self, home: Path, url: str) -> None:
        self._environment = surroundings(home, url)

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

"""From `--model` to a model: own backends, entry points, modules outside, paths and Hub ids."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk import models
from pytest_passatk.core.errors import MissingExtraError, ModelError, UsageError
from pytest_passatk.core.protocols import Model, ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import registry

OPTIONS = ModelOptions(dtype="bfloat16")


class Echo:
    """A model that repeats what it was loaded with."""

    def __init__(self, target: str, options: ModelOptions) -> None:
        self.info = ModelInfo(target, "echo", "1", None, options.dtype, "none")

    def sample(self, _: Sequence[Request]) -> Iterator[Completion]:
        return iter(())

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module on Python's path, outside the project, with a `load`, a model and something else."""
    (tmp_path / "outside_models.py").write_text(
        "from test_registry import Echo\nload = Echo\nready = Echo('ready', __import__('test_registry').OPTIONS)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "test_registry", sys.modules[__name__])
    monkeypatch.delitem(sys.modules, "outside_models", raising=False)
    return "outside_models"


@pytest.mark.parametrize(
    ("spec", "parsed"),
    [
        ("tiny", ("tiny", "")),
        ("hf:org/name", ("hf", "org/name")),
        ("hf:./a:b", ("hf", "./a:b")),
        ("vllm:tiny", ("vllm", "tiny")),
        ("my_package.my_module:load", ("my_package.my_module", "load")),
        ("Qwen/Qwen2.5-7B-Instruct", ("auto", "Qwen/Qwen2.5-7B-Instruct")),
        ("./folder", ("auto", "./folder")),
        ("~/models/m", ("auto", "~/models/m")),
        ("/models/a:b", ("auto", "/models/a:b")),
        (r"C:\models\m", ("auto", r"C:\models\m")),
        ("D:/models/m", ("auto", "D:/models/m")),
    ],
)
def test_a_spec_has_a_backend_and_a_target(spec: str, parsed: tuple[str, str]) -> None:
    assert registry.parse(spec) == parsed


def test_an_existing_folder_is_a_path_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("word", "hf:odd", "step:100"):
        (tmp_path / name).mkdir()
        assert registry.parse(name) == ("auto", name)


def test_a_backends_name_beats_a_folder_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert registry.parse("tiny") == ("tiny", "")


@given(st.text(max_size=30))
def test_every_text_is_a_spec_or_one_usage_error(spec: str) -> None:
    with suppress(UsageError):
        backend, target = registry.parse(spec)
        assert spec == target if backend == "auto" else spec in {backend, f"{backend}:{target}"}


@pytest.mark.parametrize("spec", ["", "  "])
def test_an_empty_spec_is_refused_with_examples(spec: str) -> None:
    with pytest.raises(UsageError, match="--model is empty; give for example tiny"):
        registry.parse(spec)


def test_one_unknown_word_is_refused_with_the_closest_backend() -> None:
    with pytest.raises(UsageError, match=r"unknown model 'tinny' .did you mean tiny\?.*written hf:tinny"):
        registry.load("tinny", OPTIONS)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("HF:org/name", r"unknown backend 'HF' .did you mean hf\?.: the backends are hf, .*tiny"),
        ("llamacpp:org/name", r"unknown backend 'llamacpp': the backends are hf"),
        ("no_such_package.module:load", r"unknown backend 'no_such_package\.module'"),
        ("chat:x", "unknown backend 'chat'"),
        ("registry:x", "unknown backend 'registry'"),
        ("..:x", r"unknown backend '\.\.'"),
        (":x", "unknown backend ''"),
    ],
)
def test_an_unknown_backend_is_refused_with_those_that_exist(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        registry.load(spec, OPTIONS)


def test_a_file_beside_the_others_is_a_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dropped_in.py").write_text("def load(target, options):\n    return (target, options.dtype)\n")
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    loaded: object = registry.load("dropped_in:a:b", OPTIONS)
    assert loaded == ("a:b", "bfloat16")
    assert "dropped_in" in registry.backends()


def test_an_entry_point_is_a_backend(outside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = importlib.metadata.EntryPoint("elsewhere", f"{outside}:load", registry.GROUP)
    installed = importlib.metadata.EntryPoints([point])
    monkeypatch.setattr(registry, "entry_points", installed.select)
    assert registry.load("elsewhere:x", OPTIONS).info.name == "x"
    assert registry.load("elsewhere", OPTIONS).info.name == ""
    assert "elsewhere" in registry.backends()


def test_a_module_outside_gives_its_attribute(outside: str) -> None:
    assert registry.load(f"{outside}:load", OPTIONS).info.name == ""
    assert registry.load(f"{outside}:load:with:target", OPTIONS).info.name == "with:target"
    ready = registry.load(f"{outside}:ready", OPTIONS)
    assert isinstance(ready, Model)
    assert ready.info.name == "ready"


@pytest.mark.parametrize("attribute", ["lode", ""])
def test_a_module_without_the_attribute_is_named(outside: str, attribute: str) -> None:
    with pytest.raises(UsageError, match=f"module {outside} has no attribute '{attribute}'"):
        registry.load(f"{outside}:{attribute}", OPTIONS)


def test_a_module_that_cannot_import_what_it_needs_keeps_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy_models.py").write_text("import absent_library\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="absent_library"):
        registry.load("needy_models:load", OPTIONS)


def without(*absent: str) -> Any:
    """`find_spec` in an environment that lacks some libraries."""
    return lambda name: None if name in absent else find_spec(name)


@pytest.mark.parametrize(("runs", "backend"), [(True, "vllm"), (False, "hf")])
def test_a_bare_name_takes_vllm_where_it_runs(
    runs: bool, backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken = []
    for name in ("hf", "vllm"):
        module = __import__(f"pytest_passatk.models.{name}", fromlist=["load"])
        monkeypatch.setattr(module, "load", lambda target, _, name=name: taken.append((name, target)))
        monkeypatch.setattr(module, "can_run", lambda: runs, raising=False)
    monkeypatch.setattr(registry, "find_spec", lambda name: name)
    registry.load(str(tmp_path), OPTIONS)
    assert taken == [(backend, str(tmp_path))]


def test_a_bare_name_without_an_engine_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_passatk.models.vllm.can_run", lambda: False)
    monkeypatch.setattr(registry, "find_spec", without("torch"))
    with pytest.raises(MissingExtraError, match=r"--model org/name needs .* pip install 'pytest-passatk\[hf\]'"):
        registry.load("org/name", OPTIONS)


@pytest.mark.parametrize("backend", ["hf", "vllm"])
def test_an_engine_that_is_not_installed_names_its_extra(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"pytest_passatk.models.{backend}.find_spec", without("torch", "vllm"))
    with pytest.raises(MissingExtraError, match=rf"{backend}:org/name needs .*pytest-passatk\[{backend}\]"):
        registry.load(f"{backend}:org/name", OPTIONS)


def test_nothing_heavy_is_imported_to_know_the_backends() -> None:
    program = (
        "import sys\nfrom pytest_passatk.models import registry\nassert 'hf' in registry.backends()\n"
        "print(sorted({'torch', 'transformers', 'vllm', 'tokenizers', 'jinja2', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_is_found_without_the_other_backends() -> None:
    program = (
        "import sys\nfrom pytest_passatk.models import registry\n"
        "for spec in ('tiny', 'own_module:load'):\n    registry.parse(spec)\n"
        "loaded = {name.rpartition('.')[2] for name in sys.modules if name.startswith('pytest_passatk.models.')}\n"
        "print(sorted(loaded.intersection(registry.backends())))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['tiny']"


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ModelError, match=r"is no model: it has no config\.json"):
        registry.load(f"hf:{tmp_path}", ModelOptions())


def test_a_module_in_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_the_suites.py").write_text("def mine(target, options):\n    return ('mine', target)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in sys.path if entry])
    assert registry.load("beside_the_suites:mine", ModelOptions()) == ("mine", "")  # type: ignore[comparison-overlap]

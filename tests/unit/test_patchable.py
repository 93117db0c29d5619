"""Which backends take a patch of their runtime: those that say so; all others refuse it when they are loaded."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from pytest_passatk import models
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.models import apart, registry

PATCHED = ModelOptions(patches={"esamp": PatchSpec("esamp"), "other": PatchSpec("my_pkg.my_patch:Patch")})
LOADS = "def load(target, options):\n    return (target, sorted(options.patches))\n"
REFUSED = r"--patch esamp, my_pkg\.my_patch:Patch: the backend {} has no runtime .* --model hf:tiny"


@pytest.mark.parametrize("load", [registry.load, apart.open_model])
@pytest.mark.parametrize("spec", ["tiny", "openai:gpt", "replay:samples.jsonl"])
def test_a_backend_without_a_runtime_refuses_a_patch(spec: str, load: object) -> None:
    assert callable(load)
    with pytest.raises(UsageError, match=REFUSED.format(spec.partition(":")[0])):
        load(spec, PATCHED)


def test_the_same_backend_loads_without_a_patch() -> None:
    assert registry.load("tiny", ModelOptions()).info.backend == "tiny"


@pytest.mark.parametrize("backend", ["hf", "vllm"])
def test_the_engines_say_that_they_take_patches(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(f"pytest_passatk.models.{backend}.load", lambda target, _: taken.append(target))
    registry.load(f"{backend}:x", PATCHED)
    assert taken == ["x"]


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize("way", ["beside", "outside", "entry point"])
def test_any_other_module_has_to_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, says: bool) -> None:
    (tmp_path / "patchable_model.py").write_text(f"PATCHABLE = {says}\n" + LOADS if says else LOADS)
    monkeypatch.delitem(sys.modules, "patchable_model", raising=False)
    monkeypatch.delitem(sys.modules, f"{models.__name__}.patchable_model", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    if way == "beside":
        monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    if way == "entry point":
        point = importlib.metadata.EntryPoint("elsewhere", "patchable_model:load", registry.GROUP)
        monkeypatch.setattr(registry, "entry_points", importlib.metadata.EntryPoints([point]).select)
    spec = {"beside": "patchable_model:x", "outside": "patchable_model:load:x", "entry point": "elsewhere:x"}[way]
    if says:
        loaded: object = registry.load(spec, PATCHED)
        assert loaded == ("x", ["esamp", "other"])
    else:
        with pytest.raises(UsageError, match=REFUSED.format(spec.partition(":")[0])):
            registry.load(spec, PATCHED)


def test_an_unknown_backend_is_refused_as_without_a_patch() -> None:
    with pytest.raises(UsageError, match="unknown backend 'tyni'"):
        registry.load("tyni:x", PATCHED)

"""Arms of vLLM under patches, independent runs, and patches in workers of other processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_passatk.core.errors import ModelError, PassatkError, UsageError
from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import vllm, vllm_setup, vllm_start
from pytest_passatk.patches.registry import make, resolve
from pytest_passatk.runtimes.observer import PatchObserver
from pytest_passatk.runtimes.vllm_live import check_runner, find_runner
from pytest_passatk.stress import vllm_runtime
from pytest_passatk.stress.schedule import Planned, Schedule

pytestmark = pytest.mark.vllm

Mixed = Callable[..., list[Request]]
ARMS = {"plain": None, "watch": ("Watch", {}), "force": ("Force", {"token": "9"}), "idle": ("Idle", {})} | {
    "late": ("Broken", {"step": "1"}),
    "early": ("Broken", {"step": "-1"}),
    "stuck": ("Stuck", {}),
    "nowhere": ("Nowhere", {}),
}


def spec(name: str, args: dict[str, str]) -> PatchSpec:
    return resolve(f"vllm_patches:{name}", args)


def options(*arms: str, **settings: Any) -> ModelOptions:
    patches = {arm: spec(*found) for arm in arms if (found := ARMS[arm])}
    return ModelOptions(adapters=dict.fromkeys(arms), patches=patches, **settings)


@pytest.fixture(scope="module")
def model(random_model: Path) -> Iterator[vllm.VllmModel]:
    loaded = vllm.load(str(random_model), options(*ARMS))
    yield loaded
    loaded.close()


@pytest.fixture
def questions(mixed: Mixed) -> Callable[..., list[Request]]:
    """The same requests for each arm, each of them in turn."""

    def make(*arms: str, repeat: int = 0, **params: Any) -> list[Request]:
        asked = [*mixed(2, max_tokens=12, **params), *mixed(1, max_tokens=9, temperature=0.0)]
        return [
            replace(request, stream=f"{arm} {repeat} {at}", arm=arm, repeat=repeat)
            for at, request in enumerate(asked)
            for arm in arms
        ]

    return make


def by_arm(completions: Sequence[Completion]) -> dict[str, dict[str, Completion]]:
    """Completions by arm, then by request."""
    found: dict[str, dict[str, Completion]] = {}
    for each in completions:
        arm, _, rest = each.stream.partition(" ")
        found.setdefault(arm, {})[f"{rest} {each.index}"] = each
    return found


def test_arms_are_patched_each_for_itself(model: vllm.VllmModel, questions: Callable[..., list[Request]]) -> None:
    from transformers import AutoTokenizer  # noqa: PLC0415 - heavy

    completions = list(model.sample(questions("plain", "watch", "force", temperature=1.0)))
    order = list(dict.fromkeys(each.stream.split()[0] for each in completions))
    turns = [each.stream.split()[0] for each in completions]
    assert order == sorted(dict.fromkeys(turns), key=turns.index) == ["plain", "watch", "force"]
    assert turns == sorted(turns, key=order.index), "no arm begins before the one before it has ended"
    plain, watch, force = by_arm(completions).values()
    assert {key: each.text for key, each in watch.items()} == {key: each.text for key, each in plain.items()}
    nine = AutoTokenizer.from_pretrained(model._source.location).decode([9])
    assert {each.text for each in force.values()} == {12 * nine, 9 * nine}
    assert len({each.text for each in plain.values()}) > len(plain) // 2


def test_a_patch_knows_whose_rows_it_sees(model: vllm.VllmModel, questions: Callable[..., list[Request]]) -> None:
    requests = questions("watch")
    completions = {f"{each.stream}#{each.index}": each for each in model.sample(requests)}
    watch = import_module("vllm_patches").Watch.latest
    rows = [row for view in watch.views for row in view.rows]
    assert {(row.request, row.problem, row.sample) for row in rows} == {
        (f"{request.stream}#{request.index}", request.stream, request.index) for request in requests
    }
    drawn = {name: sum(row.request == name and row.samples for row in rows) for name in completions}
    assert drawn == {name: each.tokens for name, each in completions.items()}
    assert model._engine
    assert dict(model._engine.counters) == dict(watch.counters())
    assert watch.counters()["layer_calls"] == watch.counters()["steps"] == len(watch.views) > 0


def test_records_say_which_patch(model: vllm.VllmModel, random_model: Path) -> None:
    infos: dict[str, ModelInfo] = {arm: model.info_of(arm) for arm in ARMS}
    assert infos["plain"].patch is None
    assert infos["plain"].identity() == vllm.load(str(random_model), ModelOptions()).info.identity()
    assert str(infos["force"].patch).startswith("vllm_patches:Force(token=9)@")
    assert len({str(info.identity()) for info in infos.values()}) == len(ARMS)


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ("idle", r"--patch vllm_patches:Idle was never active .*\(steps = 0, rows = 0\)"),
        (
            "late",
            (
                r"under --patch vllm_patches:Broken failed inside vLLM \(IndexError: index out of range in self "
                r"\(vllm_patches.py:\d+ begin_step\)\); what finished is kept, but the same command breaks again: .* "
                r"pytest suites/decode_shrink --model vllm:… --patch vllm_patches:Broken$"
            ),
        ),
        (
            "early",
            r"--patch vllm_patches:Broken cannot be attached: IndexError: broken at once \(vllm_patches.py:\d+ attach",
        ),
        ("nowhere", r"--patch vllm_patches:Nowhere: no layer 'layers.99' in a network of 2 blocks"),
    ],
)
def test_a_patch_that_does_nothing_or_breaks_is_named_and_answers_nothing(
    model: vllm.VllmModel, questions: Callable[..., list[Request]], arm: str, message: str
) -> None:
    before = by_arm(list(model.sample(questions("plain"))))
    answered: list[Completion] = []
    with pytest.raises(PassatkError, match=message):
        answered.extend(model.sample(questions(arm)))
    assert answered == []
    after = by_arm(list(model.sample(questions("plain"))))
    assert {key: each.text for key, each in after["plain"].items()} == {
        key: each.text for key, each in before["plain"].items()
    }


def test_a_patch_that_cannot_be_taken_off_is_named_before_everything_is_answered(
    model: vllm.VllmModel, questions: Callable[..., list[Request]]
) -> None:
    asked, answered = questions("stuck"), list[Completion]()
    with pytest.raises(
        ModelError,
        match=r"--patch vllm_patches:Stuck cannot be taken off: LookupError: there is no way back \(vllm_patches.py:",
    ):
        answered.extend(model.sample(asked))
    assert len(answered) == len(asked) - 1


def test_a_patch_that_is_idle_is_found_where_every_answer_is_one_token(
    model: vllm.VllmModel, questions: Callable[..., list[Request]]
) -> None:
    requests = [replace(r, params=replace(r.params, max_tokens=1)) for r in questions("idle")]
    with pytest.raises(ModelError, match="was never active"):
        list(model.sample(requests))


def test_each_run_has_an_engine_of_its_own_and_every_second_one_the_other_order(
    random_model: Path, questions: Callable[..., list[Request]], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    start = vllm_start.start

    def count(name: str, *rest: Any) -> Any:
        started.append(name)
        return start(name, *rest)

    monkeypatch.setattr(vllm_start, "start", count)
    model = vllm.load(str(random_model), options("plain", "watch"))
    asked = [request for repeat in (1, 0) for request in questions("plain", "watch", repeat=repeat)]
    completions = list(model.sample(asked))
    assert list(dict.fromkeys(each.stream.rsplit(" ", 1)[0] for each in completions)) == [
        "plain 0", "watch 0", "watch 1", "plain 1",
    ]  # fmt: skip
    assert len(started) == 2
    list(model.sample(questions("plain", repeat=1)))
    assert len(started) == 2
    model.close()


def test_adapters_and_patches_go_together(random_model: Path, tmp_path: Path) -> None:
    adapter = write_adapter(random_model, tmp_path / "adapter")
    runtime = vllm_runtime.load(str(random_model), ModelOptions(adapters={"base": None, "tuned": str(adapter)}))
    alone = [Schedule((Planned(5, 8, arm=arm),)) for arm in range(runtime.arms)]
    assert len(alone) == 2
    plain = [runtime.play(schedule) for schedule in alone]
    assert plain[0].requests["r0"].tokens != plain[1].requests["r0"].tokens
    watch = make(spec("Watch", {}))
    for schedule, play in zip(alone, plain, strict=True):
        with runtime.attached(watch, PatchObserver(watch)):
            assert runtime.play(schedule) == play
    assert watch.counters()["steps"] == watch.counters()["layer_calls"] == 16
    assert runtime.live.head is not None
    assert runtime.live.head.shape == (runtime.vocabulary, runtime.live.hidden)
    assert runtime.hooks() == frozenset()
    runtime.close()
    runtime.close()


@pytest.mark.parametrize("name", sorted(vllm_setup.INSIDE))
def test_an_engine_out_of_reach_is_refused(random_model: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(UsageError, match=f"patch: {name}=1 .*; set {name}=0"):
        vllm.load(str(random_model), options("watch"))
    vllm.load(str(random_model), ModelOptions())


def test_what_keeps_no_rows_in_sight_is_refused_by_name() -> None:
    newer = SimpleNamespace(prepare_inputs=None, speculative_config=None)
    with pytest.raises(UsageError, match=r"SimpleNamespace is vLLM's newer model runner.* VLLM_USE_V2_MODEL_RUNNER=0"):
        check_runner(newer)
    with pytest.raises(UsageError, match=r"process of its own.* VLLM_ENABLE_V1_MULTIPROCESSING=0"):
        find_runner(SimpleNamespace())
    with pytest.raises(UsageError, match=r"workers run in processes of their own .*tensor_parallel_size"):
        find_runner(SimpleNamespace(model_executor=SimpleNamespace()))
    with pytest.raises(UsageError, match="speculative decoding"):
        check_runner(SimpleNamespace(input_batch=None, speculative_config=SimpleNamespace()))


APART = """
import sys
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    llm = LLM(
        sys.argv[1], dtype="float32", enforce_eager=True, max_model_len=64, block_size=32, skip_tokenizer_init=True,
        kv_cache_memory_bytes=64 << 20, enable_prefix_caching=False,
        worker_extension_cls="pytest_passatk.runtimes.vllm_worker.PatchedWorker",
    )

    def draw():
        fixed = {"temperature": 0.0, "ignore_eos": True, "detokenize": False}
        params = [SamplingParams(max_tokens=3 + n, **fixed) for n in range(4)]
        found = llm.generate([{"prompt_token_ids": [5, 6, 7 + n]} for n in range(4)], params, use_tqdm=False)
        return [list(each.outputs[0].token_ids) for each in found]

    plain = draw()
    assert llm.collective_rpc("passatk_attach", args=("vllm_patches:Watch", {})) == [["layers.0"]]
    assert draw() == plain
    [counters] = llm.collective_rpc("passatk_counters")
    assert counters["steps"] == counters["layer_calls"] >= 6, counters
    assert counters["decode_rows"] == 2 + 3 + 4 + 5, counters
    assert llm.collective_rpc("passatk_detach") == [[]]
    llm.collective_rpc("passatk_attach", args=("vllm_patches:Force", {"token": "9"}))
    assert draw() == [[9] * (3 + n) for n in range(4)]
    assert llm.collective_rpc("passatk_detach") == [[]]
    assert draw() == plain
    for name, args in (("vllm_patches:Broken", {"step": "-1"}), ("vllm_patches:Nowhere", {})):
        try:
            llm.collective_rpc("passatk_attach", args=(name, args))
        except Exception as error:
            assert "broken at once" in str(error) or "no layer 'layers.99'" in str(error), error
        else:
            raise AssertionError(name)
        assert draw() == plain, "what could not be attached is gone"
    llm.collective_rpc("passatk_attach", args=("vllm_patches:Broken", {"step": "2"}))
    try:
        draw()
    except Exception as error:
        assert type(error).__name__ == "EngineDeadError", error
    else:
        raise AssertionError("the patch broke a step, and the engine went on")
    print("all is well")
"""


def test_a_patch_reaches_the_workers_of_other_processes(random_model: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(APART, encoding="utf-8")
    environment = os.environ | vllm_setup.QUIET | {
        "PYTHONPATH": str(Path(__file__).parent), "VLLM_ENABLE_V1_MULTIPROCESSING": "1", "OMP_NUM_THREADS": "1",
        "TORCHDYNAMO_DISABLE": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "program.py", str(random_model)], cwd=tmp_path, env=environment, text=True,
        capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    assert "all is well" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    assert "index out of range in self" in done.stdout + done.stderr, "the worker's log says why its engine died"


def write_adapter(model: Path, folder: Path) -> Path:
    """A random LoRA adapter."""
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - heavy
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - heavy

    config = LoraConfig(r=4, lora_alpha=32, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(model), config).save_pretrained(folder)
    return folder

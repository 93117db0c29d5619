"""Patches and observers on the steps of a real vLLM engine; one engine serves them all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Live, Patch, Phase, StepView
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.runtimes.taps import tapped
from pytest_passatk.stress import vllm_loop, vllm_runtime
from pytest_passatk.stress.play import Happening, Play
from pytest_passatk.stress.schedule import Draw, Planned, Schedule
from pytest_passatk.stress.vllm_runtime import VllmRuntime

pytestmark = pytest.mark.vllm

Tensor: TypeAlias = Any
LAYERS = ("layers.0", "layers.-1.input_layernorm")
STAGES = ("begin", "layer", "forwarded", "logits", "candidates", "end")
NORMAL, TOP_P, MIN_P, ALL = Draw(1.0), Draw(0.7, top_p=0.8), Draw(1.3, min_p=0.1), Draw(0.9, 0.9, 20, 0.02)


def ramp(n: int, *draws: Draw, **limits: Any) -> Schedule:
    """Requests that end one after the other, the first one first."""
    drawn = [replace(draws[at % len(draws)], seed=at) if draws else Draw() for at in range(n)]
    return Schedule(tuple(Planned(5, 3 + at, problem=at // 2, draw=draw) for at, draw in enumerate(drawn)), **limits)


SCHEDULES = {
    "pair": Schedule((Planned(5, 2), Planned(5, 3))),
    "first in, first out": ramp(8),
    "last in, first out": Schedule(tuple(Planned(5, 10 - at) for at in range(8))),
    "refill": Schedule(tuple(Planned(4 + at % 3, 3 + at % 5) for at in range(16)), slots=4),
    "two waves": Schedule(tuple(Planned(5, 3 + at % 4, arrival=9 * (at // 4)) for at in range(8))),
    "abort": Schedule(tuple(Planned(5, 10, abort=4 if at in {1, 4, 6} else None) for at in range(8))),
    "chunks": Schedule(tuple(Planned(40, 4 + at, arrival=at) for at in range(8)), budget=16),
    "preemption": Schedule(tuple(Planned(28, 40) for _ in range(8)), blocks=10),
    "preemption and chunks": Schedule(tuple(Planned(28, 40) for _ in range(8)), blocks=10, budget=20),
    "mixed draws": ramp(9, Draw(), NORMAL, ALL),
}


@pytest.fixture(scope="module")
def runtime(random_model: Path) -> Iterator[VllmRuntime]:
    loaded = vllm_runtime.load(str(random_model), ModelOptions())
    yield loaded
    loaded.close()


@pytest.fixture(autouse=True)
def clean(runtime: VllmRuntime) -> Iterator[None]:
    """Whatever a test does, it leaves the engine as it was: no hook, no limit, no block held, no row in its batch."""
    limits = limits_of(runtime)
    yield
    assert runtime.hooks() == frozenset()
    assert limits_of(runtime) == limits
    assert runtime.live.batch.num_reqs == 0


class Recorder:
    """An observer that keeps everything, and may change the candidates."""

    def __init__(self, layers: tuple[str, ...] = (), change: Callable[[Tensor], Tensor] | None = None) -> None:
        self.layers = layers
        self.changes_candidates = change is not None
        self.change = change or (lambda logits: logits)
        self.calls: list[str] = []
        self.views: list[StepView] = []
        self.rows: list[tuple[str, Tensor]] = []
        self.raw: list[Tensor] = []
        self.filtered: list[Tensor] = []
        self.drawn: list[Sequence[int]] = []

    def begin(self, view: StepView) -> None:
        self.calls.append("begin")
        self.views.append(view)

    def layer(self, name: str, tensor: Tensor) -> None:
        self.calls.append("layer")
        self.rows.append((name, tensor.clone()))

    def forwarded(self) -> None:
        self.calls.append("forwarded")

    def logits(self, logits: Tensor) -> None:
        self.calls.append("logits")
        self.raw.append(logits.clone())

    def candidates(self, logits: Tensor) -> Tensor:
        self.calls.append("candidates")
        self.filtered.append(logits.clone())
        return self.change(logits)

    def end(self, tokens: Sequence[int]) -> None:
        self.calls.append("end")
        self.drawn.append(tokens)


def decline(logits: Tensor) -> Tensor:
    return logits


def observe(runtime: VllmRuntime, schedule: Schedule, recorder: Recorder, patch: Patch | None = None) -> Play:
    with runtime.attached(patch, recorder):
        return runtime.play(schedule)


def check_steps(schedule: Schedule, play: Play, recorder: Recorder) -> None:
    """Follow the steps with a bookkeeping of our own: tokens known and read of each request."""
    planned = dict(zip(schedule.ids, schedule.requests, strict=True))
    known = {name: each.prompt for name, each in planned.items()}
    read = dict.fromkeys(planned, 0)
    drawn: dict[str, list[int]] = {name: [] for name in planned}
    for view, tokens in zip(recorder.views, recorder.drawn, strict=True):
        for event in play.events:
            if (event.step, event.what) == (view.step, Happening.PREEMPT):
                read[event.request] = 0
        assert len({row.request for row in view.rows}) == len(view.rows) == len(tokens)
        before = -1
        for row, token in zip(view.rows, tokens, strict=True):
            name = row.request
            read[name] += row.row - before
            before = row.row
            samples = read[name] == known[name]
            decodes = samples and known[name] > planned[name].prompt
            assert (row.position, row.samples) == (read[name] - 1, samples)
            assert row.phase is (Phase.DECODE if decodes else Phase.PREFILL)
            assert row.problem == str(planned[name].problem)
            assert row.sample == schedule.sample_of(schedule.ids.index(name))
            if samples:
                known[name] += 1
                drawn[name].append(token)
        assert view.packed == before + 1
    assert {name: tuple(tokens) for name, tokens in drawn.items()} == {n: p.tokens for n, p in play.requests.items()}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_steps_are_those_of_an_independent_bookkeeping(runtime: VllmRuntime, schedule: Schedule) -> None:
    recorder = Recorder(LAYERS, decline)
    play = observe(runtime, schedule, recorder)
    assert [view.step for view in recorder.views] == list(range(play.steps))
    assert recorder.calls == ["begin", "layer", "layer", "forwarded", "logits", "candidates", "end"] * play.steps
    check_steps(schedule, play, recorder)
    for view, (_, rows), raw in zip(recorder.views, recorder.rows[::2], recorder.raw, strict=True):
        assert (len(rows), len(raw)) == (view.packed, len(view.rows))


@pytest.mark.parametrize("name", ["preemption", "preemption and chunks", "chunks", "refill"])
def test_each_position_is_decoded_once(runtime: VllmRuntime, name: str) -> None:
    schedule, recorder = SCHEDULES[name], Recorder()
    play = observe(runtime, schedule, recorder)
    found = [(row.request, row.position) for view in recorder.views for row in view.decode]
    wanted = [
        (request, planned.prompt + at)
        for request, planned in zip(schedule.ids, schedule.requests, strict=True)
        for at in range(planned.length - 1)
    ]
    assert sorted(found) == sorted(wanted)
    preempted = [event for event in play.events if event.what is Happening.PREEMPT]
    assert bool(preempted) == ("preemption" in name)


def test_every_request_finishes_with_its_length_and_says_when(runtime: VllmRuntime) -> None:
    play = runtime.play(SCHEDULES["two waves"])
    assert [len(each.tokens) for each in play.requests.values()] == [3, 4, 5, 6] * 2
    assert all(each.finished for each in play.requests.values())
    assert play.steps == 12
    ends = {event.request: event.step for event in play.events if event.what is Happening.FINISH}
    assert [ends[f"r{at}"] for at in range(8)] == [2, 3, 4, 5, 8, 9, 10, 11]


def test_what_is_aborted_keeps_the_tokens_that_it_had(runtime: VllmRuntime) -> None:
    play = runtime.play(SCHEDULES["abort"])
    aborted = [event.request for event in play.events if event.what is Happening.ABORT]
    assert aborted == ["r1", "r4", "r6"]
    whole = play.requests["r0"].tokens
    for name, each in play.requests.items():
        assert (each.tokens, each.finished) == ((whole[:4], False) if name in aborted else (whole, True))


def test_a_schedule_repeats_itself(runtime: VllmRuntime) -> None:
    for schedule in SCHEDULES.values():
        assert runtime.play(schedule) == runtime.play(schedule)


@pytest.mark.parametrize("layers", [LAYERS, tuple(reversed(LAYERS))])
def test_taps_show_the_rows_of_transformers(
    runtime: VllmRuntime, reference: tuple[Any, Any], layers: tuple[str, ...]
) -> None:
    import torch  # noqa: PLC0415 - heavy

    schedule, recorder = Schedule((Planned(7, 6), Planned(4, 3, problem=1))), Recorder(layers)
    play = observe(runtime, schedule, recorder)
    seen: dict[tuple[str, str], list[Tensor]] = {}
    for at, (name, tensor) in enumerate(recorder.rows):
        start = 0
        for row in recorder.views[at // len(layers)].rows:
            seen.setdefault((row.request, name), []).extend(tensor[start : row.row + 1])
            start = row.row + 1
    for request, planned in zip(schedule.ids, schedule.requests, strict=True):
        read = [*planned.tokens(runtime.vocabulary), *play.requests[request].tokens[:-1]]
        wanted: dict[str, Tensor] = {}
        with torch.no_grad(), tapped(reference[0], layers, wanted.__setitem__):
            reference[0](torch.tensor([read]))
        for name in layers:
            assert torch.allclose(torch.stack(seen[request, name]), wanted[name], atol=1e-4), name


def test_logits_are_raw_and_candidates_divided_and_filtered(runtime: VllmRuntime) -> None:
    import torch  # noqa: PLC0415 - heavy

    draws = {"r0": Draw(), "r1": Draw(0.5, seed=1), "r2": Draw(2.0, top_k=7, seed=2), "r3": Draw(1.0, 0.5, seed=3)}
    schedule = Schedule(tuple(Planned(5, 3 + at, draw=draw) for at, draw in enumerate(draws.values())))
    recorder = Recorder(change=decline)
    observe(runtime, schedule, recorder)
    for view, raw, filtered in zip(recorder.views, recorder.raw, recorder.filtered, strict=True):
        assert raw.isfinite().all()
        for row, logits, candidates in zip(view.rows, raw, filtered, strict=True):
            draw, kept = draws[row.request], candidates.isfinite()
            assert torch.equal(candidates[kept], logits[kept] / (draw.temperature or 1.0))
            assert int(kept.sum()) == 7 if draw.top_k else bool(kept.all()) == (draw.top_p == 1)
    greedy = [
        (token, int(raw[at].argmax()))
        for view, raw, tokens in zip(recorder.views, recorder.raw, recorder.drawn, strict=True)
        for at, (row, token) in enumerate(zip(view.rows, tokens, strict=True))
        if row.request == "r0"
    ]
    assert len(greedy) == 3
    assert all(token == best for token, best in greedy)


@pytest.mark.parametrize(
    "draws",
    [(Draw(),), (NORMAL,), (TOP_P,), (MIN_P,), (ALL,), (Draw(), ALL), (Draw(), NORMAL, TOP_P, MIN_P, ALL)],
    ids=["greedy", "seeded", "top-p", "min-p", "all", "half", "mixed"],
)
@pytest.mark.parametrize("limits", [{}, {"slots": 4}, {"blocks": 6}], ids=["free", "refill", "preemption"])
def test_who_declines_the_candidates_draws_the_same_tokens(
    runtime: VllmRuntime, draws: tuple[Draw, ...], limits: Mapping[str, int]
) -> None:
    schedule = ramp(10, *draws, **limits)
    plain, passive = runtime.play(schedule), observe(runtime, schedule, Recorder(LAYERS))
    recorder = Recorder(change=lambda logits: logits.clone())
    assert observe(runtime, schedule, recorder) == passive == plain == runtime.play(schedule)
    assert recorder.calls.count("candidates") == plain.steps


@pytest.mark.parametrize("draws", [(Draw(),), (ALL,), (Draw(), ALL)], ids=["greedy", "random", "mixed"])
def test_who_changes_the_candidates_changes_the_tokens(runtime: VllmRuntime, draws: tuple[Draw, ...]) -> None:
    def force(logits: Tensor) -> Tensor:
        forced = logits.new_full(logits.shape, float("-inf"))
        forced[:, 9] = 0.0
        return forced

    schedule = ramp(6, *draws)
    play = observe(runtime, schedule, Recorder(change=force))
    assert {token for each in play.requests.values() for token in each.tokens} == {9}
    assert {token for each in runtime.play(schedule).requests.values() for token in each.tokens} != {9}


def test_candidates_of_another_shape_are_refused(runtime: VllmRuntime) -> None:
    with pytest.raises(ValueError, match=r"a patch made \(2, 3\) candidates of \(2, \d+\)"):
        observe(runtime, SCHEDULES["pair"], Recorder(change=lambda logits: logits[:, :3]))


@pytest.mark.parametrize("draws", [(Draw(),), (ALL,), (Draw(), ALL)], ids=["greedy", "random", "mixed"])
def test_candidates_may_be_of_another_type(runtime: VllmRuntime, draws: tuple[Draw, ...]) -> None:
    schedule = ramp(6, *draws)
    assert observe(runtime, schedule, Recorder(change=lambda logits: logits.double())) == runtime.play(schedule)


class Stumbling(Recorder):
    """Breaks at one stage of the third step."""

    def __init__(self, stage: str) -> None:
        super().__init__(LAYERS, decline)
        self._stage = stage

    def __getattribute__(self, name: str) -> Any:
        if name in STAGES and name == self._stage and len(self.views) >= 2 + (name != "begin"):
            raise IndexError(f"stumbled at {name}")
        return super().__getattribute__(name)


@pytest.mark.parametrize("stage", STAGES)
def test_what_breaks_a_step_comes_out_and_leaves_nothing_behind(runtime: VllmRuntime, stage: str) -> None:
    before = runtime.play(SCHEDULES["preemption"])
    limits = limits_of(runtime)
    with pytest.raises(IndexError, match=f"stumbled at {stage}"):
        observe(runtime, replace(SCHEDULES["preemption"], slots=6, budget=100), Stumbling(stage))
    assert runtime.hooks() == frozenset()
    assert limits_of(runtime) == limits
    assert runtime.play(SCHEDULES["preemption"]) == before


def test_a_patch_cannot_silence_what_breaks_a_step(runtime: VllmRuntime) -> None:
    @contextmanager
    def silent(live: Live) -> Iterator[None]:
        with suppress(Exception), tapped(live.network, ("layers.0",), lambda *_: None):
            yield

    with pytest.raises(IndexError, match="stumbled at layer"):
        observe(runtime, SCHEDULES["pair"], Stumbling("layer"), Hooking(silent))


def test_patches_may_be_attached_within_each_other(runtime: VllmRuntime) -> None:
    schedule = SCHEDULES["mixed draws"]
    plain, outer, inner = runtime.play(schedule), Recorder(LAYERS, decline), Recorder(LAYERS, decline)
    with runtime.attached(Patch(), outer):
        plays = [runtime.play(schedule)]
        with runtime.attached(Patch(), inner):
            plays.append(runtime.play(schedule))
        plays.append(runtime.play(schedule))
        assert runtime._hooks.count == 3 * plain.steps
    assert [play.requests for play in plays] == 3 * [plain.requests]
    assert [view.step for view in inner.views] == list(range(plain.steps))
    assert [view.step for view in outer.views] == list(range(3 * plain.steps))


def limits_of(runtime: VllmRuntime) -> tuple[int, ...]:
    scheduler = runtime._engine.engine_core.engine_core.scheduler
    pool = scheduler.kv_cache_manager.block_pool
    return scheduler.max_num_active_reqs, scheduler.max_num_scheduled_tokens, pool.get_num_free_blocks()


def test_a_schedule_that_cannot_end_is_given_up(runtime: VllmRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    before, limits = runtime.play(SCHEDULES["pair"]), limits_of(runtime)
    monkeypatch.setattr(vllm_loop, "STUCK", 200)
    with pytest.raises(RuntimeError, match=r"does not end: after 201 steps, 1 of 1 requests are unfinished \(r0\)"):
        runtime.play(Schedule((Planned(28, 40),), blocks=1))
    assert (runtime.play(SCHEDULES["pair"]), limits_of(runtime)) == (before, limits)


@pytest.mark.parametrize(("name", "value"), [("enable_chunked_prefill", "false"), ("max_num_batched_tokens", "1000")])
def test_an_engine_that_parts_prompts_otherwise_than_schedules_is_refused(
    random_model: Path, name: str, value: str
) -> None:
    with pytest.raises(UsageError, match=r"leave enable_chunked_prefill .* \(or give 8192 tokens or more\)"):
        vllm_runtime.load(str(random_model), ModelOptions(args={name: value}))


def test_a_cache_smaller_than_asked_for_is_refused(runtime: VllmRuntime) -> None:
    with pytest.raises(UsageError, match="asks for 1000000 free blocks, but vLLM's cache has"):
        runtime.play(replace(SCHEDULES["pair"], blocks=1_000_000))


class Hooking(Patch):
    """Hooks the engine by itself, and may forget to let go."""

    written_for: Mapping[str, str] = {}  # type: ignore[misc]  # tests give each its own

    def __init__(self, hook: Callable[[Live], Any]) -> None:
        self._hook = hook

    def attach(self, live: Live) -> Any:
        return self._hook(live)


def test_hooks_that_a_patch_leaves_are_named(runtime: VllmRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.nn.modules.module import register_module_forward_hook  # noqa: PLC0415 - heavy
    from vllm.v1.sample.ops import penalties  # noqa: PLC0415
    from vllm.v1.sample.sampler import Sampler  # noqa: PLC0415

    left: list[Any] = []
    processors = runtime.live.batch.logitsprocs.argmax_invariant

    def leave(live: Live) -> Any:
        layer, core = live.network.model.layers[0], live.engine.engine_core.engine_core
        left.append(layer.register_forward_hook(lambda *_: None))
        left.append(register_module_forward_hook(lambda *_: None))
        live.network.compute_logits = live.network.compute_logits
        processors.append(object())
        for owner, name in (
            (Sampler, "apply_temperature"),
            (penalties, "apply_all_penalties"),
            (live.batch, "condense"),
            (layer.self_attn.attn.impl, "forward"),
            (layer.mlp.down_proj.quant_method, "apply"),
            (core.scheduler.kv_cache_manager, "allocate_slots"),
            (live.engine.output_processor, "process_outputs"),
        ):
            monkeypatch.setattr(owner, name, lambda *_: None)
        return nullcontext()

    try:
        with runtime.attached(Hooking(leave), Recorder()):
            pass
        names = "\n".join(sorted(runtime.hooks()))
        for name in (
            "model.layers.0.forward_hooks",
            "Sampler.apply_temperature",
            "model.compute_logits",
            "batch.condense",
            "torch_global_forward_hooks",
            "function vllm.v1.sample.ops.penalties.apply_all_penalties",
            "input_batch.logitsprocs.argmax_invariant 1 is builtins.object",
            "layers.0.self_attn.attn.impl.forward",
            "layers.0.mlp.down_proj.quant_method.apply",
            "kv_cache_manager.allocate_slots",
            "engine.output_processor.process_outputs",
        ):
            assert name in names
    finally:
        for hook in left:
            hook.remove()
        processors.pop()
        del runtime.live.network.compute_logits
        monkeypatch.undo()


def test_what_torch_s_compiler_hooks_is_not_of_the_patch(runtime: VllmRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.mutation_guard import install_generation_tagging_init  # noqa: PLC0415 - heavy
    from torch.nn import Module  # noqa: PLC0415

    original = Module.__init__
    for name in ("__init__", "__setstate__"):
        monkeypatch.setattr(Module, name, getattr(Module, name))
    install_generation_tagging_init()
    assert Module.__init__ is not original
    assert runtime.hooks() == frozenset()


def test_a_patch_is_within_the_observer_and_both_are_taken_off(runtime: VllmRuntime) -> None:
    @contextmanager
    def doubled(live: Live) -> Iterator[None]:
        original = live.network.compute_logits
        live.network.compute_logits = lambda *args: 2 * original(*args)
        yield
        del live.network.compute_logits

    plain, changed = Recorder(), Recorder()
    schedule = Schedule((Planned(5, 1),))
    observe(runtime, schedule, plain)
    observe(runtime, schedule, changed, Hooking(doubled))
    assert changed.raw[0].equal(2 * plain.raw[0])


def test_a_step_begins_before_what_the_patch_hooks_by_itself(runtime: VllmRuntime) -> None:
    recorder = Recorder(LAYERS)

    @contextmanager
    def noting(live: Live) -> Iterator[None]:
        hooks = [
            live.network.register_forward_pre_hook(lambda *_: recorder.calls.append("own"), prepend=first)
            for first in (False, True)
        ]
        yield
        for hook in hooks:
            hook.remove()

    observe(runtime, SCHEDULES["pair"], recorder, Hooking(noting))
    step = ["begin", "own", "own", "layer", "layer", "forwarded", "logits", "end"]
    assert recorder.calls == step * len(recorder.views)


def test_signatures_that_drifted_are_named_at_the_start(runtime: VllmRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.v1.sample.sampler import Sampler  # noqa: PLC0415 - heavy

    def sample(self: Any, logits: Any, sampling_metadata: Any) -> None:
        del self, logits, sampling_metadata

    with monkeypatch.context() as patched:
        patched.setattr(Sampler, "sample", sample)
        with pytest.raises(UsageError, match=r"Sampler.sample: expected .*override=None\), found \(self, logits, samp"):
            observe(runtime, SCHEDULES["pair"], Recorder())
    patch = Hooking(lambda _: None)
    monkeypatch.setattr(Hooking, "written_for", {"vllm.v1.sample.sampler:Sampler.gone": "(self)"})
    with pytest.raises(UsageError, match=r"patch Hooking was written for other .*\n.*Sampler.gone: .* it is gone"):
        observe(runtime, SCHEDULES["pair"], Recorder(), patch)


def test_a_layer_that_is_not_there_is_refused(runtime: VllmRuntime) -> None:
    with pytest.raises(UsageError, match=r"no layer 'layers.2' in a network of 2 blocks"):
        observe(runtime, SCHEDULES["pair"], Recorder(("layers.0", "layers.2")))


def test_a_request_that_nobody_made_known_is_an_error(runtime: VllmRuntime) -> None:
    from vllm import SamplingParams  # noqa: PLC0415 - heavy

    engine = runtime._engine
    internal = engine.add_request("stranger", {"prompt_token_ids": [5, 6, 7]}, SamplingParams(detokenize=False))
    assert internal != "stranger"
    with runtime.attached(None, Recorder()), pytest.raises(RuntimeError, match=f"runs the request '{internal}'"):
        engine.step()
    vllm_loop.clear(engine)
    assert runtime.play(SCHEDULES["pair"]).requests["r0"].finished


def test_patches_see_the_engine(runtime: VllmRuntime, reference: tuple[Any, Any]) -> None:
    import torch  # noqa: PLC0415 - heavy

    live = runtime.live
    head = reference[0].get_output_embeddings().weight
    assert (live.kind, live.capacity, live.hidden, live.bias) == ("vllm", 64, head.shape[1], None)
    assert (live.dtype, live.device) == (torch.float32, torch.device("cpu"))
    assert torch.equal(live.head, head)
    assert live.engine is runtime._engine
    assert (runtime.vocabulary, runtime.context, runtime.arms) == (head.shape[0], 128, 1)

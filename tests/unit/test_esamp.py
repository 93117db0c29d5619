"""ESamp, driven step by step with hand-made batches: what it learns, what it guides, and what it leaves alone."""

import itertools
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Claim, Live, Phase, StepRow, StepView
from pytest_passatk.patches import registry
from pytest_passatk.patches.esamp import ESamp, load
from pytest_passatk.patches.esamp_distiller import Weights, fresh, predict

HIDDEN, VOCABULARY, CAPACITY = 8, 12, 16
SOURCE, TARGET = "layers.0.input_layernorm", "layers.-1.input_layernorm"
MINUS_INFINITY = -math.inf


def tensor(name: str, *shape: int) -> Any:
    """Random numbers that depend on a name alone."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(name.encode()) * 7919 + len(name)))


def live(**changes: Any) -> Live:
    plain = Live("tensor", None, None, None, CAPACITY, HIDDEN, torch.float32, "cpu", tensor("head", VOCABULARY, HIDDEN))
    return replace(plain, **changes)


def decoding(*names: str, at: int = 0) -> list[StepRow]:
    """Rows called as `a0`, which is sample 0 of problem a."""
    return [StepRow(name, name[0], int(name[1:]), row, 5 + at, Phase.DECODE) for row, name in enumerate(names)]


def states(rows: Sequence[StepRow], what: str) -> Any:
    """What a layer puts out for each row: a function of the request and the position."""
    return torch.stack([tensor(f"{what} {row.request} {row.position}", HIDDEN) for row in rows])


@contextmanager
def attached(engine: Live | None = None, **knobs: Any) -> Iterator[ESamp]:
    patch = load(**knobs)
    assert isinstance(patch, ESamp)
    with patch.attach(engine or live()):
        yield patch


def forward(patch: ESamp, rows: Sequence[StepRow], step: int = 0) -> None:
    rows = [replace(row, row=at) for at, row in enumerate(rows)]
    patch.begin_step(StepView(step, len(rows), tuple(rows)))
    for layer in (SOURCE, TARGET):
        patch.on_layer(layer, states(rows, layer) if rows else torch.zeros(0, HIDDEN))
    patch.captured()


def run(patch: ESamp, *steps: Sequence[StepRow]) -> list[Any]:
    """The guided logits of each step."""
    found = []
    for step, rows in enumerate(steps):
        forward(patch, rows, step)
        logits = tensor(f"logits {step}", len(rows), VOCABULARY)
        patch.on_logits(logits)
        found.append(patch.modify_candidates(logits))
        patch.end_step()
    return found


def weights(patch: ESamp, prompt: str = "") -> list[Any]:
    """The weights and the optimizer state of one distiller."""
    assert patch.learner is not None
    slot, bank = patch.learner.slots[prompt], patch.learner.bank
    return [part[slot].clone() for part in (*bank.weights, *bank.optimizer.state)]


def same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


def test_loading_the_patch_does_not_import_torch() -> None:
    code = "import sys; from pytest_passatk.patches import registry; registry.known(); print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_the_registry_makes_it_from_text() -> None:
    args = {"beta": "0.5", "mode": "bank", "rank": "4", "optimizer": "sgd", "layernorm": "false", "slots": "3"}
    patch = registry.make(registry.resolve("esamp", args))
    assert isinstance(patch, ESamp)
    assert (patch.knobs.beta, patch.knobs.mode, patch.knobs.rank, patch.knobs.slots) == (0.5, "bank", 4, 3)
    assert patch.knobs.layernorm is False
    assert patch.layers == (SOURCE, TARGET)
    assert (patch.claim, load(beta=0).claim) == (Claim.OTHER_DISTRIBUTION, Claim.SAME_TOKENS)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("beta", -0.1, "a number from 0"),
        ("beta", "much", "a number from 0"),
        ("beta", math.nan, "a number from 0"),
        ("beta", True, "a number from 0"),
        ("mode", "banks", "shared or per_request or bank"),
        ("rank", 0, "a whole number above 0"),
        ("rank", 1.5, "a whole number above 0"),
        ("lr", -1, "a number from 0"),
        ("optimizer", "adam", "adamw or sgd"),
        ("weight_decay", "none", "a number from 0"),
        ("layernorm", 1, "true or false"),
        ("init", "zero", "normal or ffn_fast_svd or ridge_svd"),
        ("first_per_prompt", "yes", "true or false"),
        ("first_predicts", 0, "true or false"),
        ("slots", -1, "a whole number from 0"),
        ("training", None, "true or false"),
        ("seed", 0.5, "a whole number from 0"),
        ("source", 0, "a layer such as"),
        ("target", SOURCE, "another layer than source"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_with_what_is_allowed(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed) as caught:
        load(**{name: value})
    assert str(caught.value).startswith(f"{name}={value!r} is not allowed: {name} is ")


@pytest.mark.parametrize("layernorm", [True, False])
def test_the_distiller_is_the_formula(layernorm: bool) -> None:
    parts = Weights(*(tensor(f"part {at}", *part.shape) for at, part in enumerate(fresh("p", 0, HIDDEN, 3))))
    rows = tensor("rows", 1, 2, HIDDEN)
    (got,) = predict(parts, rows, layernorm=layernorm)
    for x, y in zip(rows[0], got, strict=True):
        a, g, shift, b, scale, offset = (part[0].double() for part in parts)
        gate = [float(x.double() @ g[:, at] + shift[0, at]) for at in range(3)]
        inner = [float(x.double() @ a[:, at]) * gate[at] / (1 + math.exp(-gate[at])) for at in range(3)]
        outer = [float(x[at]) + sum(inner[k] * float(b[k, at]) for k in range(3)) for at in range(HIDDEN)]
        if layernorm:
            mean = sum(outer) / HIDDEN
            spread = math.sqrt(sum((value - mean) ** 2 for value in outer) / HIDDEN + 1e-5)
            outer = [(v - mean) / spread * float(scale[0, at]) + float(offset[0, at]) for at, v in enumerate(outer)]
        assert y.tolist() == pytest.approx(outer, rel=1e-5, abs=1e-5)


def test_a_distiller_starts_from_its_name_and_seed_alone() -> None:
    torch.manual_seed(1)
    first = fresh("p", 0, 64, 32)
    torch.manual_seed(2)
    assert same(first, fresh("p", 0, 64, 32))
    assert not torch.equal(first.down, fresh("q", 0, 64, 32).down)
    assert not torch.equal(first.down, fresh("p", 1, 64, 32).down)
    assert first.up.std().item() == pytest.approx(0.02, rel=0.1)
    assert first.shift.eq(1).all()


def test_guided_logits_are_the_formula_over_candidates_and_only_rows_that_decode_change() -> None:
    rows = [*decoding("a0", "b0"), StepRow("c0", "c", 0, 2, 3, Phase.PREFILL)]
    with attached(live(bias=tensor("bias", VOCABULARY)), beta=0.5) as patch:
        forward(patch, rows)
        assert patch.learner is not None
        expected = patch.learner.predict() @ tensor("head", VOCABULARY, HIDDEN).T + tensor("bias", VOCABULARY)
        logits = tensor("z", 3, VOCABULARY)
        logits[0, 4:], logits[1, :10] = MINUS_INFINITY, MINUS_INFINITY
        before = logits.clone()
        guided = patch.modify_candidates(logits)
    assert torch.equal(logits, before)
    torch.testing.assert_close(guided[0, :4], 1.5 * logits[0, :4] - 0.5 * expected[0, :4])
    torch.testing.assert_close(guided[1, 10:], 1.5 * logits[1, 10:] - 0.5 * expected[1, 10:])
    assert guided[0, 4:].eq(MINUS_INFINITY).all()
    assert guided[1, :10].eq(MINUS_INFINITY).all()
    assert torch.equal(guided[2], logits[2])


def test_what_a_filter_dropped_stays_so_whatever_is_predicted_for_it() -> None:
    head = tensor("head", VOCABULARY, HIDDEN)
    head[5] = math.nan
    with attached(live(head=head)) as patch:
        forward(patch, decoding("a0"))
        logits = tensor("z", 1, VOCABULARY)
        logits[0, 5] = MINUS_INFINITY
        guided = patch.modify_candidates(logits)
    assert guided[0, 5] == MINUS_INFINITY
    assert guided.isnan().sum() == 0


@pytest.mark.parametrize("kept", [2, VOCABULARY])
def test_few_candidates_and_all_of_them_get_the_same_logits(kept: int) -> None:
    with attached() as patch:
        forward(patch, decoding("a0", "b0"))
        logits = tensor("z", 2, VOCABULARY)
        whole = patch.modify_candidates(logits)
        few = logits.clone()
        few[:, kept:] = MINUS_INFINITY
        torch.testing.assert_close(patch.modify_candidates(few)[:, :kept], whole[:, :kept])


def test_without_beta_it_declines_with_the_very_tensor_and_learns_all_the_same() -> None:
    with attached(live(head=None), beta=0) as patch:
        before = weights(patch)
        forward(patch, decoding("a0", "b0"))
        logits = tensor("z", 2, VOCABULARY)
        assert patch.modify_candidates(logits) is logits
        patch.end_step()
        assert not same(before, weights(patch))
        assert patch.counters() == {"steps": 1, "decode_rows": 2, "layer_calls": 2, "updates": 1}


def test_it_does_not_touch_the_logits_of_a_step_without_rows_that_decode() -> None:
    with attached() as patch:
        forward(patch, [StepRow("a0", "a", 0, 0, 3, Phase.PREFILL)])
        logits = tensor("z", 1, VOCABULARY)
        assert patch.modify_candidates(logits) is logits


def test_the_output_embedding_may_be_wider_than_the_network() -> None:
    rows, head = decoding("a0"), tensor("head", VOCABULARY, HIDDEN)
    logits = tensor("z", 1, VOCABULARY)
    engine = live(dtype=torch.bfloat16, head=head)
    with attached(engine, layernorm=False) as patch:
        forward(patch, rows)
        assert patch.learner is not None
        expected = 1.8 * logits - 0.8 * patch.learner.predict().float() @ head.T
        torch.testing.assert_close(patch.modify_candidates(logits), expected)


def test_guidance_without_an_output_embedding_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the output embedding of this tensor network cannot be found.*beta=0"):
        load().attach(live(head=None)).__enter__()


def test_guidance_with_a_part_of_the_output_embedding_is_refused() -> None:
    with attached(live(head=tensor("head", 5, HIDDEN))) as patch, pytest.raises(UsageError, match="5 rows of the out"):
        run(patch, decoding("a0"))


@pytest.mark.parametrize("kept", [2, VOCABULARY])
@pytest.mark.parametrize("knobs", [{"lr": 1e30, "layernorm": False}, {"beta": 3e38}], ids=["diverged", "beta"])
def test_guidance_that_is_not_finite_is_refused(knobs: dict[str, Any], kept: int) -> None:
    rows, logits = decoding("a0", "b0"), tensor("z", 2, VOCABULARY)
    logits[:, kept:] = MINUS_INFINITY

    def guide(patch: ESamp) -> None:
        for step in range(3):
            forward(patch, rows, step)
            patch.modify_candidates(logits)
            patch.end_step()

    with attached(**knobs) as patch:
        with pytest.raises(UsageError, match=r"esamp: guided logits are not finite: .*a smaller lr, or a smaller beta"):
            guide(patch)
        forward(patch, rows, 3)
        broken = torch.full_like(logits, math.nan)
        assert patch.modify_candidates(broken).isnan().all(), "that is for the engine to say"


def test_guidance_uses_what_was_learned_before_the_step() -> None:
    steps = [decoding("a0", "b0", at=at) for at in range(3)]
    with attached(lr=0.1) as learning, attached(lr=0.1, training=False) as fixed:
        first, *later = zip(run(learning, *steps), run(fixed, *steps), strict=True)
    assert torch.equal(*first)
    assert not any(torch.equal(*pair) for pair in later)


@pytest.mark.parametrize("mode", ["shared", "per_request", "bank"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_update_is_that_of_torch_s_own_optimizer_on_the_loss_of_the_mode(mode: str, optimizer: str) -> None:
    steps = [
        decoding("a0", "b2", "a1"),
        decoding("b2", "b1", at=1),
        decoding("b2", at=2),
        decoding("b2", "a2", "a0", "b1", "a1", at=3),  # each prompt is padded to the longest
    ]
    with attached(mode=mode, optimizer=optimizer, lr=0.05, rank=3) as patch:
        run(patch, *steps)
        for name in [""] if mode == "shared" else ["a", "b"]:
            parts = Weights(*(part.requires_grad_() for part in fresh(name, 0, HIDDEN, 3)))
            maker = torch.optim.SGD if optimizer == "sgd" else torch.optim.AdamW
            own = maker(parts, lr=0.05)
            for rows in steps:
                used = sorted((row for row in rows if row.request.startswith(name)), key=lambda row: row.request)
                if used := used[:1] if mode == "bank" else used:
                    got = predict(parts, states(used, SOURCE).unsqueeze(0), layernorm=True)
                    own.zero_grad()
                    torch.nn.functional.mse_loss(got[0], states(used, TARGET)).backward()
                    own.step()
            for part, expected in zip(weights(patch, name), parts, strict=False):
                torch.testing.assert_close(part, expected[0].detach(), rtol=1e-4, atol=1e-5)


def test_the_first_row_of_a_prompt_is_that_of_its_lowest_sample() -> None:
    with attached(first_per_prompt=True) as some, attached() as others:
        run(some, decoding("b1", "a3", "a2", "b7"))
        run(others, decoding("a2", "b1"))
        assert same(weights(some), weights(others))


def test_in_a_bank_all_samples_are_guided_by_the_first_one_s_prediction() -> None:
    rows = decoding("a1", "a0", "b0")
    with attached(mode="bank") as bank, attached(mode="bank", first_predicts=False) as each:
        for patch in (bank, each):
            forward(patch, rows)
        assert bank.learner is not None
        assert each.learner is not None
        leaders, own = bank.learner.predict(), each.learner.predict()
    assert torch.equal(leaders[0], leaders[1])
    torch.testing.assert_close(leaders[1:], own[1:])
    assert not torch.allclose(leaders[0], own[0])


@pytest.mark.parametrize("mode", ["per_request", "bank"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_distiller_stays_bit_for_bit_what_it_is_while_others_train(mode: str, optimizer: str) -> None:
    with attached(mode=mode, optimizer=optimizer) as patch:
        run(patch, decoding("a0", "b0", "c0"))
        before = weights(patch, "b")
        run(patch, *(decoding("a0", "c0", at=at) for at in range(1, 4)))
        assert same(before, weights(patch, "b"))
        run(patch, decoding("b0"))
        assert not same(before, weights(patch, "b"))


def test_a_distiller_learns_the_same_whoever_else_does() -> None:
    with attached(mode="bank") as alone, attached(mode="bank") as among:
        run(alone, *(decoding("b0", at=at) for at in range(4)))
        run(among, decoding("a0", "b0"), *(decoding("c0", "b0", "a1", at=at) for at in range(1, 4)))
        for part, expected in zip(weights(among, "b"), weights(alone, "b"), strict=True):
            torch.testing.assert_close(part, expected)


def test_a_slot_is_given_away_only_when_needed_and_starts_anew() -> None:
    with attached(mode="bank", slots=2) as patch, attached(mode="bank") as other:
        run(patch, decoding("a0", "b0"), decoding("b0", at=1))
        learned = weights(patch, "a")
        run(patch, decoding("b0", at=2))
        assert same(learned, weights(patch, "a"))
        forward(patch, decoding("b0", "c0", at=3))
        forward(other, decoding("c0"))
        assert same(weights(patch, "c"), weights(other, "c"))
        assert patch.learner is not None
        assert "a" not in patch.learner.slots


def test_the_prompt_unseen_for_longest_loses_its_slot_first() -> None:
    with attached(mode="bank", slots=3) as patch:
        run(patch, decoding("a0", "b0", "c0"), decoding("a0"), decoding("d0"))
        assert patch.learner is not None
        assert [prompt for prompt in "abcd" if prompt in patch.learner.slots] == ["a", "c", "d"]


def test_a_prompt_that_is_still_being_read_keeps_its_slot() -> None:
    with attached(mode="bank", slots=1) as patch:
        run(patch, decoding("a0"))
        with pytest.raises(UsageError, match=r"slots=1, but more prompts decode at once; raise it"):
            forward(patch, [*decoding("b0"), StepRow("a1", "a", 1, 1, 3, Phase.PREFILL)])


def test_more_slots_are_made_where_all_prompts_are_there_and_nothing_else_moves() -> None:
    names = [f"{name}0" for name in "abcdefghij"]
    with attached(mode="bank") as patch:
        run(patch, decoding("a0", "b0"))
        before = weights(patch, "a")
        forward(patch, decoding(*names, at=1))
        assert same(before, weights(patch, "a"))
        patch.end_step()
        assert not same(before, weights(patch, "a"))
        assert patch.counters()["updates"] == 2


@pytest.mark.parametrize("mode", ["shared", "per_request", "bank"])
def test_the_order_of_the_batch_changes_no_bit(mode: str) -> None:
    names = ("a0", "a1", "b0", "c1", "c2")
    found = []
    for order in itertools.islice(itertools.permutations(names), 0, 120, 17):
        with attached(mode=mode) as patch:
            run(patch, *(decoding(*order, at=at) for at in range(3)))
            found.append([part for name in ("abc" if mode != "shared" else [""]) for part in weights(patch, name)])
    assert all(same(found[0], each) for each in found)


@pytest.mark.parametrize("mode", ["shared", "per_request", "bank"])
def test_a_run_repeats_exactly_and_leaves_the_random_numbers_alone(mode: str) -> None:
    steps = [decoding("a0", "b0", "a1"), decoding("a1"), [], decoding("b0", "a1", at=2)]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    with attached(mode=mode, seed=3) as patch:
        first = run(patch, *steps)
        learned = weights(patch, "" if mode == "shared" else "a")
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(6)
    with patch.attach(live()):
        assert same(first, run(patch, *steps))
        assert same(learned, weights(patch, "" if mode == "shared" else "a"))
        assert patch.counters()["steps"] == 4
    with attached(mode=mode, seed=4) as other:
        assert not same(first, run(other, *steps))


@pytest.mark.parametrize("mode", ["shared", "per_request", "bank"])
def test_nothing_is_learned_without_rows_that_decode_and_draw(mode: str) -> None:
    prefill = [StepRow("a1", "a", 1, 0, 3, Phase.PREFILL)]
    again = [replace(row, samples=False) for row in decoding("a0")]
    with attached(mode=mode) as patch:
        run(patch, decoding("a0"))
        before = weights(patch, "" if mode == "shared" else "a")
        patch.end_step()
        run(patch, [], prefill, again)
        patch.end_step()
        assert same(before, weights(patch, "" if mode == "shared" else "a"))
        assert patch.counters()["updates"] == 1


def test_nothing_is_learned_from_a_layer_that_was_not_seen() -> None:
    with attached() as patch:
        run(patch, decoding("a0", "b0"))
        before = weights(patch)
        patch.begin_step(StepView(1, 1, tuple(decoding("a0"))))
        patch.on_layer(SOURCE, torch.ones(1, HIDDEN))
        assert [capture.layer for capture in patch.captured()] == [SOURCE]
        patch.end_step()
        assert same(before, weights(patch))


def test_a_step_that_never_ended_leaves_nothing_behind() -> None:
    with attached() as patch:
        before = weights(patch)
        forward(patch, decoding("a0"))
        patch.begin_step(StepView(1, 1, tuple(decoding("b0"))))
        patch.on_layer(SOURCE, torch.ones(1, HIDDEN))
        assert [capture.owners for capture in patch.captured()] == [(("b0", 5),)]
        patch.end_step()
        assert same(before, weights(patch))


def test_it_learns_a_map_that_can_be_learned() -> None:
    with attached(live(capacity=64), lr=0.01, beta=0) as patch:
        names = [f"a{at}" for at in range(64)]
        turn = tensor("turn", HIDDEN, HIDDEN)
        losses = []
        for step in range(300):
            rows = decoding(*names, at=step)
            inputs = states(rows, SOURCE)
            patch.begin_step(StepView(step, len(rows), tuple(rows)))
            patch.on_layer(SOURCE, inputs)
            patch.on_layer(TARGET, torch.nn.functional.layer_norm(inputs + (inputs @ turn).tanh(), (HIDDEN,)))
            patch.end_step()
            assert patch.losses is not None
            losses.append(float(patch.losses))
    assert sum(losses[-10:]) < 0.2 * sum(losses[:10])


def test_rows_are_taken_from_where_they_are_packed_and_told_with_their_owners() -> None:
    rows = [
        StepRow("a0", "a", 0, 3, 9, Phase.DECODE),
        StepRow("b0", "b", 0, 0, 2, Phase.PREFILL),
        StepRow("a1", "a", 1, 2, 7, Phase.DECODE),
    ]
    with attached() as patch:
        patch.begin_step(StepView(0, 5, tuple(rows)))
        packed = tensor("packed", 5, HIDDEN)
        patch.on_layer(SOURCE, packed)
        patch.on_layer(TARGET, packed + 1)
        source, target = patch.captured()
    assert (source.layer, target.layer) == (SOURCE, TARGET)
    assert source.owners == target.owners == (("a0", 9), ("a1", 7))
    assert torch.equal(source.rows, packed[[3, 2]])
    assert torch.equal(target.rows, packed[[3, 2]] + 1)


@pytest.mark.parametrize("mode", ["shared", "per_request", "bank"])
def test_scratch_that_is_poisoned_before_each_step_changes_nothing_and_keeps_its_tail(mode: str) -> None:
    steps = [decoding("a0", "b0", "a1"), decoding("b0"), [], decoding("b0", "a1", at=2)]
    with attached(mode=mode) as clean:
        expected = run(clean, *steps)
    with attached(mode=mode) as patch:
        for rows, whole in zip(steps, expected, strict=True):
            step = patch.counters().get("steps", 0)
            for buffer, _ in patch.buffers().values():
                buffer.fill_(math.nan if buffer.is_floating_point() else 2**40)
            forward(patch, rows, step)
            logits = tensor(f"logits {step}", len(rows), VOCABULARY)
            assert torch.equal(patch.modify_candidates(logits), whole)
            patch.end_step()
            for buffer, active in patch.buffers().values():
                assert active == len(rows)
                tail = buffer[active:]
                assert (tail.isnan() if tail.is_floating_point() else tail == 2**40).all()


def test_more_rows_than_the_engine_said_are_refused() -> None:
    with (
        attached(live(capacity=2)) as patch,
        pytest.raises(UsageError, match=r"3 requests decode in step 0.*at most 2"),
    ):
        forward(patch, decoding("a0", "b0", "c0"))


def test_a_layer_of_another_width_is_refused_by_name() -> None:
    with attached() as patch:
        patch.begin_step(StepView(0, 1, tuple(decoding("a0"))))
        with pytest.raises(UsageError, match=f"layer {SOURCE} puts out 3 numbers a token"):
            patch.on_layer(SOURCE, torch.zeros(1, 3))


@pytest.mark.parametrize("mode", ["shared", "per_request", "bank"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_works_within_inference_mode_as_without(mode: str, dtype: Any) -> None:
    engine = live(dtype=dtype, head=tensor("head", VOCABULARY, HIDDEN).to(dtype))
    steps = [decoding("a0", "b0", "a1"), decoding("b0", "c0", "d0", "e0", "f0", "b1"), decoding("a1", "b0", at=2)]
    with attached(engine, mode=mode) as patch:
        expected = run(patch, *steps)
    with torch.inference_mode(), attached(engine, mode=mode) as within:
        assert same(run(within, *steps), expected)
        assert within.counters()["updates"] == 3
        assert all(part.dtype is dtype for part in weights(within, "" if mode == "shared" else "b")[:6])
    with attached(engine, mode=mode) as around, torch.inference_mode():
        assert same(run(around, *steps), expected)
    with torch.no_grad(), attached(engine, mode=mode) as without:
        assert same(run(without, *steps), expected)


def test_a_network_s_gradients_do_not_get_in() -> None:
    with attached(live(head=torch.nn.Parameter(tensor("head", VOCABULARY, HIDDEN)))) as patch:
        patch.begin_step(StepView(0, 1, tuple(decoding("a0"))))
        for layer in (SOURCE, TARGET):
            patch.on_layer(layer, torch.ones(1, HIDDEN, requires_grad=True) * 2)
        assert not patch.modify_candidates(tensor("z", 1, VOCABULARY)).requires_grad
        patch.end_step()
        assert not any(part.requires_grad for part in weights(patch))


def test_a_batch_of_greedy_requests_takes_the_largest_guided_logit() -> None:
    with attached(beta=50) as patch:
        forward(patch, decoding("a0", "b0"))
        assert patch.learner is not None
        logits = tensor("z", 2, VOCABULARY)
        distilled = patch.learner.predict() @ tensor("head", VOCABULARY, HIDDEN).T
        guided = patch.modify_candidates(logits)
    assert torch.equal(guided.argmax(1), (51 * logits - 50 * distilled).argmax(1))
    assert not torch.equal(guided.argmax(1), logits.argmax(1))


def test_counters_are_those_of_the_steps() -> None:
    prefill = [StepRow("a1", "a", 1, 0, 3, Phase.PREFILL)]
    with attached() as patch:
        run(patch, decoding("a0", "b0"), prefill, [*decoding("a0"), replace(prefill[0], row=1)], [])
        expected = {"steps": 4, "decode_rows": 3, "layer_calls": 8, "updates": 2, "predictions": 2, "guided_rows": 3}
        assert patch.counters() == expected
    assert patch.counters() == expected


def test_counters_are_zero_where_a_layer_is_never_seen() -> None:
    with attached(training=False) as patch:
        patch.begin_step(StepView(0, 1, tuple(decoding("a0"))))
        patch.modify_candidates(tensor("z", 1, VOCABULARY))
        patch.end_step()
        expected = {"steps": 1, "decode_rows": 1, "layer_calls": 0, "predictions": 0, "guided_rows": 0}
        assert patch.counters() == expected


def test_a_row_that_is_only_read_again_is_neither_taken_nor_guided_but_counted() -> None:
    rows = [replace(row, samples=row.request != "a0") for row in decoding("a0", "b0")]
    with attached() as patch:
        forward(patch, rows)
        assert {capture.owners for capture in patch.captured()} == {(("b0", 5),)}
        logits = tensor("z", 2, VOCABULARY)
        guided = patch.modify_candidates(logits)
        assert torch.equal(guided[0], logits[0])
        assert not torch.equal(guided[1], logits[1])
        assert patch.counters()["decode_rows"] == 2


def test_a_step_before_it_is_attached_is_an_error_of_the_runtime() -> None:
    patch = load()
    assert patch.buffers() == {}
    with pytest.raises(RuntimeError, match="before the patch was attached"):
        patch.begin_step(StepView(0, 0, ()))


class Mlp(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, *, merged: bool) -> None:
        super().__init__()
        gate, up = tensor("gate", 24, HIDDEN), tensor("up", 24, HIDDEN)
        self.down_proj = linear(tensor("down", HIDDEN, 24))
        if merged:
            self.gate_up_proj = linear(torch.cat([gate, up]))
        else:
            self.gate_proj, self.up_proj = linear(gate), linear(up)


def linear(weight: Any) -> Any:
    made = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    made.weight.data.copy_(weight)
    return made


def network(*, merged: bool) -> Any:
    block = torch.nn.Module()
    block.mlp = Mlp(merged=merged)
    return torch.nn.ModuleDict({"layers": torch.nn.ModuleList([torch.nn.Module(), block])})


@pytest.mark.parametrize("merged", [True, False])
def test_a_distiller_can_start_as_the_feed_forward_network_with_half_of_its_gate(merged: bool) -> None:
    x = tensor("x", 1, 3, HIDDEN)
    half = tensor("down", HIDDEN, 24) @ (tensor("gate", 24, HIDDEN) + tensor("up", 24, HIDDEN)) / 2
    engine = live(network=network(merged=merged))
    with attached(engine, init="ffn_fast_svd", layernorm=False, rank=HIDDEN) as patch:
        assert patch.learner is not None
        got = predict(patch.learner.bank.weights, x, layernorm=False)
    torch.testing.assert_close(got, x + x @ half.T, rtol=1e-4, atol=1e-4)


def test_a_network_without_a_feed_forward_network_to_start_from_is_refused() -> None:
    with pytest.raises(UsageError, match=r"init=ffn_fast_svd reads .* of layers.-1.mlp, and this tensor network"):
        load(init="ffn_fast_svd").attach(live()).__enter__()


@pytest.mark.parametrize("name", ["down_proj", "gate_up_proj"])
def test_weights_that_an_engine_has_packed_away_are_refused(name: str) -> None:
    packed = network(merged=True)
    getattr(packed["layers"][1].mlp, name).weight.data = torch.empty(0)
    with pytest.raises(UsageError, match="or has repacked or quantised them; take init=normal or init=ridge_svd"):
        load(init="ffn_fast_svd").attach(live(network=packed)).__enter__()


@pytest.mark.parametrize(("mode", "count", "last"), [("shared", 16, 1), ("bank", 1, 3)])
def test_a_distiller_can_start_anew_from_a_ridge_regression(mode: str, count: int, last: int) -> None:
    knobs: dict[str, Any] = {"mode": mode, "layernorm": False, "rank": HIDDEN}
    rows = [decoding(*(f"a{at}" for at in range(count)), at=step) for step in range(last + 2)]
    with attached(init="ridge_svd", **knobs) as patch, attached(**knobs) as plain:
        run(patch, *rows[:last])
        run(plain, *rows[:last])
        name = "" if mode == "shared" else "a"
        assert same(weights(patch, name), weights(plain, name))
        run(patch, rows[last])
        seen = rows[: last + 1]
        x, t = (torch.cat([states(each, layer) for each in seen]) for layer in (SOURCE, TARGET))
        ridge = torch.linalg.solve(x.T @ x + 0.01 * len(x) * torch.eye(HIDDEN), x.T @ (t - x))
        got = Weights(*(part.unsqueeze(0) for part in weights(patch, name)[:6]))
        new = tensor("new", 1, 3, HIDDEN)
        torch.testing.assert_close(predict(got, new, layernorm=False), new + new @ ridge, rtol=1e-3, atol=1e-3)
        assert all(part.eq(0).all() for part in weights(patch, name)[6:])
        clock = len(got)
        run(patch, *[rows[last + 1]] * 5)
        assert weights(patch, name)[clock].item() == 5  # steps since; there is one fit
        assert not same(got, [part.unsqueeze(0) for part in weights(patch, name)[:6]])


def test_a_prompt_in_a_used_slot_gets_a_regression_of_its_own() -> None:
    with attached(mode="bank", slots=1, init="ridge_svd") as patch, attached(mode="bank", init="ridge_svd") as other:
        run(patch, *(decoding("a0", at=at) for at in range(3)))
        for each in (patch, other):
            run(each, *(decoding("b0", at=at) for at in range(4)))
        assert same(weights(patch, "b"), weights(other, "b"))

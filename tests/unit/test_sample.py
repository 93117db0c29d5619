"""Seeds, stop strings, and the identity of a stream of samples."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.sample import Prompt, SamplingParams, cut_at_stop, sample_seed
from pytest_passatk.core.stream import digest, stream_settings


@given(st.integers(), st.text(), st.integers(0, 10_000))
def test_a_seed_has_63_bits_and_is_the_same_each_time(run: int, problem: str, index: int) -> None:
    seed = sample_seed(run, problem, index)
    assert 0 <= seed < 2**63
    assert seed == sample_seed(run, problem, index)


def test_seeds_differ_by_run_problem_and_index() -> None:
    seeds = {sample_seed(run, problem, index) for run in range(4) for problem in ("1", "11", "a") for index in range(9)}
    assert len(seeds) == 4 * 3 * 9


@given(st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_text_is_cut_before_the_first_stop_string(text: str, stop: list[str]) -> None:
    cut = cut_at_stop(text, stop)
    if cut is None:
        assert not any(string in text for string in stop)
    else:
        assert text.startswith(cut)
        assert any(text[len(cut) :].startswith(string) for string in stop)
        assert not any(string in cut for string in stop)


DEFAULTS = SamplingParams()


def name(
    identity: dict[str, Any] | None = None,
    prompt: Prompt = "p",
    params: SamplingParams = DEFAULTS,
    seed: int = 0,
    problem: str = "1",
) -> str:
    return digest(stream_settings(identity or {"name": "m"}, prompt, params, seed, problem))


@pytest.mark.parametrize(
    "change",
    [
        {"identity": {"name": "m", "adapter": "x"}},
        {"prompt": "q"},
        {"prompt": ({"role": "user", "content": "p"},)},
        {"seed": 1},
        {"problem": "2"},
    ],
)
def test_whatever_shapes_a_sample_names_another_stream(change: dict[str, Any]) -> None:
    assert name(**change) != name()


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(SamplingParams)])
def test_every_sampling_parameter_names_another_stream(field: str) -> None:
    value: Any = ("x",) if field == "stop" else 2
    assert name(params=dataclasses.replace(DEFAULTS, **{field: value})) != name()


def test_the_order_of_keys_is_no_difference() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})

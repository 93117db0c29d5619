"""What a suite came to: estimates, why there are none, bands, and the other figures."""

from collections.abc import Callable
from dataclasses import replace
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import estimates
from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.summary import SuiteSummary, conclude, model_label, summarize

MakeRecord = Callable[..., SuiteRecord]


def test_complete_problems_are_estimated_from_their_counts(make_record: MakeRecord) -> None:
    summary = summarize(make_record({"a": "PPFT", "b": "FFFF", "c": "PPPP"}), level=0.9)
    assert summary.withheld is None
    assert summary.estimates == tuple(estimates([Count("a", 4, 2), Count("b", 4, 0), Count("c", 4, 4)], (1, 2), 0.9))
    assert (summary.title, summary.model, summary.n, summary.ks) == ("arithmetic", "tiny", 4, (1, 2))
    assert (summary.judged, summary.solved, summary.timeouts, summary.errors) == (12, 6, 1, 0)


def test_bands_split_the_problems_by_their_solved_samples(make_record: MakeRecord) -> None:
    summary = summarize(make_record({"a": "PPFT", "b": "FFTF", "c": "PPPP", "d": "FFFP", "s": "SSSS"}))
    bands = {band: [count.id for count in counts] for band, counts in summary.bands.items()}
    assert bands == {"never": ["b"], "sometimes": ["a", "d"], "always": ["c"]}


def test_a_skipped_problem_leaves_the_estimate(make_record: MakeRecord) -> None:
    with_skip = summarize(make_record({"a": "PPFF", "s": "PPPS"}))
    without = summarize(make_record({"a": "PPFF"}))
    assert with_skip.estimates == without.estimates
    assert with_skip.skipped == ("s",)
    assert (with_skip.judged, with_skip.solved) == (4, 2)
    assert with_skip.figures is not None
    assert without.figures is not None
    assert with_skip.figures.tokens == without.figures.tokens


def test_nothing_is_left_where_all_problems_are_skipped(make_record: MakeRecord) -> None:
    summary = summarize(make_record({"a": "SSSS", "b": "S"}))
    assert summary.withheld == "every problem was skipped"
    assert summary.estimates == ()
    assert summary.figures is not None
    assert (summary.figures.distinct, summary.figures.texts, summary.figures.latency_p50) == (None, None, None)


def test_a_suite_without_problems_has_no_estimate(make_record: MakeRecord) -> None:
    assert summarize(make_record({})).withheld == "there is no problem"


def test_an_error_withholds_the_estimate_and_is_named(make_record: MakeRecord) -> None:
    summary = summarize(make_record({"a": "PPFE", "b": "PPPP", "c": "EEPP"}))
    assert summary.estimates == ()
    assert summary.withheld == (
        "3 samples ended in ERROR: arithmetic[a]#3, arithmetic[c]#0, arithmetic[c]#1"
    )  # fmt: skip
    assert summary.errors == 3
    assert [count.id for count in summary.counts] == ["b"]


def test_an_error_of_a_skipped_problem_is_not_hidden_by_the_skip(make_record: MakeRecord) -> None:
    assert summarize(make_record({"a": "PPPP", "b": "SSSE"})).withheld == "1 sample ended in ERROR: arithmetic[b]#3"


def test_missing_samples_withhold_the_estimate(make_record: MakeRecord) -> None:
    summary = summarize(make_record({"a": "PP P", "b": "PPPP", "c": ""}))
    assert summary.withheld == (
        "2 problems incomplete: arithmetic[a] (3 of 4 judged), arithmetic[c] (0 of 4 judged)"
    )  # fmt: skip
    assert summary.estimates == ()


def test_only_some_of_many_errors_are_named(make_record: MakeRecord) -> None:
    withheld = summarize(make_record({f"p{i}": "EPPP" for i in range(1007)})).withheld
    assert withheld is not None
    assert withheld.startswith("1,007 samples ended in ERROR: arithmetic[p0]#0, ")
    assert withheld.endswith("arithmetic[p4]#0 and 1,002 more")


def test_truncated_and_unanswered_samples_are_counted_apart(make_record: MakeRecord) -> None:
    figures = summarize(make_record({"a": "PfFf", "b": "PPtT"})).figures
    assert figures is not None
    assert figures.truncated == 3
    assert figures.no_answer == 2, "nobody knows what a judge that ran out of time would have found"


def test_a_suite_that_extracts_nothing_has_no_figures_of_answers(make_record: MakeRecord) -> None:
    figures = summarize(make_record({"a": "PfFf"}, extracts=False)).figures
    assert figures is not None
    assert figures.no_answer is None
    assert figures.answers is None
    assert figures.texts is not None


def test_diversity_is_the_mean_over_problems(make_record: MakeRecord) -> None:
    figures = summarize(make_record({"a": "PPPP", "b": "FFFF"})).figures  # texts: one; four
    assert figures is not None
    assert figures.distinct == (1 / 4 + 4 / 4) / 2
    for entropy in (figures.texts, figures.answers):
        assert entropy is not None
        assert entropy.mean == pytest.approx(log(4) / 2)
        assert entropy.maximum == pytest.approx(log(4))


def test_answers_are_grouped_as_the_suite_says(make_record: MakeRecord) -> None:
    record = make_record({"a": "FFFF"})
    problem = replace(record.problems[0], classes=(0, 0, 1, 1))
    figures = summarize(replace(record, problems=(problem,))).figures
    assert figures is not None
    assert figures.answers is not None
    assert figures.answers.mean == pytest.approx(log(2))


def test_classes_of_samples_that_count_for_nothing_are_left_out(make_record: MakeRecord) -> None:
    record = make_record({"a": "FFEE"})
    problem = replace(record.problems[0], classes=(0, 0, 1, 2))
    figures = summarize(replace(record, problems=(problem,))).figures
    assert figures is not None
    assert figures.answers is not None
    assert figures.answers.mean == 0
    assert figures.answers.maximum == pytest.approx(log(2))


def test_pace_counts_only_what_this_run_drew(make_record: MakeRecord) -> None:
    drawn = summarize(make_record({"a": "PPPP", "b": "PPPP"}, sampled=3)).figures
    reused = summarize(make_record({"a": "PPPP", "b": "PPPP"})).figures
    assert drawn is not None
    assert reused is not None
    assert drawn.tokens == reused.tokens == 80
    assert drawn.tokens_per_second == 15  # 3 × 10 tokens in 2 seconds
    assert reused.tokens_per_second is None
    assert (drawn.sampled, drawn.reused) == (3, 5)


def test_latency_is_by_nearest_rank(make_record: MakeRecord) -> None:
    figures = summarize(make_record({"a": "P" * 20}, n=20)).figures  # 1, 2, … 20 seconds
    assert figures is not None
    assert (figures.latency_p50, figures.latency_p95) == (10.0, 19.0)


def test_what_engines_told_of_prompts_and_first_tokens(make_record: MakeRecord) -> None:
    told = summarize(make_record({"a": "P" * 20, "s": "S"}, n=20, told=True)).figures
    assert told is not None
    assert (told.prompt_tokens, told.first_token_p50, told.first_token_p95) == (100, 1.0, 1.9)
    untold = summarize(make_record({"a": "PPPP"})).figures
    assert untold is not None
    assert (untold.prompt_tokens, untold.first_token_p50, untold.first_token_p95) == (None, None, None)


@given(st.lists(st.text("PFTES ", min_size=3, max_size=3), max_size=6))
def test_an_estimate_stands_on_complete_problems_or_does_not_stand(letters: list[str]) -> None:
    outcomes = [
        Outcomes(
            str(i),
            3,
            each.count("P"),
            each.count("F"),
            each.count("T"),
            tuple(j for j, letter in enumerate(each) if letter == "E"),
            "S" in each,
        )
        for i, each in enumerate(letters)
    ]
    summary = _concluded(outcomes)
    sound = all("E" not in each and ("S" in each or " " not in each) for each in letters)
    left = sum("S" not in each for each in letters)
    assert (summary.withheld is None) == (sound and left > 0)
    assert [estimate.problems for estimate in summary.estimates] == ([left] if sound and left else [])


def _concluded(outcomes: list[Outcomes]) -> SuiteSummary:
    return conclude(name="t.py::test_x", title="x", model="tiny", n=3, ks=(1,), outcomes=outcomes)


def test_a_model_is_called_by_its_name_behind_its_backend() -> None:
    assert model_label("tiny", "tiny") == "tiny"
    assert model_label("Qwen/Qwen2.5-7B", "hf") == "hf:Qwen/Qwen2.5-7B"

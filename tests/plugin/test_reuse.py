"""The store as a run sees it: a sample is drawn once, and drawn again only where something that shapes it changed."""

import pytest
from sessions import HEADER, SUITE, Sessions

from pytest_passatk.store import Store

ALL = [f"{problem}#{index}" for problem in ("always", "half", "never") for index in range(4)]


def edited(old: str, new: str) -> str:
    """The suite with a change, which must be one, and one of length: Python tells sources apart by time and size."""
    assert old in SUITE
    assert len(old) != len(new)
    return SUITE.replace(old, new)


def test_the_same_command_again_samples_nothing(sessions: Sessions) -> None:
    sessions.write()
    first = sessions.run()
    counts = sessions.counts()
    assert sorted(sessions.log) == ALL
    second = sessions.run()
    assert (first.ret, second.ret) == (0, 0)
    assert sorted(sessions.log) == ALL
    assert sessions.counts() == counts
    figures = sessions.report["suites"][0]["figures"]
    assert (figures["sampled"], figures["reused"]) == (0, 12)


def test_a_larger_n_draws_only_the_rest(sessions: Sessions) -> None:
    sessions.write()
    sessions.run("--n", "2")
    sessions.run("--n", "6").assert_outcomes(passed=3)
    assert sorted(sessions.log) == [f"{problem}#{i}" for problem in ("always", "half", "never") for i in range(6)]
    assert sessions.counts() == {"always": (6, 6), "half": (6, 3), "never": (6, 0)}


def test_a_smaller_n_counts_the_first_samples(alone: Sessions) -> None:
    alone.write()
    alone.run()
    alone.run("--n", "3").assert_outcomes(passed=3)
    assert sorted(alone.log) == ALL
    assert alone.counts() == {"always": (3, 3), "half": (3, 2), "never": (3, 0)}


# What leaves the samples as they are


def test_a_changed_body_judges_again_without_sampling(sessions: Sessions) -> None:
    sessions.write()
    sessions.run()
    sessions.write(edited("== problem.answer", "in {problem.answer, '8'}"))
    sessions.run().assert_outcomes(passed=3)
    assert sorted(sessions.log) == ALL
    assert sessions.counts() == {"always": (4, 4), "half": (4, 4), "never": (4, 2)}


def test_a_changed_module_of_the_suite_judges_again_without_sampling(alone: Sessions) -> None:
    alone.pytester.syspathinsert()
    alone.write("def right(text):\n    return text == '7'\n", "rules.py")
    alone.write("import rules\n" + edited("completion.answer == problem.answer", "rules.right(completion.answer)"))
    alone.run()
    assert alone.counts()["never"] == (4, 0)
    alone.write("def right(text):\n    return text in ('7', '9')\n", "rules.py")
    alone.run()
    assert sorted(alone.log) == ALL
    assert alone.counts()["never"] == (4, 2)


def test_a_changed_extraction_judges_again_without_sampling(alone: Sessions) -> None:
    alone.write()
    alone.run()
    alone.write(edited("text or None", "'7'"))
    alone.run()
    assert sorted(alone.log) == ALL
    assert alone.counts()["never"] == (4, 4)


def test_a_changed_gold_answer_judges_that_problem_again_without_sampling(alone: Sessions) -> None:
    alone.write()
    alone.run()
    alone.write(edited('"8|9", "answer": "7"', '"8|9", "answer": "9", "note": "was 7"'))
    alone.run()
    assert sorted(alone.log) == ALL
    assert alone.counts() == {"always": (4, 4), "half": (4, 2), "never": (4, 2)}


def test_an_unchanged_verifier_does_not_judge_again(alone: Sessions) -> None:
    alone.write(edited("    assert", "    print(file=open('judged.log', 'a'))\n    assert"))
    alone.run()
    alone.run()
    alone.run("--n", "6")
    assert len((alone.pytester.path / "judged.log").read_text()) == 18


def test_a_longer_time_limit_judges_again_without_sampling(alone: Sessions) -> None:
    alone.write(edited("    assert", "    import time\n    time.sleep(problem.id == 'half')\n    assert"))
    alone.run("--n", "1", "--passatk-judge-timeout", "0.3")
    assert alone.counts()["half"] == (1, 0)
    alone.run("--n", "1", "--passatk-judge-timeout", "60")
    assert alone.counts()["half"] == (1, 1)
    assert sorted(alone.log) == ["always#0", "half#0", "never#0"]


NEUTRAL = [("--k", "1"), ("--passatk-judges", "1"), ("--passatk-inline",), ("--passatk-device", "cuda"), ("-k", "half")]


def test_what_shapes_no_sample_is_no_reason_to_draw_again(alone: Sessions) -> None:
    alone.write()
    alone.run()
    for how in NEUTRAL:
        assert alone.run(*how).ret == 0
        assert sorted(alone.log) == ALL, how


def test_a_suite_that_moved_keeps_its_samples(alone: Sessions) -> None:
    alone.write().rename(alone.pytester.mkdir("sub") / "test_moved.py")
    alone.run()
    alone.write(SUITE.replace("test_fake", "test_renamed"))
    alone.run().assert_outcomes(passed=6)
    assert sorted(alone.log) == ALL


# What shapes them


SHAPING = [
    ("--revision", "2"),
    ("--temperature", "0.5"),
    ("--top-p", "0.5"),
    ("--passatk-top-k", "5"),
    ("--passatk-min-p", "0.5"),
    ("--passatk-repetition-penalty", "1.5"),
    ("--max-tokens", "9"),
    ("--seed", "1"),
    ("--passatk-chat-template", "none"),
    ("--passatk-adapter", "lora"),
    ("--model", "fake_model:load:other"),
]


def test_what_shapes_samples_reuses_none_and_drops_none(alone: Sessions) -> None:
    alone.write()
    alone.run()
    for times, how in enumerate(SHAPING, start=2):
        assert alone.run(*how).ret == 0
        assert sorted(alone.log) == sorted(times * ALL), how
    alone.run()
    alone.run("--temperature", "0.5")
    assert len(alone.log) == len(ALL) * (len(SHAPING) + 1)


def test_a_changed_prompt_reuses_nothing(alone: Sessions) -> None:
    alone.write()
    alone.run()
    alone.write(edited('prompt="{says}"', 'prompt="{says}|7"'))
    alone.run()
    assert sorted(alone.log) == sorted(2 * ALL)
    assert alone.counts() == {"always": (4, 4), "half": (4, 3), "never": (4, 1)}


def test_a_changed_stop_string_reuses_nothing(alone: Sessions) -> None:
    alone.write()
    alone.run()
    alone.write(edited("n=4", "n=4, stop='END'"))
    alone.run()
    assert sorted(alone.log) == sorted(2 * ALL)


def test_a_problem_that_is_added_is_sampled_alone(alone: Sessions) -> None:
    alone.write()
    alone.run()
    alone.write(edited("ROWS = [", 'ROWS = [\n    {"id": "new", "says": "7", "answer": "7"},'))
    alone.run().assert_outcomes(passed=4)
    assert sorted(alone.log) == sorted([*ALL, *(f"new#{index}" for index in range(4))])
    assert list(alone.counts()) == ["new", "always", "half", "never"]


def test_two_problems_with_one_prompt_have_samples_of_their_own(alone: Sessions) -> None:
    rows = [{"id": id_, "says": "7|8", "answer": "7"} for id_ in ("a", "b")]
    alone.write(f"{HEADER}ROWS = {rows!r}\n@suite{SUITE.partition('@suite')[2]}")
    alone.run()
    assert len(set(alone.log)) == 8


# Where they are kept


def test_without_a_cache_nothing_is_kept_and_nothing_reused(sessions: Sessions) -> None:
    sessions.write()
    sessions.run()
    before = sessions.store.read_bytes()
    assert sessions.run("--passatk-no-cache").ret == 0
    assert sorted(sessions.log) == sorted(2 * ALL)
    assert sessions.store.read_bytes() == before
    assert sessions.report["run"]["id"] is None


def test_without_a_cache_no_store_is_made(alone: Sessions) -> None:
    alone.write()
    assert alone.run("--passatk-no-cache").ret == 0
    assert not alone.store.parent.exists()


def test_a_store_can_be_anywhere(alone: Sessions) -> None:
    alone.write()
    result = alone.run("--passatk-store", "some/where/kept.sqlite")
    place = alone.pytester.path / "some" / "where" / "kept.sqlite"
    result.stdout.fnmatch_lines([f"run 1: passatk show --store {place} 1"])
    assert not alone.store.exists()
    store = Store(place, create=False)
    assert [(run.id, run.exit) for run in store.runs()] == [(1, 0)]
    store.close()
    alone.run("--passatk-store", str(place))
    assert sorted(alone.log) == ALL


def test_the_store_is_named_from_where_pytest_started(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = alone.pytester.mkdir("sub")
    alone.write().rename(folder / "test_suite.py")
    monkeypatch.setenv("PASSATK_STORE", "kept.sqlite")
    alone.run("--rootdir", str(folder))
    assert (alone.pytester.path / "kept.sqlite").exists()


def test_the_usual_folder_stays_out_of_version_control(alone: Sessions) -> None:
    alone.write()
    alone.run("--passatk-store", "elsewhere/kept.sqlite")
    assert not (alone.pytester.path / "elsewhere" / ".gitignore").exists()
    alone.run()
    assert (alone.store.parent / ".gitignore").read_text() == "*\n"

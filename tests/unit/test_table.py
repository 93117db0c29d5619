"""The table that a person reads: its layout, and what it never does to a terminal."""

import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.summary import summarize
from pytest_passatk.report.glyphs import UNICODE
from pytest_passatk.report.plot import histogram
from pytest_passatk.report.table import render
from pytest_passatk.report.text import amount

MakeRecord = Callable[..., SuiteRecord]

GRADED = {f"p{i}": "P" * (i // 2) + "F" * (4 - i // 2) for i in range(10)}


def test_a_block_at_80_columns(make_record: MakeRecord) -> None:
    record = make_record({**GRADED, "odd": "SSSS", "long": "PfTF"}, ks=(1, 2, 4), sampled=8)
    assert render([summarize(record)], width=80, color=False) == (
        """\
arithmetic  tiny · 12 problems × 4 · 21 of 44 solved
────────────────────────────────────────────────────────────────────────────────
                 ±run 95%       ±population 95%  0                        1
  pass@1  0.477  0.358 – 0.599  0.278 – 0.684           ──━━━●━━━──
  pass@2  0.652  0.484 – 0.789  0.412 – 0.833              ──━━━━●━━━━─
  pass@4  0.818  0.526 – 0.948  0.523 – 0.949                 ━━━━━━━●━━━━
  --n 8 or more narrows the interval of pass@4, which wants 2k samples

  distinct 0.727 · entropy in nats: texts 0.92 of 1.39, answers 0.92 of 1.39
  sampled 8, reused 40 · truncated 1 · no answer 1 · timeouts 1
  tokens 440 · tokens/s 40 · latency p50 2.0 s, p95 4.0 s

  problems by solved 0 ▆█▆▆▆ 4
  never            2 p0, p1
  sometimes        7 p2 1/4, p3 1/4, p4 2/4, p5 2/4, p6 3/4, p7 3/4, long 1/4
  always           2 p8, p9
  skipped          1 odd"""
    )


def test_prompts_first_tokens_and_costs_stand_below_the_rest(make_record: MakeRecord) -> None:
    record = make_record({**GRADED, "b": "FFEF"}, sampled=8, told=True)
    lines = render([summarize(record, price=(0.5, 2))], width=80, color=False).splitlines()
    [at] = [number for number, line in enumerate(lines) if line.startswith("  tokens ")]
    assert lines[at : at + 4] == [
        "  tokens 430 · prompt tokens 215 · tokens/s 40 · latency p50 2.0 s, p95 4.0 s",
        "  first token p50 200 ms, p95 400 ms",
        "  cost 0.000180 this run, 0.000990 all samples, 0.000124 a solved problem",
        "",
    ]


def test_costs_say_what_they_leave_out(make_record: MakeRecord) -> None:
    record = make_record({"a": "FFFF"}, sampled=4)
    text = render([summarize(record, price=(0.5, 2000))], width=80, color=False)
    assert "\n  cost 0.0800 this run, 0.0800 all samples · without untold tokens of 4 samples\n" in text
    assert "without" not in render([summarize(record, price=(0, 2))], width=80, color=False)
    assert "cost" not in render([summarize(record)], width=80, color=False)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.00012345, "0.000123"), (0.045, "0.0450"), (0.5, "0.500"), (1.2, "1.20"), (12345.678, "12,345.68")],
)
def test_amounts_keep_the_digits_that_count(value: float, shown: str) -> None:
    assert amount(value) == shown


@pytest.mark.parametrize(("ids", "words"), [("a", "1 problem × 4"), ("ab", "2 problems × 4")])
def test_a_heading_counts_the_problems(make_record: MakeRecord, ids: str, words: str) -> None:
    heading = render([summarize(make_record(dict.fromkeys(ids, "PPFF")))], width=80, color=False).splitlines()[0]
    assert f"tiny · {words} · " in heading


def test_more_columns_widen_the_plot_and_the_bands(make_record: MakeRecord) -> None:
    summary = summarize(make_record(GRADED))
    narrow, wide = (render([summary], width=width, color=False).splitlines() for width in (80, 120))
    assert len(wide[2]) == len(narrow[2]) + 34
    assert [line[:48] for line in wide[2:5]] == [line[:48] for line in narrow[2:5]], "the numbers do not move"


def test_a_narrow_terminal_goes_without_a_plot(make_record: MakeRecord) -> None:
    lines = render([summarize(make_record(GRADED))], width=60, color=False).splitlines()
    assert lines[2] == "                 ±run 95%       ±population 95%"


def test_a_withheld_estimate_says_why_in_its_place(make_record: MakeRecord) -> None:
    text = render([summarize(make_record({"a": "PPFE", "b": "PPPP"}))], width=80, color=False)
    assert "  pass@k withheld: 1 sample ended in ERROR: arithmetic[a]#3\n" in text
    assert "±run" not in text
    assert "timeouts 0 · errors 1\n" in text
    assert re.search(r"always +1 b$", text)


def test_all_skipped_leaves_empty_bands(make_record: MakeRecord) -> None:
    text = render([summarize(make_record({"a": "SSSS"}))], width=80, color=False)
    assert "pass@k withheld: every problem was skipped" in text
    assert "latency" not in text
    assert "entropy" not in text
    assert re.search(r"never +0\n", text)
    assert re.search(r"skipped +1 a$", text)


def test_a_suite_without_extraction_has_no_column_of_answers(make_record: MakeRecord) -> None:
    text = render([summarize(make_record(GRADED, extracts=False))], width=80, color=False)
    assert "no answer" not in text
    assert "answers" not in text
    assert "entropy in nats: texts" in text


def test_long_bands_are_cut_and_say_how_many_are_left(make_record: MakeRecord) -> None:
    summary = summarize(make_record({f"problem-{i}": "PPPP" for i in range(2000)}))
    band = render([summary], width=80, color=False).split("always", 1)[1]
    shown = band.count("problem-")
    assert band.endswith(f", … and {2000 - shown:,} more")
    assert len(band.splitlines()) == 2
    assert shown >= 8


def test_whole_lists_every_problem(make_record: MakeRecord) -> None:
    problems = {f"problem-{i}": "PPFF" for i in range(300)}
    text = render([summarize(make_record(problems))], width=80, color=False, whole=True)
    assert all(f"{problem} 2/4" in text for problem in problems)
    assert "…" not in text


def test_suites_stand_one_below_the_other(make_record: MakeRecord) -> None:
    summary = summarize(make_record(GRADED))
    one = render([summary], width=80, color=False)
    assert render([summary, summary], width=80, color=False) == f"{one}\n\n{one}"
    assert render([], width=80, color=False) == ""


def test_colour_changes_nothing_but_the_colour(make_record: MakeRecord) -> None:
    summaries = [summarize(make_record(GRADED)), summarize(make_record({"a": "E"}))]
    plain, colored = (render(summaries, width=80, color=color) for color in (False, True))
    assert "\x1b[" in colored
    without = re.sub(r"\x1b\[[\d;]*m", "", colored)
    assert [line.rstrip() for line in without.splitlines()] == plain.splitlines()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_without_box_signs_gets_plain_ones(make_record: MakeRecord, encoding: str) -> None:
    text = render([summarize(make_record({**GRADED, "größer": "PPFF"}))], width=80, color=False, encoding=encoding)
    text.encode(encoding)
    assert "+-run" in text
    assert "=o=" in text
    assert ("gr\\xf6\\xdfer" if encoding == "ascii" else "größer") in text


def test_ids_cannot_steer_the_terminal_nor_pass_for_markup(make_record: MakeRecord) -> None:
    text = render(
        [summarize(make_record({"\x1b[2Jwipe\n\u202e": "PPPP", "[bold]x[/bold]": "FFFF"}))], width=80, color=False
    )
    assert "\\x1b[2Jwipe\\n\\u202e" in text
    assert "\x1b" not in text
    assert "[bold]x[/bold]" in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(st.text(max_size=30), st.text("PFTES ", min_size=4, max_size=4), max_size=12),
    st.integers(30, 160),
    st.booleans(),
    st.booleans(),
)
def test_no_line_is_wider_than_the_terminal(
    make_record: MakeRecord, problems: dict[str, str], width: int, whole: bool, told: bool
) -> None:
    summary = summarize(make_record(problems, told=told), price=(0.5, 2) if told else None)
    lines = render([summary], width=width, color=False, whole=whole).splitlines()
    assert [line for line in lines if cell_len(line) > width] == []


def test_a_histogram_has_a_bar_for_every_count_up_to_sixteen() -> None:
    assert histogram([0, 0, 0, 0, 1, 3, 3], 3, UNICODE) == "█▂ ▄"
    assert histogram([5], 5, UNICODE) == "     █"


@given(st.integers(1, 300), st.data())
def test_a_histogram_keeps_never_and_always_at_its_ends(n: int, data: st.DataObject) -> None:
    solved = data.draw(st.lists(st.integers(0, n), min_size=1, max_size=50))
    bars = histogram(solved, n, UNICODE)
    assert len(bars) == min(n + 1, 17)
    assert (bars[0] != " ") >= (0 in solved)
    assert (bars[-1] != " ") == (n in solved)
    assert "█" in bars

"""The Markdown page: what it says, that it stays short, and that no text of a model becomes markup in it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.record import Judged, ProblemRecord, RunRecord, SuiteRecord
from pytest_passatk.core.sample import Completion, FinishReason
from pytest_passatk.core.summary import summarize
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.comparison import Comparison, PaceLine
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import Policy, Tolerance
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.measuring import measure
from pytest_passatk.report.markdown import LIMIT, to_markdown, write
from pytest_passatk.report.text import visible

MakeRecord = Callable[..., SuiteRecord]

STEADY = {f"p{number}": "PPPPFFFF" for number in range(8)}
BEFORE = {**STEADY, "lost": "PPPPPPPP", "found": "FFFFFFFF"}
AFTER = {**STEADY, "lost": "FFFFFFFF", "found": "FFFFFFFP"}
SIGNS = "`|<>&@#*_[]()!\\~:/\"'$ \n\r\t\0-=+.1aé\u202e\u2028\udc80"
HOSTILE = st.one_of(
    st.text(SIGNS, max_size=13),  # with every sign as its escape, it is not cut
    st.sampled_from([
        "@octocat #12 octo/cat#3 GH-4", "<script>alert(1)</script>", "</details><img src=x onerror=alert(1)>", "<!-- ",
        "](https://example.org) https://example.org www.example.org a@example.org", "```\n@octocat\n~~~", "    code",
        "a|b\\|c\\\\|d", "[x]: https://example.org", "&#64;octocat", "</td></tr></table>", ":tada:", "$`x`$", "| --- |",
    ]),
)  # fmt: skip


def run_of(*records: SuiteRecord) -> RunRecord:
    return RunRecord(7, "pytest", 0, "2026-01-02T03:04:05+00:00", 1.0, records)


def measured(record: SuiteRecord, label: str) -> Measurement:
    return measure(record, label=label, seed=0, started="", version="1")


def compared(before: SuiteRecord, after: SuiteRecord, policy: Policy | None = None) -> Comparison:
    found = compare(measured(before, "main"), measured(after, "this run"), (1, 2), policy or Policy({}))
    return replace(found, suite=after.planned.name)


def page(record: SuiteRecord, *comparisons: Comparison, **kept: Callable[..., Judged | None]) -> str:
    return to_markdown(run_of(record), [summarize(record)], comparisons, **kept)


def cells(text: str) -> list[list[str]]:
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows]


@pytest.fixture
def regressed(make_record: MakeRecord) -> tuple[SuiteRecord, Comparison]:
    before = dict.fromkeys(STEADY, "P" * 8) | {"lost": "PPPPPPPP"}
    after = dict.fromkeys(STEADY, "PPPPFFFF") | {"lost": "FFFFFFFF"}
    record = make_record(after, n=8)
    return record, compared(make_record(before, n=8), record)


def test_the_verdict_stands_on_top(regressed: tuple[SuiteRecord, Comparison]) -> None:
    record, comparison = regressed
    text = page(record, comparison)
    assert comparison.regressed == ("pass@1", "pass@2")
    assert text.splitlines()[0] == "### pass@k gate: 2 regressed"
    row = next(row for row in cells(text) if row[:2] == ["`arithmetic`", "pass@1"])
    assert row[2:4] == ["1.000", "0.444"]
    assert row[4].startswith("-55.6 (")
    assert row[-1] == "**regressed**"
    assert "`this run` against `main`, 9 problems, n 8 and 8; tolerates pass@1 3pp" in text


def test_problems_that_moved_are_named_the_clearest_first(regressed: tuple[SuiteRecord, Comparison]) -> None:
    rows = [row for row in cells(page(*regressed)) if row[0] in {"broken", "regressed", "flaky"}]
    assert rows[0][:4] == ["broken", "`arithmetic`", "`lost`", "8/8 → 0/8"]
    assert rows[0][4] == ".0002"
    assert "flaky" not in {row[0] for row in rows}


def test_at_most_ten_problems_are_named(make_record: MakeRecord) -> None:
    names = [f"p{number}" for number in range(13)]
    record = make_record(dict.fromkeys(names, "F" * 8), n=8)
    text = page(record, compared(make_record(dict.fromkeys(names, "P" * 8), n=8), record))
    assert sum(row[0] == "broken" for row in cells(text)) == 10
    assert "… and 3 more" in text


def test_a_completion_of_the_clearest_drop_is_shown(regressed: tuple[SuiteRecord, Comparison]) -> None:
    text = page(*regressed)
    assert "`lost` of `arithmetic`, solved 8/8 → 0/8" in text
    assert "```text\nWhat is lost?\n```" in text
    assert "`this run`, sample 0: **fail**, answer `0`, reason `fail of lost`" in text
    assert "```text\nIt is 0.\n```" in text
    assert "Of `main` the counts are kept, and no completion to show beside it." in text


def test_a_completion_of_the_baseline_stands_beside_it(regressed: tuple[SuiteRecord, Comparison]) -> None:
    asked: list[tuple[str, bool]] = []

    def find(_: Comparison, name: str, passed: bool) -> Judged:
        asked.append((name, passed))
        completion = Completion("s", 5, "It was 7.", 3, FinishReason.LENGTH, 0.1)
        return Judged(completion, Verdict(Status.PASS, answer=None))

    text = page(*regressed, find_sample=find)
    assert asked == [("lost", True)]
    assert "`main`, sample 5: **pass**, truncated, no answer" in text
    assert "It was 7." in text
    assert "no completion to show" not in text


def test_a_rise_is_shown_by_a_completion_that_passes(make_record: MakeRecord) -> None:
    record = make_record({"a": "FFPPPPPP"}, n=8)
    text = page(record, compared(make_record({"a": "FFFFFFFF"}, n=8), record))
    assert "`this run`, sample 2: **pass**, answer `7`" in text


def test_nothing_is_shown_where_nothing_moved(make_record: MakeRecord) -> None:
    record = make_record(STEADY, n=8)
    text = page(record, compared(record, record))
    assert "completion" not in text
    assert "problems: none moved" in text


def test_a_long_completion_is_cut_around_its_answer(make_record: MakeRecord) -> None:
    record = make_record({"a": "FFFFFFFF"}, n=8)
    first = record.problems[0].samples[0]
    text = f"{'x' * 5000} the answer is 4711, or so {'y' * 5000}"
    long = Judged(replace(first.completion, text=text), replace(first.verdict, answer="4711"))
    problem = replace(record.problems[0], samples=(long, *record.problems[0].samples[1:]))
    shown = page(replace(record, problems=(problem,)), compared(make_record({"a": "PPPPPPPP"}, n=8), record))
    found = re.search(r"```text\n(…x+ the answer is 4711, or so y+…)\n```", shown)
    assert found
    assert len(found[1]) == 1502


def test_what_is_not_gated_is_folded(make_record: MakeRecord) -> None:
    record = make_record(AFTER, n=8)
    policy = Policy({"pass@2": Tolerance(5, "pp"), "tokens/s": Tolerance(5, "%")})
    comparison = replace(
        compared(make_record(BEFORE, n=8), record, policy),
        pace=(
            PaceLine("tokens/s", 1000.0, 900.0, 0.1, Tolerance(5, "%"), Decision.REGRESSED, "only one <run>"),
            PaceLine("latency_p50", 0.5, None, None, None, None, ""),
        ),
        notes=("compared on 10 of 12",),
    )
    top, folded = page(record, comparison).split("<details>")
    assert [row[1] for row in cells(top) if row[0] == "`arithmetic`"] == ["pass@2", "tokens/s"]
    assert [row[1] for row in cells(folded) if row[0] == "`arithmetic`"] == ["pass@1", "latency_p50"]
    pace = next(row for row in cells(top) if row[1] == "tokens/s")
    assert pace[2:5] == ["1,000", "900", "-10.0%"]
    assert pace[-1] == "**regressed**, `only one <run>`"
    assert "- `arithmetic`: `compared on 10 of 12`" in top


def test_what_is_incomparable_has_no_verdict(make_record: MakeRecord) -> None:
    record = make_record(AFTER, n=8)
    comparison = replace(
        compared(record, record), pairs=(), lines=(), moves=(), incomparable=("the prompt is not the same",)
    )
    text = page(record, comparison)
    assert text.startswith("### pass@k gate: 1 incomparable\n")
    assert "- `arithmetic`: `the prompt is not the same`" in text


def test_a_comparison_without_a_gate_says_so(make_record: MakeRecord) -> None:
    record = make_record(AFTER, n=8)
    text = page(record, compared(record, record, Policy({}, enforced=False)))
    assert text.startswith("### pass@k comparison, not gated: ")


def test_without_a_comparison_there_are_the_estimates(make_record: MakeRecord) -> None:
    record, broken = make_record({"a": "PPFF"}), make_record({"b": "PPPE"})
    text = to_markdown(run_of(record, broken), [summarize(record), summarize(broken)], ())
    estimate = summarize(record).estimates[0]
    assert cells(text)[1] == [
        "`arithmetic`", "`tiny`", "pass@1", "0.500", f"{estimate.run[0]:.3f} to {estimate.run[1]:.3f}",
        f"{estimate.population[0]:.3f} to {estimate.population[1]:.3f}", "1 × 4",
    ]  # fmt: skip
    assert "pass@k is withheld:\n\n- `arithmetic`: `1 sample ended in ERROR: arithmetic[b]#3`" in text
    assert text.endswith("Run 7: `passatk show 7` where its store is.\n")


def test_an_ordinary_page_fits_into_a_comment(regressed: tuple[SuiteRecord, Comparison]) -> None:
    assert len(page(*regressed)) < 3000


def test_the_largest_page_fits_into_a_comment(make_record: MakeRecord) -> None:
    names = {f"{'`' * 70}{number:04}": "P" * 8 for number in range(60)}
    record = make_record(dict.fromkeys(names, "F" * 8), n=8)
    comparison = compared(make_record(names, n=8), record)
    many = [
        replace(comparison, title=f"{'|' * 70}{number}", notes=("\u2028" * 5000,) * 5, incomparable=("`" * 5000,) * 2)
        for number in range(100)
    ]
    text = page(record, *many)
    assert len(text) <= LIMIT
    assert "more is left out here" in text
    assert not [token for token in walk(text) if token.type == "html_inline"]


# No text may become markup: with any texts, all that is outside of code is the same as with plain ones.


def walk(text: str) -> list[Token]:
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [each for token in tokens for each in (token.children or [token])]


def skeleton(text: str) -> list[tuple[str, str]]:
    """The kinds of tokens, with the content of all but code."""
    inert = {"code_inline", "fence"}
    return [(token.type, "" if token.type in inert else token.content) for token in walk(text)]


def dressed(record: SuiteRecord, texts: Mapping[str, str]) -> SuiteRecord:
    """The record with these texts in every place that takes text from elsewhere."""

    def sample(each: Judged) -> Judged:
        completion = replace(each.completion, text=texts["text"])
        return Judged(completion, replace(each.verdict, reason=texts["reason"], answer=texts["answer"]))

    def problem(each: ProblemRecord) -> ProblemRecord:
        return replace(each, id=texts["id"], samples=tuple(map(sample, each.samples)))

    planned = [replace(each, id=texts["id"], prompt=texts["prompt"]) for each in record.planned.problems]
    return replace(
        record,
        planned=replace(record.planned, problems=tuple(planned), arm=texts["arm"]),
        problems=tuple(map(problem, record.problems)),
    )


def dressed_page(make_record: MakeRecord, texts: Mapping[str, str], *, beside: bool) -> str:
    before, after = (dressed(make_record({"x": letters}, n=8), texts) for letters in ("PPPPPPPP", "FFFFFFFF"))
    pace = PaceLine("tokens/s", 1.0, None, None, Tolerance(5, "%"), None, texts["why"])
    comparison = replace(
        compared(before, after), pace=(pace,), notes=(texts["note"],), arm=texts["arm"],
        after=replace(measured(after, "this run"), label=texts["label"]),
    )  # fmt: skip
    barred = replace(comparison, pairs=(), lines=(), moves=(), incomparable=(texts["note"],))
    find = (lambda *_: before.problems[0].samples[0]) if beside else None
    return to_markdown(run_of(after), [summarize(after)], [comparison, barred], find)


FIELDS = ("text", "reason", "answer", "id", "prompt", "arm", "why", "note", "label")


@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, HOSTILE.filter(bool))), st.booleans())
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the fixture is a function without a state
def test_no_text_becomes_markup(make_record: MakeRecord, texts: dict[str, str], beside: bool) -> None:
    plain = dressed_page(make_record, dict.fromkeys(FIELDS, "x"), beside=beside)
    hostile = dressed_page(make_record, texts, beside=beside)
    assert skeleton(hostile) == skeleton(plain)
    shown = {token.content for token in walk(hostile) if token.type == "code_inline"}
    assert {visible(texts[name]) for name in ("id", "answer", "note", "label")} <= shown
    assert (visible(texts["reason"].strip().partition("\n")[0]) or " ") in shown
    fences = [token.content for token in walk(hostile) if token.type == "fence"]
    assert visible(texts["text"], keep="\n\t") in [content.removesuffix("\n") for content in fences]


def test_a_page_is_written_in_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "summary.md"
    write(path, "old\n", append=False)
    write(path, "new \udc80\n", append=False)
    assert path.read_text(encoding="utf-8") == "new \\udc80\n"


def test_a_page_joins_what_other_steps_wrote(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("<details>")
    write(path, "### pass@k\n", append=True)
    assert path.read_text() == "<details>\n\n### pass@k\n"


@pytest.mark.parametrize("append", [False, True])
def test_a_page_that_cannot_be_written_is_named(tmp_path: Path, append: bool) -> None:
    (tmp_path / "page").mkdir()
    with pytest.raises(UsageError, match=r"page: cannot be written: .*: name another file"):
        write(tmp_path / "page", "x", append=append)

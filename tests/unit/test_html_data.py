"""What the HTML report writes; tests/e2e/test_html_report.py looks at it in a browser."""

import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from gzip import decompress
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import estimate
from pytest_passatk.core.record import RunRecord, SuiteRecord
from pytest_passatk.core.summary import summarize
from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.measurement import Measured, Measurement
from pytest_passatk.report.html import chunks, write
from pytest_passatk.report.html.contrasts import MOST, curve, orders
from pytest_passatk.report.html.page import as_data

MakeRecord = Callable[..., SuiteRecord]
PROBLEMS = {"a": "PPPP", "b": "PFFT", "c": "FFFf", "__proto__": "PPFF"}


class Page(HTMLParser):
    """The elements of a page whose text is kept whole, and the policy."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=False)
        self.texts: dict[str, str] = {}
        self.policy = ""
        self._inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        self._inside = (given.get("id") or tag) if tag in {"script", "style"} else ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside] = self.texts.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - every element ends the text
        self._inside = ""

    @property
    def index(self) -> Any:
        return json.loads(self.texts["index"])


def write_page(path: Path, *suites: SuiteRecord, comparisons: tuple[Comparison, ...] = ()) -> Page:
    run = RunRecord(3, "pytest suites --n 4", 2**62 + 1, "2026-01-02T03:04:05+00:00", 1.5, suites)
    write(path, run, [summarize(suite) for suite in suites], comparisons)
    return Page(path)


def unpacked(payload: str) -> Any:
    return json.loads(decompress(b64decode(payload)))


def measurement(suite: SuiteRecord, label: str) -> Measurement:
    problems = (Measured(problem.id, len(problem.samples), problem.solved) for problem in suite.problems)
    ascending = tuple(sorted(problems, key=lambda each: each.id))
    return Measurement(label, suite.planned.title, {}, {}, None, None, (), ascending)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is one whose texts lie beside the page, each problem by itself."""
    monkeypatch.setattr("pytest_passatk.report.html.page.EMBEDDED", 0)
    monkeypatch.setattr(chunks, "CHUNK", 1)


def test_counts_of_every_problem_are_there_at_once(page: Path, make_record: MakeRecord) -> None:
    suite = write_page(page, make_record(PROBLEMS)).index["suites"][0]
    columns = suite["problems"]
    assert columns["id"] == ["a", "b", "c", "__proto__"]
    assert list(zip(columns["c"], columns["n"], strict=True)) == [(4, 4), (1, 4), (0, 4), (2, 4)]
    assert columns["fail"] == [0, 2, 4, 2]
    assert columns["timeout"] == [0, 1, 0, 0]
    assert columns["truncated"] == columns["unanswered"] == [0, 0, 1, 0]


def test_curves_are_the_estimates_of_every_k(page: Path, make_record: MakeRecord) -> None:
    record = make_record(PROBLEMS)
    drawn = write_page(page, record).index["suites"][0]["curve"]
    counts = summarize(record).counts
    expected = [estimate(counts, k) for k in (1, 2, 3, 4)]
    assert drawn["k"] == [1, 2, 3, 4]
    assert drawn["value"] == [each.value for each in expected]
    assert list(zip(drawn["low"], drawn["high"], strict=True)) == [each.run for each in expected]


def test_a_curve_ends_where_the_first_problem_has_no_more_samples() -> None:
    assert curve([Count("a", 3, 1), Count("b", 8, 2)], 0.95)["k"] == [1, 2, 3]
    assert curve([], 0.95)["k"] == []


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_the_ks_of_a_curve_are_all_or_spread_over_all(n: int, asked: int) -> None:
    ks = orders(n, [asked])
    assert ks == sorted(set(ks))
    assert (ks[0], ks[-1]) == (1, n)
    assert len(ks) <= MOST + 2
    assert asked in ks or asked > n
    if n <= MOST:
        assert len(ks) == n


def test_withheld_estimates_leave_no_curve(page: Path, make_record: MakeRecord) -> None:
    suite = write_page(page, make_record({"a": "PPPE", "b": "PPPP"})).index["suites"][0]
    assert "1 sample ended in ERROR" in suite["withheld"]
    assert (suite["estimates"], suite["curve"]["k"]) == ([], [])


def test_a_comparison_stands_beside_the_problems_of_its_suite(page: Path, make_record: MakeRecord) -> None:
    before, after = make_record({"b": "PPPPPPPP", "a": "PPPPPPPP"}, n=8), make_record(PROBLEMS)
    other = replace(after, planned=replace(after.planned, name="suites/other.py::test_other"))
    found = compare(measurement(before, "main"), measurement(after, "this run"), (1, 2, 4), Policy({}))
    found = replace(found, suite=after.planned.name)
    first, second = write_page(page, after, other, comparisons=(found,)).index["suites"]
    assert second["contrasts"] == []
    [contrast] = first["contrasts"]
    assert contrast["counts"] == [[8, 8], [8, 8], None, None]
    assert contrast["kinds"] == [None, found.moves[0].kind, None, None]
    assert [line["metric"] for line in contrast["lines"]] == [line.metric for line in found.lines]
    assert [side["k"][-1] for side in contrast["curves"]] == [8, 4]


def test_what_is_told_beside_the_estimates_is_told_here(page: Path, make_record: MakeRecord) -> None:
    record = make_record({"a": "PFFF", "b": "PPFF"})
    run = RunRecord(3, "pytest", 0, "2026-01-02T03:04:05+00:00", 1.5, (record,))
    summary = summarize(record, beyond=8)
    write(page, run, [summary])
    far = summary.extrapolation
    assert far
    [suite] = Page(page).index["suites"]
    assert suite["remarks"][0].startswith(f"pass@8 extrapolated, for information: {far.low:.3f} – {far.high:.3f}")


def test_arms_find_their_comparison(page: Path, make_record: MakeRecord) -> None:
    base, tuned = (
        replace(record, planned=replace(record.planned, arm=arm))
        for record, arm in ((make_record(PROBLEMS), "base"), (make_record({**PROBLEMS, "b": "PPPP"}), "tuned"))
    )
    before, after = (replace(measurement(each, each.planned.arm), title="arithmetic") for each in (base, tuned))
    found = replace(compare(before, after, (1,), Policy({})), suite=tuned.planned.name, arm="tuned")
    first, second = write_page(page, base, tuned, comparisons=(found,)).index["suites"]
    assert [len(each["contrasts"]) for each in (first, second)] == [0, 1]
    assert second["contrasts"][0]["before"] == "base"


def test_small_runs_keep_their_texts_inside(page: Path, make_record: MakeRecord) -> None:
    shown = write_page(page, make_record(PROBLEMS))
    [suite] = shown.index["suites"]
    [(first, name)] = suite["chunks"]
    problems = unpacked(shown.texts[name])
    assert first == 0
    assert [problem["prompt"] for problem in problems] == [f"What is {each}?" for each in PROBLEMS]
    assert problems[1]["samples"][3] == {
        "index": 3,
        "status": "timeout",
        "text": "It is 3.",
        "answer": "3",
        "reason": "timeout of b",
        "tokens": 10,
        "finish": "stop",
        "seconds": 4.0,
        "forgeable": False,
        "problem": None,
    }
    assert list(page.parent.iterdir()) == [page]


@pytest.mark.usefixtures("large")
def test_large_runs_have_them_in_files_beside(page: Path, make_record: MakeRecord) -> None:
    shown = write_page(page, make_record(PROBLEMS))
    folder = page.parent / "report.html.data"
    assert shown.index["folder"] == folder.name
    [suite] = shown.index["suites"]
    assert [first for first, _ in suite["chunks"]] == [0, 1, 2, 3]
    for (_, name), problem in zip(suite["chunks"], PROBLEMS, strict=True):
        script = (folder / f"{name}.js").read_text(encoding="utf-8")
        found = re.fullmatch(r'passatkChunk\("([0-9a-f]{16})","([A-Za-z0-9+/=]+)"\);\n', script)
        assert found
        assert found[1] == name
        assert unpacked(found[2])[0]["prompt"] == f"What is {problem}?"


@pytest.mark.usefixtures("large")
def test_a_new_page_takes_the_place_of_an_old_one_whole(page: Path, make_record: MakeRecord) -> None:
    write_page(page, make_record(PROBLEMS))
    folder = page.parent / "report.html.data"
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    shown = write_page(page, make_record({"a": "PPPP", "new": "F"}))
    names = {f"{name}.js" for _, name in shown.index["suites"][0]["chunks"]}
    assert {file.name for file in folder.iterdir()} == names | {"notes.txt"}


def test_a_small_page_leaves_no_files_of_a_large_one(
    page: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("pytest_passatk.report.html.page.EMBEDDED", 0)
        write_page(page, make_record(PROBLEMS))
    write_page(page, make_record(PROBLEMS))
    assert list(page.parent.iterdir()) == [page]


@pytest.mark.usefixtures("large")
def test_the_same_run_gives_the_same_files(page: Path, make_record: MakeRecord) -> None:
    def content() -> dict[str, bytes]:
        write_page(page, make_record(PROBLEMS))
        return {file.name: file.read_bytes() for file in page.parent.rglob("*") if file.is_file()}

    assert content() == content()


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path, make_record: MakeRecord) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"file/report\.html: cannot be written"):
        write_page(tmp_path / "file" / "report.html", make_record(PROBLEMS))


@pytest.mark.usefixtures("large")
def test_a_folder_that_cannot_be_written_leaves_the_old_page(page: Path, make_record: MakeRecord) -> None:
    page.write_text("the old one", encoding="utf-8")
    (page.parent / "report.html.data").write_text("no folder", encoding="utf-8")
    with pytest.raises(UsageError, match=r"report\.html\.data.*cannot be written"):
        write_page(page, make_record(PROBLEMS))
    assert page.read_text(encoding="utf-8") == "the old one"


@given(st.text(st.characters()) | st.text("<!-/script>&\u2028\ud800"))
def test_data_cannot_end_its_element_and_reads_back(text: str) -> None:
    plain = as_data({"text": [text]})
    assert not set("<>&\u2028\u2029") & set(plain)
    assert json.loads(plain) == {"text": [text]}


@given(st.text(st.characters()), st.text(st.characters()))
def test_texts_read_back_whatever_they_are(prompt: str, text: str) -> None:
    payload = chunks.pack([{"prompt": prompt, "samples": [{"text": text}]}])
    assert re.fullmatch("[A-Za-z0-9+/=]+", payload)
    assert unpacked(payload) == [{"prompt": prompt, "samples": [{"text": text}]}]


def test_the_policy_admits_this_script_and_this_style(page: Path, make_record: MakeRecord) -> None:
    shown = write_page(page, make_record({"</script><!--<script>%%scripts%%": "PPPP"}))
    for element in ("script", "style"):
        digest = sha256(shown.texts[element].encode()).digest()
        found = re.search(rf"{element}-src 'sha256-([^']+)'", shown.policy)
        assert found
        assert b64decode(found[1]) == digest
    assert "default-src 'none'" in shown.policy
    assert "unsafe" not in shown.policy


def test_our_own_script_cannot_end_its_element(page: Path, make_record: MakeRecord) -> None:
    text = write_page(page, make_record(PROBLEMS)).texts["script"].lower()
    assert text.rstrip().endswith("start();")
    assert "<!--" not in text
    for markup in ("innerhtml", "outerhtml", "insertadjacenthtml", "document.write", "eval("):
        assert markup not in text


def test_long_seeds_stay_exact(page: Path, make_record: MakeRecord) -> None:
    assert ["seed", str(2**62 + 1)] in write_page(page, make_record(PROBLEMS)).index["facts"]

"""The command `passatk matrix`: its file, its cells, and its table; tests/plugin/test_matrix_runs.py runs it."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from pytest_passatk.cli import main
from pytest_passatk.commands.matrix_cells import Cell, plan_cells
from pytest_passatk.commands.matrix_file import read_matrix
from pytest_passatk.commands.matrix_log import reason_in
from pytest_passatk.commands.matrix_markdown import to_markdown
from pytest_passatk.commands.matrix_rows import orders, rows_of
from pytest_passatk.commands.matrix_runs import Result, lacking
from pytest_passatk.commands.matrix_settings import digest
from pytest_passatk.commands.matrix_table import draw
from pytest_passatk.core.errors import UsageError
from pytest_passatk.report.glyphs import ASCII, UNICODE, Glyphs

WHOLE = """
[matrix]
n = 16
k = [1, 8]
seed = 3
out = "results"

[[models]]
model = "hf:tiny"
dtype = "float32"
model-args = {attn_implementation = "eager", low = true}

[[models]]
model = "hf:runs/tuned"
label = "tuned"

[[suites]]
suite = "quiz"
max_tokens = 64
n = 4
param = {year = 2025, hard = true}

[[suites]]
suite = "quiz/test_quiz.py::test_quiz"
label = "one"
unsafe = true
logprobs = false

[arms]
adapter = ["base", "runs/lora"]
"""
PLAIN = '[[models]]\nmodel = "tiny"\n[[suites]]\nsuite = "quiz"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `bench` for a file, beside the current one, with a suite, weights and an adapter."""
    for name in ("quiz", "runs/tuned", "runs/lora"):
        (tmp_path / "bench" / name).mkdir(parents=True)
    (tmp_path / "bench" / "quiz" / "test_quiz.py").write_text("# a suite\n")
    (tmp_path / "bench" / "runs" / "tuned" / "weights").write_text("1")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "bench"


def cells_of(folder: Path, text: str) -> list[Cell]:
    (folder / "m.toml").write_text(text)
    return plan_cells(read_matrix(folder / "m.toml"))


def refusal(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    (folder / "m.toml").write_text(text)
    assert main(["matrix", str(folder / "m.toml")]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1), error
    return error.removeprefix("passatk: error: ").removeprefix(str(folder)).removeprefix("/").rstrip("\n")


# The file


def test_every_model_meets_every_suite_with_what_both_are_given(folder: Path) -> None:
    cells = cells_of(folder, WHOLE)
    assert [(cell.model, cell.suite, cell.name, cell.arms) for cell in cells] == [
        ("hf:tiny", "quiz", "hf-tiny-quiz", 2), ("hf:tiny", "one", "hf-tiny-one", 2),
        ("tuned", "quiz", "tuned-quiz", 2), ("tuned", "one", "tuned-one", 2),
    ]  # fmt: skip
    assert cells[0].words() == [
        f"{folder}/quiz", "-p", "no:cacheprovider", "--passatk-profile=",
        "--passatk-model=hf:tiny", "--passatk-n=4", "--passatk-k=1,8", "--passatk-max-tokens=64", "--passatk-seed=3",
        "--passatk-param=year=2025", "--passatk-param=hard=true", f"--passatk-adapter=base,{folder}/runs/lora",
        "--passatk-dtype=float32", "--passatk-model-args=attn_implementation=eager,low=true",
        f"--passatk-json={folder}/results/hf-tiny-quiz.json", f"--passatk-store={folder}/results/store.sqlite",
    ]  # fmt: skip
    words = cells[3].words()
    assert words[0] == f"{folder}/quiz/test_quiz.py::test_quiz"
    assert {f"--passatk-model=hf:{folder}/runs/tuned", "--passatk-n=16", "--passatk-unsafe"} <= set(words)
    assert not [word for word in words if "logprobs" in word or "max-tokens" in word]


def test_what_the_file_leaves_out_has_a_default(folder: Path) -> None:
    [cell] = cells_of(folder, PLAIN)
    assert (cell.folder, cell.arms) == (folder / "m", 1)
    assert cell.words()[4:-2] == ["--passatk-model=tiny"]


def test_a_suite_is_sought_beside_the_file_then_here_then_among_modules(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "here" / "quiz").mkdir()
    (folder.parent / "here" / "exam").mkdir()
    package = folder / "sought_package"  # it stays among the modules of this process
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "trial.py").write_text("")
    monkeypatch.syspath_prepend(str(folder))
    for suite, words, label in (
        ("quiz", (f"{folder}/quiz",), "quiz"),
        ("exam", ("exam",), "exam"),
        ("sought_package.trial::test_it", ("--pyargs", "sought_package.trial::test_it"), "trial"),
    ):
        [cell] = cells_of(folder, PLAIN.replace('"quiz"', f'"{suite}"'))
        assert (cell.suite_words, cell.suite) == (words, label)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN + "[matrx]\nn = 1", "m.toml: matrx: there is no such table; near to it: matrix"),
        ("[matrix]\nn = 2", "m.toml: there are no models: write at least one table [[models]]"),
        (PLAIN.replace("[[suites]]", "[suites]"), "m.toml: there are no suites: write at least one table [[suites]]"),
        (PLAIN + "[matrix]\ntemprature = 1", "m.toml: [matrix] temprature: there is no such option here; near to it: "),
        (PLAIN + "[matrix]\nn = 0", "m.toml: [matrix] n = 0: must be at least 1; wanted: samples a problem"),
        (PLAIN + '[matrix]\nn = "many"', "m.toml: [matrix] n = 'many': invalid literal"),
        (PLAIN + "[matrix]\nn = [1]", "m.toml: [matrix] n = [1]: [1] is of a kind that it does not take"),
        (PLAIN + "[matrix]\nout = 3", "m.toml: [matrix] out = 3: it must be the name of a folder"),
        (PLAIN + '[matrix]\nmodel = "tiny"', "m.toml: [matrix] model: there is no such option here"),
        (PLAIN + '[matrix]\njson = "x"', "m.toml: [matrix] json: has no place in a matrix: each cell has its own"),
        (PLAIN + '[matrix]\nsave = "x"', "m.toml: [matrix] save: has no place in a matrix: it compares arms"),
        (PLAIN + '[matrix]\nadapter = "x"', "m.toml: [matrix] adapter: it tells arms apart, and stands in [arms]"),
        (PLAIN + "[matrix]\ntop-p = 1\ntop_p = 1", "m.toml: [matrix] top_p: stands there twice"),
        (PLAIN + "[arms]\nadaptor = []", "m.toml: [arms] adaptor: no arms differ in it; near to it: adapter"),
        (PLAIN + "arms = 3", "m.toml: [[suites]] 1 arms: there is no such option here"),
        ("arms = 3\n" + PLAIN, "m.toml: [arms] is 3: it must be a table"),
        (PLAIN.replace('"tiny"', '""'), "m.toml: [[models]] 1 model = '': it must be text"),
        (PLAIN.replace("model =", "modle ="), "m.toml: [[models]] 1: it has no model: add model = …, in place of m"),
        (PLAIN.replace('"quiz"', '"quizz"'), "m.toml: [[suites]] 1 suite = 'quizz': there is no such file or"),
        (PLAIN + '[[models]]\nmodel = "tiny"', "m.toml: [[models]] 2 are called tiny: give each a label of its own"),
        (
            PLAIN + '[[models]]\nmodel = "x:y"\n[[models]]\nmodel = "x"\nlabel = "x-y"',
            "m.toml: x:y x quiz and x-y x quiz would share files: give one another label",
        ),
        (
            PLAIN.replace('"tiny"', '"tiny"\nadapter = "a"') + '[arms]\nadapter = ["base", "b"]',
            "m.toml: [[models]] 1 adapter: stands in [arms], too: keep one of them",
        ),
        ("[matrix", "m.toml: cannot be read as TOML: "),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_key(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert refusal(folder, text, capsys).startswith(message)
    assert not (folder / "m").exists()


def test_a_file_that_is_not_there_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", str(folder / "none.toml")]) == 2
    assert "none.toml: cannot be read: No such file or directory: name another file" in capsys.readouterr().err


def test_a_key_of_a_server_is_not_repeated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = refusal(folder, PLAIN + '[matrix]\nconcurrency = "http://me:secret@host"', capsys)
    assert "secret" not in error


# What figures depend on


def test_a_digest_changes_with_what_shapes_the_figures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PLAIN.replace('"tiny"', '"hf:runs/tuned"')
    [cell] = cells_of(folder, text)
    seen = [digest(cell)]
    [moved] = cells_of(folder, text + "[matrix]\nn = 4")
    [same] = cells_of(folder, text + "n = 4")
    assert digest(moved) == digest(same), "where in the file an option stands changes nothing"
    seen.append(digest(same))
    (folder / "quiz" / "test_quiz.py").write_text("# another suite\n")
    seen.append(digest(cell))
    (folder / "runs" / "tuned" / "weights").write_text("23")
    seen.append(digest(cell))
    monkeypatch.setenv("PASSATK_TEMPERATURE", "0.5")
    seen.append(digest(cell))
    assert len(set(seen)) == 5


def test_a_digest_stays_where_nothing_matters(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [cell] = cells_of(folder, PLAIN)
    before = digest(cell)
    for name in ("__pycache__/x.pyc", ".pytest_cache/x"):
        (folder / "quiz" / name).parent.mkdir()
        (folder / "quiz" / name).write_text("x")
    (folder / "quiz" / "table.md").write_text("x")
    monkeypatch.setenv("PASSATK_JSON", "elsewhere.json")
    monkeypatch.setenv("EDITOR", "ed")
    assert digest(cell) == before


@pytest.mark.parametrize("suite", ["quiz", "quiz/test_quiz.py", "."])
def test_rows_count_and_reports_do_not(folder: Path, suite: str) -> None:
    [cell] = cells_of(folder, PLAIN.replace('"quiz"', f'"{suite}"\nlabel = "quiz"'))
    before = digest(cell)
    cell.report.parent.mkdir()
    cell.report.write_text("{}")
    (folder / "table.md").write_text("x")
    assert digest(cell) == before
    (folder / "quiz" / "rows.jsonl").write_text("{}")
    assert digest(cell) != before


# Reports


def interval(value: float, spread: float = 0.1) -> dict[str, float]:
    return {"low": value - spread, "high": value + spread}


def suite(arm: str | None, one: float, many: float, *, title: str = "quiz", **more: Any) -> dict[str, Any]:
    return {
        "name": f"t.py::test_{title}", "title": f"{title}@{arm}" if arm else title, "arm": arm, "ks": [1, 8],
        "level": 0.95, "withheld": None, "repeats": None, "seconds": 12.34,
        "estimates": [{"k": k, "value": v, "run": interval(v)} for k, v in ((1, one), (8, many))],
        "figures": {"tokens_per_second": 427.0, "reused": 0, "sampled": 80}, **more,
    }  # fmt: skip


def line(k: int, delta: float, decision: str, *, gated: bool = True) -> dict[str, Any]:
    return {
        "k": k, "delta": delta, "interval": interval(delta, 0.02), "decision": decision, "gated": gated,
        "small_drop": False, "conservative": not gated,
    }  # fmt: skip


def comparison(arm: str, lines: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    pace = {"metric": "tokens/s", "before": 400.0, "after": 390.0, "ratio": {"value": 0.975, "interval": None}}
    return {
        "suite": "t.py::test_quiz", "arm": arm, "lines": lines, "pace": [pace], "incomparable": [], "notes": [],
        "policy": {"alpha": 0.01, "level": 0.95},
        "regressed": [f"pass@{each['k']}" for each in lines if each["decision"] == "regressed" and each["gated"]],
        **more,
    }  # fmt: skip


ARMS = {
    "suites": [suite("none", 0.5, 0.75), suite("esamp", 0.46, 0.8)],
    "comparisons": [comparison("esamp", [line(1, -0.04, "regressed"), line(8, 0.05, "inconclusive", gated=False)])],
}


def result(report: Mapping[str, Any] | None, fault: str = "", model: str = "hf:tiny") -> Result:
    return Result(Cell(model, "quiz", "x", ("quiz",), {}, Path("out")), report, fault, reused=False, seconds=1.0)


def drawn(results: Sequence[Result], width: int = 100, glyphs: Glyphs = UNICODE) -> str:
    rows = [row for each in results for row in rows_of(each)]
    return draw(rows, orders(rows, (), results), results, width=width, color=False, glyphs=glyphs)


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_the_table_has_a_line_for_each_arm_with_its_verdicts() -> None:
    lines = [words(each) for each in drawn([result(ARMS)]).splitlines()]
    assert lines[:6] == [
        "model, suite arm pass@1 pass@8 tokens/s, wall",
        "hf:tiny none 0.500 0.400–0.600 0.750 0.650–0.850 427",
        "quiz 12.3 s",
        " esamp 0.460 0.360–0.560 0.800 0.700–0.900 427",
        " -4.0 -6.0 to -2.0 +5.0 +3.0 to +7.0 12.3 s",
        " regressed (inconclusive, conservative) × 0.975",
    ]


def test_the_table_fits_into_a_terminal() -> None:
    ratio = {"metric": "tokens/s", "ratio": {"value": 0.975, "interval": interval(0.975)}}
    report = {**ARMS, "comparisons": [{**ARMS["comparisons"][0], "pace": [ratio]}]}
    lines = drawn([result(report)], 80).splitlines()
    assert any(re.search(r" esamp +0\.460 0\.360–0\.560 +0\.800 0\.700–0\.900 +427$", each) for each in lines)
    assert any(each.endswith("0.875–1.075") for each in lines)


def test_runs_that_drift_are_told() -> None:
    shaky = suite("none", 0.5, 0.75, repeats={"drift": {"p": 0.0005}, "runs": []})
    text = words(drawn([result({**ARMS, "suites": [shaky, ARMS["suites"][1]]})]))
    assert "hf:tiny quiz none: its runs differ more than their samples explain, p = .0005" in text
    assert "its runs differ" not in drawn([result(ARMS)])


def test_plain_signs_stand_in_where_the_terminal_has_no_others() -> None:
    assert drawn([result(ARMS)], glyphs=ASCII).isascii()


def test_two_models_of_arms_share_no_chance_of_a_false_alarm() -> None:
    text = words(drawn([result(ARMS), result(ARMS, model="other")]))
    assert (
        "chance of a false alarm 0.01 for each model on each suite (2 with several arms), and so at most 0.02" in text
    )


def test_a_cell_that_failed_is_told_beside_the_others() -> None:
    text = drawn([result(None, "no weights (exit status 4)", "hf:none"), result(ARMS)])
    assert "hf:tiny" in text.splitlines()[1]
    assert "failed: hf:none x quiz: no weights (exit status 4); see out/x.log" in words(text)
    assert drawn([result(None, "why")]).strip().startswith("failed: hf:tiny x quiz: why")


def test_what_cannot_be_compared_has_figures_and_a_reason() -> None:
    report = {**ARMS, "comparisons": [comparison("esamp", [], incomparable=["other rows"], pace=[])]}
    text = words(drawn([result(report)]))
    assert "0.460 0.360–0.560" in text
    assert "hf:tiny quiz esamp: incomparable: other rows" in text
    assert to_markdown(rows_of(result(report)), [1, 8], [result(report)]).count("**incomparable**") == 2


def test_samples_from_the_store_are_told() -> None:
    reused = suite("none", 0.5, 0.75, figures={"tokens_per_second": None, "reused": 80, "sampled": 0}, seconds=0.0)
    text = words(drawn([result({**ARMS, "suites": [reused, ARMS["suites"][1]]})]))
    assert "0.750 0.650–0.850 - quiz - esamp" in text
    assert "samples from the store have no part in tokens/s and wall: hf:tiny quiz none" in text
    assert "from the store" not in drawn([result(ARMS)])


def test_two_suites_of_one_file_have_rows_of_their_own() -> None:
    report = {"suites": [suite(None, 0.5, 0.6, title="sums"), suite(None, 0.7, 0.8, title="logic")], "comparisons": []}
    assert [(row.suite, row.arm) for row in rows_of(result(report))] == [("sums", ""), ("logic", "")]
    assert "false alarm" not in drawn([result(report)])


def test_the_k_of_the_file_go_before_those_of_the_suites() -> None:
    rows = rows_of(result(ARMS))
    assert orders(rows, (), [result(ARMS)]) == [1, 8]
    assert orders(rows, (8, 64), [result(ARMS)]) == [8]


def test_the_page_is_one_table_and_obeys_no_name() -> None:
    report = json.loads(json.dumps(ARMS).replace("esamp", "a|b <b>x</b> @you"))
    results = [result(report, model="[x](y)"), result(None, "`<i>`")]
    page = to_markdown(rows_of(results[0]), [1, 8], results)
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(page)
    assert rendered.count("<tr>") == 3
    assert rendered.count("<th>") == 12
    assert rendered.count("<td>") == 24
    assert "<td><strong>regressed</strong></td>" in rendered
    assert not {"<b>", "<i>", "<a "} & set(re.findall(r"<a |<\w+>", rendered))


@pytest.mark.parametrize(
    ("report", "fault"),
    [
        ({"suites": []}, "no suite was collected"),
        ({"suites": [suite(None, 0, 0, withheld="1 sample ended in ERROR")]}, "quiz: pass@k is withheld: 1 sample"),
        (ARMS, ""),
    ],
)  # fmt: skip
def test_a_report_without_figures_is_no_result(report: Mapping[str, Any], fault: str) -> None:
    assert lacking(result(None).cell, report).startswith(fault)
    assert bool(lacking(result(None).cell, report)) is bool(fault)


def test_an_arm_that_was_not_measured_is_missed() -> None:
    cell = Cell("m", "quiz", "x", ("quiz",), {"adapter": ("base,a,b",)}, Path("out"))
    assert lacking(cell, ARMS) == "t.py::test_quiz: 2 of 3 arms were measured"


COLLECTING = """$ pytest x
=== ERRORS ===
___ ERROR collecting x/test_x.py ___
x: raise --n or lower --k
=== short test summary info ===
ERROR x/test_x.py
!!! Interrupted: 1 error during collection !!!
=== 1 error in 0.78s ===
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("$ pytest x\nERROR: no such model\n\n", "no such model"),
        ("$ pytest x\nE   OSError: no weights\n=== short ===\nERROR x\n=== 1 error ===\n", "OSError: no weights"),
        (COLLECTING, "x: raise --n or lower --k"),
        ("$ pytest x\nall is well\nKilled\n", "Killed"),
        ("$ pytest x\n", "pytest printed nothing"),
    ],
)  # fmt: skip
def test_the_reason_is_what_pytest_says_of_it(tmp_path: Path, log: str, reason: str) -> None:
    (tmp_path / "x.log").write_text(log)
    assert reason_in(tmp_path / "x.log") == reason


def test_cells_that_would_share_files_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="would share files"):
        cells_of(folder, PLAIN + '[[models]]\nmodel = "x"\nlabel = "tiny:"')


# The embedded model's matrix


def test_the_page_shows_the_file_that_its_table_came_from() -> None:
    file = Path(__file__).parents[2] / "benchmarks" / "matrix.toml"
    page = (Path(__file__).parents[2] / "docs" / "matrix.md").read_text(encoding="utf-8")
    assert file.read_text(encoding="utf-8") in page
    cells = plan_cells(read_matrix(file))
    for cell in cells:
        for arm in ("none", "esamp"):
            assert f"\n| `{cell.model}` | `{cell.suite}` | `{arm}` | " in page
    assert len(cells) == 8

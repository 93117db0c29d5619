"""The backend `replay`: what each format of saved completions gives, by problem and index."""

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from pytest_passatk.core.errors import PassatkError, UsageError
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import Briefed, Model, ModelOptions
from pytest_passatk.core.sample import Completion, FinishReason, Prompt, Request, SamplingParams
from pytest_passatk.models import registry, replay

Row: TypeAlias = Mapping[str, Any]
Write: TypeAlias = Callable[..., Path]

PLAIN = ModelOptions()
PARAMS = SamplingParams()


def lines(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_rows(*rows: Row, name: str = "samples.jsonl") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines(rows), encoding="utf-8")
        return path

    return write_rows


def load(target: object, **args: str) -> Model:
    return registry.load(f"replay:{target}", ModelOptions(args=args))


def ask(model: Model, *ids: str, n: int = 2, prompts: Mapping[str, Prompt] = {}) -> dict[str, list[Completion]]:
    """The completions of some problems, by index."""
    requests = [
        Request(f"stream {id_}", id_, index, prompts.get(id_, "?"), PARAMS, 0) for id_ in ids for index in range(n)
    ]
    found: dict[str, list[Completion]] = {id_: [] for id_ in ids}
    for completion in model.sample(requests):
        found[completion.stream.removeprefix("stream ")].append(completion)
    assert all(sorted(each.index for each in of) == list(range(n)) for of in found.values())
    return {id_: sorted(of, key=lambda each: each.index) for id_, of in found.items()}


def texts(model: Model, *ids: str, n: int = 2) -> dict[str, list[str]]:
    return {id_: [each.text for each in of] for id_, of in ask(model, *ids, n=n).items()}


def brief(model: Model, *ids: str, n: int = 2, prompts: Mapping[str, Prompt] = {}) -> list[str]:
    problems = tuple(PlannedProblem(id_, prompts.get(id_, "?"), "judge") for id_ in ids)
    assert isinstance(model, Briefed)
    return list(
        model.brief([PlannedSuite("t.py::test_t", "replay", PARAMS, n, (1,), extracts=True, problems=problems)])
    )


def sample(problem: str, index: int, text: str | None, **more: object) -> Row:
    """A line of this project's export."""
    return {
        "suite": "quiz", "problem": problem, "index": index, "prompt": f"What is {problem}?", "text": text,
        "tokens": 3, "finish": "stop", "answer": None, "status": "pass", "reason": "", "seconds": 0.1, "latency": 0.5,
    } | more  # fmt: skip


def document(number: int, *responses: object, doc: object = None, **more: object) -> Row:
    """A line of lm-eval's logged samples."""
    return {
        "doc_id": number, "doc": doc or {"question": f"q{number}"}, "target": "7", "filter": "none",
        "arguments": {"gen_args_0": {"arg_0": f"q{number}", "arg_1": {"until": ["\n\n"]}}},
        "resps": [list(responses)], "filtered_resps": ["7"], "doc_hash": f"hash {number}", "exact_match": 1.0,
    } | more  # fmt: skip


def generation(text: str, problem: str, **more: object) -> Row:
    """A line of NeMo-Skills' output."""
    return {"generation": text, "problem": problem, "expected_answer": "7", "num_generated_tokens": 4} | more


# What two problems of two completions look like in each format: the format, its rows, and the ids.
FORMATS: dict[str, tuple[str, list[Row], tuple[str, str]]] = {
    "export": ("export", [sample(i, j, f"{i}{j}") for i in "ab" for j in range(2)], ("a", "b")),
    "human-eval": (
        "human-eval",
        [{"task_id": f"HumanEval/{i}", "completion": f"{'ab'[i]}{j}"} for j in range(2) for i in range(2)],
        ("HumanEval/0", "HumanEval/1"),
    ),
    "human-eval results": (
        "human-eval",
        [{"task_id": i, "completion": f"{i}{j}", "result": "passed", "passed": True} for i in "ab" for j in range(2)],
        ("a", "b"),
    ),
    "evalplus": (
        "evalplus",
        [
            {"task_id": "Mbpp/2", "solution": "a0", "_identifier": "x"}, {"task_id": "Mbpp/3", "completion": "b0"},
            {"task_id": "Mbpp/3", "solution": "b1", "completion": "not taken"}, {"task_id": "Mbpp/2", "solution": "a1"},
        ],
        ("Mbpp/2", "Mbpp/3"),
    ),
    "lm-eval": ("lm-eval", [document(0, "a0", "a1"), document(1, "b0", "b1")], ("0", "1")),
    "lm-eval by filter": (
        "lm-eval",
        [document(i, f"{'ab'[i]}0", f"{'ab'[i]}1", filter=name) for name in ("strict", "flexible") for i in range(2)],
        ("0", "1"),
    ),
    "lm-eval by id": (
        "lm-eval",
        [document(i, f"{'ab'[i]}0", f"{'ab'[i]}1", doc={"ID": f"2024-I-{i + 1}"}) for i in range(2)],
        ("2024-I-1", "2024-I-2"),
    ),
    "lm-eval by number": (
        "lm-eval",
        [document(i, f"{'ab'[i]}0", f"{'ab'[i]}1", doc={"task_id": 11 + i}) for i in range(2)],
        ("11", "12"),
    ),
    "nemo-skills": (
        "nemo-skills",
        [generation(f"{'ab'[i]}{j}", f"p{i}", id=f"aime-{i}") for j in range(2) for i in range(2)],
        ("aime-0", "aime-1"),
    ),
    "plain": ("plain", [{"id": i, "completions": [f"{i}0", f"{i}1"]} for i in "ab"], ("a", "b")),
    "plain lines": ("plain", [{"id": i, "completion": f"{'ab'[i]}{j}"} for i in (0, 1) for j in (0, 1)], ("0", "1")),
    "plain text": ("plain", [{"problem_id": i, "text": f"{i}{j}"} for i in "ab" for j in range(2)], ("a", "b")),
    "plain objects": (
        "plain",
        [{"id": i, "completions": [{"text": f"{i}{j}"} for j in range(2)]} for i in "ab"],
        ("a", "b"),
    ),
}  # fmt: skip
WANTED = [["a0", "a1"], ["b0", "b1"]]


@pytest.mark.parametrize("case", FORMATS)
def test_a_format_is_recognised_and_read(write: Write, case: str) -> None:
    name, rows, ids = FORMATS[case]
    path = write(*rows)
    model = load(path)
    assert list(texts(model, *ids).values()) == WANTED
    assert model.info.versions["format"] == name
    assert list(texts(load(f"{name}:{path}"), *ids).values()) == WANTED


@pytest.mark.parametrize("case", FORMATS)
def test_a_packed_file_is_read(tmp_path: Path, case: str) -> None:
    path = tmp_path / "samples.jsonl.gz"
    path.write_bytes(gzip.compress(lines(FORMATS[case][1]).encode()))
    assert list(texts(load(path), *FORMATS[case][2]).values()) == WANTED


@pytest.mark.parametrize("case", FORMATS)
def test_an_array_and_a_byte_order_mark_are_read(tmp_path: Path, case: str) -> None:
    path = tmp_path / "samples.json"
    path.write_text("\n" + json.dumps(FORMATS[case][1], indent=2), encoding="utf-8")
    assert list(texts(load(path), *FORMATS[case][2]).values()) == WANTED
    path.write_text("\ufeff" + lines(FORMATS[case][1]) + "\n", encoding="utf-8")
    assert list(texts(load(path), *FORMATS[case][2]).values()) == WANTED


@pytest.mark.parametrize("case", FORMATS)
def test_a_parquet_file_is_read(tmp_path: Path, case: str) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = FORMATS[case][1]
    columns = dict.fromkeys(column for row in rows for column in row)
    table = pa.Table.from_pylist([{column: row.get(column) for column in columns} for row in rows])
    parquet.write_table(table, tmp_path / "samples.parquet")
    assert list(texts(load(tmp_path / "samples.parquet"), *FORMATS[case][2]).values()) == WANTED


def test_a_chat_in_parquet_is_the_chat_of_the_run(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    chat: Prompt = ({"role": "user", "content": "é?"},)
    rows = [sample("a", 0, "a0", prompt=json.dumps(list(chat), ensure_ascii=False))]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "samples.parquet")
    model = load(tmp_path / "samples.parquet")
    assert not any("another prompt" in line for line in brief(model, "a", prompts={"a": chat}))
    assert any("another prompt" in line for line in brief(model, "a", prompts={"a": "else"}))


# Several files


def test_a_folder_has_a_file_a_seed_in_the_order_of_the_seeds(write: Write, tmp_path: Path) -> None:
    for seed in range(12):
        write(*(generation(f"{i}:{seed}", f"p{i}") for i in range(2)), name=f"out/output-rs{seed}.jsonl")
    write(generation("greedy", "p0"), name="out/output.jsonl")
    write({"pass@1": 1.0}, name="out/metrics.jsonl")
    expected = {str(i): [f"{i}:{seed}" for seed in range(12)] for i in range(2)}
    assert texts(load(tmp_path / "out"), "0", "1", n=12) == expected
    assert texts(load(tmp_path / "out" / "output-rs*.jsonl"), "0", "1", n=12) == expected


def test_row_numbers_are_no_ids_where_the_files_disagree(write: Write, tmp_path: Path) -> None:
    write(generation("x", "p0"), generation("y", "p1"), name="output-rs0.jsonl")
    write(generation("y", "p1"), generation("x", "p0"), name="output-rs1.jsonl")
    with pytest.raises(PassatkError, match=r"output-rs1.jsonl:1: row number '0' is another problem"):
        texts(load(tmp_path), "0", "1")


def test_evalplus_folders_hold_programs(tmp_path: Path) -> None:
    for id_, number in (("HumanEval_0", 0), ("HumanEval_0", 10), ("HumanEval_0", 2), ("Mbpp_2", 0)):
        (tmp_path / id_).mkdir(exist_ok=True)
        (tmp_path / id_ / f"{number}.py").write_text(f"def f():\n    return {number}\n", encoding="utf-8")
    model = load(tmp_path)
    found = texts(model, "HumanEval/0", n=3)["HumanEval/0"]
    assert [text.split()[-1] for text in found] == ["0", "2", "10"]
    assert texts(model, "Mbpp/2", n=1) == {"Mbpp/2": ["def f():\n    return 0\n"]}


def test_files_of_one_format_go_together(write: Write, tmp_path: Path) -> None:
    write({"task_id": "a", "completion": "a0"}, name="a.jsonl")
    write({"task_id": "a", "solution": "a1"}, name="b.jsonl")
    with pytest.raises(PassatkError, match=r"b.jsonl: it has the format evalplus, and .*a.jsonl has human-eval"):
        load(tmp_path)
    assert texts(load(f"evalplus:{tmp_path}"), "a") == {"a": ["a0", "a1"]}


def test_rows_need_one_column_of_ids(write: Write) -> None:
    path = write({"id": "a", "completion": "a0"}, {"task_id": "a", "completion": "a1"})
    with pytest.raises(PassatkError, match=r"no column with ids in common: give each row an id"):
        brief(load(path), "a")


def test_a_colon_in_a_name_that_exists_belongs_to_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write({"id": "a", "completion": "a0"}, name="plain:x.jsonl").parent)
    assert texts(load("plain:x.jsonl"), "a", n=1) == {"a": ["a0"]}
    assert texts(load("plain:plain:x.jsonl"), "a", n=1) == {"a": ["a0"]}


# What is kept


def test_what_the_file_knows_of_a_completion_is_kept(write: Write) -> None:
    model = load(write({
        "id": "a",
        "completions": [
            {"text": "cut", "finish_reason": "length", "tokens": 512, "cumulative_logprob": -3.5, "latency": 2},
            "bare",
        ],
    }))  # fmt: skip
    cut, bare = ask(model, "a")["a"]
    assert (cut.truncated, cut.tokens, cut.logprob, cut.latency) == (True, 512, -3.5, 2.0)
    assert (bare.finish_reason, bare.tokens, bare.logprob, bare.latency) == (FinishReason.STOP, 0, None, 0.0)


def test_the_export_and_nemo_skills_keep_tokens_and_finish(write: Write) -> None:
    completion = ask(load(write(sample("a", 0, "a0", finish="length", tokens=9))), "a", n=1)["a"][0]
    assert (completion.truncated, completion.tokens, completion.latency) == (True, 9, 0.5)
    completion = ask(load(write(generation("a0", "p", finish_reason="length"))), "0", n=1)["0"][0]
    assert (completion.truncated, completion.tokens) == (True, 4)


def test_a_sample_without_an_answer_of_the_model_is_none(write: Write) -> None:
    model = load(write(sample("a", 0, None, tokens=None, finish=None), sample("a", 1, "a1")))
    first, second = ask(model, "a")["a"]
    assert first.text == "a1"
    assert second.finish_reason is FinishReason.ABORT


def test_the_model_is_the_file_with_its_digest(write: Write) -> None:
    path = write({"id": "a", "completion": "a0"})
    model = load(path)
    assert (model.info.name, model.info.backend) == ("samples.jsonl", "replay")
    assert model.info.revision == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    path.write_text(path.read_text().replace("a0", "a1"))
    assert load(path).info.identity() != model.info.identity()


def test_the_column_of_the_ids_belongs_to_the_identity(write: Write) -> None:
    path = write(*(document(i, "x", doc={"id": 1 - i}) for i in range(2)))
    by_id, by_number = load(path), load(path, id="doc_id")
    brief(by_id, "0", "1", n=1)
    brief(by_number, "0", "1", n=1)
    assert (by_id.info.versions["ids"], by_number.info.versions["ids"]) == ("doc.id", "doc_id")
    assert by_id.info.identity() != by_number.info.identity()


def test_the_column_with_the_most_ids_is_taken(write: Write) -> None:
    path = write(*(document(i, f"doc {i}", doc={"id": i + 2}) for i in range(4)))
    assert texts(load(path), "0", "1", "2", n=1) == {"0": ["doc 0"], "1": ["doc 1"], "2": ["doc 2"]}
    assert texts(load(path), "2", "3", "4", n=1) == {"2": ["doc 0"], "3": ["doc 1"], "4": ["doc 2"]}
    assert texts(load(path, id="doc_id"), "2", "3", n=1) == {"2": ["doc 2"], "3": ["doc 3"]}


def test_suites_with_equal_ids_are_told_apart_by_their_prompts(write: Write) -> None:
    path = write(sample("1", 0, "x", suite="quiz", prompt="p"), sample("1", 0, "y", suite="other", prompt="q"))
    for prompt, text in (("p", "x"), ("q", "y")):
        assert ask(load(path), "1", n=1, prompts={"1": prompt})["1"][0].text == text
    error = ask(load(path), "1", n=1, prompts={"1": "r"})["1"][0].error
    assert error is not None
    assert "'1' in each of the suites quiz, other" in error


# What a run is told


def test_a_run_is_told_what_fits_and_what_does_not(write: Write) -> None:
    path = write(*({"id": id_, "completions": ["x"] * n} for id_, n in (("a", 3), ("b", 2), ("c", 3), ("d", 3))))
    assert brief(load(path), "a", "b", "e", n=3) == [
        "replay: 11 completions of 4 problems; sampling settings and seed of this run do not shape them",
        "replay: most problems have 3 completions, but not b (2)",
        "replay: 2 problems of the file not asked for: c, d",
        "replay: 1 problem not in the file, an ERROR each: e",
        "replay: 1 problem with too few completions, an ERROR each: b (2 of 3); --n 2 stays within them",
    ]
    assert len(brief(load(path), "a", "c", "d", n=3)) == 3


def test_many_names_are_cut(write: Write) -> None:
    path = write(*({"id": i, "completion": "x"} for i in range(20)))
    assert brief(load(path), "3", n=1)[1] == "replay: 19 problems of the file not asked for: 0, 1, 2, 4, 5 and 14 more"


def test_a_request_beyond_the_file_is_an_error_and_no_answer(write: Write) -> None:
    path = write(
        {"id": "a", "completions": ["x"]}, {"id": "b", "completions": ["x", "y"]}, {"id": "c", "completions": []}
    )
    found = ask(load(path), "a", "b", "c", "d")
    assert [[each.finish_reason.value for each in of] for of in found.values()] == [
        ["stop", "abort"], ["stop", "stop"], ["abort", "abort"], ["abort", "abort"],
    ]  # fmt: skip
    assert found["a"][1].error == f"{path} has 1 completions of 'a', and no more: --n 1 stays within them"
    assert str(found["d"][0].error).startswith(f"{path} has no completion of 'd'; by id it has a, b, c: leave the")


# Bad input

GOOD = json.dumps({"id": "a", "completion": "x"}) + "\n"
BAD: dict[str, tuple[str, str, str]] = {
    "torn": ("", GOOD + '{"id": "b", "compl', r"samples.jsonl:2: not JSON \(.*torn off"),
    "empty": ("", "\n", r"samples.jsonl: there is nothing in it: name a file"),
    "no object": ("", "7\n", r"samples.jsonl:1: a int: an object with columns"),
    "no encoding": ("", '{"id": "\udce9"}\n', r"samples.jsonl:1: not JSON \(.*decode"),
    "unknown": ("", '{"x": 1, "y": 2}\n', r"samples.jsonl:1: no known format: its columns are x, y; known are export"),
    "no column": ("", GOOD + '{"id": "b"}\n', r"samples.jsonl:2: the row has no 'completions', its columns are id"),
    "no id": ("", GOOD + '{"completion": "x"}\n', r"samples.jsonl:2: the row has no 'id', its columns are completion"),
    "wrong text": ("", '{"id": "b", "completion": 7}\n', r"samples.jsonl:1: 'completion' of 'b' is a int: text"),
    "wrong list": ("", '{"id": "b", "completions": "x"}\n', r"samples.jsonl:1: 'completions' of 'b' is a str: a list"),
    "wrong part": ("", '{"id": "b", "completions": ["", 7]}\n', r"samples.jsonl:1: completion 1: 'text' is a int"),
    "wrong id": ("human-eval:", '{"task_id": [1], "completion": ""}\n', r"samples.jsonl:1: 'task_id' is a list: an id"),
    "wrong format": ("lm-eval:", GOOD, r"samples.jsonl:1: the row has no 'doc_id', its columns are id, completion"),
    "likelihoods": ("", lines([document(0, ["-1.5", "False"])]), r"samples.jsonl:1: 'resps' of '0' holds \['-1.5'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_file_line_and_remedy(tmp_path: Path, case: str) -> None:
    prefix, text, message = BAD[case]
    path = tmp_path / "samples.jsonl"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(PassatkError, match=message):
        load(f"{prefix}{path}")


def test_a_torn_packed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl.gz"
    path.write_bytes(gzip.compress(lines([{"id": i, "completion": str(i)} for i in range(1000)]).encode())[:-20])
    with pytest.raises(PassatkError, match=r"samples.jsonl.gz: cannot be read"):
        load(path)


def test_no_id_in_common_is_one_error_with_both_sides(write: Write) -> None:
    model = load(write(document(0, "x", doc={"id": "p0"})))
    with pytest.raises(PassatkError, match=r"no id in it is .*doc.id has p0; doc_id has 0; asked for are HumanEval/0"):
        brief(model, "HumanEval/0", n=1)
    with pytest.raises(PassatkError, match="no id in it is one of this run's"):
        texts(model, "HumanEval/0")


def test_a_column_that_is_not_there_is_refused(write: Write) -> None:
    with pytest.raises(PassatkError, match=r"no column 'task' .*one of id"):
        texts(load(write({"id": "a", "completion": "x"}), id="task"), "a")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "names no file: write replay:FILE"),
        ("plain:", "names no file: write replay:FILE"),
        ("none.jsonl", "none.jsonl: there is no such file"),
        ("lmeval:none.jsonl", "lmeval:none.jsonl: there is no such file"),
        ("*.nothing", "there is no such file"),
        (".", "a folder without"),
    ],
)
def test_a_place_without_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PassatkError, match=message):
        load(target)


@pytest.mark.parametrize(
    "options",
    [
        ModelOptions(revision="main"), ModelOptions(adapters={"": "lora"}), ModelOptions(dtype="float16"),
        ModelOptions(device="cuda"), ModelOptions(quantization="4bit"), ModelOptions(chat_template="none"),
        ModelOptions(args={"id": "id", "max_len": "4"}),
    ],
    ids=str,
)  # fmt: skip
def test_an_option_that_cannot_change_a_saved_text_is_refused(write: Write, options: ModelOptions) -> None:
    with pytest.raises(UsageError, match="cannot change: leave it away"):
        replay.load(str(write({"id": "a", "completion": "x"})), options)

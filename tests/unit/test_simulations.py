"""The simulations behind docs/statistics.md, in small: each still runs, and what it prints can be read."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "statistics"
SIMULATIONS = sorted(path.stem for path in FOLDER.glob("*.py") if "def main" in path.read_text(encoding="utf-8"))
FIGURE = re.compile(r"[+−-]?\d+(?:\.\d+)?")


@cache
def tables(name: str) -> list[list[dict[str, str]]]:
    """The Markdown tables that a simulation prints, as rows by the names of their columns."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--runs", "1"]
    printed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert printed.returncode == 0, printed.stderr
    found: list[list[dict[str, str]]] = []
    heads: list[str] = []
    for line in printed.stdout.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            heads = []
        elif not heads:
            heads = cells
            found.append([])
        elif set(line) != {"|", "-"}:
            found[-1].append(dict(zip(heads, cells, strict=True)))
    return found


def test_there_are_simulations() -> None:
    assert {"interval_coverage", "false_alarms", "published_cells"} <= set(SIMULATIONS)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_every_simulation_prints_figures(name: str) -> None:
    for rows in tables(name):
        assert rows
        for row in rows:
            assert FIGURE.search(list(row.values())[-1]), row
            assert "nan" not in " ".join(row.values())


@pytest.mark.parametrize("name", SIMULATIONS)
def test_every_simulation_is_named_beside_its_results(name: str) -> None:
    documents = [(ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in ("statistics", "performance")]
    assert any(f"python benchmarks/statistics/{name}.py" in document for document in documents)


VERDICTS = "improved / ok / regressed / inconclusive"


def test_published_gains_within_noise_are_not_called_improved() -> None:
    (rows,) = tables("published_cells")
    assert {row["cell"] for row in rows} == {"HumanEval", "AIME, weak model", "AIME, strong model"}
    for row in rows:
        if row["counts"] not in {f"won with {gain}" for gain in range(5, 9)}:  # three problems from never to mostly
            for k in (1, 8):
                assert row[f"pass@{k}, {VERDICTS}"] in {"0.0 / 100.0 / 0.0 / 0.0", "0.0 / 0.0 / 0.0 / 100.0"}, row


def test_the_gain_of_three_problems_won_and_one_lost_is_inconclusive() -> None:
    (rows,) = tables("published_cells")
    told = [row for row in rows if row["counts"] == "won with 3"]
    assert [(row["pass@8, pp"], row[f"pass@8, {VERDICTS}"]) for row in told] == [("+6.67", "0.0 / 0.0 / 0.0 / 100.0")]


@pytest.mark.parametrize(
    ("letter", "problems", "k", "drops"),
    [
        ("D", "30", "1", (6.7, 4.8, 3.4, 2.4, 1.2)),
        ("D", "30", "8", (15.5, 9.8, 6.6, 4.6, 2.3)),
        ("B", "164", "1", (2.4, 1.7, 1.2, 0.9, 0.4)),
        ("B", "164", "8", (4.7, 2.9, 2.0, 1.4, 0.7)),
        ("M", "500", "1", (1.6, 1.1, 0.8, 0.6, 0.3)),
        ("M", "500", "8", (2.5, 1.5, 1.0, 0.7, 0.3)),
    ],
)
def test_detectable_drops_are_those_of_the_distributions(
    letter: str, problems: str, k: str, drops: tuple[float, ...]
) -> None:
    rows = [row for row in tables("detectable_drops")[0] if (row["rates"], row["P"], row["k"]) == (letter, problems, k)]
    (row,) = rows
    found = [float(cell.split(" ")[0]) for head, cell in row.items() if head.startswith("n = ")]
    assert found == pytest.approx(drops, abs=0.11)


def test_a_ratcheted_baseline_alarms_where_a_frozen_one_does_not() -> None:
    (rows,) = tables("frozen_baseline")
    means = {row["baseline"]: float(row["alarms in 50, 0.05"].split()[0]) for row in rows if row["P"] == "164"}
    assert means["best run so far"] > means["frozen"]

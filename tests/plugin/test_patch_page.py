"""The page for authors of patches: its code runs as printed, and its commands print what it shows."""

import re
import shlex
import shutil
from pathlib import Path

import hypothesis  # noqa: F401 - sessions run in this process, and these libraries cannot be imported twice
import pytest
import torch
from sessions import MakeSessions, Sessions

import pytest_passatk.stress.trial  # noqa: F401

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "patches.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
SHOWN = [title for title, text in SECTIONS.items() if "```console" in text]

# A file that the text in front of it names, or commands with what they print.
BLOCK = re.compile(r"(?:`(\w+\.py)`[^`]*\n```python|```console)\n(.*?)```", re.DOTALL)
SHORT = ("--passatk-stress-budget", "1s")
LEFT_OUT = "…"


@pytest.fixture
def page(make_sessions: MakeSessions) -> Sessions:
    """A folder as the page has it: the suite, and the files of the reader."""
    torch.set_num_threads(1)
    sessions = make_sessions(0)
    sessions.pytester.makeini("[pytest]")
    shutil.copytree(ROOT / "suites" / "decode_shrink", sessions.pytester.path / "suites" / "decode_shrink")
    return sessions


def blocks(text: str) -> list[tuple[str, str]]:
    """The blocks of a part of the page, in order, each with its file's name; commands have none."""
    return BLOCK.findall(text)


def files_before(title: str) -> dict[str, str]:
    """What a reader has when a section begins."""
    before = list(SECTIONS)[: list(SECTIONS).index(title)]
    return {name: code for each in before for name, code in blocks(SECTIONS[each]) if name}


def run(sessions: Sessions, command: str) -> pytest.RunResult:
    program, *arguments = shlex.split(command)
    assert program == "pytest"
    return sessions.run(*arguments, *SHORT, "-p", "no:cacheprovider")


def essence(line: str) -> str:
    """A line without what differs between two runs: times, digests, lines of this package, and what a budget brings."""
    line = re.sub(r"@[0-9a-f]{16} ", "@0 ", re.sub(r"observer\.py:\d+", "observer.py:0", line)).strip("=! ")
    line = re.sub(r"in [\d.]+s( \([\d:]+\))?$", "in 0s", line)
    return re.sub(r"[\d,.]+\d|\d", "0", line) if " schedules, " in line or " p = " in line else line


def missing(shown: str, printed: list[str]) -> list[str]:
    """The lines that a page shows and a run did not print in that order."""
    left = iter([essence(line) for line in printed])
    wanted = [essence(line) for line in shown.splitlines() if line.strip() not in ("", LEFT_OUT)]
    return [line for line in wanted if not any(line == other for other in left)]


@pytest.mark.parametrize("title", SHOWN)
def test_a_section_prints_what_it_shows(page: Sessions, title: str) -> None:
    for name, code in files_before(title).items():
        page.write(code, name)
    for name, text in blocks(SECTIONS[title]):
        if name:
            page.write(text, name)
            continue
        for block in text.removeprefix("$ ").split("\n$ "):
            command, _, shown = block.partition("\n")
            result = run(page, command)
            assert missing(shown, result.outlines) == [], command
            assert result.ret == (1 if " failed" in shown else 0), command


def test_the_first_tap_is_short_and_every_block_belongs_to_a_file() -> None:
    named = [(name, code) for name, code in blocks(PAGE) if name]
    assert len(named) == PAGE.count("```python")
    assert named[0][0] == "my_tap.py"
    assert len(named[0][1].splitlines()) <= 30


def test_a_hook_that_stays_is_told_as_the_page_says(page: Sessions) -> None:
    (code,) = [code for name, code in blocks(PAGE) if name == "steer.py"]
    page.write(code.replace("hook.remove()", "pass"), "steer.py")
    result = run(page, "pytest suites/decode_shrink --patch steer:Steer -k restored")
    (told,) = re.findall(r"`(\S+ is still hooked once the patch is gone)`", PAGE)
    result.assert_outcomes(failed=1)
    assert f"  {told}" in result.outlines


def test_a_signature_that_drifted_ends_the_run_as_the_page_says(page: Sessions) -> None:
    (code,) = [code for name, code in blocks(PAGE) if name == "steer.py"]
    page.write(code.replace("prepend=False, ", ""), "steer.py")
    result = run(page, "pytest suites/decode_shrink --patch steer:Steer -k pair")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(
        ["torch.nn:Module.register_forward_hook: expected (self, hook, *, with*, found (*prepend*"]
    )


def test_a_patch_without_its_arguments_is_refused_as_the_page_says(page: Sessions) -> None:
    (code,) = [code for name, code in blocks(PAGE) if name == "warm.py"]
    page.write(code, "warm.py")
    result = run(page, "pytest suites/decode_shrink --patch warm:Warm --passatk-patch-args heat=2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_what_is_said_of_vllms_sampler_is_what_this_package_was_written_for() -> None:
    from pytest_passatk.runtimes.vllm_hooks import SAMPLER, WRITTEN_FOR  # noqa: PLC0415 - read here alone

    target = f"{SAMPLER}.sample"
    assert f"`{target}`, with\n`{WRITTEN_FOR[target]}`" in PAGE


def test_a_registered_patch_has_a_name(page: Sessions) -> None:
    (points,) = re.findall(r"```toml\n\[project\.entry-points\.\"(.*?)```", PAGE, re.DOTALL)
    group, _, entries = points.partition('"]\n')
    installed = page.pytester.mkdir("my_tap-1.0.dist-info")
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-tap\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{group}]\n" + entries.replace('"', ""))
    for name, code in files_before("Rules").items():
        page.write(code, name)
    page.pytester.syspathinsert()
    result = run(page, "pytest suites/decode_shrink --patch my-tap -k pair")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["my-tap()@* on tensor, claims the same tokens"])


def test_rows_can_be_trained_with_as_the_page_says() -> None:
    kept = torch.zeros(2, 3)
    weight = torch.ones(3, requires_grad=True)
    with torch.inference_mode():
        tensor = torch.ones(2, 3)
        kept.copy_(tensor)
        with torch.inference_mode(False):
            for rows in (tensor.clone(), kept):
                (rows @ weight).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [4.0, 4.0, 4.0]

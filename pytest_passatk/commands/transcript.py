"""One problem with its samples, for a person to read.

What a model wrote is shown and never obeyed: signs that steer a terminal are escaped, and a gutter tells its lines
from ours.
"""

from collections.abc import Iterator
from typing import Any

from rich.color import ColorSystem
from rich.style import Style

from pytest_passatk.report.glyphs import glyphs_for
from pytest_passatk.report.text import seconds, visible
from pytest_passatk.store import ProblemRow, SampleRow

TAB = "\t"
STYLES = {"pass": "bold green", "fail": "bold red", "timeout": "bold yellow", "error": "bold white on red"}


def transcript(title: str, problem: ProblemRow, *, color: bool, encoding: str) -> Iterator[str]:
    """The lines about a problem: its prompt, and each sample with answer, verdict, text and reason.

    Args:
        title: what to call the problem.
        problem: with its samples.
        color: whether to write ANSI colours.
        encoding: of the stream that takes the lines.
    """
    gutter = glyphs_for(encoding).gutter
    dot = f" {glyphs_for(encoding).dot} "
    solved = sum(sample.status == "pass" for sample in problem.samples)
    yield _styled(f"{visible(title)}  {solved} of {len(problem.samples)} samples solved", "bold", color=color)
    for heading, text in _prompt(problem.prompt):
        yield ""
        yield _styled(heading, "dim", color=color)
        yield from _quoted(text, gutter)
    for sample in problem.samples:
        yield ""
        status = _styled((sample.status or "not judged").upper(), STYLES.get(sample.status or "", "dim"), color=color)
        yield f"sample {sample.index}  {dot.join([status, *_facts(sample)])}"
        yield from _quoted(sample.text, gutter)
        if sample.reason:
            yield _styled("reason", "dim", color=color)
            yield from _quoted(sample.reason, gutter)


def _prompt(prompt: Any) -> Iterator[tuple[str, str]]:
    """Headings and texts: one for a plain prompt, one a message for a chat."""
    if isinstance(prompt, str):
        yield "prompt", prompt
    else:
        for message in prompt:
            yield f"prompt ({visible(message['role'])})", message["content"]


def _facts(sample: SampleRow) -> Iterator[str]:
    if sample.answer is not None:
        yield f"answer {visible(sample.answer)}"
    if sample.text is None:
        yield "no completion"
    yield from _drawn(sample)
    if sample.seconds is not None:
        yield f"judged in {seconds(sample.seconds)}"
    if sample.forgeable:
        yield "forgeable"


def _drawn(sample: SampleRow) -> Iterator[str]:
    if sample.tokens is not None:
        yield f"{sample.tokens:,} tokens"
    if sample.prompt_tokens is not None:
        yield f"{sample.prompt_tokens:,} prompt tokens"
    if sample.finish is not None:
        yield f"finish {sample.finish}"
    if sample.latency is not None:
        yield f"sampled in {seconds(sample.latency)}"
    if sample.first_token is not None:
        yield f"first token after {seconds(sample.first_token)}"
    if sample.logprob is not None:
        yield f"logprob {sample.logprob:.3f}"


def _quoted(text: str | None, gutter: str) -> Iterator[str]:
    for line in [] if text is None else text.split("\n"):
        yield f"  {gutter} {visible(line, keep=TAB)}"


def _styled(text: str, style: str, *, color: bool) -> str:
    return Style.parse(style).render(text, color_system=ColorSystem.STANDARD) if color else text

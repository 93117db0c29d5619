"""A fake model for tests of the harness: it answers as its prompt says, and notes every sample that it draws.

A prompt such as `5|6|LENGTH:7` makes sample i answer part i (mod 3); `LENGTH:` ends it by its token limit, `ABORT:`
makes it an answer that the model could not give. Environment variables set the pace and the failures, and name the file
for a note of what the model was asked.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, FinishReason, Request


class FakeModel:
    """Answers by script; see the module."""

    def __init__(self, target: str, options: ModelOptions) -> None:
        self.seen = {"target": target, "options": asdict(options)}
        revision = options.revision or "1"
        self.info = ModelInfo(
            target, "fake", revision, options.adapter, "float32", options.chat_template, {"fake": "1"}
        )

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer in order; `FAKE_DELAY` seconds each, `FAKE_DIES_AFTER` answers at most."""
        if requests and "FAKE_SEEN" in os.environ:
            asked = {"params": asdict(requests[0].params), "seeds": [request.seed for request in requests]}
            Path(os.environ["FAKE_SEEN"]).write_text(json.dumps(self.seen | asked))
        limit = int(os.environ.get("FAKE_DIES_AFTER", "-1"))
        for number, request in enumerate(requests):
            if number == limit:
                raise ModelError("the fake model died")
            time.sleep(float(os.environ.get("FAKE_DELAY", "0")))
            note(f"{request.problem_id}#{request.index}")
            yield answer(request)

    def close(self) -> None:
        """Hold nothing."""
        note("close")


def answer(request: Request) -> Completion:
    """The scripted completion."""
    parts = str(request.prompt).split("|")
    kind, _, text = parts[request.index % len(parts)].rpartition(":")
    reason = {"LENGTH": FinishReason.LENGTH, "ABORT": FinishReason.ABORT}.get(kind, FinishReason.STOP)
    error = text if reason is FinishReason.ABORT else None
    return Completion(request.stream, request.index, "" if error else text, len(text), reason, 0.001, error=error)


def note(line: str) -> None:
    """Append a line to the file that `FAKE_LOG` names."""
    if "FAKE_LOG" in os.environ:
        with Path(os.environ["FAKE_LOG"]).open("a") as log:
            log.write(line + "\n")


def load(target: str, options: ModelOptions) -> FakeModel:
    """For `--model fake_model:load`."""
    return FakeModel(target or "fake", options)


def fail(target: str, options: ModelOptions) -> FakeModel:  # noqa: ARG001 - as every loader
    """For `--model fake_model:fail`: what a backend of somebody else may do."""
    raise OSError("no weights")

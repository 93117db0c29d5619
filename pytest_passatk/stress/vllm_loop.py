"""One schedule through vLLM's offline engine, step by step."""

from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from pytest_passatk.runtimes.vllm_hooks import VllmHooks
from pytest_passatk.runtimes.vllm_steps import is_real
from pytest_passatk.stress.play import Event, Happening, Play, Played
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.vllm_limits import limited

STUCK = 10_000  # steps; no schedule comes near
PATIENCE = 300.0  # seconds for a schedule
LEFTOVERS = 8  # steps in which an engine forgets what it was taken back


class Loop:
    """Plays one schedule.

    Args:
        engine: vLLM's `LLMEngine`, in this process.
        hooks: on it; requests are made known to them.
        arms: vLLM's word for each adapter; `None` is the model as it is.
        schedule: to be played.
        vocabulary: for the prompts.
    """

    def __init__(self, engine: Any, hooks: VllmHooks, arms: Sequence[Any], schedule: Schedule, vocabulary: int) -> None:
        self._engine, self._hooks, self._arms = engine, hooks, arms
        self._schedule, self._vocabulary = schedule, vocabulary
        self._scheduler = engine.engine_core.engine_core.scheduler
        self._coming = sorted(range(len(schedule.requests)), key=lambda at: schedule.requests[at].arrival)
        self._names: dict[str, str] = {}  # ours by vLLM's
        self._running: dict[str, Planned] = {}
        self._drawn: dict[str, list[tuple[int, float, float]]] = {}
        self._finished: set[str] = set()
        self._events: list[Event] = []
        self._first = self._steps = hooks.count

    def play(self) -> Play:
        """Drive the engine through all of it. Raises RuntimeError where it does not end, else what a step raises."""
        hook = self._hooks.live.network.register_forward_pre_hook(self._count)
        try:
            with limited(
                self._scheduler, self._schedule, lambda name: self._note(self._names[name], Happening.PREEMPT)
            ):
                self._drive()
        except BaseException:
            clear(self._engine)
            raise
        finally:
            hook.remove()
            self._hooks.forget()
        played = {name: self._played(name) for name in self._drawn}
        return Play(played, tuple(self._events), self._steps - self._first)

    def _drive(self) -> None:
        clock, deadline = 0, monotonic() + PATIENCE
        while self._coming or self._running:
            self._tick(clock)
            if self._running:
                self._step()
            clock += 1
            if clock > STUCK or monotonic() > deadline:
                raise RuntimeError(
                    f"the schedule does not end: after {clock} steps, {len(self._running)} of "
                    f"{len(self._schedule.requests)} requests are unfinished ({', '.join(self._running)})"
                )
        settle(self._engine)

    def _tick(self, clock: int) -> None:
        """Hand over what arrives before a step, and take back what is aborted."""
        while self._coming and self._schedule.requests[self._coming[0]].arrival <= clock:
            self._arrive(self._coming.pop(0))
        for name, planned in tuple(self._running.items()):
            if planned.abort is not None and planned.abort <= clock:
                self._engine.abort_request([name])
                self._end(name, Happening.ABORT)

    def _arrive(self, at: int) -> None:
        name, planned = self._schedule.ids[at], self._schedule.requests[at]
        internal = self._engine.add_request(
            name, {"prompt_token_ids": list(planned.tokens(self._vocabulary))}, _parameters(planned),
            lora_request=self._arms[planned.arm],
        )  # fmt: skip
        self._hooks.know(internal, name, str(planned.problem), self._schedule.sample_of(at), planned.prompt)
        self._names[internal] = name
        self._running[name] = planned
        self._drawn[name] = []
        self._note(name, Happening.ARRIVE)

    def _step(self) -> None:
        for output in self._engine.step():
            part, name = output.outputs[0], output.request_id
            self._drawn[name] += [
                (token, *_read(token, found)) for token, found in zip(part.token_ids, part.logprobs, strict=True)
            ]
            if output.finished:
                self._steps -= 1  # it ended with the step that is just over
                self._finished.add(name)
                self._end(name, Happening.FINISH)
                self._steps += 1

    def _end(self, name: str, what: Happening) -> None:
        del self._running[name]
        self._note(name, what)

    def _note(self, name: str, what: Happening) -> None:
        self._events.append(Event(self._steps, name, what))

    def _played(self, name: str) -> Played:
        rows = self._drawn[name]
        tokens, logprobs, margins = zip(*rows, strict=True) if rows else ((), (), ())
        return Played(tokens, logprobs, margins, name in self._finished)

    def _count(self, *_: Any) -> None:
        self._steps += is_real()


def clear(engine: Any) -> None:
    """Bring an engine whose step broke back to where it takes requests."""
    engine.abort_request(list(engine.output_processor.request_states), internal=True)
    engine.model_executor.driver_worker.worker.model_runner.execute_model_state = None
    with suppress(Exception):  # what broke the step may still be there; the next play settles what is left
        settle(engine)


def settle(engine: Any) -> None:
    """Let an engine forget the requests that ended, so that every play begins with an empty batch."""
    scheduler = engine.engine_core.engine_core.scheduler
    for _ in range(LEFTOVERS):
        if scheduler.has_requests():
            engine.step()


def _parameters(planned: Planned) -> Any:
    """The request's sampling parameters in vLLM's words."""
    from vllm import SamplingParams  # noqa: PLC0415 - heavy
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    draw = planned.draw
    return SamplingParams(
        temperature=draw.temperature,
        top_p=draw.top_p,
        top_k=draw.top_k,
        min_p=draw.min_p,
        seed=draw.seed,
        max_tokens=planned.length,
        ignore_eos=True,
        detokenize=False,
        logprobs=2,  # of the drawn token, and of the two that are likeliest
        output_kind=RequestOutputKind.DELTA,
    )


def _read(token: int, found: Any) -> tuple[float, float]:
    """The log-probability of a token, and by how much the likeliest was ahead of the next."""
    first, second = sorted((each.logprob for each in found.values()), reverse=True)[:2]
    return found[token].logprob, first - second

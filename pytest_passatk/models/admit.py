"""What an engine can take on, and what it must turn away: one request at a time, so that the others go on."""

from pytest_passatk.core.errors import OutOfContextError, PassatkError
from pytest_passatk.core.sample import Completion, FinishReason, Request


def room(model: str, request: Request, prompt: int, context: int | None) -> int:
    """The tokens that a completion may have: those asked for, or what the context leaves of them.

    Args:
        model: its name, for the message.
        request: what is asked.
        prompt: tokens of the prompt.
        context: tokens that prompt and completion may have together, or `None`.

    Raises:
        OutOfContextError: the prompt is empty, or leaves no room for a single token.
    """
    if not prompt:
        raise OutOfContextError(f"{request.problem_id}: the prompt is empty, but {model} needs at least one token")
    if context is None:
        return request.params.max_tokens
    if prompt >= context:
        raise OutOfContextError(
            f"{request.problem_id}: the prompt has {prompt} tokens, but the context of {model} holds {context}, "
            "and the completion needs at least one; shorten the prompt, or take a model with a longer context"
        )
    return min(request.params.max_tokens, context - prompt)


def check_whole(request: Request, length: int, batch: int) -> None:
    """Turn away what an engine cannot read in one piece.

    Args:
        request: what is asked.
        length: tokens of its prompt and of the longest completion it may have: a request that was put off for want of
            memory is read again up to where it was.
        batch: the most tokens that the engine reads in one step, by the user; 0 where the user has not said.

    Raises:
        OutOfContextError: it is longer than that.
    """
    if 0 < batch < length:
        raise OutOfContextError(
            f"{request.problem_id}: prompt and completion may take {length} tokens, which vLLM has to read in one "
            f"piece on a CPU, where seeded sampling does not survive reading in parts, but max_num_batched_tokens is "
            f"{batch}; leave it away, or give at least max_num_batched_tokens={length}"
        )


def abort(request: Request, error: PassatkError, *, tokens: int = 0, read: int | None = None) -> Completion:
    """The completion of a request that could not be answered.

    Args:
        request: what was asked.
        error: why there is no answer.
        tokens: generated nevertheless, as far as the engine tells.
        read: tokens of the prompt, as `Completion.prompt_tokens` has them.
    """
    return Completion(
        request.stream, request.index, "", tokens, FinishReason.ABORT, 0.0, prompt_tokens=read, error=str(error)
    )

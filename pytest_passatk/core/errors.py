"""The errors of the project.

PassatkError
├── UsageError          the command line, a suite or a file asks for something that cannot be done (exit 4)
│   ├── MissingExtraError   an optional library is not installed
│   └── IsolationError      what a model wrote cannot be isolated here
├── ModelError          a model cannot be loaded, or stopped answering
│   └── OutOfContextError   one prompt does not fit; the other requests go on
├── StoreError          the store cannot be read or written
├── JudgeError          the judge pool broke
└── SandboxError        the sandbox broke, or the tests that it was given
VerifierTimeout         raised by a verifier whose own time limit ran out: a wrong answer, in a class of its own
"""

import traceback


class PassatkError(Exception):
    """Base of every error that the project raises on purpose; its message names the thing, the id and the remedy."""


class UsageError(PassatkError):
    """The command line, a suite or a file asks for something that cannot be done."""


class MissingExtraError(UsageError):
    """An optional library is missing.

    Args:
        what: what was asked for, as the user typed it.
        library: the module that could not be imported.
        extra: the extra of this distribution that brings it.
    """

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(f"{what} needs {library}, which is not installed: pip install 'pytest-passatk[{extra}]'")

    def __reduce__(self) -> tuple[type[UsageError], tuple[str]]:
        """Cross process boundaries as the plain error with the same words."""
        return UsageError, (str(self),)


class IsolationError(UsageError):
    """This host cannot isolate what a model wrote."""


class ModelError(PassatkError):
    """A model cannot be loaded, or stopped answering."""


def stopped_by(error: BaseException) -> ModelError:
    """What an error of an engine comes to in other processes: as text, since neither class nor cause may reach them."""
    trace = "".join(traceback.format_exception(error))
    return ModelError(f"the model stopped: {type(error).__name__}: {error}; the same command resumes\n{trace}")


class OutOfContextError(ModelError):
    """A prompt does not fit into the model's context."""


class StoreError(PassatkError):
    """The store cannot be read or written."""


class JudgeError(PassatkError):
    """The pool of judges broke."""


class SandboxError(PassatkError):
    """The sandbox broke, or the tests that it was given: it says nothing about the program."""


class VerifierTimeout(Exception):  # noqa: N818 - like TimeoutError, it names an outcome of the verifier
    """A verifier ran into a time limit of its own: the sample counts as wrong, under TIMEOUT."""

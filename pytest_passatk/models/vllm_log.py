"""What vLLM's processes log: the errors of its children reach their parent only there.

vLLM logs to the standard output, which is a file where the engine lives apart from the session (see `apart`).
"""

import os
import re
import stat

STDOUT = 1
TAIL = 64 * 2**10  # bytes at the end of the log in which the last error is looked for
ERROR = re.compile(r"^(?:\S.* )?((?:\w+\.)*\w*(?:Error|Exception)): (.+)$", re.MULTILINE)


def end_of_log() -> int:
    """How long the log is, in bytes; 0 where it cannot be read again."""
    state = os.fstat(STDOUT)
    return state.st_size if stat.S_ISREG(state.st_mode) else 0


def last_error(since: int) -> str:
    """The last error that was logged behind that byte, in one line; empty where there is none."""
    size = end_of_log()
    if size <= since:
        return ""
    found = ERROR.findall(os.pread(STDOUT, TAIL, max(since, size - TAIL)).decode(errors="replace"))
    return ": ".join(found[-1]) if found else ""

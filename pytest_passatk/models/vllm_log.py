"""What vLLM's processes log: kept in a file, as their own errors reach this process only there."""

import atexit
import json
import os
import re
import shutil
from pathlib import Path
from tempfile import mkdtemp

VARIABLE = "VLLM_LOGGING_CONFIG_PATH"
TAKEN = (VARIABLE, "VLLM_LOGGING_LEVEL", "VLLM_CONFIGURE_LOGGING")  # of these the user has taken care
TAIL = 64 * 2**10  # bytes at the end of the log in which the last error is looked for
ERROR = re.compile(r"^(?:\S.* )?((?:\w+\.)*\w*(?:Error|Exception)): (.+)$", re.MULTILINE)

_files: list[Path] = []


def open_log() -> None:
    """Send the errors that vLLM logs into a file, unless the user has said where they go; before vLLM is imported."""
    if _files or any(name in os.environ for name in TAKEN):
        return
    folder = Path(mkdtemp(prefix="passatk-vllm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file, config = folder / "errors.log", folder / "logging.json"
    handler = {"class": "logging.FileHandler", "filename": str(file), "delay": True, "level": "ERROR"}
    vllm = {"handlers": ["file"], "level": "ERROR", "propagate": False}
    settings = {"version": 1, "disable_existing_loggers": False, "handlers": {"file": handler}}
    config.write_text(json.dumps({**settings, "loggers": {"vllm": vllm}}), encoding="utf-8")
    os.environ[VARIABLE] = str(config)
    _files.append(file)


def end_of_log() -> int:
    """How long the log is, in bytes."""
    return _files[0].stat().st_size if _files and _files[0].exists() else 0


def last_error(since: int) -> str:
    """The last error that was logged behind that byte, in one line; empty where there is none."""
    if end_of_log() <= since:
        return ""
    with _files[0].open("rb") as log:
        log.seek(max(since, end_of_log() - TAIL))
        found = ERROR.findall(log.read().decode(errors="replace"))
    return ": ".join(found[-1]) if found else ""

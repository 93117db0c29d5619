"""Modules of users: on Python's path, or beside where pytest was started."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType


def import_foreign(name: str) -> ModuleType | None:
    """Import a module; `None` where there is none of that name.

    Raises:
        ModuleNotFoundError: it is there, but not all that it imports.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a module beside the suites is found, as `python -m` finds it
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise
        return None

"""The end of a process whose run was interrupted."""

import atexit
import gc
import os
import sys

HEAVY = "torch"  # with it, and all that comes with it, Python takes seconds to look for garbage


def hurry() -> None:
    """Leave large libraries as they are, instead of taking them apart when this process ends."""
    if HEAVY in sys.modules:
        gc.freeze()  # pytest collects garbage five times at its end
        atexit.register(_leave)


def _leave() -> None:
    """Nothing is collected any more; libraries that miss what they left there complain, which nobody reads."""
    atexit.unregister(gc.unfreeze)
    gc.freeze()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

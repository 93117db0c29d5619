"""What all tests share: patches with one fault each, named as `taps:FullIndex`; no clock for properties; Ctrl-C."""

import signal
import sys
from pathlib import Path

from hypothesis import settings

MUTANTS = Path(__file__).parent / "mutants"

sys.path.insert(0, str(MUTANTS))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; sessions would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("unhurried", deadline=None)  # a busy machine is slow, and no property is about time
settings.load_profile("unhurried")

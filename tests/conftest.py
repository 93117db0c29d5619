"""What all tests share: patches with one fault each, named as `taps:FullIndex`; and property tests without a clock."""

import sys
from pathlib import Path

from hypothesis import settings

MUTANTS = Path(__file__).parent / "mutants"

sys.path.insert(0, str(MUTANTS))

settings.register_profile("unhurried", deadline=None)  # a busy machine is slow, and no property is about time
settings.load_profile("unhurried")

"""The patches with one fault each can be named by every test, as `taps:FullIndex` or `lifecycle:Hangs`."""

import sys
from pathlib import Path

MUTANTS = Path(__file__).parent / "mutants"

sys.path.insert(0, str(MUTANTS))

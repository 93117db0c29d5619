"""Patches for fake models: they are resolved and recorded like any, and a fake model makes of them what it likes."""

from pytest_passatk.core.patch import Patch


class Idle(Patch):
    """Changes nothing."""


class Says(Patch):
    """Puts something before what a FakeArms says."""

    def __init__(self, what: str = "") -> None:
        self.what = what

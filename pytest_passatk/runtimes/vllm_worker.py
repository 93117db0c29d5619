"""Patches on a vLLM engine whose core and workers run in other processes.

Give the engine `worker_extension_cls="pytest_passatk.runtimes.vllm_worker.PatchedWorker"`, and call the methods by
name: `engine.collective_rpc("passatk_attach", args=("my_pkg.my_patch:Patch", {"rank": "64"}))`. Each gives a list of
what the workers returned, which is plain data. What a patch raises in a step ends such an engine: the caller gets
vLLM's `EngineDeadError`, and the cause is in the log of the worker. Requests go by the names that vLLM has for them,
since nobody can make them known before their first step; so this serves liveness and tokens, and the stress suite runs
in one process.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Patch, PatchSpec
from pytest_passatk.patches.registry import make
from pytest_passatk.runtimes.observer import PatchObserver
from pytest_passatk.runtimes.vllm_hooks import VllmHooks
from pytest_passatk.runtimes.vllm_live import check_runner


@dataclass(frozen=True, slots=True)
class Attached:
    """A patch on a worker, and what takes it off."""

    patch: Patch
    hooks: VllmHooks
    stack: ExitStack


class PatchedWorker:
    """What vLLM adds to the class of its workers; the names are unlike any of theirs."""

    model_runner: Any  # the worker's own
    passatk_attached: Attached | None

    def passatk_attach(self, name: str, args: Mapping[str, str]) -> list[str]:
        """Put the worker under a patch; returns the names of its layers. Raises UsageError."""
        if getattr(self, "passatk_attached", None):
            raise UsageError(f"--patch {name}: another patch is attached to the worker; call passatk_detach first")
        patch = make(PatchSpec(name, args))
        hooks = VllmHooks(self, check_runner(self.model_runner), strict=False)
        stack = ExitStack()
        stack.enter_context(hooks.attached(patch, PatchObserver(patch)))
        self.passatk_attached = Attached(patch, hooks, stack)
        return list(patch.layers)

    def passatk_counters(self) -> dict[str, int]:
        """What the patch did so far. Raises UsageError where none is attached."""
        return dict(self._passatk_now().patch.counters())

    def passatk_detach(self) -> list[str]:
        """Take the patch off; returns the names of the hooks that are left, which are none. Raises UsageError."""
        attached, self.passatk_attached = self._passatk_now(), None
        attached.stack.close()
        return sorted(attached.hooks.hooks())

    def _passatk_now(self) -> Attached:
        attached: Attached | None = getattr(self, "passatk_attached", None)
        if attached is None:
            raise UsageError("no patch is attached to the worker; call passatk_attach first")
        return attached

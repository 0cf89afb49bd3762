"""The kernel a notebook runs in when the front runs it: this very Python, and nothing of the user's own settings.

papermill would take whatever kernelspec is called `python3` first on its path, which may be another environment's.
This kernel is `sys.executable`, talks over a socket in a private temporary folder instead of TCP, keeps no history
and reads no IPython profile, so that it runs the same with an unwritable home folder.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, Self

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient.exceptions import CellExecutionError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from pitrkit.runner.stop_signals import take_signals

if TYPE_CHECKING:
    from types import TracebackType


ENGINE = "pitrkit"
"""Name of this engine for `papermill.execute_notebook`."""

GRACE_SECONDS = 20.0
"""How long an interrupted cell may take to end its work properly before its kernel is stopped."""


class Interrupts:
    """Turns the first stop signal into an interrupt of the running cell, and a second one into an end at once.

    papermill dies of SIGTERM with its notebook unsaved, and its kernel's `finally` blocks do not run. Interrupting
    the kernel instead lets the cell end its work and the notebook be saved. Outside of the main thread, where Python
    allows no signal handlers, nothing is changed.

    Attributes:
        asked: A stop was asked for.
        kernel_pid: Process id of the kernel, 0 while there is none.
    """

    def __init__(self) -> None:
        self.asked = False
        self.kernel_pid = 0
        self._before: dict[int, Any] = {}
        self._grace: threading.Timer | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = take_signals(self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._grace is not None:
            self._grace.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def between_cells(self, **_: Any) -> None:
        """End the notebook before its next cell if a stop was asked for: an idle kernel ignores interrupts."""
        if self.asked:
            raise CellExecutionError("", "KeyboardInterrupt", "")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        again, self.asked = self.asked, True
        if again or not self.kernel_pid:
            raise KeyboardInterrupt
        main = threading.main_thread().ident
        assert main is not None
        self._grace = threading.Timer(GRACE_SECONDS, signal.pthread_kill, (main, signal.SIGTERM))
        self._grace.daemon = True
        self._grace.start()
        try:
            # The kernel leads a process group of its own, so a terminal's Ctrl-C does not reach it by itself.
            os.killpg(self.kernel_pid, signal.SIGINT)
        except ProcessLookupError:
            raise KeyboardInterrupt from None


class _ThisPython(KernelSpecManager):
    """Knows one kernel: the Python that runs now."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = ["-m", "ipykernel_launcher", "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        return KernelSpec(
            argv=[sys.executable, *command], display_name=kernel_name, language="python", interrupt_mode="signal"
        )


# papermill has no types.
class _Engine(NBClientEngine):  # type: ignore[misc]
    """papermill's own engine, on this kernel."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        folder: Path,
        environment: dict[str, str],
        log: IO[bytes],
        interrupts: Interrupts,
        fds: tuple[int, ...] = (),
        **_: Any,
    ) -> None:
        manager = AsyncKernelManager(
            kernel_name=kernel_name,
            kernel_spec_manager=_ThisPython(),
            connection_file=str(folder / "kernel.json"),
            transport="ipc",
            ip=str(folder / "socket"),
            client_factory=AsyncKernelClient,
        )
        client = PapermillNotebookClient(
            nb_man,
            kernel_name=kernel_name,
            timeout=None,
            startup_timeout=120,
            iopub_timeout=60,
            on_cell_start=interrupts.between_cells,
            # Asked politely, a kernel now and then takes seconds to go; whatever matters is on disk by then.
            shutdown_kernel="immediate",
        )
        # Set afterwards, so that the client owns the kernel and stops it, however this ends.
        client.km = manager
        client.start_new_kernel(env=environment, stdout=log, stderr=log, **({"pass_fds": fds} if fds else {}))
        assert isinstance(manager.provisioner, LocalProvisioner)
        interrupts.kernel_pid = manager.provisioner.pid or 0
        try:
            client.execute()
        finally:
            interrupts.kernel_pid = 0


papermill_engines.register(ENGINE, _Engine)

"""Kernels for tests that start warm: forked from a process that has imported already what notebooks import.

A kernel that starts cold spends most of its time on imports, the same ones every time, and the suite starts hundreds.
A warm one is a real kernel still: a process of its own, leader of its session, with the environment, the files and the
folder it was given, killed and interrupted by its process id. Only what `subprocess` and `import` would do is done by
a fork. Kernels of commands that run as processes of their own are cold, as are those of nbval, of tests marked
`cold_kernels`, and all of them in `make prove`.

Run as a program, it is the process that is forked.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import boto3
import orjson
from botocore.loaders import JSONFileLoader

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

SERVICES = ("cloudtrail", "cloudwatch", "dynamodb", "dynamodbstreams", "s3", "sts")
"""AWS services that most notebooks call."""

REQUEST_BYTES = 1 << 20
FDS = 16
_LAUNCHER = ["-m", "ipykernel_launcher"]


def imported() -> set[str]:
    """Return the modules that the notebooks import."""
    lines = [
        match
        for path in NOTEBOOKS.glob("*.ipynb")
        for cell in json.loads(path.read_text())["cells"]
        for match in re.findall(r"^from (pitrkit\.[\w.]+) import ([^\n]+)", "".join(cell["source"]), re.MULTILINE)
    ]
    return {f"{room}.{name.split(' as ')[0].strip()}" for room, names in lines for name in names.split(",")}


class Kernel:
    """A kernel's process, as `subprocess.Popen` would show it. It is another process's child, who tells its end."""

    stdin = stdout = stderr = None

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self.pid = int(told.recv(64))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def _end(self) -> None:
        self.returncode = int(self._told.recv(64) or -signal.SIGKILL)
        self._told.close()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nest:
    """Starts kernels: our end of the process that is forked, which is started when the first one is asked for."""

    def __init__(self, otherwise: Callable[..., Any]) -> None:
        self.cold = False
        self._otherwise = otherwise
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: socket.socket | None = None

    def launch(self, command: list[str], *, env: dict[str, str], **options: Any) -> Any:
        """Stand in for `jupyter_client.launcher.launch_kernel`."""
        if self.cold or command[:3] != [sys.executable, *_LAUNCHER]:
            return self._otherwise(command, env=env, **options)
        if self._asked is None:
            self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._asked.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST_BYTES)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
                )
        told, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open("rb") as nothing:
            given = [theirs.fileno(), nothing.fileno()]
            given += [sys.__stdout__.fileno() if options.get("stdout") is None else options["stdout"].fileno()]
            given += [sys.__stderr__.fileno() if options.get("stderr") is None else options["stderr"].fileno()]
            given += options.get("pass_fds", ())
            asked = {"words": command[3:], "env": env, "folder": str(options.get("cwd") or Path.cwd())}
            socket.send_fds(self._asked, [orjson.dumps(asked)], given)
        return Kernel(told)

    def close(self) -> None:
        if self._asked is not None and self._process is not None:
            self._asked.close()
            self._process.wait()


@contextlib.contextmanager
def warm_kernels() -> Iterator[Nest | None]:
    """Have kernels that this process starts start warm, where the system can tell of another process's end (Linux)."""
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    from jupyter_client.provisioning import local_provisioner

    nest = Nest(local_provisioner.launch_kernel)
    local_provisioner.launch_kernel = nest.launch
    try:
        yield nest
    finally:
        local_provisioner.launch_kernel = nest._otherwise
        nest.close()


def remember_models() -> None:
    """Have botocore read each service's model once in a process instead of once in a session; tests open hundreds."""
    read = functools.cache(functools.partial(JSONFileLoader.load_file, JSONFileLoader()))
    JSONFileLoader.load_file = lambda _, path: read(path)


def serve(asked: socket.socket) -> None:
    """Fork a kernel for each request, and tell how each ends, until nobody can ask any more."""
    kernels: dict[int, tuple[int, socket.socket]] = {}
    while True:
        ready, _, _ = select.select([asked, *kernels], [], [])
        for ended in (one for one in ready if one in kernels):
            assert isinstance(ended, int)
            pid, told = kernels.pop(ended)
            _, status = os.waitpid(pid, 0)
            with told, contextlib.suppress(OSError):
                told.send(b"%d" % os.waitstatus_to_exitcode(status))
            os.close(ended)
        if asked in ready:
            request, fds, _, _ = socket.recv_fds(asked, REQUEST_BYTES, FDS)
            if not request:
                break
            pid = os.fork()
            if pid == 0:
                for ended in kernels:
                    os.close(ended)
                asked.close()
                become(orjson.loads(request), fds)
            told = socket.socket(fileno=fds[0])
            for fd in fds[1:]:
                os.close(fd)
            kernels[os.pidfd_open(pid)] = (pid, told)
    for pid, _ in kernels.values():
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def become(request: dict[str, Any], fds: list[int]) -> NoReturn:
    """Be the kernel that was asked for, as `python -m ipykernel_launcher` would be."""
    parent = os.getppid()
    os.setsid()
    with socket.socket(fileno=fds[0]) as told:  # who asked may signal its process group from now on
        told.send(b"%d" % os.getpid())
    for number, fd in enumerate(fds[1:4]):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.clear()
    os.environ.update(request["env"], JPY_PARENT_PID=str(parent))
    os.chdir(request["folder"])
    sys.argv = ["ipykernel_launcher", *request["words"], f"--IPKernelApp.parent_handle={parent}"]
    from ipykernel import kernelapp

    # `pitrkit.runbook` shows failures as cards in the kernel that imports it first: that is to be this one.
    for name in [name for name in sys.modules if re.fullmatch(r"pitrkit\.runbook(\.\w+)?", name)]:
        del sys.modules[name]
    kernelapp.launch_new_instance()
    sys.exit(0)


if __name__ == "__main__":
    del sys.path[0]
    import importlib

    # A terminal's Ctrl-C reaches the whole group; whoever asks for kernels ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("ipykernel.kernelapp", "ipykernel.ipkernel", *sorted(imported())):
        importlib.import_module(name)
    remember_models()
    for service in SERVICES:
        boto3.session.Session().client(
            service, region_name="us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing"
        )
    gc.collect()
    gc.freeze()  # what nobody looks through is not copied
    serve(socket.socket(fileno=int(sys.argv[1])))

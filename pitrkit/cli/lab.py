"""JupyterLab on the runbook: a working copy of the notebooks in the current folder, the incidents beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pitrkit.errors import BadInput
from pitrkit.incident import working_copy
from pitrkit.incident.incident import ROOT_VARIABLE, WORKING_COPY_VARIABLE
from pitrkit.times import now

WORKING_COPY = "runbook"
FIRST = "00_start_here.ipynb"
GUIDE = "guide"
"""Folder of the guide's pages: one for each route, and those on drills and on teams."""


def lay_out(folder: Path, *, fresh: bool = False) -> Path:
    """Copy the notebooks and their guide into *folder*`/runbook` and return that folder. What is there is kept.

    Args:
        folder: The current folder.
        fresh: Replace the kit's notebooks that are there, those of incidents as well, whose earlier ones are kept; the
            operator's own notebooks stay.

    Raises:
        BadInput: The folder cannot be written.
    """
    place = folder / WORKING_COPY
    try:
        place.mkdir(exist_ok=True)
        (place / GUIDE).mkdir(exist_ok=True)
        source = working_copy.notebooks_folder()
        for path in (*sorted(source.glob("*.ipynb")), *sorted((source / GUIDE).glob("*.md"))):
            target = place / path.relative_to(source)
            if fresh or not target.exists():
                shutil.copyfile(path, target)
        if fresh:
            working_copy.renew(place, now())
    except OSError as error:
        raise BadInput(
            f"{place} cannot be written: {error.strerror}", fix="Change to a folder of your own and run it again."
        ) from error
    return place


def run(folder: Path, *, environment: Mapping[str, str], options: list[str], fresh: bool = False) -> int:
    """Lay the notebooks out and run JupyterLab on them until it is stopped; return its exit code.

    Args:
        folder: The current folder: JupyterLab's root, with `runbook` and `incidents` in it.
        environment: Variables for the kernels, e.g. the sandbox's.
        options: Further words for `jupyter lab`.
        fresh: As in `lay_out`.
    """
    place = lay_out(folder, fresh=fresh)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{place.name}/{FIRST}",
        *options,
    ]
    if os.geteuid() == 0 and "--allow-root" not in options:
        command.append("--allow-root")  # in a container there is nobody else to be; it listens on loopback
    variables = {
        ROOT_VARIABLE: str(folder / "incidents"),
        **os.environ,
        **environment,
        WORKING_COPY_VARIABLE: str(place),
    }
    running = subprocess.Popen(command, env=variables)  # noqa: S603 -- our own interpreter, no shell
    # A closed terminal or a service manager ends us; JupyterLab must not live on without its sandbox.
    # Under nohup, which ignores SIGHUP, both go on without their terminal.
    ending = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: running.terminate()) for number in ending}
    try:
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:
                # JupyterLab got the same signal and asks or ends; we only wait for it.
                continue
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

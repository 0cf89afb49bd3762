"""The papermill front: runs a notebook of the runbook headless, as one step of an incident.

What papermill would let pass is refused here: an unknown parameter, a string that looks like a number and would
become one. Its record is put right as well: it calls cells completed that never ran, so the executed notebook is
stamped with how the run really ended (`metadata.pitrkit`), and the incident's event log says the same.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from pitrkit import errors
from pitrkit.errors import BadInput, Exit, PitrkitError
from pitrkit.runbook import events, record
from pitrkit.runbook.incident import ROOT_VARIABLE, WORKING_COPY_VARIABLE, Incident, checked_id, now, root_folder
from pitrkit.runbook.parameters import literal_path, parameters_of, typed
from pitrkit.runbook.progress import VARIABLE as PROGRESS_VARIABLE
from pitrkit.runbook.terminal import ProgressTail, clean
from pitrkit.runbook.values import duration

if TYPE_CHECKING:
    from pitrkit.runbook.kernel import Interrupts

Ended = Literal["completed", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a notebook's run ended.

    Attributes:
        exit_code: As the command line's contract has it.
        path: The executed notebook.
        error: What went wrong, for a person; empty if nothing did.
    """

    exit_code: Exit
    path: Path
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Outcome:
    ended: Ended
    exit_code: Exit
    error: str = ""
    error_name: str = ""


def notebooks_folder() -> Path:
    """Return where the runbook's notebooks are: in the installed package, or beside it in a checkout.

    Raises:
        BadInput: They are in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if any(folder.glob("*.ipynb")):
            return folder
    raise BadInput("the runbook's notebooks are missing", fix="Install pitrkit again, or run from its checkout.")


def find(notebook: str | Path) -> Path:
    """Return the notebook meant: a path, a name (`05_copy_back`) or its number (`05`).

    Raises:
        BadInput: There is none of that name, or it could be more than one.
    """
    given = Path(notebook)
    if given.suffix == ".ipynb" and given.is_file():
        return given.absolute()
    folder = notebooks_folder()
    stem = given.name.removesuffix(".ipynb")
    known = sorted(path for path in folder.glob("*.ipynb"))
    meant = [path for path in known if path.stem == stem] or [
        path for path in known if stem and path.stem.startswith(f"{stem}_")
    ]
    if len(meant) != 1 or given.name != str(notebook):
        names = ", ".join(path.stem for path in (meant if len(meant) > 1 else known))
        raise BadInput(
            f"{'more than one notebook is' if len(meant) > 1 else 'no notebook is'} called {str(notebook)!r}",
            fix=f"Name one of: {names}; or give the path of a notebook of yours.",
        )
    return meant[0]


def run(
    notebook: str | Path,
    parameters: dict[str, str],
    *,
    incident: str = "",
    root: str | Path | None = None,
    echo: TextIO = sys.stdout,
) -> RunResult:
    """Run a notebook with the given parameters and say on *echo* how it goes.

    The executed notebook goes to `notebooks/` of the incident's folder; without an incident, or while the notebook has
    not opened it yet, to `_runs/` beside the incidents. A parameter `incident` counts as *incident*, and the other
    way round. An incident that was sealed before is sealed again afterwards, since this run belongs to it.

    Args:
        notebook: Path, name or number.
        parameters: Values as text; each is read as the type that the notebook declares, and a string is kept as it is.
        incident: The incident that this run belongs to.
        root: Folder of all incidents, see `root_folder`.
        echo: Where a person reads along.

    Raises:
        BadInput: Before anything ran: no such notebook or parameter, a value that does not fit, a folder that cannot
            be written.
    """
    source = find(notebook)
    declared = parameters_of(source)
    incident = incident or parameters.get("incident", "")
    if incident and "incident" in declared:
        parameters = {"incident": incident, **parameters}
    if parameters.get("incident", incident) != incident:
        raise BadInput(
            f"two incidents are named: {incident} and {parameters['incident']}", fix="Leave out one of them."
        )
    values = typed(parameters, declared, source.stem)
    place = root_folder(root)
    step = _Step(source, place, checked_id(incident) if incident else "")
    step.begin(parameters)
    started = time.monotonic()
    print(f"{source.stem} ...", file=echo, flush=True)
    outcome = _execute(source, step.running, values, place, echo)
    path = step.end(outcome)
    took = duration(time.monotonic() - started)
    words = {"completed": "done", "failed": "stopped", "interrupted": "interrupted"}[outcome.ended]
    if outcome.error:
        print(f"\n{clean(outcome.error)}\n", file=echo)
    print(f"{source.stem}: {words} after {took}; executed notebook: {shown(path)}", file=echo, flush=True)
    return RunResult(outcome.exit_code, path, outcome.error)


class _Step:
    """A notebook's run as a step of its incident: where the executed copy goes, and what is recorded of it."""

    def __init__(self, source: Path, place: Path, incident: str) -> None:
        self._source = source
        self._incident = Incident(incident, place / incident) if incident else None
        self._place = place
        self.running = Path()
        self._untold_since: float | None = None

    def begin(self, parameters: dict[str, str]) -> None:
        opened = self._opened()
        stamp = now().strftime("%Y%m%dT%H%M%SZ")
        self.running = (
            _reserve(opened.path("notebooks"), self._source.stem)
            if opened
            else _reserve(self._place / "_runs", f"{stamp}-{self._source.stem}")
        )
        if opened:
            opened.event("notebook_started", notebook=self._source.stem, parameters=parameters)
        else:
            self._untold_since = time.monotonic()

    def end(self, outcome: _Outcome) -> Path:
        opened = self._opened()
        if opened and self.running.parent.parent != opened.folder:
            fresh = _reserve(opened.path("notebooks"), self._source.stem)
            self.running = self.running.replace(fresh)
        final = self.running.with_name(self.running.name.removesuffix(record.RUNNING_SUFFIX) + ".ipynb")
        _stamp(self.running, final, outcome)
        if opened:
            # Where the incident was opened by this very notebook, nothing else tells when it began.
            began = self._untold_since
            took = {} if began is None else {"seconds": round(time.monotonic() - began, 3)}
            opened.event(
                "notebook_ended",
                notebook=f"notebooks/{final.name}",
                ended=outcome.ended,
                exit_code=int(outcome.exit_code),
                error=outcome.error_name,
                **took,
            )
            if record.is_sealed(opened):
                record.seal(opened)
        return final

    def _opened(self) -> Incident | None:
        # The notebook itself opens a new incident: a mistyped id must not leave an empty one behind.
        if self._incident is None or not (self._incident.folder / "incident.json").exists():
            return None
        return Incident.open(self._incident.id, root=self._place)


def _execute(source: Path, running: Path, values: dict[str, Any], place: Path, echo: TextIO) -> _Outcome:
    import papermill  # noqa: PLC0415 (as above)

    from pitrkit.runbook.kernel import ENGINE, Interrupts  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="pitrkit-", ignore_cleanup_errors=True) as temporary, Interrupts() as stop:
        folder = Path(temporary)
        progress, log = folder / "progress.jsonl", folder / "kernel.log"
        environment = {
            **{name: value for name, value in os.environ.items() if name != WORKING_COPY_VARIABLE},
            **_same_package(),
            PROGRESS_VARIABLE: str(progress),
            ROOT_VARIABLE: str(place),
            "IPYTHONDIR": str(folder / "ipython"),
        }
        progress.touch()
        with log.open("wb") as output, ProgressTail(progress, echo):
            try:
                executed = papermill.execute_notebook(
                    literal_path(source),
                    literal_path(running),
                    parameters=values,
                    engine_name=ENGINE,
                    kernel_name="python3",
                    progress_bar=False,
                    folder=folder,
                    environment=environment,
                    log=output,
                    interrupts=stop,
                )
            except papermill.PapermillExecutionError as error:
                return _judge(error, stop)
            except KeyboardInterrupt:
                return _interrupted()
            except Exception as error:  # noqa: BLE001 (whatever ends a run is told, with the kernel's last words)
                if stop.asked:
                    return _interrupted()
                words = f"{type(error).__name__}: {error}\n{_last_words(log)}".strip()
                return _Outcome("failed", Exit.ERROR, words, type(error).__name__)
        if any(cell.metadata.get("papermill", {}).get("exception") for cell in executed.cells):
            # papermill lets `SystemExit(0)` pass, and the cells after it never run.
            return _Outcome("failed", Exit.ERROR, "the notebook ended itself before its last cell", "SystemExit")
        if stop.asked:
            return _Outcome("completed", Exit.INTERRUPTED, "interrupted, but the notebook was through already")
        return _Outcome("completed", Exit.DONE)


def _same_package() -> dict[str, str]:
    """Return what lets the kernel import the package that runs here, from any folder, if it is not installed."""
    package = Path(__file__).resolve().parents[2]
    if package == Path(sysconfig.get_path("purelib")):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH", ""))))}


def _judge(error: Any, stop: Interrupts) -> _Outcome:
    name, message = str(error.ename), str(error.evalue)
    if stop.asked or name in {"KeyboardInterrupt", "Interrupted"}:
        return _interrupted()
    known = getattr(errors, name, None)
    if isinstance(known, type) and issubclass(known, PitrkitError):
        return _Outcome("failed", known.exit_code, message, name)
    if len(error.traceback) == 1 and error.traceback[0].startswith(f"{name}: "):
        # One line instead of a traceback: an error of ours that lives in another module.
        return _Outcome("failed", Exit.ERROR, message, name)
    return _Outcome(
        "failed", Exit.ERROR, f"unexpected error, with its traceback in the notebook\n{name}: {message}", name
    )


def _interrupted() -> _Outcome:
    words = "interrupted; what was done is recorded, and running the same again goes on from there"
    return _Outcome("interrupted", Exit.INTERRUPTED, words, "KeyboardInterrupt")


def _stamp(running: Path, final: Path, outcome: _Outcome) -> None:
    """Write into the executed notebook how its run really ended, and give it its name."""
    raw = running.read_bytes()
    if raw:
        notebook = json.loads(raw)
        metadata = notebook["metadata"]
        metadata["pitrkit"] = {
            "ended": outcome.ended,
            "ended_at": now().isoformat(timespec="seconds"),
            "exit_code": int(outcome.exit_code),
            "error": outcome.error_name,
        }
        metadata.get("papermill", {})["output_path"] = str(final)
        if outcome.ended != "completed":
            metadata.get("papermill", {})["exception"] = True
        for cell in notebook["cells"]:
            _put_status_right(cell)
        events.replace(running, (json.dumps(notebook, indent=1) + "\n").encode())
    running.replace(final)
    events.sync_folder(final.parent)


def _put_status_right(cell: dict[str, Any]) -> None:
    status = cell["metadata"].get("papermill", {})
    ran = cell.get("execution_count") is not None
    if cell["cell_type"] == "code" and "".join(cell["source"]).strip() and not ran and "status" in status:
        status["status"] = "pending"
    elif status.get("status") == "running":
        status["status"] = "failed"


def _reserve(folder: Path, stem: str) -> Path:
    """Return a name for a running notebook whose final name is free as well, and take it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1, sys.maxsize):
            name = stem if number == 1 else f"{stem}-{number}"
            running = folder / f"{name}{record.RUNNING_SUFFIX}"
            if (folder / f"{name}.ipynb").exists() or running.exists():
                continue
            running.touch(mode=0o600, exist_ok=False)
            return running
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written: {error.strerror}", fix=f"Set {ROOT_VARIABLE} to a folder of your own."
        ) from error
    raise AssertionError


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])


def shown(path: Path) -> Path:
    """Return *path* as a person in this folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path

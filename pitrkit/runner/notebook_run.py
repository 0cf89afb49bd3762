"""The papermill front: runs a notebook of the runbook headless, as one step of an incident.

What papermill would let pass is refused here: an unknown parameter, a string that looks like a number and would
become one. Its record is put right as well: it calls cells completed that never ran, so the executed notebook is
stamped with how the run really ended (`metadata.pitrkit`), and the incident's event log says the same.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pitrkit import errors
from pitrkit.config import masked_inputs, masking
from pitrkit.errors import BadInput, Exit, PitrkitError
from pitrkit.incident.incident import ROOT_VARIABLE, WORKING_COPY_VARIABLE, Incident, checked_id, root_folder
from pitrkit.incident.working_copy import notebooks_folder
from pitrkit.record import archive, run_record
from pitrkit.record.run_record import Ended
from pitrkit.runner import stop_signals
from pitrkit.runner.parameters import literal_path, parameters_of, typed
from pitrkit.runner.progress_tail import ProgressTail
from pitrkit.runner.run_log import RunWatch
from pitrkit.times import now
from pitrkit.ui.progress import VARIABLE as PROGRESS_VARIABLE
from pitrkit.ui.text import clean, duration

if TYPE_CHECKING:
    from pitrkit.runner.kernel import Interrupts


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


def find(notebook: str | Path) -> Path:
    """Return the notebook meant: a path, a name (`05_copy_back`) or its number (`05`).

    Raises:
        BadInput: There is none of that name, or it could be more than one.
    """
    notebook_path = Path(notebook)
    if notebook_path.suffix == ".ipynb" and notebook_path.is_file():
        return notebook_path.absolute()
    folder = notebooks_folder()
    stem = notebook_path.name.removesuffix(".ipynb")
    notebook_paths = sorted(path for path in folder.glob("*.ipynb"))
    meant = [path for path in notebook_paths if path.stem == stem] or [
        path for path in notebook_paths if stem and path.stem.startswith(f"{stem}_")
    ]
    if len(meant) != 1 or notebook_path.name != str(notebook):
        names = ", ".join(path.stem for path in (meant if len(meant) > 1 else notebook_paths))
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
    watch: RunWatch | None = None,
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
        watch: What goes along with it; by default nothing does.

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
    watch = watch or RunWatch()
    watch.begins(source.stem)
    place = root_folder(root)
    step = _Step(source, place, checked_id(incident) if incident else "", parameters)
    values = typed(step.parameters, declared, source.stem)
    with _private():
        started = time.monotonic()
        try:
            with stop_signals.deferred():
                step.begin()
            print(f"{source.stem} ...", file=echo, flush=True)
            outcome = _execute(source, step.running, values, place, echo=echo, watch=watch)
        except KeyboardInterrupt:
            outcome = _interrupted()
        with stop_signals.deferred():
            path = step.end(outcome, echo)
    took = duration(time.monotonic() - started)
    text = outcome.ended if outcome.ended in {"done", "interrupted"} else "stopped"
    if outcome.error:
        print(f"\n{clean(outcome.error)}\n", file=echo)
    print(f"{source.stem}: {text} after {took}; executed notebook: {display_path(path)}", file=echo, flush=True)
    return RunResult(outcome.exit_code, path, outcome.error)


@contextmanager
def _private() -> Iterator[None]:
    """See to it that what this process and its kernel make meanwhile is their owner's alone: it may hold items."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


class _Step:
    """A notebook's run as a step of its incident: where the executed copy goes, and what is recorded of it."""

    def __init__(self, source: Path, place: Path, incident: str, parameters: dict[str, str]) -> None:
        self._source = source
        self._incident = Incident(incident, place / incident) if incident else None
        self._place = place
        opened = self._opened()
        masking.use(opened.id if opened else "", place)
        self._beginning = run_record.RunStart.of(
            source, masked_inputs.hidden(opened, parameters) if opened else parameters, incident
        )

    @property
    def parameters(self) -> dict[str, str]:
        """What the notebook is given, as the record may hold it, see `given`."""
        return dict(self._beginning.parameters)

    def begin(self) -> None:
        opened = self._opened()
        run_record.settle_strays(self._place)
        if opened:
            run_record.resolve_killed(opened)
            self._running = run_record.Running(opened.path("notebooks"), self._source.stem, self._beginning)
            run_record.began(opened, self._running)
        else:
            stamp = now().strftime("%Y%m%dT%H%M%SZ")
            name = f"{stamp}-{self._source.stem}"
            self._running = run_record.Running(self._place / "_runs", name, self._beginning)
        self._told = opened is not None

    @property
    def running(self) -> Path:
        """The notebook's file while it runs."""
        return self._running.path

    def end(self, outcome: _Outcome, echo: TextIO) -> Path:
        opened = self._opened()
        if opened and not self._told:
            self._running.move(opened.path("notebooks"))
        end = run_record.End(outcome.ended, int(outcome.exit_code), outcome.error_name)
        final = self._running.end(end)
        if opened:
            run_record.ended(opened, self._running, end, final, start_recorded=self._told)
            archive.save_record(opened, echo)
        return final

    def _opened(self) -> Incident | None:
        # The notebook itself opens a new incident: a mistyped id must not leave an empty one behind.
        if self._incident is None or not (self._incident.folder / "incident.json").exists():
            return None
        return Incident.open(self._incident.id, root=self._place)


def _execute(
    source: Path, running: Path, values: dict[str, Any], place: Path, *, echo: TextIO, watch: RunWatch
) -> _Outcome:
    import papermill  # noqa: PLC0415 (as above)

    from pitrkit.runner.kernel import ENGINE, Interrupts  # noqa: PLC0415

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
        with log.open("wb") as output, ProgressTail(progress, echo, watch.log.state):
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
                    fds=watch.fds,
                )
            except papermill.PapermillExecutionError as error:
                return _judge(error, stop)
            except KeyboardInterrupt:
                return _interrupted()
            except Exception as error:  # noqa: BLE001 (whatever ends a run is told, with the kernel's last words)
                if stop.asked:
                    return _interrupted()
                text = f"{type(error).__name__}: {error}\n{_last_words(log)}".strip()
                return _Outcome("failed", Exit.ERROR, text, type(error).__name__)
        if any(cell.metadata.get("papermill", {}).get("exception") for cell in executed.cells):
            # papermill lets `SystemExit(0)` pass, and the cells after it never run.
            return _Outcome("failed", Exit.ERROR, "the notebook ended itself before its last cell", "SystemExit")
        if stop.asked:
            return _Outcome("done", Exit.INTERRUPTED, "interrupted, but the notebook was through already")
        return _Outcome("done", Exit.DONE)


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
    error_class = getattr(errors, name, None)
    if isinstance(error_class, type) and issubclass(error_class, PitrkitError):
        at: dict[Exit, Ended] = {Exit.GATE_CLOSED: "gate closed", Exit.INPUT_NEEDED: "input needed"}
        return _Outcome(at.get(error_class.exit_code, "failed"), error_class.exit_code, message, name)
    if len(error.traceback) == 1 and error.traceback[0].startswith(f"{name}: "):
        # One line instead of a traceback: an error of ours that lives in another module.
        return _Outcome("failed", Exit.ERROR, message, name)
    return _Outcome(
        "failed", Exit.ERROR, f"unexpected error, with its traceback in the notebook\n{name}: {message}", name
    )


def _interrupted() -> _Outcome:
    text = "interrupted; what was done is recorded, and running the same again goes on from there"
    return _Outcome("interrupted", Exit.INTERRUPTED, text, "KeyboardInterrupt")


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])


def display_path(path: Path) -> Path:
    """Return *path* as a person in this folder would write it."""
    current_folder = Path.cwd()
    return path.relative_to(current_folder) if path.is_relative_to(current_folder) else path

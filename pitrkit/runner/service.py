"""Headless service: a run with nobody in front of it. One at a time, logged for machines, told to whoever waits.

`pitrkit run` and `pitrkit recover` go through here. A stop signal ends a run in good order at any moment of it: in a
notebook its cell is interrupted, between two of them it is as if Ctrl-C was pressed.

A drill whose notebook did not reach its end is ended here: a notebook whose cell raised runs none of those below it,
so the tables that it made would stay. This process lives on, and deletes them. If it is killed as well, the next drill
finds them, or 14 of the same incident.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from pitrkit import __version__
from pitrkit.config import masking, team_settings
from pitrkit.errors import BadInput, Exit, PitrkitError
from pitrkit.incident import lock
from pitrkit.incident.incident import DRY_RUN_VARIABLE, STATE, Incident, checked_id, root_folder
from pitrkit.runbook.adopt import cut_over
from pitrkit.runbook.copy_back import copy_back
from pitrkit.runbook.drill import leftovers
from pitrkit.runbook.drill.scratch_table import DrillSession
from pitrkit.runbook.finish.drill_history import left_over
from pitrkit.runbook.session.session import connect, new_id
from pitrkit.runbook.session.verdict import verdict_of
from pitrkit.runner import notebook_run, notifications, run_log, stop_signals, table_marker
from pitrkit.runner import recover as recovering
from pitrkit.runner.notebook_run import RunResult, display_path
from pitrkit.runner.recover_request import RecoverRequest
from pitrkit.runner.run_log import RunLog, RunWatch

NOTEBOOK = "15_drill"


def finish_drill(result: RunResult, incident: str, *, root: Path | None = None, echo: TextIO) -> None:
    """Bring a drill to its end whose notebook has ended, whichever way, and say how it stands."""
    if not (root_folder(root) / incident / STATE).is_file():
        return  # it stopped before its gate, so there is nothing of it
    opened = Incident.open(incident, root=root)
    if not opened.data.get("drill"):
        return
    if not opened.data["drill"].get("outcome") or left_over(opened.data):
        _tidy(opened, result, echo)
    verdict = verdict_of(opened.data)
    print(f"{opened.data['table']}: {verdict.title.lower()}. {verdict.words}", file=echo)
    print(f"   report    {display_path(opened.folder / 'report.html')}", file=echo, flush=True)


def _tidy(opened: Incident, result: RunResult, echo: TextIO) -> None:
    interrupted = result.exit_code is Exit.INTERRUPTED
    why = "it was interrupted" if interrupted else (result.error.splitlines() or ["it stopped"])[0]
    try:
        finished_drills = leftovers.finish_stopped(DrillSession(connect(), opened), why)
    except PitrkitError as error:
        print(f"pitrkit: the drill could not clean up: {error}", file=echo)
        finished_drills = left_over(opened.data)
    if finished_drills:
        print(
            f"Still there: {', '.join(finished_drills)}. The next drill deletes what is left, or:\n"
            f"   clean up  pitrkit run 14_clean_up -p incident {opened.id}",
            file=echo,
            flush=True,
        )


_ENDINGS: Mapping[str, Callable[[dict[str, Any]], Exit]] = {
    **{name: partial(copy_back.ending, slot=slot) for name, slot in copy_back.NOTEBOOKS.items()},
    cut_over.NOTEBOOK: cut_over.ending,
}
"""What says, of notebooks that ran to their last cell, whether anything is left for a person."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """How a run is to be served.

    Attributes:
        log: `json`: lines of JSON on stderr; blank for none.
        log_file: File that these lines are appended to instead.
        dry_run: Write nothing to AWS.
        take_over: Incident whose marker on the table is replaced.
    """

    log: str = ""
    log_file: str = ""
    dry_run: bool = False
    take_over: str = ""


def recovery(request: RecoverRequest, service: Service, *, echo: TextIO) -> Exit:
    """Run a whole route, see `recover.recover`.

    Raises:
        PitrkitError: It could not be begun, and there is no log on stderr to say so.
    """
    if service.dry_run and request.approve:
        raise BadInput("--approve writes and --dry-run does not", fix="Leave out one of them.")
    request = replace(request, incident=checked_id(request.incident or new_id(request.table)))

    def work(watch: RunWatch) -> Exit:
        code, _ = recovering.recover(request, echo=_chatter(service, echo), watch=watch, out=echo)
        return code

    return _Run(service, request.incident, request.table, "recover", echo).do(work)


def notebook(source: Path, parameters: dict[str, str], incident: str, service: Service, *, echo: TextIO) -> Exit:
    """Run one notebook, see `front.run`.

    Raises:
        PitrkitError: It could not be begun, and there is no log on stderr to say so.
    """
    if service.dry_run and parameters.get("approve"):
        raise BadInput("approve writes and --dry-run does not", fix="Leave out one of them.")
    ending = _ENDINGS.get(source.stem)

    def work(watch: RunWatch) -> Exit:
        result = notebook_run.run(source, parameters, incident=incident, echo=_chatter(service, echo), watch=watch)
        if source.stem == NOTEBOOK:
            finish_drill(result, incident, echo=_chatter(service, echo))
        if watch.dry and result.error and result.exit_code is Exit.DONE:
            print(result.error, file=echo, flush=True)
        if result.exit_code is Exit.DONE and ending is not None and not watch.dry:
            return ending(Incident.open(incident).data)
        return result.exit_code

    table = str(_data(incident).get("table") or "") if source.stem in copy_back.NOTEBOOKS else ""
    return _Run(service, incident, table, source.stem, echo).do(work)


def _chatter(service: Service, echo: TextIO) -> TextIO:
    """Return where a person reads along: of a dry run, stdout has nothing but what would be done."""
    if not service.dry_run:
        return echo
    return io.StringIO() if service.log and not service.log_file else sys.stderr


def _data(incident: str) -> dict[str, Any]:
    folder = root_folder() / incident
    return Incident(incident, folder).data if incident and (folder / STATE).is_file() else {}


class _Run:
    """One run: locked, marked, logged, told."""

    def __init__(self, service: Service, incident: str, table: str, command: str, echo: TextIO) -> None:
        self._service, self._incident, self._table = service, incident, table
        self._command, self._echo = command, echo
        self._marker: table_marker.TableMarker | None = None
        self._pending: list[tuple[str, dict[str, Any]]] = []

    def do(self, work: Callable[[RunWatch], Exit]) -> Exit:
        service, failure = self._service, None
        code: Exit = Exit.ERROR
        with run_log.opened(service.log, service.log_file) as log, stop_signals.as_interrupt():
            with ExitStack() as stack:
                if self._incident:
                    stack.enter_context(log.following(Incident(self._incident, root_folder() / self._incident)))
                log.line("info", "run_started", command=self._command, table=self._table, dry_run=service.dry_run,
                         pid=os.getpid(), pitrkit=__version__)  # fmt: skip
                try:
                    code = self._locked(log, work)
                except (PitrkitError, KeyboardInterrupt) as error:
                    failure, code = error, _code(error)
            if failure is not None:
                log.error(failure)
            log.line("info" if code is Exit.DONE else "warning", "run_ended", exit_code=int(code))
        if failure is not None and (not log or service.log_file):
            raise failure
        return code

    def _locked(self, log: RunLog, work: Callable[[RunWatch], Exit]) -> Exit:
        kit_settings = team_settings.read().notify  # refused before anything is done, if it cannot be read
        masking.use(self._incident)
        with ExitStack() as stack:
            fds: tuple[int, ...] = ()
            if self._incident:
                fds = (stack.enter_context(lock.lock(self._incident)),)
            watch = RunWatch(log, fds, dry=self._service.dry_run, before=self._before)
            if watch.dry:
                with _variable(DRY_RUN_VARIABLE, "1"):
                    return work(watch)
            code, error = Exit.ERROR, ""
            try:
                self._mark(log)
                code = work(watch)
            except (PitrkitError, KeyboardInterrupt) as failure:
                code, error = _code(failure), type(failure).__name__
                raise
            finally:
                self._unmark(log)
                if self._incident:
                    self._tell(log, code, error, kit_settings)
        return code

    def _mark(self, log: RunLog) -> None:
        self._marker = table_marker.read_marker(self._table, self._incident) if self._table else None
        if self._marker is None:
            return
        self._marker.place(self._service.take_over)
        if self._marker.words:
            print(self._marker.words, file=self._echo, flush=True)
            log.line("warning", "marker", words=self._marker.words)
        if self._marker.taken_over is not None:
            self._pending.append(("recovery_taken_over", {"from": str(self._marker.taken_over)}))

    def _unmark(self, log: RunLog) -> None:
        if self._marker is None:
            return
        try:
            self._marker.remove()
        except PitrkitError as error:
            text = f"{self._table} is still marked as being recovered: {error.what}"
            print(text, file=self._echo, flush=True)
            log.line("warning", "marker", words=text)

    def _before(self, _notebook: str) -> None:
        if self._marker is not None:
            self._marker.check()
        data = _data(self._incident)
        if data and self._pending:
            for event, notice in self._pending:
                Incident.open(self._incident).event(event, **notice)
            self._pending.clear()

    def _tell(self, log: RunLog, code: Exit, error: str, to: team_settings.Notify) -> None:
        if not (to.webhook or to.topic):
            return
        table = self._table or str(_data(self._incident).get("table") or "")
        notice_text = notifications.notice(code, self._incident, table, _data(self._incident), error=error)
        delivered, failed = notifications.send(notice_text, to)
        for channel in delivered:
            log.line("info", "notified", to=channel, what=notice_text["event"])
        for channel in failed:
            print(f"nobody was notified by {channel}", file=self._echo, flush=True)
            log.line("warning", "not_notified", to=channel, what=notice_text["event"])


def _code(error: BaseException) -> Exit:
    return error.exit_code if isinstance(error, PitrkitError) else Exit.INTERRUPTED


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]

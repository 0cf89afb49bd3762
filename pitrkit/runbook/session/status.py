"""Where an incident stands: the steps of its route, the next one, and in words what it waits for.

Read from `incident.json` alone, so that every notebook, the front page and a program say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pitrkit.runbook.session.verdict import open_conflicts
from pitrkit.ui.blocks import Tone
from pitrkit.ui.text import count_text


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a route.

    Attributes:
        step: What `incident.json` calls it.
        notebook: Where it is done.
        name: What people call it.
    """

    step: str
    notebook: str
    name: str

    @property
    def number(self) -> str:
        """The notebook's number."""
        return self.notebook[:2]


CLASSIC = (
    Stage("select", "01_select_table", "select table"),
    Stage("pick", "02_pick_timestamp", "recovery point"),
    Stage("restore", "03_restore", "restore"),
    Stage("diff", "04_diff", "diff"),
    Stage("copy", "05_copy_back", "write back"),
    Stage("report", "06_report", "report"),
)
WITH_A_GIVEN_COPY = tuple(stage for stage in CLASSIC if stage.step != "pick")
WITHOUT_RESTORE = (
    CLASSIC[0],
    Stage("log", "10_rollback_without_restore", "read changes"),
    Stage("diff", "10_rollback_without_restore", "select damage"),
    Stage("copy", "10_rollback_without_restore", "write back"),
    CLASSIC[-1],
)
DELETED = (Stage("restore", "11_deleted_table", "restore deleted table"), CLASSIC[-1])

DRILL = (
    Stage("restore", "15_drill", "restore"),
    Stage("diff", "15_drill", "compare"),
    Stage("copy", "15_drill", "copy to scratch"),
    Stage("undo", "15_drill", "undo"),
    Stage("clean_up", "15_drill", "clean up"),
    Stage("report", "15_drill", "report"),
)


@dataclass(frozen=True, slots=True)
class Status:
    """Where an incident stands.

    Attributes:
        stages: The steps of its route.
        done: How many of them are done.
        next: The first that is not; None when all are.
        words: What it waits for.
        tone: How that is.
        notebook: Where to go on.
        finished: Whether nothing waits any more.
    """

    stages: tuple[Stage, ...]
    done: int
    next: Stage | None
    words: str
    tone: Tone
    notebook: str
    finished: bool = False


def has_log(data: Mapping[str, Any]) -> bool:
    """Return whether an incident, as its `incident.json` has it, went the route without a restore."""
    return data.get("route") in {"stream", "export"}


def route(data: Mapping[str, Any], *, without_restore: bool = False) -> tuple[Stage, ...]:
    """Return the steps of an incident's route; *without_restore* is of a notebook that has only that one."""
    if data.get("drill"):
        return DRILL
    if data.get("backup"):
        return DELETED
    if without_restore or has_log(data):
        return WITHOUT_RESTORE
    return WITH_A_GIVEN_COPY if data.get("restored_by") == "given" else CLASSIC


def status_of(data: Mapping[str, Any], *, without_restore: bool = False) -> Status:
    """Return where an incident stands, by what its `incident.json` says."""
    stages = route(data, without_restore=without_restore)
    steps = data.get("steps") or {}
    following = next((stage for stage in stages if stage.step not in steps), None)
    text, tone, notebook, finished = _words(data, stages, following)
    done = sum(stage.step in steps for stage in stages)
    return Status(stages, done, following, text, tone, notebook, finished)


def _words(data: Mapping[str, Any], stages: tuple[Stage, ...], following: Stage | None) -> tuple[str, Tone, str, bool]:
    if data.get("drill"):
        return _of_drill(data)
    copying = next((stage.notebook for stage in stages if stage.step == "copy"), stages[0].notebook)
    undo = data.get("undo") or {}
    if undo.get("verify"):
        right = bool(undo["verify"].get("ok"))
        return (
            ("undone", "muted", "06_report", True)
            if right
            else ("undo failed verification: check it", "bad", "12_undo", False)
        )
    if undo.get("apply") == {} or (undo.get("apply") or {}).get("unsent"):
        return "undo interrupted: run it again to resume", "warn", "12_undo", False
    if (of_copy := _of_copy(data)) is not None:
        text, tone = of_copy
        return text, tone, copying, False
    if following is None:
        return "finished", "good", "06_report", True
    return *_of_step(data, following), following.notebook, False


def _of_drill(data: Mapping[str, Any]) -> tuple[str, Tone, str, bool]:
    outcome = data["drill"].get("outcome")
    if any(data.get(name) == "incident" for name in ("restored_by", "scratch_by")):
        text = "drill ended, its tables still exist" if outcome else "drill running or stopped"
        return text, "warn" if outcome else "info", "14_clean_up" if outcome else "15_drill", False
    if not outcome:
        return "drill running or stopped", "info", "15_drill", False
    return (
        ("drill passed", "good", "15_drill", True)
        if outcome.get("passed")
        else ("drill failed", "bad", "15_drill", True)
    )


def _of_copy(data: Mapping[str, Any]) -> tuple[str, Tone] | None:
    """Return what the copy back waits for, None if that is not what the incident waits for."""
    plan, applied, verified = data.get("plan") or {}, data.get("apply"), data.get("verify") or {}
    if not plan:
        return None
    if applied:
        if unsent := int(applied.get("unsent") or 0):
            return f"copy interrupted with {count_text(unsent, 'write')} left: run it again to resume", "warn"
        open_texts = [count_text(count, name) for name in ("conflict",) if (count := open_conflicts(data))]
        open_texts += [f"{count:,} failed" for count in [int(applied.get("failed") or 0)] if count]
        if open_texts:
            return f"written, with {', '.join(open_texts)}", "warn"
        if not verified:
            return "written: verify it", "info"
        return None if verified.get("ok") else ("verification failed: check it", "bad")
    if applied == {}:
        return "copy interrupted: run it again to resume", "warn"
    if "copy" in (data.get("steps") or {}):
        return None
    return ("approved: ready to write", "info") if data.get("approval") else ("waiting for approval", "info")


def _of_step(data: Mapping[str, Any], following: Stage) -> tuple[str, Tone]:
    match following.step:
        case "select":
            return "no table selected yet", "info"
        case "pick":
            return "recovery point not chosen yet", "info"
        case "restore":
            restore_started = data.get("restored_table") or data.get("restored_export")
            return (
                ("restore in progress: wait for it", "info")
                if restore_started
                else (f"next step: {following.name}", "info")
            )
        case "report":
            return "verified: write the report" if data.get("verify") else f"next step: {following.name}", "good"
    return f"next step: {following.name}", "info"

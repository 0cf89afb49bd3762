"""The sealed record: what an incident's folder held when it was sealed, and what was altered since.

`seal` writes `manifest.json`, the SHA-256 of every file and of the event log so far, and then records the manifest's
own hash as an event. The two hold each other: a file is held by the manifest, the manifest by the event, the event by
its own hash and the chain. An incident that goes on after a seal (an undo, a clean-up) is sealed again; the seals
stay in the chain, each naming the one before it and every file that changed in between other than by the incident's
own events, so that sealing again cannot hide a change.

The record shows what was changed by accident or on the quiet. Whoever rewrites every hash consistently leaves no
trace in the folder itself: for that, keep the last seal's hash somewhere else (`audit` prints it).

Not in the manifest: itself, lock files, and notebooks that are running (`*.running.ipynb`), which are still written.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pitrkit.errors import BadInput
from pitrkit.runbook import events
from pitrkit.runbook.incident import EVENTS, LOCK, STATE, Incident

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitrkit.runbook.events import Event

MANIFEST = "manifest.json"
SEALED = "sealed"
RUNNING_SUFFIX = ".running.ipynb"

What = Literal["altered", "missing", "added", "manifest", "unsealed", "interrupted", "resealed"]


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal on an incident's folder.

    Attributes:
        manifest: SHA-256 of the manifest.
        sealed_at: When.
        files: How many files it holds, the event log included.
    """

    manifest: str
    sealed_at: datetime
    files: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an audit found.

    Attributes:
        what: Its kind. `interrupted` (a crash's trace) and `resealed` (a change that a later seal names) are
            notes; everything else means that the folder is not what was sealed.
        name: The file, with its line for an event.
        detail: What is the matter, in words.
    """

    what: What
    name: str
    detail: str

    @property
    def note(self) -> bool:
        """It is worth knowing, but not a fault."""
        return self.what in ("interrupted", "resealed")

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit of an incident's folder found.

    Attributes:
        folder: The folder.
        findings: All findings, faults first.
        files: Files checked.
        events: Events read.
        seals: Seals in the chain.
        manifest: SHA-256 of the manifest, empty if there is none.
    """

    folder: Path
    findings: tuple[Finding, ...]
    files: int
    events: int
    seals: int
    manifest: str

    @property
    def ok(self) -> bool:
        """The folder is what was sealed."""
        return all(finding.note for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "incident": self.folder.name,
            "ok": self.ok,
            "files": self.files,
            "events": self.events,
            "seals": self.seals,
            "manifest": self.manifest,
            "findings": [
                {"what": finding.what, "name": finding.name, "detail": finding.detail} for finding in self.findings
            ],
        }

    def __str__(self) -> str:
        counted = f"{self.files} files, {self.events} events, {self.seals} {'seal' if self.seals == 1 else 'seals'}"
        if self.ok:
            says = "is intact"
        elif not self.seals and not self.manifest:
            says = "is not sealed" if len(self.findings) == 1 else "is not sealed, and NOT what was written"
        else:
            says = "is NOT what was sealed"
        head = f"{self.folder.name}: the record {says} ({counted})"
        lines = [f"  {'note: ' if finding.note else ''}{finding}" for finding in self.findings]
        seal = [f"  last seal: SHA-256 {self.manifest}"] if self.ok else []
        return "\n".join([head, *lines, *seal])


def seal(incident: Incident) -> Seal:
    """Seal the incident's folder as it is now, and record it.

    Raises:
        BadInput: The folder holds something that is not a plain file.
        PitrkitError: The seal could not be written.
    """
    folder = incident.folder
    with events.locked(folder / LOCK):
        sealed_at = incident.clock()
        log = (folder / EVENTS).read_bytes()
        files = {name: _fingerprint(path) for name, path in _files(folder)}
        before_raw = (folder / MANIFEST).read_bytes() if (folder / MANIFEST).exists() else b""
        manifest = {
            "incident": incident.id,
            "sealed_at": sealed_at.isoformat(timespec="milliseconds"),
            "previous": events.sha256(before_raw) if before_raw else "",
            "events": {"count": log.count(b"\n"), "size": len(log), "sha256": events.sha256(log)},
            "files": files,
        }
        raw = (json.dumps(manifest, indent=1) + "\n").encode()
        events.replace(folder / MANIFEST, raw)
        changed, gone = _since(before_raw, files, folder)
        # What the incident's own events did to its state is in the chain already.
        left = next((event.state for event in reversed(events.check(log).events) if event.state), "")
        changed = [name for name in changed if name != STATE or files[name]["sha256"] != left]
        digest = events.sha256(raw)
        data = {"manifest": digest, "previous": manifest["previous"], "files": len(files) + 1}
        events.append(folder / EVENTS, SEALED, {**data, "changed": changed, "gone": gone}, sealed_at)
    return Seal(digest, sealed_at, len(files) + 1)


def is_sealed(incident: Incident) -> bool:
    """Say whether the incident has ever been sealed."""
    return (incident.folder / MANIFEST).exists()


def audit(folder: Path) -> Audit:
    """Check an incident's folder against its seal and its own chain. Writes nothing.

    Raises:
        BadInput: It is not an incident's folder.
    """
    folder = folder.absolute()
    if not any((folder / name).is_file() for name in (EVENTS, MANIFEST)):
        raise BadInput(f"{folder} is not an incident's folder", fix=f"Name one that holds {EVENTS}.")
    log = (folder / EVENTS).read_bytes() if (folder / EVENTS).is_file() else b""
    reading = events.check(log)
    findings = [
        Finding("interrupted" if fault.crash else "altered", f"{EVENTS} line {fault.line}", fault.problem)
        for fault in reading.faults
    ]
    seals = [event for event in reading.events if event.event == SEALED]
    raw = (folder / MANIFEST).read_bytes() if (folder / MANIFEST).is_file() else b""
    manifest = _read_manifest(raw)
    findings += _judge_manifest(raw, manifest, seals)
    present = dict(_entries(folder))
    if manifest is not None:
        findings += _judge_files(manifest["files"], present, f"at the seal of {manifest['sealed_at']}")
        findings += _judge_log(manifest, log, reading.events, seals)
    findings += [finding for event in seals for finding in _judge_reseal(event)]
    findings.sort(key=lambda finding: finding.note)
    digest = events.sha256(raw) if raw else ""
    return Audit(folder, tuple(findings), len(present) + bool(log), len(reading.events), len(seals), digest)


def _judge_manifest(raw: bytes, manifest: dict[str, Any] | None, seals: list[Event]) -> Iterator[Finding]:
    if not raw:
        detail = (
            f"is missing: it was sealed at {_utc(seals[-1])}" if seals else "is absent: this incident is not sealed"
        )
        yield Finding("manifest", MANIFEST, detail + "; 06_report seals it")
    elif not seals:
        yield Finding("manifest", MANIFEST, f"is not confirmed: {EVENTS} records no seal")
    elif events.sha256(raw) != seals[-1].data.get("manifest"):
        earlier = [event for event in seals if event.data.get("manifest") == events.sha256(raw)]
        what = f"is that of an earlier seal, of {_utc(earlier[-1])}" if earlier else "was altered"
        yield Finding("manifest", MANIFEST, f"{what}: it is not the one sealed at {_utc(seals[-1])}")
    elif manifest is None:
        yield Finding("manifest", MANIFEST, "is not readable as a manifest")


def _judge_files(sealed: dict[str, Any], present: dict[str, Path], when: str) -> Iterator[Finding]:
    for name, was in sealed.items():
        path = present.get(name)
        if path is None:
            yield Finding("missing", name, f"is missing: it was there {when}")
        elif not _is_plain(path):
            yield Finding("altered", name, "was replaced by something that is not a plain file")
        else:
            found = _fingerprint(path)
            if found != was:
                sizes = f"{was.get('size')} bytes then, {found['size']} now"
                yield Finding("altered", name, f"was altered: it is not what it was {when} ({sizes})")
    for name in sorted(present.keys() - sealed.keys()):
        yield Finding("added", name, f"was added: it was not there {when}")


def _judge_log(manifest: dict[str, Any], log: bytes, read: tuple[Event, ...], seals: list[Event]) -> Iterator[Finding]:
    sealed = manifest["events"]
    if events.sha256(log[: sealed["size"]]) != sealed["sha256"]:
        yield Finding(
            "altered", EVENTS, f"was altered: it does not begin as it was at the seal ({sealed['count']} lines)"
        )
    later = [event for event in read if seals and event.n > seals[-1].n]
    if later:
        named = ", ".join(dict.fromkeys(event.event for event in later))
        detail = f"went on after the seal of {_utc(seals[-1])} ({len(later)} events: {named}); 06_report seals it again"
        yield Finding("unsealed", EVENTS, detail)


def _judge_reseal(event: Event) -> Iterator[Finding]:
    for key, words in (("changed", "changed before"), ("gone", "removed before")):
        for name in event.data.get(key, ()):
            yield Finding("resealed", str(name), f"was {words} the seal of {_utc(event)}, after an earlier seal")


def _since(before_raw: bytes, files: dict[str, Any], folder: Path) -> tuple[list[str], list[str]]:
    """Return which files of the seal before have changed and which are gone; a log that only grew has not changed."""
    before = _read_manifest(before_raw)
    if before is None:
        return ([MANIFEST] if before_raw else []), []
    changed = [
        name
        for name, was in before["files"].items()
        if name in files and files[name] != was and not (name.endswith(".jsonl") and _grew(folder / name, was))
    ]
    return changed, [name for name in before["files"] if name not in files]


def _grew(path: Path, was: dict[str, Any]) -> bool:
    with path.open("rb") as file:
        return bool(events.sha256(file.read(was["size"])) == was["sha256"])


def _read_manifest(raw: bytes) -> dict[str, Any] | None:
    try:
        manifest = json.loads(raw)
        log, files = manifest["events"], manifest["files"]
        sound = isinstance(log["size"], int) and isinstance(log["sha256"], str) and isinstance(log["count"], int)
        sound = sound and isinstance(manifest["sealed_at"], str)
        sound = sound and all(isinstance(was["size"], int) and isinstance(was["sha256"], str) for was in files.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if sound else None


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for name, path in _entries(folder):
        if not _is_plain(path):
            raise BadInput(
                f"{path} is not a plain file", fix="A record holds plain files only: move it out of the folder."
            )
        yield name, path


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    found = []
    for at, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(at) / name).is_symlink()]
        found += [Path(at) / name for name in (*names, *links)]
    for path in sorted(found):
        name = path.relative_to(folder).as_posix()
        if name not in (MANIFEST, EVENTS) and not name.endswith((".lock", RUNNING_SUFFIX)):
            yield name, path


def _is_plain(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": os.fstat(file.fileno()).st_size}


def _utc(event: Event) -> str:
    return event.at.strftime("%Y-%m-%d %H:%M:%S UTC")

"""The sealed record: what an incident's folder held when it was sealed, and what was altered since.

`seal` writes `manifest.json`, the SHA-256 of every file and of the event log so far, and then records the manifest's
own hash as an event. The two hold each other: a file is held by the manifest, the manifest by the event, the event by
its own hash and the chain. An incident that goes on after a seal (an undo, a clean-up) is sealed again; the seals
stay in the chain, each naming the one before it and every file that changed in between other than by the incident's
own events, so that sealing again cannot hide a change.

The record shows what was changed by accident or on the quiet. Whoever rewrites every hash consistently leaves no
trace in the folder itself. For that there are three ways: keep the last seal's hash somewhere else (`audit` prints
it), have the manifest signed (`signature`), have the record grow in a bucket whose objects are locked (`upload`).
A seal never fails for want of a signature: the incident comes first, and the record says that it is unsigned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pitrkit import documents
from pitrkit import files as durable_files
from pitrkit.config import team_settings
from pitrkit.errors import BadInput, PitrkitError
from pitrkit.incident import event_log
from pitrkit.incident.incident import EVENTS, LOCK, STATE, Incident
from pitrkit.record import manifest, run_record, signature, upload
from pitrkit.record.manifest import APART, MANIFEST, RUN_LOCK_SUFFIX, RUNNING_SUFFIX, SEALED, SIGNATURE, Folder


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal on an incident's folder.

    Attributes:
        manifest: SHA-256 of the manifest.
        sealed_at: When.
        files: How many files it holds, the event log included.
        signed_by: Key that signed it, empty if none was asked to.
        unsigned: Why it is not signed although it was asked for; empty otherwise.
    """

    manifest: str
    sealed_at: datetime
    files: int
    signed_by: str = ""
    unsigned: str = ""


def seal(incident: Incident) -> Seal:
    """Seal the incident's folder as it is now, sign the seal if the settings say so, and record it.

    Raises:
        BadInput: The folder holds something that is not a plain file, or the settings cannot be read.
        PitrkitError: The seal could not be written.
    """
    kit_settings = team_settings.read()
    run_record.resolve_killed(incident)
    folder = incident.folder
    with durable_files.locked(folder / LOCK):
        sealed_at = incident.clock()
        log = (folder / EVENTS).read_bytes()
        files = _files(Folder(folder))
        before_raw = Folder(folder).read(MANIFEST)
        document: dict[str, Any] = {
            "incident": incident.id,
            "sealed_at": sealed_at.isoformat(timespec="milliseconds"),
            "previous": durable_files.sha256(before_raw) if before_raw else "",
            "events": {"count": log.count(b"\n"), "size": len(log), "sha256": durable_files.sha256(log)},
            "files": files,
        }
        if withdrawn := sorted(upload.uploaded(incident).keys() - files.keys() - set(APART)):
            document["withdrawn"] = withdrawn  # in the bucket they stay
        raw = documents.pretty(document).encode()
        signed = _sign(kit_settings, raw)
        changed, gone = manifest.changed_since(before_raw, files, folder)
        # What the incident's own events did to its state is in the chain already.
        state_digest = next((event.state for event in reversed(event_log.check(log).events) if event.state), "")
        changed = [name for name in changed if name != STATE or files[name]["sha256"] != state_digest]
        digest = durable_files.sha256(raw)
        data = {"manifest": digest, "previous": document["previous"], "files": len(files) + 1}
        durable_files.replace(folder / MANIFEST, raw)
        if "raw" in signed:
            durable_files.replace(folder / SIGNATURE, signed.pop("raw"))
        else:
            (folder / SIGNATURE).unlink(missing_ok=True)
        more = {"signature": signed} if signed else {}
        event_log.append(folder / EVENTS, SEALED, {**data, "changed": changed, "gone": gone, **more}, sealed_at)
    return Seal(digest, sealed_at, len(files) + 1, str(signed.get("key", "")), str(signed.get("failed", "")))


def seal_again(incident: Incident) -> None:
    """Seal the incident's folder if it ever was: what came since is in the record then. Raises what `seal` does."""
    if is_sealed(incident):
        seal(incident)


def is_sealed(incident: Incident) -> bool:
    """Say whether the incident has ever been sealed."""
    return (incident.folder / MANIFEST).exists()


def _sign(settings: team_settings.Settings, raw: bytes) -> dict[str, Any]:
    if not settings.record.sign:
        return {}
    try:
        signed = signature.sign(settings, raw)
    except PitrkitError as error:
        return {"failed": str(error)}
    return {"way": signed.way, "key": signed.key, "sha256": durable_files.sha256(signed.raw), "raw": signed.raw}


def _files(folder: Folder) -> dict[str, Any]:
    fingerprints = {}
    for name in folder.names():
        if name.endswith((RUNNING_SUFFIX, RUN_LOCK_SUFFIX)):
            continue  # it began after the others were settled
        was = folder.fingerprint(name)
        if was is None:
            raise BadInput(
                f"{folder.path / name} is not a plain file",
                fix="A record holds plain files only: move it out of the folder.",
            )
        fingerprints[name] = was
    return fingerprints

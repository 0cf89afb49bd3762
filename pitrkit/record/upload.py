"""The record in a bucket, as it grows: what is new or changed is sent after each notebook and each seal.

What is there already, with the same SHA-256, is not sent again, whoever sent it and whenever a crash came; a note
beside the incidents (`_uploads/ID.json`, which may be lost) spares asking for each file. The manifest goes last. In a
bucket with Object Lock every object is kept for the time that the settings or the bucket say, and what is sent again
is a new version beside the one before it.

An upload never gets in the way of a recovery: what failed is told, recorded as `upload_failed`, and sent next time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pitrkit import documents, files
from pitrkit.aws.client.client import Aws
from pitrkit.aws.services.s3_objects import Mode, ObjectProtection, Objects
from pitrkit.config.team_settings import Settings
from pitrkit.errors import AccessDenied, AwsError, BadInput, PitrkitError
from pitrkit.incident.incident import EVENTS, LOCK, Incident
from pitrkit.record.manifest import APART, MANIFEST, RUN_LOCK_SUFFIX, RUNNING_SUFFIX, SIGNATURE, Folder
from pitrkit.times import now

KEPT_AT = "record_kept_at"
"""Event that says where the record is uploaded to, and how it is protected there."""

FAILED, WENT_THROUGH = "upload_failed", "uploaded"
FOLDER = "_uploads"
_MODES: dict[str, Mode] = {"governance": "GOVERNANCE", "compliance": "COMPLIANCE"}
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?\Z", re.DOTALL)


class InBucket:
    """A record in a bucket, see `manifest.Holding`.

    Attributes:
        objects: Its objects.
    """

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    @property
    def name(self) -> str:
        """The incident's id."""
        return self.objects.prefix.rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        """Return its address."""
        return str(self.objects)

    def names(self) -> Iterable[str]:
        """Return the name of everything in it, sorted."""
        return [name for name in self.objects.names() if name not in APART]

    def read(self, name: str) -> bytes:
        """Return a file's content, empty if there is no such file."""
        return self.objects.read(name)

    def fingerprint(self, name: str) -> dict[str, Any]:
        """Return `sha256` and `size` of a file, from its content."""
        hashed, size = hashlib.sha256(), 0
        for chunk in self.objects.chunks(name):
            hashed.update(chunk)
            size += len(chunk)
        return {"sha256": hashed.hexdigest(), "size": size}


@dataclass(frozen=True, slots=True)
class Sent:
    """What an upload did.

    Attributes:
        to: Address of the record.
        files: Names of what was sent.
        there: How many were there already.
        size_bytes: Bytes sent.
        failed: Why each that could not be sent was not, by name.
    """

    to: str
    files: tuple[str, ...] = ()
    there: int = 0
    size_bytes: int = 0
    failed: tuple[tuple[str, str], ...] = ()


def record_at(address: str) -> InBucket:
    """Return the record at an address, `s3://bucket/prefix/ID`.

    Raises:
        BadInput: It is no such address.
    """
    match = _ADDRESS.match(address)
    if match is None or not (match[2] or "").strip("/"):
        raise BadInput(f"{address!r} is no record's address", fix="Write s3://bucket/prefix/ID.")
    return InBucket(Objects(Aws.connect(), match[1], match[2].strip("/") + "/"))


class Upload:
    """The way of one incident's record into its bucket.

    Args:
        incident: The incident.
        said: The settings, with `record.upload`.
        aws: Whose bucket it is.

    Raises:
        PitrkitError: The bucket cannot be asked.
    """

    def __init__(self, incident: Incident, settings: Settings, aws: Aws) -> None:
        match = _ADDRESS.match(settings.record.upload)
        if match is None:
            raise BadInput(f"[record] upload is {settings.record.upload!r}", fix="Write upload = 's3://bucket/prefix'.")
        self._incident = incident
        prefix = f"{match[2].strip('/')}/" if (match[2] or "").strip("/") else ""
        self.objects = Objects(aws, match[1], f"{prefix}{incident.id}/")
        protection = ObjectProtection(
            settings.record.upload_kms_key,
            _MODES.get(settings.record.object_lock_mode),
            settings.record.object_lock_days,
        )
        self.warning = _why_not_locked(self.objects) if protection.mode else ""
        self._protection = replace(protection, mode=None, days=0) if self.warning else protection
        self._ledger = incident.folder.parent / FOLDER / f"{incident.id}.json"

    def note_place(self) -> bool:
        """Record where the record goes and how it is kept there, unless it says so; return whether that was news."""
        lock = f"{self._protection.mode} for {self._protection.days} days" if self._protection.mode else ""
        place = {"to": str(self.objects), "kms_key": self._protection.kms_key, "object_lock": lock}
        place |= {"not_locked": self.warning} if self.warning else {}
        recorded_places = [event.data for event in self._incident.events() if event.event == KEPT_AT]
        if recorded_places and recorded_places[-1] == place:
            return False
        self._incident.event(KEPT_AT, **place)
        return True

    def send(self) -> Sent:
        """Send what is new or changed. What cannot be sent is in the result; the rest is sent all the same."""
        folder = Folder(self._incident.folder)
        with files.locked(self._incident.folder / LOCK):
            last = {name: folder.read(name) for name in (SIGNATURE, EVENTS, MANIFEST)}
        uploaded_files = uploaded(self._incident, str(self.objects))
        sent: list[str] = []
        failed: list[tuple[str, str]] = []
        unchanged = size = 0
        for name in (*_names(folder), *(name for name, content in last.items() if content)):
            content = last.get(name) or self._incident.folder / name
            if failed and name == MANIFEST:
                failed.append((name, "it goes last, and something before it is missing"))
                continue
            try:
                fingerprint = _fingerprint(content, uploaded_files.get(name))
                if _is_known(fingerprint, uploaded_files.get(name)):
                    unchanged += 1
                    continue
                if self.objects.sha256(name, fingerprint["size"]) == fingerprint["sha256"]:
                    unchanged += 1
                else:
                    fingerprint |= self.objects.put(name, content, fingerprint["sha256"], self._protection)
                    sent.append(name)
                    size += fingerprint["size"]
                uploaded_files[name] = fingerprint | {"at": now().isoformat(timespec="seconds")}
            except PitrkitError as error:
                failed.append((name, str(error)))
                if not isinstance(error, AwsError) or isinstance(error, AccessDenied) or error.unsure:
                    break  # no credentials, no right, no answer: the next file fares no better
            except OSError as error:
                failed.append((name, str(error)))
        self._remember(uploaded_files)
        return Sent(str(self.objects), tuple(sent), unchanged, size, tuple(failed))

    def _remember(self, uploaded_files: dict[str, Any]) -> None:
        self._ledger.parent.mkdir(mode=0o700, exist_ok=True)
        raw = documents.pretty({"to": str(self.objects), "files": uploaded_files})
        files.replace(self._ledger, raw.encode())


def uploaded(incident: Incident, to: str = "") -> dict[str, Any]:
    """Return what was uploaded of an incident, by name, as far as is noted; if *to* is given, to that address."""
    try:
        path = incident.folder.parent / FOLDER / f"{incident.id}.json"
        document = documents.from_json(path.read_bytes(), dict[str, Any])
        return dict(document["files"]) if to in ("", document["to"]) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _names(folder: Folder) -> list[str]:
    return [
        name
        for name in folder.names()
        if not name.endswith((RUNNING_SUFFIX, RUN_LOCK_SUFFIX)) and (folder.path / name).is_file()
    ]


def _fingerprint(content: bytes | Path, previous: dict[str, Any] | None) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"sha256": files.sha256(content), "size": len(content), "mtime_ns": 0}
    about = content.stat()
    fingerprint = {"size": about.st_size, "mtime_ns": about.st_mtime_ns}
    if previous and all(previous.get(name) == value for name, value in fingerprint.items()):
        return {"sha256": previous["sha256"], **fingerprint}
    with content.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), **fingerprint}


def _is_known(fingerprint: dict[str, Any], previous: dict[str, Any] | None) -> bool:
    return previous is not None and (previous.get("sha256"), previous.get("size")) == (
        fingerprint["sha256"],
        fingerprint["size"],
    )


def _why_not_locked(objects: Objects) -> str:
    try:
        if objects.locks():
            return ""
    except AccessDenied as error:
        return f"whether the bucket {objects.bucket} has Object Lock is not to be seen: {error.what}"
    return f"the bucket {objects.bucket} has no Object Lock, so what is uploaded can be changed and deleted"

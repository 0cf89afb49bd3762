"""The audit: a record, in a folder or a bucket, held against its seal, its signature and its own chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pitrkit import files
from pitrkit.config import team_settings
from pitrkit.errors import BadInput
from pitrkit.incident import event_log
from pitrkit.incident.event_log import LogEvent
from pitrkit.incident.incident import EVENTS
from pitrkit.record import manifest, signature
from pitrkit.record.audit_summary import Summary
from pitrkit.record.manifest import MANIFEST, RUN_LOCK_SUFFIX, RUNNING_SUFFIX, SEALED, SIGNATURE, Folder, Holding
from pitrkit.record.signature import SignatureCheck

What = Literal[
    "altered",
    "missing",
    "added",
    "manifest",
    "unsealed",
    "signature",
    "unsigned",
    "interrupted",
    "resealed",
    "killed",
    "unvouched",
    "rights",
    "not uploaded",
]

NOTES = ("interrupted", "resealed", "killed", "unvouched", "rights", "not uploaded")
"""Findings that are worth knowing, but no faults."""


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """Something that an audit found.

    Attributes:
        what: Its kind. A crash's trace (`interrupted`, `killed`), a change that a later seal names (`resealed`), a key
            that nobody vouches for (`unvouched`), a file that others may read (`rights`) and an upload that failed are
            notes; everything else means that the record is not what was sealed.
        name: The file, with its line for an event.
        detail: What is the matter, in words.
    """

    what: What
    name: str
    detail: str

    @property
    def note(self) -> bool:
        """It is worth knowing, but not a fault."""
        return self.what in NOTES

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit of a record found.

    Attributes:
        incident: The incident's id.
        place: Where its record lies.
        findings: All findings, faults first.
        files: Files checked.
        events: Events read.
        seals: Seals in the chain.
        manifest: SHA-256 of the manifest, empty if there is none.
        signed: The signature on it, None if there is none.
        summary: What the record says of the incident.
    """

    incident: str
    place: str
    findings: tuple[AuditFinding, ...]
    files: int
    events: int
    seals: int
    manifest: str
    signed: SignatureCheck | None = None
    summary: Summary = field(default_factory=Summary)

    @property
    def ok(self) -> bool:
        """The record is what was sealed."""
        return all(finding.note for finding in self.findings)

    @property
    def signature_words(self) -> str:
        """Who signed it, for a person; empty if nobody did."""
        if self.signed is None:
            return ""
        by = f"by {self.signed.signer}, " if self.signed.signer else ""
        text = f"{by}{self.signed.way} key {self.signed.key}" if self.signed.key else "of no known key"
        return text if not self.signed.problem else f"{text}: {self.signed.problem}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        signed = self.signed
        return {
            "incident": self.incident,
            "place": self.place,
            "ok": self.ok,
            "files": self.files,
            "events": self.events,
            "seals": self.seals,
            "manifest": self.manifest,
            "signature": signed
            and {"way": signed.way, "key": signed.key, "signer": signed.signer, "problem": signed.problem},
            "findings": [
                {"what": finding.what, "note": finding.note, "name": finding.name, "detail": finding.detail}
                for finding in self.findings
            ],
            "summary": self.summary.to_dict(),
        }

    @property
    def verdict(self) -> str:
        """Return in a line whether it is what was sealed."""
        counted = f"{self.files} files, {self.events} events, {self.seals} {'seal' if self.seals == 1 else 'seals'}"
        if self.ok:
            says = "is intact"
        elif not self.seals and not self.manifest:
            faults = [finding for finding in self.findings if not finding.note]
            says = "is not sealed" if len(faults) == 1 else "is not sealed, and NOT what was written"
        else:
            says = "is NOT what was sealed"
        return f"{self.incident}: the record {says} ({counted})"

    def __str__(self) -> str:
        lines = [f"  {'note: ' if finding.note else ''}{finding}" for finding in self.findings]
        seal = [f"  last seal: SHA-256 {self.manifest}"] if self.ok else []
        signed = [f"  signed: {self.signature_words}"] if self.signed else []
        return "\n".join([self.verdict, *lines, *seal, *signed])


def audit(place: Path | Holding) -> Audit:
    """Check a record against its seal, its signature and its own chain. Writes nothing.

    Args:
        place: Its folder, or wherever else it lies.

    Raises:
        BadInput: It is not an incident's record.
    """
    holding: Holding = Folder(place) if isinstance(place, Path) else place
    log, raw = holding.read(EVENTS), holding.read(MANIFEST)
    if not log and not raw:
        raise BadInput(f"{holding} is not an incident's folder", fix=f"Name one that holds {EVENTS}.")
    kit_settings = team_settings.read()
    reading = event_log.check(log)
    seals = [event for event in reading.events if event.event == SEALED]
    sealed_manifest = manifest.parse(raw)
    findings = list(_judge_lines(log, reading, seals))
    findings += _judge_manifest(raw, sealed_manifest, log, seals)
    names = list(holding.names())
    if sealed_manifest is not None:
        findings += _judge_files(sealed_manifest, names, holding, reading.events)
        findings += _judge_log(sealed_manifest, log, reading.events, seals)
    else:
        findings += [_killed(name) for name in names if name in _begun(reading.events)]
    findings += [finding for event in seals for finding in _judge_reseal(event)]
    signed, about = _judge_signature(holding.read(SIGNATURE), raw, seals, kit_settings)
    findings += about
    if isinstance(holding, Folder) and (open_to_others := holding.open_to_others()):
        more = f" and {len(open_to_others) - 1} more" if len(open_to_others) > 1 else ""
        findings.append(AuditFinding("rights", open_to_others[0], f"may be read by others than its owner{more}"))
    if reading.events and (failed := _upload_that_failed(reading.events)) is not None:
        findings.append(AuditFinding("not uploaded", str(failed.data.get("to", "")), str(failed.data.get("why", ""))))
    findings.sort(key=lambda finding: finding.note)
    return Audit(
        incident=holding.name,
        place=str(holding),
        findings=tuple(findings),
        files=len(names) + bool(log),
        events=len(reading.events),
        seals=len(seals),
        manifest=files.sha256(raw) if raw else "",
        signed=signed,
        summary=Summary.of(holding, reading.events),
    )


def _judge_lines(log: bytes, reading: event_log.LogReading, seals: list[LogEvent]) -> Iterator[AuditFinding]:
    last = len(log.split(b"\n"))
    for fault in reading.faults:
        torn = fault.crash and fault.line == last and not log.endswith(b"\n")
        if torn and seals:
            # Whatever comes after a seal, even half a line, is not what was sealed.
            detail = f"{fault.problem}, after the seal of {_utc(seals[-1])}; 06_report seals it again"
            yield AuditFinding("unsealed", f"{EVENTS} line {fault.line}", detail)
        else:
            yield AuditFinding(
                "interrupted" if fault.crash else "altered", f"{EVENTS} line {fault.line}", fault.problem
            )
    if log and not log.endswith(b"\n") and not any(fault.line == last for fault in reading.faults):
        yield AuditFinding("altered" if seals else "interrupted", f"{EVENTS} line {last}", "has lost its line's end")


def _judge_manifest(
    raw: bytes, sealed_manifest: dict[str, Any] | None, log: bytes, seals: list[LogEvent]
) -> Iterator[AuditFinding]:
    digest = files.sha256(raw)
    if not raw:
        detail = (
            f"is missing: it was sealed at {_utc(seals[-1])}" if seals else "is absent: this incident is not sealed"
        )
        yield AuditFinding("manifest", MANIFEST, detail + "; 06_report seals it")
    elif seals and digest == seals[-1].data.get("manifest"):
        if sealed_manifest is None:
            yield AuditFinding("manifest", MANIFEST, "is not readable as a manifest")
    elif sealed_manifest is not None and _follows(sealed_manifest, log, seals):
        line = sealed_manifest["events"]["count"] + 1
        detail = (
            f"is missing: the line that records the seal of {sealed_manifest['sealed_at']}; a crash does that as well"
        )
        yield AuditFinding("manifest", f"{EVENTS} line {line}", f"{detail}. 06_report seals it again")
    elif not seals:
        yield AuditFinding("manifest", MANIFEST, f"is not confirmed: {EVENTS} records no seal")
    else:
        earlier = [event for event in seals if event.data.get("manifest") == digest]
        problem = f"is that of an earlier seal, of {_utc(earlier[-1])}" if earlier else "was altered"
        yield AuditFinding("manifest", MANIFEST, f"{problem}: it is not the one sealed at {_utc(seals[-1])}")


def _follows(sealed_manifest: dict[str, Any], log: bytes, seals: list[LogEvent]) -> bool:
    """Return whether a manifest is of the log exactly as it is, so that only the line of its own seal is not there."""
    whole = sealed_manifest["events"]["size"] == len(log) and sealed_manifest["events"]["sha256"] == files.sha256(log)
    return bool(whole and sealed_manifest["previous"] == (seals[-1].data.get("manifest") if seals else ""))


def _judge_files(
    sealed_manifest: dict[str, Any], names: list[str], holding: Holding, happened: tuple[LogEvent, ...]
) -> Iterator[AuditFinding]:
    sealed: dict[str, Any] = sealed_manifest["files"]
    when, present, started_names = f"at the seal of {sealed_manifest['sealed_at']}", set(names), _begun(happened)
    for name, was in sealed.items():
        if name not in present:
            yield AuditFinding("missing", name, f"is missing: it was there {when}")
        elif (fingerprint := holding.fingerprint(name)) is None:
            yield AuditFinding("altered", name, "was replaced by something that is not a plain file")
        elif fingerprint != was:
            sizes = f"{was.get('size')} bytes then, {fingerprint['size']} now"
            yield AuditFinding("altered", name, f"was altered: it is not what it was {when} ({sizes})")
    for name in sorted(present - sealed.keys()):
        if name in started_names:
            yield _killed(name)
        elif name not in sealed_manifest.get("withdrawn", ()) or isinstance(holding, Folder):
            yield AuditFinding("added", name, f"was added: it was not there {when}")


def _begun(happened: tuple[LogEvent, ...]) -> set[str]:
    """Return the files of runs that began and of which nothing tells an end: the notebook, and its lock."""
    names = {str(event.data.get("running")) for event in happened if event.event == "notebook_started"}
    names -= {str(event.data.get("running")) for event in happened if event.event == "notebook_ended"}
    return names | {name.removesuffix(RUNNING_SUFFIX) + RUN_LOCK_SUFFIX for name in names}


def _killed(name: str) -> AuditFinding:
    return AuditFinding("killed", name, "its run was killed; the next step of the incident records it as such")


def _judge_log(
    sealed_manifest: dict[str, Any], log: bytes, read: tuple[LogEvent, ...], seals: list[LogEvent]
) -> Iterator[AuditFinding]:
    sealed = sealed_manifest["events"]
    if files.sha256(log[: sealed["size"]]) != sealed["sha256"]:
        yield AuditFinding(
            "altered", EVENTS, f"was altered: it does not begin as it was at the seal ({sealed['count']} lines)"
        )
    later = [event for event in read if seals and event.n > seals[-1].n]
    if later:
        named = ", ".join(dict.fromkeys(event.event for event in later))
        detail = f"went on after the seal of {_utc(seals[-1])} ({len(later)} events: {named}); 06_report seals it again"
        yield AuditFinding("unsealed", EVENTS, detail)


def _judge_reseal(event: LogEvent) -> Iterator[AuditFinding]:
    for key, change_text in (("changed", "changed before"), ("gone", "removed before")):
        for name in event.data.get(key, ()):
            yield AuditFinding(
                "resealed", str(name), f"was {change_text} the seal of {_utc(event)}, after an earlier seal"
            )


def _judge_signature(
    raw: bytes, content: bytes, seals: list[LogEvent], settings: team_settings.Settings
) -> tuple[SignatureCheck | None, list[AuditFinding]]:
    of_seal: dict[str, Any] = (seals[-1].data.get("signature") or {}) if seals else {}
    if "sha256" not in of_seal:
        findings = [AuditFinding("added", SIGNATURE, "was added: the seal records no signature")] if raw else []
        if of_seal.get("failed"):
            findings.append(AuditFinding("unsigned", MANIFEST, f"is not signed: {of_seal['failed']}"))
        elif settings.record.sign and seals:
            findings.append(AuditFinding("unsigned", MANIFEST, "is not signed, although [record] sign asks for it"))
        return None, findings
    if not raw:
        return None, [AuditFinding("missing", SIGNATURE, f"is missing: the seal of {_utc(seals[-1])} was signed")]
    if files.sha256(raw) != of_seal["sha256"]:
        return None, [
            AuditFinding("altered", SIGNATURE, f"was altered: it is not that of the seal of {_utc(seals[-1])}")
        ]
    checked = signature.check(raw, content, sealed_at=_sealed_at(content), settings=settings)
    if checked.problem:
        return checked, [AuditFinding("signature", SIGNATURE, checked.problem)]
    if checked.way == "ssh" and not checked.signer:
        detail = f"is by the key {checked.key}, and no [record] allowed_signers says whose that is"
        return checked, [AuditFinding("unvouched", SIGNATURE, detail)]
    return checked, []


def _sealed_at(content: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat((manifest.parse(content) or {}).get("sealed_at", ""))
    except ValueError:
        return None


def _upload_that_failed(happened: tuple[LogEvent, ...]) -> LogEvent | None:
    """Return the upload that failed last, if none went through since as far as the record knows."""
    last = next((event for event in reversed(happened) if event.event in ("upload_failed", "uploaded")), None)
    return last if last is not None and last.event == "upload_failed" else None


def _utc(event: LogEvent) -> str:
    return event.at.strftime("%Y-%m-%d %H:%M:%S UTC")

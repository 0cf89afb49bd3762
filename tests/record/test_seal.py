"""A sealed record shows every change made to it, by name, and stays meaningful when the incident goes on."""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.errors import BadInput
from pitrkit.incident.incident import Incident
from pitrkit.record import audit as auditing
from pitrkit.record import seal as sealing

AT = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)


def made(root) -> Incident:
    ticks = iter(range(1000))
    incident = Incident.open(
        "inc-1", root=root, create=True, table="Orders", clock=lambda: AT + timedelta(seconds=next(ticks))
    )
    (incident.folder / "journal").mkdir()
    (incident.folder / "journal" / "abc.jsonl").write_text('{"n":1}\n')
    (incident.folder / "snapshots" / "then").mkdir(parents=True)
    (incident.folder / "snapshots" / "then" / "segment-00000.parquet").write_bytes(bytes(range(256)))
    (incident.folder / "report.html").write_text("<!doctype html>")
    incident.event("plan_built", digest="abc")
    incident.update(verify={"ok": True})
    return incident


@pytest.fixture
def sealed(tmp_path):
    incident = made(tmp_path)
    sealing.seal(incident)
    return incident


def found(incident) -> list[tuple[str, str]]:
    return [(finding.what, finding.name) for finding in auditing.audit(incident.folder).findings]


def test_an_untouched_record_is_intact_and_its_seal_can_be_written_down_elsewhere(tmp_path):
    incident = made(tmp_path)
    seal = sealing.seal(incident)
    audit = auditing.audit(incident.folder)
    assert audit.ok
    assert not audit.findings
    assert (audit.files, audit.events, audit.seals) == (5, 5, 1) == (seal.files, 5, 1)
    assert str(audit) == (
        "inc-1: the record is intact (5 files, 5 events, 1 seal)\n"  # a seal is an event as well
        f"  last seal: SHA-256 {seal.manifest}"
    )
    assert audit.to_dict()["manifest"] == seal.manifest == incident.events()[-1].data["manifest"]


def test_the_manifest_holds_each_file_by_hash_and_size(sealed):
    manifest = json.loads((sealed.folder / "manifest.json").read_text())
    assert sorted(manifest["files"]) == [
        "incident.json",
        "journal/abc.jsonl",
        "report.html",
        "snapshots/then/segment-00000.parquet",
    ]
    assert manifest["files"]["report.html"] == {
        "sha256": hashlib.sha256(b"<!doctype html>").hexdigest(),
        "size": 15,
    }
    assert manifest["events"]["count"] == 4


def test_an_audit_writes_nothing(sealed):
    def state():
        return {path: path.stat().st_mtime_ns for path in sealed.folder.rglob("*")}

    before = state()
    auditing.audit(sealed.folder)
    assert state() == before


def test_altered_missing_and_added_files_are_named(sealed):
    (sealed.folder / "report.html").write_text("<!doctype HTML>")
    (sealed.folder / "journal" / "abc.jsonl").unlink()
    (sealed.folder / "journal" / "new.jsonl").touch()
    assert found(sealed) == [
        ("missing", "journal/abc.jsonl"),
        ("altered", "report.html"),
        ("added", "journal/new.jsonl"),
    ]
    audit = auditing.audit(sealed.folder)
    assert not audit.ok
    assert str(audit).startswith("inc-1: the record is NOT what was sealed")
    assert "\n  report.html: was altered: it is not what it was at the seal of 2026-11-23T02:14:" in str(audit)
    assert audit.to_dict()["findings"][0]["name"] == "journal/abc.jsonl"


def test_what_is_not_a_plain_file_is_found_and_is_not_sealed(sealed, tmp_path):
    (sealed.folder / "report.html").unlink()
    (sealed.folder / "report.html").symlink_to("/etc/hostname")
    (sealed.folder / "link").symlink_to(tmp_path)
    os.mkfifo(sealed.folder / "pipe")
    assert found(sealed) == [("altered", "report.html"), ("added", "link"), ("added", "pipe")]
    with pytest.raises(BadInput, match="is not a plain file"):
        sealing.seal(sealed)


def test_a_manifest_that_is_gone_or_another_one_is_named(sealed):
    manifest = sealed.folder / "manifest.json"
    raw = manifest.read_bytes()
    manifest.write_bytes(raw.replace(b'"size": 15', b'"size": 16'))
    assert ("manifest", "manifest.json") in found(sealed)
    for wreck in (b"", b"[]", b'{"files": 1}', b"\xff"):
        manifest.write_bytes(wreck)
        assert found(sealed) == [("manifest", "manifest.json")]
    manifest.unlink()
    assert found(sealed) == [("manifest", "manifest.json")]
    assert "it was sealed at 2026-11-23 02:14:" in str(auditing.audit(sealed.folder))


def test_an_incident_that_was_never_sealed_says_so(tmp_path):
    incident = made(tmp_path)
    assert found(incident) == [("manifest", "manifest.json")]
    assert str(auditing.audit(incident.folder)).startswith(
        "inc-1: the record is not sealed (5 files, 4 events, 0 seals)\n"
    )
    log = incident.folder / "events.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"digest":"abc"', b'"digest":"abd"'))
    assert str(auditing.audit(incident.folder)).startswith("inc-1: the record is not sealed, and NOT what was written")


def test_a_folder_that_is_no_incident_is_refused(tmp_path):
    with pytest.raises(BadInput, match="is not an incident's folder"):
        auditing.audit(tmp_path)


def test_an_incident_that_goes_on_must_be_sealed_again_and_then_is_intact(sealed):
    sealed.event("undo_started")
    sealed.update("undo_done", undo={"ok": True})
    assert found(sealed) == [("altered", "incident.json"), ("unsealed", "events.jsonl")]
    told = (
        r"went on after the seal of 2026-11-23 02:14:\d\d UTC \(2 events: undo_started, undo_done\); 06_report seals it"
    )
    assert re.search(told, str(auditing.audit(sealed.folder)))
    with (sealed.folder / "journal" / "abc.jsonl").open("a") as journal:
        journal.write('{"n":2}\n')
    sealing.seal(sealed)
    audit = auditing.audit(sealed.folder)
    assert audit.ok
    assert audit.seals == 2
    assert found(sealed) == []  # the journal has only grown, and the state is as the incident's own events left it


def test_a_state_changed_by_hand_before_a_new_seal_is_named(sealed):
    sealed.update("undo_done", undo={"ok": False})
    state = sealed.folder / "incident.json"
    state.write_text(state.read_text().replace("false", "true"))
    sealing.seal(sealed)
    assert found(sealed) == [("resealed", "incident.json")]


def test_sealing_again_cannot_hide_a_change(sealed):
    (sealed.folder / "journal" / "abc.jsonl").write_text('{"n":9}\n{"n":2}\n')
    (sealed.folder / "report.html").unlink()
    sealing.seal(sealed)
    assert found(sealed) == [("resealed", "journal/abc.jsonl"), ("resealed", "report.html")]
    assert "note: report.html: was removed before the seal of" in str(auditing.audit(sealed.folder))


def test_an_earlier_manifest_put_back_is_named(sealed):
    first = (sealed.folder / "manifest.json").read_bytes()
    sealing.seal(sealed)
    (sealed.folder / "manifest.json").write_bytes(first)
    assert "manifest.json: is that of an earlier seal, of 2026-11-23 02:14:" in str(auditing.audit(sealed.folder))


def test_a_seal_that_a_crash_cut_in_half_is_not_taken_for_one(sealed):
    events = sealed.folder / "events.jsonl"
    events.write_bytes(b"".join(events.read_bytes().splitlines(keepends=True)[:-1]))
    assert found(sealed) == [("manifest", "events.jsonl line 5")]
    assert "the line that records the seal of 2026-11-23T02:14:" in str(auditing.audit(sealed.folder))
    sealing.seal(sealed)
    assert auditing.audit(sealed.folder).ok


def test_half_a_line_after_the_seal_is_not_what_was_sealed_and_one_before_it_is_a_note(sealed):
    with (sealed.folder / "events.jsonl").open("ab") as log:
        log.write(b'{"n":6,"at":"20')
    assert found(sealed) == [("unsealed", "events.jsonl line 6")]
    assert not auditing.audit(sealed.folder).ok
    sealing.seal(sealed)
    assert auditing.audit(sealed.folder).ok
    assert ("interrupted", "events.jsonl line 6") in found(sealed)


def test_empty_locks_are_not_part_of_the_record_and_a_notebook_nobody_runs_was_added(sealed):
    (sealed.folder / "x.lock").touch()
    assert found(sealed) == []
    (sealed.folder / "notebooks").mkdir()
    (sealed.folder / "notebooks" / "06_report.running.ipynb").write_text("{}")
    (sealed.folder / "full.lock").write_text("something")
    assert found(sealed) == [("added", "full.lock"), ("added", "notebooks/06_report.running.ipynb")]


def test_a_folder_that_others_may_enter_is_noted(sealed):
    sealed.folder.chmod(0o755)
    assert found(sealed) == [("rights", ".")]
    assert auditing.audit(sealed.folder).ok

"""Whatever is done to a sealed record, by one byte, one line or one file, is found and named by the audit."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pitrkit.incident import event_log
from pitrkit.incident.incident import Incident
from pitrkit.record import audit as auditing
from pitrkit.record import seal as sealing
from tests.record.signing import ssh_key

AT = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)
NOTEBOOK = {
    "cells": [{"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": 1}],
    "metadata": {"pitrkit": {"ended": "done", "exit_code": 0}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
OF_AN_INCIDENT = {
    "journal/abc.jsonl": b'{"n":1}\n{"n":2}\n',
    "notebooks/05_copy_back.ipynb": json.dumps(NOTEBOOK, indent=1).encode(),
    "plan/abc/plan.json": b'{"digest": "abc"}',
    "report.html": b"<!doctype html>",
    "snapshots/then/segment-00000.parquet": bytes(range(256)),
}
NAMES = (*OF_AN_INCIDENT, "events.jsonl", "incident.json", "manifest.json", "manifest.json.sig")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A record that was sealed twice, the second time with a signature as the first."""
    root = tmp_path_factory.mktemp("record")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PITRKIT_SETTINGS", str(ssh_key(root)))
        ticks = iter(range(1000))
        incident = Incident.open(
            "inc-1", root=root, create=True, table="Orders", clock=lambda: AT + timedelta(seconds=next(ticks))
        )
        for name, content in OF_AN_INCIDENT.items():
            (incident.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (incident.folder / name).write_bytes(content)
        incident.event("plan_built", digest="abc")
        incident.update(verify={"ok": True})
        sealing.seal(incident)
        incident.update("went_on", apply={"applied": 3})
        sealing.seal(incident)
        audit = auditing.audit(incident.folder)
        assert audit.ok
        assert not audit.findings
        assert audit.signed.signer == "oncall@example.com"
        assert {path.relative_to(incident.folder).as_posix() for path in incident.folder.rglob("*.*")} == {
            *NAMES, "incident.lock"
        }  # fmt: skip
        yield incident.folder


@pytest.fixture(scope="module")
def altered(pristine, tmp_path_factory):
    """Copies of the record, to be altered."""

    def copied() -> Path:
        return shutil.copytree(pristine, tmp_path_factory.mktemp("altered") / "inc-1")

    return copied


def faults(folder: Path) -> list[str]:
    audit = auditing.audit(folder)
    named = [finding.name for finding in audit.findings if not finding.note]
    assert audit.ok == (not named)
    return named


def names(found: list[str], name: str) -> bool:
    return any(one == name or one.startswith(f"{name} line ") for one in found)


one_of_them = st.sampled_from(NAMES)
somewhere = st.floats(0, 1, exclude_max=True)


@given(name=one_of_them, where=somewhere, flip=st.integers(1, 255))
@example(name="events.jsonl", where=0.9999999, flip=1)
@example(name="manifest.json.sig", where=0.9999999, flip=42)
def test_any_byte_changed_anywhere_is_found_and_named(altered, name, where, flip):
    folder = altered()
    raw = bytearray((folder / name).read_bytes())
    raw[int(where * len(raw))] ^= flip
    (folder / name).write_bytes(raw)
    assert names(faults(folder), name)


@given(name=one_of_them, where=somewhere, data=st.data())
def test_any_byte_added_or_left_out_is_found_and_named(altered, name, where, data):
    folder = altered()
    raw = (folder / name).read_bytes()
    at = int(where * len(raw))
    more = data.draw(st.binary(max_size=2))
    (folder / name).write_bytes(raw[:at] + more + raw[at + (not more) :])
    assert names(faults(folder), name)


@given(data=st.data())
def test_any_line_dropped_swapped_repeated_or_made_up_is_found_and_named(altered, data):
    folder = altered()
    name = data.draw(st.sampled_from(["events.jsonl", "journal/abc.jsonl", "manifest.json", "incident.json"]))
    lines = (folder / name).read_bytes().splitlines(keepends=True)
    one = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["drop", "swap", "repeat", "make up"])):
        case "drop":
            del lines[one]
        case "repeat":
            lines.insert(one, lines[one])
        case "make up":
            lines.insert(one + 1, data.draw(st.sampled_from([b"\n", b"{}\n", lines[one].replace(b'"', b"'", 1)])))
        case _:
            other = data.draw(st.integers(0, len(lines) - 1).filter(lambda number: lines[number] != lines[one]))
            lines[one], lines[other] = lines[other], lines[one]
    (folder / name).write_bytes(b"".join(lines))
    assert names(faults(folder), name)


@given(count=st.integers(1, 3))
def test_events_that_were_chained_to_it_as_they_should_be_are_found_and_named(altered, count):
    folder = altered()
    for _ in range(count):
        event_log.append(folder / "events.jsonl", "gate_opened", {"by": "nobody"}, AT)
    assert names(faults(folder), "events.jsonl")


part = st.text("abXYZ019._- é", min_size=1, max_size=12).filter(lambda text: text.strip(".") == text)
fresh = st.builds(
    lambda folder, stem, end: folder + stem + end,
    st.sampled_from(["", "notebooks/", "journal/", "plan/abc/", "new/"]),
    part,
    st.sampled_from(["", ".json", ".ipynb", ".running.ipynb", ".running.lock", ".lock", ".tmp", ".sig"]),
)


@given(name=fresh, content=st.binary(max_size=20))
def test_any_file_added_is_found_and_named(altered, name, content):
    folder = altered()
    if "/" not in name and name.endswith(".lock"):
        content += b"x"  # an empty one is a lock and can hold nothing
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    assert names(faults(folder), name)


@given(name=one_of_them)
def test_any_file_removed_is_found_and_named(altered, name):
    folder = altered()
    (folder / name).unlink()
    assert names(faults(folder), name)


@given(name=one_of_them, to=fresh)
def test_any_file_renamed_is_found_and_both_names_are_named(altered, name, to):
    folder = altered()
    (folder / to).parent.mkdir(exist_ok=True)
    (folder / name).rename(folder / to)
    found = faults(folder)
    assert names(found, name)
    assert names(found, to) or name == "manifest.json"  # without it nobody knows what there was

"""An incident's folder is made for one table's incident, keeps its state through crashes, and refuses mix-ups."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from datetime import UTC, datetime

import pytest

from pitrkit.errors import BadInput, PitrkitError, RecordAltered
from pitrkit.incident import incident as incidents
from pitrkit.incident.incident import Incident

AT = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)


def opened(root, name="inc-1", **more):
    return Incident.open(name, root=root, create=True, clock=lambda: AT, **more)


def test_a_new_incident_says_what_it_is_about_and_only_its_owner_may_enter_it(tmp_path):
    incident = opened(tmp_path / "i", account="123456789012", region="eu-west-1", table="Orders")
    assert incident.data == {
        "incident": "inc-1",
        "created_at": "2026-11-23T02:14:05.000+00:00",
        "account": "123456789012",
        "region": "eu-west-1",
        "table": "Orders",
    }
    assert stat.S_IMODE(incident.folder.stat().st_mode) == 0o700
    assert [event.event for event in incident.events()] == ["incident_opened", "identified"]


def test_opening_it_again_changes_nothing(tmp_path):
    first = opened(tmp_path, table="Orders")
    again = Incident.open("inc-1", root=tmp_path, create=True, table="Orders")
    assert again.data == first.data
    assert len(again.events()) == 2


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "-x", "_runs", "a..b", "a b", "a\n", "é", "x" * 101, "/etc"]
)
def test_an_id_that_is_no_safe_folder_name_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match="is not a valid incident ID"):
        opened(tmp_path / "i", name)
    assert not (tmp_path / "i").exists()


def test_an_unknown_incident_names_the_known_ones(tmp_path):
    with pytest.raises(BadInput, match="There are none yet"):
        Incident.open("inc-9", root=tmp_path)
    opened(tmp_path, "inc-1")
    opened(tmp_path, "inc-2")
    with pytest.raises(BadInput, match=r"no incident 'inc-9' in .*\n-> Existing incidents: inc-2, inc-1\."):
        Incident.open("inc-9", root=tmp_path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"account": "999999999999"}, "for account 123456789012, not 999999999999"),
        ({"region": "us-east-1"}, "for region eu-west-1, not us-east-1"),
        ({"table": "Users"}, "for table Orders, not Users"),
    ],
)
def test_an_incident_of_another_account_region_or_table_is_refused(tmp_path, other, message):
    about = {"account": "123456789012", "region": "eu-west-1", "table": "Orders"}
    incident = opened(tmp_path, **about)
    before = incident.data
    with pytest.raises(BadInput, match=message):
        Incident.open("inc-1", root=tmp_path, create=True, **{**about, **other})
    assert incident.data == before
    assert Incident.open("inc-1", root=tmp_path, table="Orders").id == "inc-1"


def test_updates_replace_what_was_there_or_merge_into_it_and_are_recorded(tmp_path):
    incident = opened(tmp_path)
    incident.update(into={"steps": {"select": "a"}}, table="Orders", diff={"removed": 2})
    incident.update("compared", into={"steps": {"diff": "b"}}, diff={"same": 1}, table=None)
    assert incident.data | {"created_at": ""} == {
        "incident": "inc-1",
        "created_at": "",
        "steps": {"select": "a", "diff": "b"},
        "table": None,
        "diff": {"same": 1},
    }
    assert [(event.event, event.data) for event in incident.events()][1:] == [
        ("updated", {"steps": {"select": "a"}, "table": "Orders", "diff": {"removed": 2}}),
        ("compared", {"steps": {"diff": "b"}, "diff": {"same": 1}, "table": None}),
    ]


def test_what_cannot_be_written_changes_neither_state_nor_log(tmp_path):
    incident = opened(tmp_path)
    before = incident.data, incident.events()
    with pytest.raises(TypeError):
        incident.update(odd=object())
    assert (incident.data, incident.events()) == before


def test_the_state_is_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    incident = opened(tmp_path)
    before = incident.data

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PitrkitError, match="No space left on device"):
        incident.update(table="Orders")
    monkeypatch.undo()
    assert incident.data == before
    assert sorted(path.name for path in incident.folder.iterdir()) == ["events.jsonl", "incident.json", "incident.lock"]


def _count(root, times):
    incident = Incident.open("inc-1", root=root)
    for _ in range(times):
        incident.event("counted")
        incident.update("noted", **{f"p{os.getpid()}": True})


def test_processes_at_the_same_time_lose_nothing(tmp_path):
    incident = opened(tmp_path)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_count, args=(tmp_path, 20)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(incident.events()) == 1 + 3 * 40
    assert sum(key.startswith("p") for key in incident.data) == 3


def test_a_folder_that_cannot_be_made_or_written_is_refused(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match=r"/proc/nowhere/inc-1 cannot be written: .*\n-> Set PITRKIT_INCIDENTS"):
        opened("/proc/nowhere")
    incident = opened(tmp_path)
    (incident.folder / "incident.lock").unlink()
    (incident.folder / "incident.lock").mkdir()
    with pytest.raises(BadInput, match="cannot be written"):
        Incident.open("inc-1", root=tmp_path)


def test_a_state_that_cannot_be_read_is_an_altered_record(tmp_path):
    incident = opened(tmp_path)
    for damaged in ("{", "[]", ""):
        (incident.folder / "incident.json").write_text(damaged)
        with pytest.raises(RecordAltered, match=r"incident\.json .*\n-> .*pitrkit audit inc-1"):
            _ = incident.data


def test_paths_stay_inside_the_folder(tmp_path):
    incident = opened(tmp_path)
    assert incident.path("plan", "abc") == incident.folder / "plan" / "abc"
    for parts in (("..",), ("plan", "..", "..", "x"), ("/etc/passwd",)):
        with pytest.raises(BadInput, match="outside"):
            incident.path(*parts)


def test_existing_incidents_come_last_changed_first_and_other_folders_are_passed_over(tmp_path):
    for number, name in enumerate(("older", "newer")):
        state = opened(tmp_path, name).folder / "incident.json"
        os.utime(state, (1000 + number, 1000 + number))
    (tmp_path / "_runs").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert [incident.id for incident in Incident.existing(tmp_path)] == ["newer", "older"]
    assert Incident.existing(tmp_path / "nowhere") == []


def test_the_root_is_an_argument_or_a_variable_or_incidents_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PITRKIT_INCIDENTS", raising=False)
    assert incidents.root_folder() == tmp_path / "incidents"
    monkeypatch.setenv("PITRKIT_INCIDENTS", "/elsewhere")
    assert str(incidents.root_folder()) == "/elsewhere"
    assert incidents.root_folder("given") == tmp_path / "given"


def test_the_state_is_json_that_other_programs_read(tmp_path):
    incident = opened(tmp_path, table="Orders")
    assert json.loads((incident.folder / "incident.json").read_text()) == incident.data

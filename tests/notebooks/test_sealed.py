"""A recovery through the notebooks leaves a record that says who did what, signed, in the folder and in the bucket."""

from __future__ import annotations

import getpass
import json
import re
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pytest

from pitrkit.sandbox.store.history import PastWrite
from tests.record.signing import WHO, ssh_key

pytestmark = [pytest.mark.xdist_group("sealed"), pytest.mark.takes(20)]

KEYED = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture
def place(empty, tmp_path, monkeypatch):
    """An account with one table of two items, and settings that sign the record and upload it under locks."""
    begun_at = datetime.now(UTC) - timedelta(hours=2)
    writes = [
        PastWrite(begun_at, {"id": {"N": "1"}}, {"id": {"N": "1"}, "v": {"S": "kept"}}),
        PastWrite(begun_at, {"id": {"N": "2"}}, {"id": {"N": "2"}, "v": {"S": "kept"}}),
    ]
    empty.sandbox.seed({"TableName": "Orders", **KEYED}, writes, created_at=begun_at)
    empty.sandbox.client("s3").create_bucket(Bucket="records", ObjectLockEnabledForBucket=True)
    settings = ssh_key(tmp_path)
    upload = 'upload = "s3://records/team"\nobject_lock_mode = "governance"\nobject_lock_days = 30\n'
    settings.write_text(settings.read_text() + upload)
    monkeypatch.setenv("PITRKIT_SETTINGS", str(settings))
    return empty


def test_a_recovery_and_its_clean_up_are_told_in_full_by_the_audit_of_folder_and_bucket(place):
    client = place.sandbox.client("dynamodb")
    client.delete_item(TableName="Orders", Key={"id": {"N": "1"}})
    code, said = place.pitrkit("recover", "Orders", "--at", "1h", "--incident", "night")
    assert code == 3, said
    assert place.pitrkit("audit", "s3://records/team/night")[0] == 1, "it grows there before it is sealed"
    code, said = place.pitrkit(*re.search(r"pitrkit (recover Orders .*)", said)[1].split())
    assert code == 0, said
    code, said = place.pitrkit("run", "14", "-p", "incident", "night")
    code, said = place.pitrkit(*re.search(r"pitrkit (run 14_clean_up .*)", said)[1].split())
    assert code == 0, said
    assert place.tables() == ["Orders"]

    code, said = place.pitrkit("audit", "night", "--json")
    assert code == 0, said
    local = json.loads(said)
    code, said = place.pitrkit("audit", "s3://records/team/night", "--json")
    assert code == 0, said
    assert json.loads(said) | {"place": ""} == local | {"place": ""}
    assert local["findings"] == []
    assert local["signature"] | {"key": ""} == {"way": "ssh", "key": "", "signer": WHO, "problem": ""}

    told = local["summary"]
    caller = place.sandbox.client("sts").get_caller_identity()["Arn"]
    (person,) = told["people"]
    assert (person["by"], person["user"]) == (caller, getpass.getuser())
    for name in ("boto3", "botocore", "pandas", "papermill", "duckdb", "pyarrow"):
        assert told["versions"][name] == version(name)
    assert {"pitrkit", "python", "system"} <= told["versions"].keys()
    assert [(run["notebook"], run["ended"]) for run in told["runs"]] == [
        ("01_select_table", "done"),
        ("02_pick_timestamp", "done"),
        ("03_restore", "done"),
        ("04_diff", "done"),
        ("05_copy_back", "gate closed"),
        ("05_copy_back", "done"),
        ("06_report", "done"),
        ("14_clean_up", "gate closed"),
        ("14_clean_up", "done"),
    ]
    assert told["runs"][0]["parameters"] == {"incident": "night", "table": "Orders"}
    approved = [(one["action"], one["how"], one["by"], one["user"]) for one in told["approvals"]]
    who = ("parameter", caller, getpass.getuser())
    assert approved == [("", *who), ("delete", *who)]
    (copy,) = told["copies"]
    assert copy == {
        "plan": told["approvals"][0]["digest"],
        "finished": True,
        "applied": 1,
        "already": 0,
        "conflicts": 0,
        "failed": 0,
    }
    calls = [(call["operation"], call["outcome"]) for call in told["calls"]]
    assert calls == [("RestoreTableToPointInTime", "done"), ("DeleteTable", "done")]
    ids = {call["request_id"] for call in told["calls"]}
    assert len(ids) == 2
    assert all(ids)
    journal = [json.loads(line) for line in next((place.folder / "night" / "journal").glob("*")).open()]
    assert [line["request_id"] for line in journal if line.get("is") == "outcome"] != [""]

    code, said = place.pitrkit("audit", "night")
    for words in (f"signed: by {WHO}", f"worked on  by {caller}", "applied, 0 already", "(delete) by parameter"):
        assert words in said

    left = [path for path in place.folder.rglob("*") if not path.is_symlink()]
    wrong = [path for path in left if path.stat().st_mode & 0o077]
    assert not wrong, "everything a recovery makes is its owner's alone"
    until = place.sandbox.client("s3").head_object(Bucket="records", Key="team/night/manifest.json")
    assert until["ObjectLockMode"] == "GOVERNANCE"


def test_what_is_changed_outside_of_an_incident_is_recorded_beside_them(place):
    client = place.sandbox.client("dynamodb")
    client.create_table(TableName="Open", **KEYED)
    code, said = place.pitrkit("run", "00_start_here", "-p", "protect", "Open")
    assert code == 3
    code, said = place.pitrkit(*re.search(r"pitrkit (run 00_start_here .*)", said)[1].split())
    assert code == 0, said
    log = [json.loads(line) for line in (place.folder / "_account" / "events.jsonl").open()]
    assert [line["event"] for line in log] == ["gate_opened", "aws_call"]
    assert log[0]["data"]["tables"] == ["Open"]
    assert log[0]["data"]["user"] == getpass.getuser()
    assert log[1]["data"] | {"request_id": ""} == {
        "service": "dynamodb",
        "operation": "UpdateContinuousBackups",
        "table": "Open",
        "outcome": "done",
        "request_id": "",
        "code": "",
    }
    assert log[1]["data"]["request_id"]

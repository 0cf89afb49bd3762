"""The record grows in a bucket as the incident does; a crash, a refusal, a bucket without locks are told."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import signal
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.services.s3_objects import ObjectProtection, Objects
from pitrkit.cli import commands
from pitrkit.incident.incident import Incident
from pitrkit.record import archive, manifest, upload
from pitrkit.record import audit as auditing
from pitrkit.sandbox import ExportFault

numbers = count()


@pytest.fixture
def s3(sandbox_aws):
    return sandbox_aws.client("s3")


@pytest.fixture
def bucket(s3):
    name = f"records-{next(numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def settings(tmp_path, monkeypatch):
    def write(**keys):
        path = tmp_path / "pitrkit.toml"
        path.write_text("[record]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items()))
        monkeypatch.setenv("PITRKIT_SETTINGS", str(path))

    return write


@pytest.fixture
def incident(tmp_path):
    made = Incident.open("inc-1", root=tmp_path / "i", create=True, table="Orders")
    made.path("journal").mkdir()
    made.path("journal", "abc.jsonl").write_text('{"n":1}\n')
    made.path("report.html").write_text("<!doctype html>")
    return made


def keys(s3, bucket):
    return {row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", ())}


def audit(*words):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = commands.main(["audit", *words])
    return code, said.getvalue()


def test_the_record_is_in_the_bucket_as_far_as_the_incident_got_and_audits_there(incident, s3, bucket, settings):
    settings(upload=f"s3://{bucket}/teams/night")
    assert archive.save_record(incident) == []
    there = keys(s3, bucket)
    assert there == {
        f"teams/night/inc-1/{name}" for name in ("events.jsonl", "incident.json", "journal/abc.jsonl", "report.html")
    }
    code, said = audit(f"s3://{bucket}/teams/night/inc-1")
    assert code == 1
    assert "inc-1: the record is not sealed" in said
    incident.update("went_on", apply={"applied": 1})
    assert archive.save_record(incident, seal=True) == []
    code, said = audit(f"s3://{bucket}/teams/night/inc-1")
    assert code == 0, said
    assert "inc-1: the record is intact (4 files," in said
    code, said = audit(f"s3://{bucket}/teams/night/inc-1", "--json")
    remote = json.loads(said)
    local = json.loads(json.dumps(auditing.audit(incident.folder).to_dict()))
    assert remote | {"place": ""} == local | {"place": ""}


def test_a_record_altered_in_the_bucket_is_found_there(incident, s3, bucket, settings):
    settings(upload=f"s3://{bucket}")
    archive.save_record(incident, seal=True)
    address = f"s3://{bucket}/inc-1"
    s3.put_object(Bucket=bucket, Key="inc-1/report.html", Body=b"<!doctype HTML>")
    s3.put_object(Bucket=bucket, Key="inc-1/new", Body=b"")
    s3.delete_object(Bucket=bucket, Key="inc-1/journal/abc.jsonl")
    code, said = audit(address)
    assert code == 1
    for told in ("journal/abc.jsonl: is missing", "report.html: was altered", "new: was added"):
        assert told in said
    assert audit(f"s3://{bucket}/inc-2")[0] == 2
    code, said = audit("s3://no-such-bucket-here/inc-1")
    assert code == 2
    assert "NoSuchBucket" in said
    assert "is no record's address" in audit("s3://x")[1]


def versions(s3, bucket):
    rows = s3.list_object_versions(Bucket=bucket)["Versions"]
    return {key: sum(row["Key"] == key for row in rows) for key in {row["Key"] for row in rows}}


def test_only_what_is_new_or_changed_is_sent_even_if_nobody_remembers_what_was(incident, s3, bucket, settings):
    settings(upload=f"s3://{bucket}")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    archive.save_record(incident)
    incident.event("went_on")
    archive.save_record(incident)
    assert versions(s3, bucket) == {
        "inc-1/events.jsonl": 2,
        "inc-1/incident.json": 1,
        "inc-1/journal/abc.jsonl": 1,
        "inc-1/report.html": 1,
    }
    (incident.folder.parent / "_uploads" / "inc-1.json").unlink()
    archive.save_record(incident)
    assert versions(s3, bucket)["inc-1/events.jsonl"] == 2
    assert sum(versions(s3, bucket).values()) == 5
    noted = json.loads((incident.folder.parent / "_uploads" / "inc-1.json").read_text())
    assert set(noted["files"]) == {"events.jsonl", "incident.json", "journal/abc.jsonl", "report.html"}


def _upload_slowly(incident, started):
    put = Objects.put

    def slowly(self, name, *more):
        done = put(self, name, *more)
        started.set()
        signal.pause()
        return done

    Objects.put = slowly
    archive.save_record(incident)


def test_an_upload_that_is_killed_goes_on_where_it_was(incident, s3, bucket, settings):
    settings(upload=f"s3://{bucket}")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    context = multiprocessing.get_context("fork")
    started = context.Event()
    process = context.Process(target=_upload_slowly, args=(incident, started))
    process.start()
    assert started.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert len(keys(s3, bucket)) == 1
    assert archive.save_record(incident, seal=True) == []
    assert set(versions(s3, bucket).values()) == {1}, "what was there was not sent again"
    assert audit(f"s3://{bucket}/inc-1")[0] == 0


def test_what_is_sent_is_encrypted_and_locked_as_the_settings_say_and_an_overwrite_is_a_new_version(
    incident, sandbox_aws, s3, settings
):
    name = f"locked-{next(numbers)}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    key = sandbox_aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    settings(upload=f"s3://{name}", upload_kms_key=key, object_lock_mode="compliance", object_lock_days=400)
    assert archive.save_record(incident, seal=True) == []
    said = s3.head_object(Bucket=name, Key="inc-1/report.html")
    assert (said["ServerSideEncryption"], said["SSEKMSKeyId"]) == ("aws:kms", key)
    assert said["ObjectLockMode"] == "COMPLIANCE"
    assert said["ObjectLockRetainUntilDate"] - datetime.now(UTC) > timedelta(days=399)
    first = said["VersionId"]
    incident.path("report.html").write_text("<!doctype html> again")
    assert archive.save_record(incident) == []
    assert s3.head_object(Bucket=name, Key="inc-1/report.html")["VersionId"] != first
    assert s3.get_object(Bucket=name, Key="inc-1/report.html", VersionId=first)["Body"].read() == b"<!doctype html>"
    with pytest.raises(s3.exceptions.ClientError):
        s3.delete_object(Bucket=name, Key="inc-1/report.html", VersionId=first)
    assert audit(f"s3://{name}/inc-1")[0] == 0
    told = [event.data for event in incident.events() if event.event == "record_kept_at"]
    assert told == [{"to": f"s3://{name}/inc-1", "kms_key": key, "object_lock": "COMPLIANCE for 400 days"}]


def test_a_bucket_without_object_lock_takes_the_record_and_it_is_said_that_it_is_not_locked(
    incident, s3, bucket, settings
):
    settings(upload=f"s3://{bucket}", object_lock_mode="governance", object_lock_days=30)
    echo = io.StringIO()
    (problem,) = archive.save_record(incident, echo)
    assert f"the bucket {bucket} has no Object Lock" in problem
    assert problem in echo.getvalue()
    (event,) = [event for event in incident.events() if event.event == "record_kept_at"]
    assert "has no Object Lock" in event.data["not_locked"]
    assert len(keys(s3, bucket)) == 4


def test_an_upload_that_fails_is_told_and_recorded_and_made_good_by_the_next(
    incident, sandbox_aws, s3, bucket, settings
):
    settings(upload=f"s3://{bucket}")
    sandbox_aws.faults.add(ExportFault("s3_denied", bucket=bucket, operations=("PutObject",)))
    echo = io.StringIO()
    (problem,) = archive.save_record(incident, echo, seal=True)
    assert "not uploaded" in problem
    assert "s3:PutObject" in problem
    assert problem.splitlines()[0] in echo.getvalue()
    local = auditing.audit(incident.folder)
    assert local.ok, str(local)
    assert [finding.what for finding in local.findings] == ["not uploaded"]
    (event,) = [event for event in incident.events() if event.event == "upload_failed"]
    assert event.data["files"]
    assert "AccessDenied" in event.data["why"]
    sandbox_aws.faults.clear()
    assert archive.save_record(incident) == []
    assert auditing.audit(incident.folder).findings == ()
    code, said = audit(f"s3://{bucket}/inc-1")
    assert code == 0, said
    assert "note" not in said


def test_no_such_bucket_and_no_credentials_stop_nothing(incident, sandbox_aws, settings, monkeypatch):
    settings(upload="s3://no-such-bucket-anywhere")
    (problem,) = archive.save_record(incident, seal=True)
    assert "NoSuchBucket" in problem
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    (problem,) = archive.save_record(incident)
    assert "no AWS credentials were found" in problem
    assert auditing.audit(incident.folder).ok


def test_a_file_that_was_uploaded_and_is_gone_since_is_known_to_the_manifest(incident, s3, bucket, settings):
    settings(upload=f"s3://{bucket}")
    incident.path("unfinished").write_text("half of it")
    archive.save_record(incident)
    incident.path("unfinished").unlink()
    archive.save_record(incident, seal=True)
    code, said = audit(f"s3://{bucket}/inc-1")
    assert code == 0, said
    assert "inc-1/unfinished" in keys(s3, bucket)


def test_a_file_too_large_for_one_piece_goes_in_parts_and_is_known_again(sandbox_aws, s3, bucket, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(os.urandom(11 << 20))
    sha256 = manifest.Folder(tmp_path).fingerprint("large")["sha256"]
    objects = Objects(Aws.connect(), bucket, "inc-1/", single=6 << 20, part=5 << 20)
    objects.put("large", large, sha256, ObjectProtection())
    assert objects.sha256("large", 11 << 20) == sha256
    assert upload.InBucket(objects).fingerprint("large") == {"sha256": sha256, "size": 11 << 20}


def test_content_that_is_not_what_its_hash_says_is_not_stored(sandbox_aws, s3, bucket):
    objects = Objects(Aws.connect(), bucket, "inc-1/")
    with pytest.raises(Exception, match="BadDigest"):
        objects.put("x", b"other", "0" * 64, ObjectProtection())
    assert keys(s3, bucket) == set()

"""The sandbox as a process: ready line, story, signals."""

import json
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import boto3
import pytest

from pitrkit.sandbox.scenario.dump import LoadError
from pitrkit.sandbox.scenario.process import serving, welcome
from pitrkit.sandbox.scenario.truth import check

FILMS = "".join(
    json.dumps({"Item": {"year": {"N": "1999"}, "title": {"S": f"Film {number}"}, "info": {"S": "x"}}}) + "\n"
    for number in range(50)
)


@contextmanager
def process(**options):
    """A sandbox in a process of its own: the process, and the URL it says it is ready on."""
    code = f"import sys; from pitrkit.sandbox.scenario.process import run; sys.exit(run(**{options!r}))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            ready = running.stdout.readline().split()
            assert ready[:1] == ["ready"], running.stderr.read()
            yield running, ready[1]
        finally:
            running.kill()


def client(url):
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
    )


def scanned(url, table):
    return [item for page in client(url).get_paginator("scan").paginate(TableName=table) for item in page["Items"]]


def truth(url):
    with urllib.request.urlopen(f"{url}/_sandbox/truth") as answer:
        return json.load(answer)


def test_it_serves_the_shop_says_how_to_reach_it_and_ends_on_sigterm():
    with process(live=True) as (running, url):
        assert url.startswith("http://127.0.0.1:")
        table = client(url).describe_table(TableName="Orders")["Table"]
        assert [key["AttributeName"] for key in table["KeySchema"]] == ["customer_id", "order_id"]
        assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by_status"]
        assert truth(url)["counts"]["deleted"] == 240
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=60)
        assert running.returncode == 0
        assert f"export AWS_ENDPOINT_URL={url}\n" in said
        assert "240 items deleted, 180 mangled" in said
        assert "Traceback" not in said


def test_it_serves_a_loaded_table_with_its_truth_and_ends_on_sigint(tmp_path):
    file = tmp_path / "films.json"
    file.write_text(FILMS)
    with process(load=str(file), table="Films", keys="year:N,title:S") as (running, url):
        served = truth(url)
        found = check(scanned(url, "Films"), served)
        assert (len(found.missing), len(found.wrong), len(found.extra)) == (4, 3, 0)
        client(url).restore_table_to_point_in_time(
            SourceTableName="Films", TargetTableName="Copy", RestoreDateTime=served["good_at"]
        )
        assert len(scanned(url, "Copy")) == 50
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
        assert running.returncode == 0
        assert "Traceback" not in said


def test_an_empty_sandbox_has_no_table_and_no_story():
    with serving(empty=True) as sandbox:
        assert sandbox.client("dynamodb").list_tables()["TableNames"] == []
        assert sandbox.truth is None
        assert "export AWS_ENDPOINT_URL" in welcome(sandbox)
        assert "bad deploy" not in welcome(sandbox)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"load": "films.json"}, "go together"),
        ({"load": "films.json", "table": "Films"}, "go together"),
        ({"table": "Films"}, "go together"),
        ({"keys": "year:N"}, "go together"),
        ({"empty": True, "live": True}, "empty sandbox"),
        ({"empty": True, "load": "films.json", "table": "Films", "keys": "year:N"}, "empty sandbox"),
        ({"live": True, "load": "films.json", "table": "Films", "keys": "year:N"}, "only the shop's own"),
        ({"load": "nowhere.json", "table": "Films", "keys": "year:N"}, "does not exist"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(options, said):
    with pytest.raises(LoadError, match=said), serving(**options):
        pytest.fail("nothing should be served")

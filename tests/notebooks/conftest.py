"""A shop's damaged table on a sandbox, and the command line in a folder of its own."""

import contextlib
import io
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.aws.items import canonical
from pitrkit.cli import commands
from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.scenario.shop import orders


@dataclass
class Place:
    """Where an operator works: a sandbox, and a folder for incidents."""

    sandbox: Sandbox
    folder: object
    truth: object

    def pitrkit(self, *words):
        """Run one command as the shell would; return its exit code and what it printed."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = commands.main([str(word) for word in words])
        return code, said.getvalue()

    @contextlib.contextmanager
    def permitted(self, *words):
        """Work as a caller who may do what `pitrkit policy` says, and nothing else."""
        code, said = self.pitrkit("policy", "--table", "Orders", "--account", "123456789012", *words)
        assert code == 0, said
        caller = self.sandbox.authority.register("operator", [json.loads(said)], "us-east-1")
        before = dict(os.environ)
        os.environ.update(caller.credentials)
        try:
            yield caller
        finally:
            os.environ.clear()
            os.environ.update(before)

    def incident(self, name):
        return json.loads((self.folder / name / "incident.json").read_text())

    def items(self, table="Orders"):
        pages = self.sandbox.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return sorted(canonical(item) for page in pages for item in page["Items"])

    def tables(self):
        return self.sandbox.client("dynamodb").list_tables()["TableNames"]


@contextlib.contextmanager
def place_of(sandbox, folder, truth=None):
    chosen = {**sandbox.environment(), "PITRKIT_INCIDENTS": str(folder)}
    before = dict(os.environ)
    os.environ.update(chosen)
    try:
        yield Place(sandbox, folder, truth)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The damaged table. The tests of a module go on where the one before stopped, as an operator does."""
    scenario = orders(7, now=datetime.now(UTC), orders=600)
    with Sandbox(restore_seconds=0.5) as sandbox:
        scenario.lay_into(sandbox)
        with place_of(sandbox, tmp_path_factory.mktemp("incidents"), scenario.truth) as place:
            yield place


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Two tables of an hour, without a past and without protection."""
    of_all = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    with Sandbox() as sandbox, place_of(sandbox, tmp_path_factory.mktemp("plain") / "incidents") as place:
        for name in ("Orders", "Carts"):
            born = datetime.now(UTC) - timedelta(hours=1)
            sandbox.seed({"TableName": name, **of_all}, [], created_at=born, pitr=False)
        yield place


@pytest.fixture
def empty(tmp_path):
    """An account without tables."""
    with Sandbox() as sandbox, place_of(sandbox, tmp_path / "incidents") as place:
        yield place


@pytest.fixture(scope="session")
def placed():
    """Make a place of a sandbox and a folder, for tests that need a sandbox of their own."""
    return place_of

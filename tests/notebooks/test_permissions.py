"""The permissions that the kit says a step takes are the least: with each one taken away, the step ends and names it.

That whole routes get to their end with them is shown where the routes are run headless. Here every step is run by
itself, in this process, once for each thing that is taken away, and at last with all of them.
"""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.client.client import Aws
from pitrkit.cli import commands
from pitrkit.errors import PitrkitError
from pitrkit.recovery.advice import permission_catalogue
from pitrkit.recovery.advice.least_policy import PolicyTarget
from pitrkit.runbook.adopt import deleted_table
from pitrkit.runbook.change_log import rollback_without_restore
from pitrkit.runbook.copy_back import copy_back, plans, undo
from pitrkit.runbook.diff import diff
from pitrkit.runbook.finish import clean_up
from pitrkit.runbook.restore import restore
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start import permission_check, select_table
from pitrkit.runbook.timeline import pick_timestamp
from pitrkit.runner import notebook_run
from pitrkit.sandbox import EXPORTS_BUCKET, PastWrite, Sandbox
from pitrkit.times import iso

WAITED = 20
"""Minutes since the damage, so that an export's shortest window is over."""


def image(pk, **more):
    return {"pk": {"S": pk}, "total": {"N": "1"}, **more}


def demands(steps, where):
    """Return each action that *steps* take, with the ARN of what that is done to."""
    needs = [need for step in steps for need in step.needs]
    return [(action, where.resource(on)) for need in needs for action in need.actions for on in need.on]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A table of three items, of which one was deleted and one changed, with one made that should not be there."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=WAITED)
    writes = [PastWrite(at - timedelta(hours=1), {"pk": {"S": pk}}, image(pk)) for pk in ("gone", "bad", "good")]
    writes += [
        PastWrite(at + timedelta(seconds=1), {"pk": {"S": "gone"}}, None),
        PastWrite(at + timedelta(seconds=1), {"pk": {"S": "bad"}}, image("bad", total={"N": "0"})),
        PastWrite(at + timedelta(seconds=1), {"pk": {"S": "new"}}, image("new")),
    ]
    before = dict(os.environ)
    with Sandbox() as sandbox:
        sandbox.seed(
            {
                "TableName": "Orders",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            },
            writes,
            created_at=at - timedelta(hours=2),
        )
        sandbox.bucket()
        operator = Operator(sandbox, at)
        folder = tmp_path_factory.mktemp("incidents")
        os.environ.update(sandbox.environment() | operator.caller.credentials | {"PITRKIT_INCIDENTS": str(folder)})
        operator.aws = Aws.connect()
        yield operator
    os.environ.clear()
    os.environ.update(before)


DAMAGED = [image("bad", total={"N": "0"}), image("good"), image("new")]


class Operator:
    """Who recovers the table, with as many permissions as given at the time."""

    def __init__(self, sandbox, at):
        self.sandbox, self.at, self.number, self.copies = sandbox, at, 0, {}
        self.client = sandbox.client("dynamodb")
        self.caller = sandbox.authority.register("operator", [], "us-east-1")

    def may(self, demands):
        statements = [{"Effect": "Allow", "Action": action, "Resource": on} for action, on in demands]
        policies = [{"Version": "2012-10-17", "Statement": statements}] if statements else []
        self.sandbox.authority.register("operator", policies, "us-east-1")

    def items(self):
        found = self.client.scan(TableName="Orders")["Items"]
        return sorted(item["pk"]["S"] + item["total"]["N"] for item in found)

    def begin(self):
        """Another incident, of another second before the damage: nothing that an earlier one made is of use to it."""
        self.number += 1
        return select_table.select(self.aws, "Orders", incident=f"n{self.number}")

    @property
    def session(self):
        """The incident that was begun last."""
        return Session.open(f"n{self.number}", aws=self.aws)

    @property
    def since(self):
        return iso(self.at - timedelta(seconds=self.number))

    @property
    def until(self):
        return iso(self.at + timedelta(seconds=1 + self.number))


def nothing(place):
    """What a step takes is already there, or made by itself."""


def restored(place):
    session = place.begin()
    pick_timestamp.pick(session, place.since)
    restore.start(session)
    restore.wait(session)


def of_two(place):
    session = place.begin()
    pick_timestamp.pick(session, place.since, damage_until=place.until)
    restore.start(session)
    restore.wait(session)


def exported(place):
    session = place.begin()
    pick_timestamp.pick(session, place.since, damage_until=place.until)
    restore.start(session, how="export", bucket=EXPORTS_BUCKET)
    restore.wait(session)
    diff.diff(session)


def differed(place):
    diff.diff(place.session)


def by_stream(place):
    told(place, "stream")


def by_export(place):
    told(place, "export")


def told(place, source):
    session = place.begin()
    rollback_without_restore.read(
        session, source=source, since=place.since, until=place.until, bucket=EXPORTS_BUCKET
    ).damage()


def damaged(place):
    """The table as the damage left it, compared with its past in an incident of its own."""
    for item in place.client.scan(TableName="Orders")["Items"]:
        place.client.delete_item(TableName="Orders", Key={"pk": item["pk"]})
    for item in DAMAGED:
        place.client.put_item(TableName="Orders", Item=item)
    if "then" not in place.copies:
        restored(place)
        place.copies["then"] = place.session.data["restored_table"]
    place.number += 1
    select_table.select(place.aws, "Orders", incident=f"n{place.number}", restored=place.copies["then"])
    diff.diff(place.session)


def written(copy):
    """Write a plan; writes that failed are told in the card that the operator sees."""
    copy.gate(copy.plan.digest)
    shown = str(copy.apply())
    if plans.state_of(copy.session.data, copy.slot)["apply"]["failed"]:
        raise PitrkitError(shown)
    copy.verify()


def copied(place):
    written(copy_back.plan(place.session, modified="revert", inserted="delete"))


def copied_back(place):
    damaged(place)
    copied(place)


def undone(place):
    written(undo.plan(place.session))


def cleaned(place):
    removal = clean_up.prepare(place.session)
    removal.gate(removal.intent.digest)
    removal.delete()


def gone(place):
    if "Orders" not in place.client.list_tables()["TableNames"]:
        return
    place.client.update_continuous_backups(
        TableName="Orders", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    place.client.delete_table(TableName="Orders")


def returned(place):
    place.number += 1
    returning = deleted_table.bring_back(place.aws, "Orders", incident=f"n{place.number}")
    returning.view()  # what the backup holds is shown before it is approved
    returning.gate(returning.intent.digest)
    returning.restore()


STEPS = [
    ("restore", "restore", nothing, restored),
    ("restore", "diff", restored, differed),
    ("restore", "copy,delete", damaged, copied),
    ("restore", "undo", copied_back, undone),
    ("restore", "cleanup", restored, cleaned),
    ("threeway", "restore", nothing, of_two),
    ("threeway", "diff", of_two, differed),
    ("stream", "read", nothing, by_stream),
    ("export", "export", nothing, by_export),
    ("full-export", "export", nothing, exported),
    ("deleted", "return", gone, returned),
]


@pytest.mark.parametrize(("route", "names", "ready", "run"), STEPS, ids=lambda one: getattr(one, "__name__", one))
def test_a_step_ends_with_the_name_of_the_one_permission_it_lacks_and_works_with_all(place, route, names, ready, run):
    where = PolicyTarget("Orders", bucket=EXPORTS_BUCKET, account="123456789012", region="us-east-1")
    wanted = set(demands(permission_catalogue.steps_of(route, names), where))
    # An action on a copy that is on the table as well is taken away from one of them at a time.
    for action, on in sorted(wanted):
        place.may([("*", "*")])
        ready(place)
        place.may(wanted - {(action, on)})
        with pytest.raises(PitrkitError) as caught:
            run(place)
        assert action in str(caught.value), (action, on)
    place.may([("*", "*")])
    ready(place)
    place.may(wanted)
    run(place)


WHERE = PolicyTarget("Orders", bucket=EXPORTS_BUCKET, account="123456789012", region="us-east-1")
ALL = set(demands([step for step, _ in permission_catalogue.every_step().values()], WHERE))

NOT_NEEDED_TO_ASK = sorted(one for one in ALL if not one[0].startswith("iam:"))
READS = re.compile("(Describe|List|Get|BatchGet|Scan|LookupEvents|Simulate)")


def covered(action, on, allowed):
    """Return whether *allowed* allows an action on what *on* may stand for: one bucket may hold exports and records."""
    thing = on if on == "*" else on.replace("*", "pitrkit")
    return any(one == action and fnmatchcase(thing, where) for one, where in allowed)


@given(st.sets(st.sampled_from(NOT_NEEDED_TO_ASK)))
@settings(max_examples=8)
def test_where_iam_may_be_asked_what_is_missing_is_told_step_by_step_and_nothing_else(place, missing):
    place.may(ALL - missing)
    told = permission_check.check(place.aws, "Orders", bucket=EXPORTS_BUCKET).data
    assert told["asked_iam"]
    assert len(told["steps"]) == len(permission_catalogue.every_step())
    for row, (step, _) in zip(told["steps"], permission_catalogue.every_step().values(), strict=True):
        lacking = {action for action, on in demands([step], WHERE) if not covered(action, on, ALL - missing)}
        assert {words.partition(" on ")[0] for words in row["missing"]} == lacking
        assert row["unknown"] == []


def test_where_iam_may_not_be_asked_reads_are_tried_and_the_rest_is_said_to_be_unknown(place):
    wanted = set(demands(permission_catalogue.steps_of("restore"), WHERE))
    place.may(wanted - {("dynamodb:BatchGetItem", WHERE.resource("table"))})
    before = place.items()
    view = permission_check.check(place.aws, "Orders")
    rows = {(row["step"], *row["routes"]): row for row in view.data["steps"]}
    copying = rows["copy", *permission_catalogue.WAYS_BACK, "backup"]
    assert copying["missing"] == ["dynamodb:BatchGetItem"]
    assert copying["unknown"] == ["dynamodb:PutItem", "dynamodb:UpdateItem"]
    assert "dynamodb:RestoreTableToPointInTime" in rows["restore", "restore", "threeway"]["unknown"]
    assert "iam:SimulatePrincipalPolicy" in str(view)
    assert all(READS.match(one.action.partition(":")[2]) for one in place.caller.asked), "nothing but reads was asked"
    assert place.items() == before


def test_a_read_that_was_tried_counts_for_more_than_what_iam_says(place):
    place.may(ALL)
    statement = {"Effect": "Deny", "Principal": "*", "Action": "dynamodb:Scan", "Resource": WHERE.resource("table")}
    arn = WHERE.resource("table")
    place.client.put_resource_policy(
        ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    try:
        told = permission_check.check(place.aws, "Orders", bucket=EXPORTS_BUCKET).data["steps"]
    finally:
        place.client.delete_resource_policy(ResourceArn=arn)
    assert {row["step"] for row in told if row["missing"]} == {"diff", "now", "return", "drill"}


def test_the_front_page_says_it_before_anything_happened(place, tmp_path):
    place.may({(action, on) for action, on in ALL if action != "dynamodb:UpdateItem"})
    ran = notebook_run.run("00", {"table": "Orders", "bucket": EXPORTS_BUCKET}, root=tmp_path)
    assert ran.exit_code == 0
    shown = ran.path.read_text()
    assert "Permissions on Orders" in shown
    assert "pitrkit policy --table Orders --route ROUTE" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--route", "tape"), "there is no route 'tape'"),
        (("--route", "stream", "--steps", "diff"), "has no step diff"),
        (("--route", "export"), "exports need a bucket"),
        (("--route", "export", "--bucket", "s3://b"), "bucket is 's3://b'"),
        (("--prefix", "p"), "a prefix without its bucket"),
        (("--account", "12"), "account is '12'"),
        (("--region", "Frankfurt"), "region is 'Frankfurt'"),
        (("--target", "a/b"), "is not a valid table name"),
    ],
)
def test_a_policy_that_cannot_be_made_is_refused_with_what_to_give(capsys, words, said):
    assert commands.main(["policy", "--table", "Orders", *words]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert not printed.out


def test_a_policy_is_narrowed_to_partition_account_region_bucket_and_prefix(capsys):
    words = ("--route", "export", "--bucket", "files", "--prefix", "/a/b/", "--account", "123456789012")
    assert commands.main(["policy", "--table", "Orders", *words, "--region", "cn-north-1"]) == 0
    told = capsys.readouterr().out
    assert '"arn:aws-cn:dynamodb:cn-north-1:123456789012:table/Orders/export/*"' in told
    assert '"arn:aws-cn:s3:::files/a/b/AWSDynamoDB/*"' in told
    assert set(re.findall(r"table/([^\"]*)", told)) == {"Orders", "Orders/export/*"}

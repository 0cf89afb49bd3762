"""A table's settings are captured, told apart from another table's, given to it one by one, and taken back."""

import json

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.settings import settings
from pitrkit.aws.settings.reapply import BY_HAND, SettingsWriter
from pitrkit.aws.settings.settings import TableSettings, capture
from pitrkit.errors import BadInput
from pitrkit.sandbox import FaultRule, Sandbox
from tests.furnish import create, furnish, policy

EVERY_KIND = {
    *("alarm", "capacity", "contributor-insights", "deletion-protection", "encryption", "event-source"),
    *("global-index", "kinesis", "pitr", "resource-policy", "scaling-policy", "scaling-target", "stream"),
    *("table-class", "tags", "ttl", "warm-throughput"),
}


@pytest.fixture(scope="module")
def place():
    """A furnished table, and a plain one of the same key."""
    with Sandbox() as sandbox:
        furnish(sandbox, "Orders")
        create(sandbox, "Plain")
        yield sandbox


@pytest.fixture
def aws(place, monkeypatch):
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)
    place.faults.clear()
    yield Aws.connect()
    place.faults.clear()


def reapplied(aws, name):
    """Give the table *name* what the furnished one has, as far as the kit does; return the hand that did."""
    found = settings.compare(capture(aws, "Orders"), capture(aws, name))
    hand = SettingsWriter(aws, capture(aws, name).place, sleep=lambda _: None)
    for one in found:
        if one.state in ("missing", "differs") and one.kind not in BY_HAND:
            hand.give(one.wanted, one.found)
    return found, hand


def states(aws, name):
    return {(one.kind, one.name): one.state for one in settings.compare(capture(aws, "Orders"), capture(aws, name))}


def test_every_kind_of_setting_is_captured_and_survives_as_json(aws):
    found = capture(aws, "Orders")
    assert {one.kind for one in found.found} == EVERY_KIND
    assert found.unread == ()
    assert TableSettings.from_dict(json.loads(json.dumps(found.to_dict(), default=str))) == found
    assert [one.words() for one in found.of("pitr")] == ["on, 20 days"]


def test_what_names_the_table_is_compared_as_the_copy_would_have_it(aws, place):
    create(place, "Same")
    client = place.client("dynamodb")
    arn = client.describe_table(TableName="Same")["Table"]["TableArn"]
    client.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy(arn)))
    assert states(aws, "Same")["resource-policy", ""] == "same"
    client.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy(f"{arn}-archive")))
    assert states(aws, "Same")["resource-policy", ""] == "differs"


def test_a_table_is_given_every_setting_and_has_them_taken_back(aws, place):
    create(place, "Copy")
    before = capture(aws, "Copy")
    found, hand = reapplied(aws, "Copy")
    assert all(call.request_id for call in hand.calls)
    left = {kind for (kind, _), state in states(aws, "Copy").items() if state != "same"}
    assert left == {"alarm"}, "an alarm names its table, so it is for people"
    given = [one for one in found if one.state in ("missing", "differs") and one.kind != "alarm"]
    place.clock.advance(3601)  # TTL may not be changed again within the hour
    for one in reversed(given):
        if one.kind in ("pitr", "encryption", "table-class", "warm-throughput"):
            with pytest.raises(BadInput):
                hand.take(one.wanted, one.found)
        else:
            hand.take(one.wanted, one.found)
    after = capture(aws, "Copy")
    stays = {"pitr", "encryption", "table-class", "warm-throughput"}
    assert [one for one in after.found if one.kind not in stays] == [
        one for one in before.found if one.kind not in stays
    ]


def test_marks_and_freezes_of_the_kit_itself_are_no_settings_of_a_table(aws, place):
    create(place, "Marked")
    client = place.client("dynamodb")
    arn = client.describe_table(TableName="Marked")["Table"]["TableArn"]
    freeze = {
        "Sid": "PitrkitFreezeNight",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "dynamodb:PutItem",
        "Resource": arn,
    }
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "pitrkit:recovery", "Value": "night"}])
    client.put_resource_policy(ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [freeze]}))
    found = capture(aws, "Marked")
    assert (found.of("tags"), found.of("resource-policy")) == ((), ())
    both = {**policy(arn), "Statement": [freeze, *policy(arn)["Statement"]]}
    client.put_resource_policy(ResourceArn=arn, Policy=json.dumps(both))
    (kept,) = capture(aws, "Marked").of("resource-policy")
    assert json.loads(kept.document) == policy(arn)


def test_a_longer_recovery_period_and_more_tags_are_no_difference(aws, place):
    create(place, "Wide", Tags=[{"Key": key, "Value": value} for key, value in
                                (("team", "shop"), ("cost", "42"), ("own", "1"))])  # fmt: skip
    place.client("dynamodb").update_continuous_backups(
        TableName="Wide", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    assert states(aws, "Wide")["pitr", ""] == "same"
    assert states(aws, "Wide")["tags", ""] == "same"


def test_an_index_that_the_copy_was_restored_without_is_made(aws, place):
    place.client("dynamodb").restore_table_to_point_in_time(
        SourceTableName="Orders", TargetTableName="Bare", UseLatestRestorableTime=True, GlobalSecondaryIndexOverride=[]
    )
    assert states(aws, "Bare")["global-index", "by_status"] == "missing"
    reapplied(aws, "Bare")
    described = place.client("dynamodb").describe_table(TableName="Bare")["Table"]["GlobalSecondaryIndexes"][0]
    assert described["KeySchema"] == [{"AttributeName": "status", "KeyType": "HASH"}]
    assert states(aws, "Bare")["global-index", "by_status"] == "same"


@pytest.mark.parametrize(
    ("service", "operation", "kind"),
    [
        ("dynamodb", "DescribeTimeToLive", "ttl"),
        ("dynamodb", "DescribeContinuousBackups", "pitr"),
        ("dynamodb", "ListTagsOfResource", "tags"),
        ("dynamodb", "GetResourcePolicy", "resource-policy"),
        ("dynamodb", "DescribeKinesisStreamingDestination", "kinesis"),
        ("dynamodb", "DescribeContributorInsights", "contributor-insights"),
        ("application-autoscaling", "DescribeScalableTargets", "scaling-target"),
        ("application-autoscaling", "DescribeScalingPolicies", "scaling-policy"),
        ("cloudwatch", "DescribeAlarms", "alarm"),
        ("lambda", "ListEventSourceMappings", "event-source"),
    ],
)
def test_a_source_that_is_denied_is_named_and_takes_nothing_else_with_it(aws, place, service, operation, kind):
    place.faults.add(FaultRule("denied", service=service, operations=(operation,)))
    found = capture(aws, "Orders")
    (unread,) = found.unread
    assert (unread.kinds, unread.action, unread.denied) == ((kind,), f"{service}:{operation}", True)
    assert {one.kind for one in found.found} == EVERY_KIND - {kind}
    others = settings.compare(capture(aws, "Plain"), found)
    assert all(one.state == "unread" for one in others if one.kind == kind)


def test_a_deleted_tables_backup_still_knows_some_of_its_settings(aws, place):
    client = place.client("dynamodb")
    arn = client.create_backup(TableName="Orders", BackupName="before")["BackupDetails"]["BackupArn"]
    description = client.describe_backup(BackupArn=arn)["BackupDescription"]
    known = settings.of_backup("Orders", description)
    told = {one.kind for one in known.found}
    assert told == {"capacity", "encryption", "global-index", "stream", "ttl"}
    now = capture(aws, "Orders")
    assert {one.kind: one.state for one in settings.compare(known, now) if one.kind in told} == dict.fromkeys(
        told, "same"
    )


def test_a_stream_or_an_expiry_of_another_kind_is_not_turned_off_to_be_changed(aws, place):
    create(place, "Other", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    place.client("dynamodb").update_time_to_live(
        TableName="Other", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
    )
    hand = SettingsWriter(aws, capture(aws, "Other").place)
    differing = [one for one in settings.compare(capture(aws, "Orders"), capture(aws, "Other"))
                 if one.kind in ("stream", "ttl")]  # fmt: skip
    for one in differing:
        assert one.state == "differs"
        with pytest.raises(BadInput, match="by hand"):
            hand.give(one.wanted, one.found)
    assert not hand.calls

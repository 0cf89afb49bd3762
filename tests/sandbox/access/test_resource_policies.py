"""Policies of tables that really deny, through plain boto3; and the evaluator behind them, as a pure function."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.access.policy_evaluation import AccessRequest, faults, verdict

ACCOUNT = "123456789012"
TABLE = "Shop"
ARN = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{TABLE}"
ITEM = {"pk": {"S": "a"}}


@pytest.fixture(scope="module")
def shop():
    with Sandbox() as sandbox:
        client = sandbox.client("dynamodb")
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield sandbox


@pytest.fixture(scope="module")
def plain(shop):
    return shop.client("dynamodb")


@pytest.fixture
def client(plain):
    yield plain
    plain.delete_resource_policy(ResourceArn=ARN)


@pytest.fixture(scope="module")
def operator(shop):
    """A client of a session of the role `ops/recovery`."""
    shop.client("iam").create_role(RoleName="recovery", Path="/ops/", AssumeRolePolicyDocument="{}")
    role = f"arn:aws:iam::{ACCOUNT}:role/ops/recovery"
    keys = shop.client("sts").assume_role(RoleArn=role, RoleSessionName="night")["Credentials"]
    return shop.client(
        "dynamodb",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def deny(*actions, **more):
    statement = {"Effect": "Deny", "Principal": "*", "Action": [f"dynamodb:{one}" for one in actions], "Resource": ARN}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **more}]})


WRITES = {
    "PutItem": lambda client: client.put_item(TableName=TABLE, Item=ITEM),
    "UpdateItem": lambda client: client.update_item(TableName=TABLE, Key=ITEM),
    "DeleteItem": lambda client: client.delete_item(TableName=ARN, Key=ITEM),
    "BatchWriteItem": lambda client: client.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": ITEM}}]}),
    "PartiQLInsert": lambda client: client.execute_statement(Statement=f"INSERT INTO {TABLE} VALUE {{'pk': 'b'}}"),
    "PartiQLDelete": lambda client: client.batch_execute_statement(
        Statements=[{"Statement": f"DELETE FROM \"{TABLE}\" WHERE pk = 'b'"}]
    ),
}
IN_TRANSACTION = {
    "PutItem": {"Put": {"TableName": TABLE, "Item": ITEM}},
    "DeleteItem": {"Delete": {"TableName": TABLE, "Key": ITEM}},
}


def refused(call):
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    return caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("denied", WRITES)
def test_a_denied_action_is_refused_and_every_other_one_is_done(client, denied):
    client.put_resource_policy(ResourceArn=ARN, Policy=deny(denied))
    for action, write in WRITES.items():
        if action != denied:
            write(client)
    said = refused(lambda: WRITES[denied](client))
    assert f"not authorized to perform: dynamodb:{denied} on resource: {ARN} with an explicit deny" in said


@pytest.mark.parametrize("denied", IN_TRANSACTION)
def test_what_is_denied_is_denied_in_a_transaction(client, denied):
    client.put_resource_policy(ResourceArn=ARN, Policy=deny(denied))
    for action, item in IN_TRANSACTION.items():
        if action != denied:
            client.transact_write_items(TransactItems=[item])
    refused(lambda: client.transact_write_items(TransactItems=[IN_TRANSACTION[denied]]))


@pytest.mark.parametrize("pattern", ["role/ops/recovery", "role/*/recovery", "role/ops/rec*"])
def test_a_session_is_told_by_the_arn_of_its_role_with_the_path(client, operator, pattern):
    but = {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:{pattern}"}}
    client.put_resource_policy(ResourceArn=ARN, Policy=deny("PutItem", Condition=but))
    WRITES["PutItem"](operator)
    refused(lambda: WRITES["PutItem"](client))


def test_a_principal_that_is_named_is_denied_and_others_are_not(client, operator):
    role = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/ops/recovery"}
    client.put_resource_policy(ResourceArn=ARN, Policy=deny("PutItem", Principal=role))
    WRITES["PutItem"](client)
    assert "assumed-role/recovery/night" in refused(lambda: WRITES["PutItem"](operator))


def error(call):
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]


def test_a_policy_is_changed_and_deleted_only_in_the_revision_that_is_expected(client):
    def put(text, expected):
        return client.put_resource_policy(ResourceArn=ARN, Policy=text, ExpectedRevisionId=expected)["RevisionId"]

    assert error(lambda: client.get_resource_policy(ResourceArn=ARN)) == "PolicyNotFoundException"
    first = put(deny("PutItem"), "NO_POLICY")
    assert put(deny("PutItem"), first) == first
    for expected in ("NO_POLICY", "another"):
        assert error(lambda one=expected: put(deny("Scan"), one)) == "PolicyNotFoundException"
    second = put(deny("Scan"), first)
    assert second != first
    delete = client.delete_resource_policy
    assert error(lambda: delete(ResourceArn=ARN, ExpectedRevisionId=first)) == "PolicyNotFoundException"
    assert client.get_resource_policy(ResourceArn=ARN)["Policy"] == deny("Scan")
    delete(ResourceArn=ARN, ExpectedRevisionId=second)
    assert error(lambda: delete(ResourceArn=ARN, ExpectedRevisionId=second)) == "PolicyNotFoundException"


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "{}",
        json.dumps({"Statement": [{"Effect": "Maybe", "Action": "*"}]}),
        deny("PutItem", Sid="with-a-dash"),
        deny("PutItem", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        deny("PutItem").replace('"Version"', " " * 20480 + '"Version"'),
    ],
)
def test_what_is_no_policy_or_too_long_is_refused(client, text):
    assert error(lambda: client.put_resource_policy(ResourceArn=ARN, Policy=text)) == "ValidationException"


def test_a_policy_counts_and_is_told_some_time_after_it_was_put(shop, client, monkeypatch):
    monkeypatch.setattr(shop.policies, "lag_seconds", 0.4)
    client.put_resource_policy(ResourceArn=ARN, Policy=deny("PutItem"))
    WRITES["PutItem"](client)
    assert error(lambda: client.get_resource_policy(ResourceArn=ARN)) == "PolicyNotFoundException"
    time.sleep(0.5)
    refused(lambda: WRITES["PutItem"](client))
    monkeypatch.undo()


# The evaluator alone

ROLE = f"arn:aws:iam::{ACCOUNT}:role/ops/recovery"
CALL = AccessRequest(ROLE, "dynamodb:PutItem", ARN, session=f"arn:aws:sts::{ACCOUNT}:assumed-role/recovery/night")


def said(**statement):
    return verdict([{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", **statement}}], CALL)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({}, "allow"),
        ({"Effect": "Deny"}, "deny"),
        ({"Action": "dynamodb:put*"}, "allow"),
        ({"Action": ["dynamodb:GetItem", "dynamodb:PutItem?"]}, ""),
        ({"Resource": ARN}, "allow"),
        ({"Resource": f"{ARN}/index/*"}, ""),
        ({"Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}}, "allow"),
        ({"Condition": {"StringNotLike": {"aws:PrincipalArn": "*recovery"}}}, ""),
        ({"Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:*"}}}, "allow"),
        ({"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:*recovery"}}}, ""),  # a * does not reach over a colon
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "v"}}}, ""),
        ({"Condition": {"StringNotEquals": {"aws:SourceVpc": "v"}}}, "allow"),  # what is not there is not equal
        ({"Condition": {"StringEqualsIfExists": {"aws:SourceVpc": "v"}}}, "allow"),
        ({"Condition": {"Null": {"aws:SourceVpc": "true"}}}, "allow"),
        ({"Condition": {"Null": {"aws:PrincipalArn": True}}}, ""),
    ],
)
def test_a_statement_says(statement, expected):
    assert said(**statement) == expected


def test_not_action_and_not_resource_are_about_the_rest():
    document = {"Statement": {"Effect": "Deny", "NotAction": "dynamodb:Get*", "NotResource": f"{ARN}/*"}}
    assert verdict([document], CALL) == "deny"
    assert not faults(document)


@given(st.lists(st.sampled_from(["allow", "deny", "other"]), max_size=6))
def test_one_deny_is_enough_whatever_stands_beside_it(kinds):
    about = {"allow": ("Allow", "*"), "deny": ("Deny", "*"), "other": ("Deny", "s3:*")}
    rows = [{"Effect": about[kind][0], "Action": about[kind][1], "Resource": "*"} for kind in kinds]
    expected = "deny" if "deny" in kinds else "allow" if "allow" in kinds else ""
    assert verdict([{"Statement": rows}], CALL) == expected
    assert verdict([{"Statement": [one]} for one in rows], CALL) == expected

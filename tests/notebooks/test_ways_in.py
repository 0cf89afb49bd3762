"""The other ways in: two existing tables, a deleted table, an account that is not protected yet."""

import re

import pytest

pytestmark = pytest.mark.takes(25)

KEYED = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def fill(place, table, items):
    client = place.sandbox.client("dynamodb")
    client.create_table(TableName=table, **KEYED)
    for number, value in items.items():
        client.put_item(TableName=table, Item={"id": {"N": str(number)}, "v": {"S": value}})


def test_two_existing_tables_are_compared_and_copied_without_a_restore(empty):
    fill(empty, "Live", {1: "kept", 2: "changed since"})
    fill(empty, "Copy", {1: "kept", 2: "as it was", 3: "deleted"})
    asked = ("recover", "Live", "--restored", "Copy", "--incident", "two", "--modified", "keep")
    code, said = empty.pitrkit(*asked)
    assert code == 3
    assert "acknowledged first: no-pitr" in said, "the target has no PITR, and that has to be accepted by name"
    assert "--accept no-pitr --approve" in said
    assert len(empty.items("Live")) == 2
    code, said = empty.pitrkit(*re.search(r"pitrkit (recover .*)", said)[1].split())
    assert code == 0, said
    assert empty.items("Live") == [
        '{"id":{"N":"1"},"v":{"S":"kept"}}',
        '{"id":{"N":"2"},"v":{"S":"changed since"}}',
        '{"id":{"N":"3"},"v":{"S":"deleted"}}',
    ]
    assert sorted(empty.tables()) == ["Copy", "Live"]


def test_modified_items_are_left_for_a_person_unless_somebody_decided(empty):
    fill(empty, "Live", {1: "now"})
    fill(empty, "Copy", {1: "then"})
    code, said = empty.pitrkit("recover", "Live", "--restored", "Copy", "--incident", "ask", "--accept", "no-pitr")
    assert code == 1, said
    assert empty.incident("ask")["plan"]["undecided"] == 1
    assert empty.items("Live") == ['{"id":{"N":"1"},"v":{"S":"now"}}']


def test_a_deleted_table_comes_back_under_its_name_once_approved(empty):
    client = empty.sandbox.client("dynamodb")
    fill(empty, "Gone", {1: "a", 2: "b"})
    client.update_continuous_backups(
        TableName="Gone", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    before = empty.items("Gone")
    client.delete_table(TableName="Gone")
    code, said = empty.pitrkit("run", "11_deleted_table", "-p", "incident", "gone", "-p", "table", "Gone")
    assert code == 3, said
    assert "Gone" not in empty.tables()
    code, said = empty.pitrkit(*re.search(r"pitrkit (run 11_deleted_table .*)", said)[1].split())
    assert code == 0, said
    assert empty.items("Gone") == before
    code, said = empty.pitrkit("run", "06_report", "-p", "incident", "gone")
    assert code == 0, said
    assert empty.incident("gone")["steps"].keys() == {"restore", "report"}


def test_pitr_is_turned_on_for_the_named_tables_once_approved(empty):
    fill(empty, "Open", {1: "a"})
    client = empty.sandbox.client("dynamodb")

    def status():
        answer = client.describe_continuous_backups(TableName="Open")["ContinuousBackupsDescription"]
        return answer["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]

    assert empty.pitrkit("run", "00")[0] == 0
    code, said = empty.pitrkit("run", "00_start_here", "-p", "protect", "Open")
    assert code == 3, said
    assert status() == "DISABLED"
    code, said = empty.pitrkit(*re.search(r"pitrkit (run 00_start_here .*)", said)[1].split())
    assert code == 0, said
    assert status() == "ENABLED"

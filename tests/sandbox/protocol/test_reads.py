"""Reads of the sandbox's DynamoDB: every item once, whatever the pages."""

from __future__ import annotations

from decimal import Decimal

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import Sandbox

VALUES = {
    "S": [{"S": text} for text in ("", "a", "aa", "z", "ä", "\uffff", "\U0001f600")],
    "N": [{"N": text} for text in ("-1E+20", "-10", "-9.5", "0", "1E-130", "2", "10", "100.01")],
    "B": [{"B": bytes(raw)} for raw in ([0], [0, 1], [1], [62, 255], [127], [128], [255], [255, 0])],
}


@pytest.fixture(scope="module")
def dynamodb():
    with Sandbox() as sandbox:
        yield sandbox.client("dynamodb")


def create(dynamodb, name, partition, sort=None, **settings):
    keys = [("pk", "HASH", partition)] + ([("sk", "RANGE", sort)] if sort else [])
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": role} for key, role, _ in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, _, kind in keys]
        + settings.pop("attributes", []),
        BillingMode="PAY_PER_REQUEST",
        **settings,
    )


def fill(dynamodb, name, items):
    for start in range(0, len(items), 25):
        batch = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        dynamodb.batch_write_item(RequestItems={name: batch})


def pages(call, **parameters):
    while True:
        page = call(**parameters)
        yield page
        if "LastEvaluatedKey" not in page:
            return
        parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def collected(call, **parameters):
    return [item for page in pages(call, **parameters) for item in page["Items"]]


def identities(items):
    return sorted((str(item["pk"]), str(item["sk"])) for item in items)


@pytest.mark.parametrize("partition", ["S", "N", "B"])
@pytest.mark.parametrize("sort", ["S", "N", "B"])
def test_pages_and_segments_cover_every_item_once(dynamodb, partition, sort):
    name = f"Cover{partition}{sort}"
    create(dynamodb, name, partition, sort)
    items = [{"pk": pk, "sk": sk} for pk in VALUES[partition][1:] for sk in VALUES[sort][1:]]
    fill(dynamodb, name, items)
    everything = identities(dynamodb.scan(TableName=name)["Items"])
    assert len(everything) == len(items)
    for limit in (1, 7, len(items)):
        assert identities(collected(dynamodb.scan, TableName=name, Limit=limit)) == everything
    for segments in (1, 3, 64):
        found = [
            item
            for segment in range(segments)
            for item in collected(dynamodb.scan, TableName=name, Segment=segment, TotalSegments=segments, Limit=5)
        ]
        assert identities(found) == everything
    for pk in VALUES[partition][1:]:
        query = {
            "TableName": name,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": pk},
        }
        forward = [item["sk"] for item in collected(dynamodb.query, **query, Limit=2)]
        assert forward == [normal(sk) for sk in VALUES[sort][1:]]
        backward = [item["sk"] for item in collected(dynamodb.query, **query, Limit=3, ScanIndexForward=False)]
        assert backward == forward[::-1]


def normal(value):
    return {"N": format(Decimal(value["N"]).normalize(), "f")} if "N" in value else value


def test_pages_end_at_one_megabyte_and_no_item_is_lost(dynamodb):
    create(dynamodb, "Large", "S")
    items = [{"pk": {"S": str(number)}, "v": {"S": "x" * 300_000}} for number in range(10)]
    for item in items:
        dynamodb.put_item(TableName="Large", Item=item)
    for extra in ({}, {"FilterExpression": "attribute_exists(pk)"}):
        found = list(pages(dynamodb.scan, TableName="Large", **extra))
        assert [page["Count"] for page in found] == [3, 3, 3, 1]
        assert sorted(item["pk"]["S"] for page in found for item in page["Items"]) == sorted(
            item["pk"]["S"] for item in items
        )


def test_an_empty_page_is_not_the_end(dynamodb):
    create(dynamodb, "Sparse", "S")
    fill(dynamodb, "Sparse", [{"pk": {"S": str(number)}} for number in range(40)])
    filtered = {"FilterExpression": "pk = :v", "ExpressionAttributeValues": {":v": {"S": "17"}}}
    found = list(pages(dynamodb.scan, TableName="Sparse", Limit=4, **filtered))
    assert sum(page["Count"] for page in found) == 1
    assert sum(page["ScannedCount"] for page in found) == 40
    assert any(page["Count"] == 0 and "LastEvaluatedKey" in page for page in found)
    # As in the service: a page that stopped at its limit names a key to go on from, though nothing follows.
    assert "LastEvaluatedKey" in dynamodb.scan(TableName="Sparse", Limit=40)


def test_queries_compare_sort_keys_by_value(dynamodb):
    create(dynamodb, "Sorted", "S", "N")
    fill(dynamodb, "Sorted", [{"pk": {"S": "a"}, "sk": sk} for sk in VALUES["N"]])

    def found(condition, **values):
        reply = dynamodb.query(
            TableName="Sorted",
            KeyConditionExpression=f"pk = :pk AND {condition}",
            ExpressionAttributeValues={":pk": {"S": "a"}, **{f":{n}": {"N": v} for n, v in values.items()}},
        )
        return [item["sk"]["N"] for item in reply["Items"]]

    assert found("sk > :v", v="2.0") == ["10", "100.01"]
    assert found("sk <= :v", v="-9.50") == ["-100000000000000000000", "-10", "-9.5"]
    assert found("sk = :v", v="1e1") == ["10"]
    assert found("sk BETWEEN :a AND :b", a="-10", b="2") == ["-10", "-9.5", "0", "0." + "0" * 129 + "1", "2"]


def test_an_index_holds_what_has_its_key_and_pages_in_its_order(dynamodb):
    index = {
        "IndexName": "by-who",
        "KeySchema": [
            {"AttributeName": "who", "KeyType": "HASH"},
            {"AttributeName": "at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["v"]},
    }
    attributes = [{"AttributeName": "who", "AttributeType": "S"}, {"AttributeName": "at", "AttributeType": "N"}]
    create(dynamodb, "Indexed", "S", attributes=attributes, GlobalSecondaryIndexes=[index])
    ann = {"who": {"S": "ann"}, "v": {"S": "v"}, "hidden": {"S": "h"}}
    fill(
        dynamodb,
        "Indexed",
        [{"pk": {"S": str(n)}, **ann, "at": {"N": str(n % 4)}} for n in range(12)]
        + [{"pk": {"S": "no-at"}, **ann}, {"pk": {"S": "bob"}, **ann, "who": {"S": "bob"}, "at": {"N": "1"}}],
    )
    query = {
        "TableName": "Indexed",
        "IndexName": "by-who",
        "KeyConditionExpression": "who = :who",
        "ExpressionAttributeValues": {":who": {"S": "ann"}},
    }
    for forward in (True, False):
        found = collected(dynamodb.query, **query, Limit=5, ScanIndexForward=forward)
        assert [item["at"]["N"] for item in found] == sorted((str(n % 4) for n in range(12)), reverse=not forward)
        assert {item["pk"]["S"] for item in found} == {str(n) for n in range(12)}
        assert all(item.keys() == {"pk", "who", "at", "v"} for item in found)
    scanned = collected(dynamodb.scan, TableName="Indexed", IndexName="by-who", Limit=5)
    assert len(scanned) == 13
    with pytest.raises(ClientError):
        dynamodb.query(**query, ConsistentRead=True)


def test_a_projection_cuts_maps_and_lists(dynamodb):
    create(dynamodb, "Projected", "S")
    item = {
        "pk": {"S": "a"},
        "m": {"M": {"x": {"B": b"\xff"}, "y": {"N": "1"}}},
        "l": {"L": [{"N": "0"}, {"M": {"z": {"S": "z"}, "w": {"S": "w"}}}, {"N": "2"}]},
    }
    dynamodb.put_item(TableName="Projected", Item=item)
    for read in (
        lambda **p: dynamodb.get_item(TableName="Projected", Key={"pk": {"S": "a"}}, **p)["Item"],
        lambda **p: dynamodb.scan(TableName="Projected", **p)["Items"][0],
        lambda **p: dynamodb.batch_get_item(RequestItems={"Projected": {"Keys": [{"pk": {"S": "a"}}], **p}})[
            "Responses"
        ]["Projected"][0],
    ):
        assert read() == item
        assert read(ProjectionExpression="m.x, l[2], l[1].z") == {
            "m": {"M": {"x": {"B": b"\xff"}}},
            "l": {"L": [{"M": {"z": {"S": "z"}}}, {"N": "2"}]},
        }


def test_keys_are_found_by_value(dynamodb):
    create(dynamodb, "ByValue", "N", "B")
    item = {"pk": {"N": "1.50"}, "sk": {"B": b"\xff"}}
    dynamodb.put_item(TableName="ByValue", Item=item)
    stored = {"pk": {"N": "1.5"}, "sk": {"B": b"\xff"}}
    for text in ("1.5", "1.500", "15E-1"):
        key = {"pk": {"N": text}, "sk": {"B": b"\xff"}}
        assert dynamodb.get_item(TableName="ByValue", Key=key)["Item"] == stored
        assert dynamodb.batch_get_item(RequestItems={"ByValue": {"Keys": [key]}})["Responses"]["ByValue"] == [stored]
        dynamodb.put_item(TableName="ByValue", Item=key)
        assert dynamodb.scan(TableName="ByValue")["Count"] == 1
    reply = dynamodb.transact_get_items(TransactItems=[{"Get": {"TableName": "ByValue", "Key": item}}])
    assert reply["Responses"][0]["Item"] == stored


def test_bad_reads_are_refused(dynamodb):
    create(dynamodb, "Strict", "S")
    key = {"pk": {"S": "a"}}
    for call, parameters in (
        (dynamodb.get_item, {"TableName": "Strict", "Key": {"pk": {"N": "1"}}}),
        (dynamodb.get_item, {"TableName": "Strict", "Key": {"other": {"S": "a"}}}),
        (dynamodb.batch_get_item, {"RequestItems": {"Strict": {"Keys": [key, key]}}}),
        (dynamodb.scan, {"TableName": "Strict", "Segment": 2, "TotalSegments": 2}),
        (dynamodb.scan, {"TableName": "Strict", "FilterExpression": ""}),
    ):
        with pytest.raises(ClientError) as refused:
            call(**parameters)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    many = [{"pk": {"S": str(number)}} for number in range(101)]
    for call, parameters in (
        (dynamodb.scan, {"TableName": "Nowhere"}),
        (dynamodb.get_item, {"TableName": "Nowhere", "Key": key}),
        (dynamodb.batch_get_item, {"RequestItems": {"Nowhere": {"Keys": [key]}}}),
        (dynamodb.describe_table, {"TableName": "Nowhere"}),
        (dynamodb.describe_time_to_live, {"TableName": "Nowhere"}),
    ):
        with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
            call(**parameters)
    with pytest.raises(ClientError):
        dynamodb.batch_get_item(RequestItems={"Strict": {"Keys": many}})


def test_read_capacity_is_by_size_and_consistency(dynamodb):
    create(dynamodb, "Metered", "S")
    item = {"pk": {"S": "a"}, "v": {"S": "x" * 9000}}
    dynamodb.put_item(TableName="Metered", Item=item)
    key = {"pk": item["pk"]}

    def units(reply):
        spent = reply["ConsumedCapacity"]
        return (spent[0] if isinstance(spent, list) else spent)["CapacityUnits"]

    total = {"ReturnConsumedCapacity": "TOTAL"}
    for extra in ({}, {"ProjectionExpression": "pk"}):
        get = {"TableName": "Metered", "Key": key, **extra, **total}
        assert units(dynamodb.get_item(**get)) == 1.5
        assert units(dynamodb.get_item(**get, ConsistentRead=True)) == 3
        scan = {"TableName": "Metered", **extra, **total}
        assert units(dynamodb.scan(**scan)) == 1.5
        assert units(dynamodb.scan(**scan, ConsistentRead=True)) == 3
    keys = {"Keys": [key, {"pk": {"S": "absent"}}], "ConsistentRead": True}
    assert units(dynamodb.batch_get_item(RequestItems={"Metered": keys}, **total)) == 4
    assert "ConsumedCapacity" not in dynamodb.scan(TableName="Metered")


def test_sixteen_megabytes_of_keys_come_back_in_parts(dynamodb):
    create(dynamodb, "Heavy", "S")
    keys = [{"pk": {"S": str(number)}} for number in range(44)]
    for key in keys:
        dynamodb.put_item(TableName="Heavy", Item={**key, "v": {"S": "x" * 400_000}})
    wanted, found = {"Heavy": {"Keys": keys, "ConsistentRead": True}}, []
    replies = 0
    while wanted:
        reply = dynamodb.batch_get_item(RequestItems=wanted)
        replies += 1
        found += [item["pk"]["S"] for item in reply["Responses"]["Heavy"]]
        wanted = reply["UnprocessedKeys"]
    assert replies == 2
    assert sorted(found) == sorted(key["pk"]["S"] for key in keys)

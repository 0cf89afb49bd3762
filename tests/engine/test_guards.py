"""Guards of very many attributes, and what indexes refuse: what planning and writing rest on, asked of each engine."""

from itertools import count

import pytest

from pitrkit.aws.client.error_mapping import ConditionFailed
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import canonical, to_boto
from pitrkit.aws.tables import tables
from pitrkit.errors import AwsError
from pitrkit.recovery.apply import requests
from pitrkit.recovery.plan.admission import Admission
from pitrkit.recovery.plan.guard import Write

KEY = {"pk": {"S": "a"}}
numbers = count()


@pytest.fixture(scope="module")
def aws(engine):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.environment.items():
            patch.setenv(name, value)
        yield engine.aws


def make_table(aws, attributes, **indexes):
    name = f"Guards-{next(numbers)}"
    keys = {"pk": "S"} | attributes
    aws.call(
        "dynamodb",
        "create_table",
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
        BillingMode="PAY_PER_REQUEST",
        **indexes,
    )
    return tables.describe(aws, name)


@pytest.fixture(scope="module")
def plain(aws):
    return make_table(aws, {})


def put(aws, table, image):
    aws.call("dynamodb", "put_item", TableName=table.name, Item=to_boto(image))


def get(aws, table):
    answer = aws.call("dynamodb", "get_item", TableName=table.name, Key=KEY, ConsistentRead=True)
    return canonical(answer["Item"]) if "Item" in answer else None


def send(aws, table, write):
    operation = {"update": "UpdateItem", "delete": "DeleteItem"}[write.action]
    return Wire.of(aws).send(operation, requests.single(table.name, write, table.key_schema))


OF_EACH_TYPE = {
    "s": {"S": "it's"},
    "empty": {"S": ""},
    "n": {"N": "1.50"},
    "b": {"B": b"\x00\xff"},
    "t": {"BOOL": True},
    "nothing": {"NULL": True},
    "ss": {"SS": ["b", "a"]},
    "ns": {"NS": ["2", "1.0"]},
    "bs": {"BS": [b"b", b"a"]},
    "l": {"L": [{"N": "1.0"}, {"M": {}}]},
    "m": {"M": {"k": {"B": b"x"}, "x.y": {"NULL": True}}},
    "select #1 :v": {"S": "x"},
}
WIDE = {f"attribute {number}": {"N": str(number)} for number in range(400)}
OTHER = {"s": {"S": ""}, "n": {"S": "1.5"}, "nothing": {"BOOL": False}, "l": {"L": []}, "m": {"M": {}}, "t": {"N": "1"}}


@pytest.mark.parametrize("guard", ["item", "attributes"])
@pytest.mark.parametrize("goal", [None, KEY, KEY | {name: {"L": [value]} for name, value in WIDE.items()}])
def test_a_guard_of_very_many_attributes_of_all_types_holds(aws, plain, guard, goal):
    seen = canonical(KEY | WIDE | OF_EACH_TYPE)
    put(aws, plain, seen)
    wanted = goal and canonical(goal)
    answer = send(aws, plain, Write(1, canonical(KEY), seen, wanted, guard))
    assert get(aws, plain) == wanted
    assert requests.replaced(Write(1, canonical(KEY), seen, wanted), answer.body)[1] is None


@pytest.mark.parametrize("name", [*OTHER, "attribute 399", "gone", "came"])
@pytest.mark.parametrize("guard", ["item", "attributes"])
def test_it_fails_on_a_single_one_of_them_and_returns_the_item(aws, plain, guard, name):
    seen = KEY | WIDE | OF_EACH_TYPE
    present = dict(seen)
    if name == "gone":
        del present["bs"]
    elif name == "came":
        present["new"] = {"S": "theirs"}
    else:
        present[name] = OTHER.get(name, {"N": "-1"})
    put(aws, plain, canonical(present))
    write = Write(1, canonical(KEY), canonical(seen), canonical(KEY | {"new": {"S": "ours"}}), guard)
    with pytest.raises(ConditionFailed) as blocked:
        send(aws, plain, write)
    assert blocked.value.found == get(aws, plain) == canonical(present)


VALUES = {
    "fitting": {"owner": {"S": "x"}, "at": {"N": "0"}, "mark": {"B": b"x"}},
    "none": {},
    "text of the greatest length": {"owner": {"S": "é" * 1024}, "at": {"N": "1"}},
    "bytes of the greatest length": {"mark": {"B": b"x" * 1024}},
    "a number for text": {"owner": {"N": "1"}},
    "text for a number": {"at": {"S": "1"}},
    "a set": {"owner": {"SS": ["x"]}},
    "a map": {"mark": {"M": {}}},
    "NULL": {"owner": {"NULL": True}},
    "a boolean": {"at": {"BOOL": True}},
    "empty text": {"owner": {"S": ""}},
    "empty bytes": {"mark": {"B": b""}},
    "text too long": {"owner": {"S": "é" * 1024 + "x"}, "at": {"N": "1"}},
    "bytes too long": {"mark": {"B": b"x" * 1025}, "owner": {"S": "x"}},
}


@pytest.fixture(scope="module")
def indexed(aws):
    everything = {"Projection": {"ProjectionType": "ALL"}}

    def by(name, *keys):
        roles = zip(keys, ("HASH", "RANGE"), strict=False)
        return {
            "IndexName": name,
            "KeySchema": [{"AttributeName": k, "KeyType": role} for k, role in roles],
        } | everything

    return make_table(
        aws,
        {"owner": "S", "at": "N", "mark": "B"},
        GlobalSecondaryIndexes=[by("by-owner", "owner", "at"), by("by-owner-and-mark", "owner", "mark")],
    )


@pytest.mark.parametrize("values", VALUES)
def test_what_planning_says_an_index_refuses_is_what_it_refuses(aws, indexed, values):
    admission = Admission.of(aws, indexed)
    image = canonical(KEY | VALUES[values])
    refusal = admission.refusal(Write(1, canonical(KEY), None, image))
    if refusal:
        assert refusal == "an index refuses it"
        with pytest.raises(AwsError, match="ValidationException"):
            put(aws, indexed, image)
    else:
        put(aws, indexed, image)

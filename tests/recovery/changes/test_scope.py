"""A scope says which changes are the damage: by kind, by key, by a condition; and says it in words."""

import pytest

from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.scope import Scope

SCHEMA = KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("sk", "N", "RANGE")))
BINARY = KeySchema((KeyAttribute("id", "B", "HASH"),))


def change(kind="removed", pk="a", sk="1", before=None, after=None):
    key = {"pk": {"S": pk}, "sk": {"N": sk}}
    then = canonical({**key, **(before or {})}) if kind != "inserted" else None
    now = canonical({**key, **(after or {})}) if kind != "removed" else None
    return Change(canonical(key), kind, then, now)


def parsed(kinds="", keys="", where="", schema=SCHEMA):
    return Scope.parse(kinds, keys, where, schema)


def test_blank_text_means_everything():
    assert parsed() == parsed(" ", "\n", " ") == Scope()
    assert parsed().describe() == "everything"
    assert all(parsed().holds(change(kind)) for kind in ("removed", "modified", "inserted"))


def test_kinds_are_names_with_commas_between():
    scope = parsed(kinds="modified, removed,modified")
    assert scope.kinds == ("removed", "modified")
    assert [scope.holds(change(kind)) for kind in ("removed", "modified", "inserted")] == [True, True, False]


@pytest.mark.parametrize("kinds", ["deleted", "removed,gone", ",", "Removed"])
def test_what_is_no_kind_is_refused_with_the_kinds_there_are(kinds):
    with pytest.raises(BadInput, match="kind of change") as raised:
        parsed(kinds=kinds)
    assert raised.value.fix == "Kinds are removed, modified, inserted."


def test_keys_are_plain_or_dynamodb_json_and_numbers_count_by_value():
    scope = parsed(keys='[{"pk": "a", "sk": 1.50}, {"sk": {"N": "2"}, "pk": {"S": "b"}}, {"pk": "a", "sk": 1.5}]')
    assert len(scope.keys) == 2
    assert scope.holds(change(pk="a", sk="1.5"))
    assert scope.holds(change(pk="b", sk="2.0"))
    assert not scope.holds(change(pk="b", sk="1.5"))


def test_number_keys_keep_all_their_digits():
    digits = "12345678901234567890123456789.012345678"
    assert parsed(keys=f'[{{"pk": "a", "sk": {digits}}}]').holds(change(sk=digits))


def test_binary_keys_are_base64():
    key = canonical({"id": {"B": b"\x00\xff"}})
    scope = parsed(keys='[{"id": "AP8="}]', schema=BINARY)
    assert scope.keys == (key,)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ('[{"pk": "a", "sk": 1},\n {"pk": }]', "line 2, character 9"),
        ('{"pk": "a", "sk": 1}', "not a JSON list"),
        ("[]", "at least one key"),
        ('["a"]', "key 1 of keys is not a JSON object"),
        ('[{"pk": "a", "sk": 1}, {"pk": "a"}]', "key 2 of keys"),
        ('[{"pk": "a", "sk": "one"}]', "key 1 of keys"),
        ('[{"pk": 1, "sk": 1}]', "key 1 of keys: key attribute 'pk' is not a string"),
    ],
)
def test_keys_that_cannot_be_read_are_refused_saying_where(keys, says):
    with pytest.raises(BadInput) as raised:
        parsed(keys=keys)
    assert says in raised.value.what
    assert raised.value.fix


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(kinds=("removed",)), "removed items"),
        (Scope(kinds=("removed", "modified", "inserted")), "removed, modified and inserted items"),
        (Scope(keys=("k",)), "items among 1 listed key"),
        (Scope(keys=tuple(map(str, range(1200)))), "items among 1,200 listed keys"),
        (Scope(where="before.n > `1`"), "items where before.n > `1`"),
        (Scope(keys=("k",), where="after"), "items among 1 listed key, where after"),
        (
            Scope(("removed", "modified"), ("1", "2", "3"), "before.status != 'cancelled'"),
            "removed and modified items among 3 listed keys, where before.status != 'cancelled'",
        ),
    ],
)
def test_a_scope_says_itself_in_words(scope, words):
    assert scope.describe() == words


def test_a_scope_survives_being_written_down():
    scope = parsed("removed", '[{"pk": "a", "sk": 1}]', "before.total > `10.1`")
    again = Scope.from_dict(scope.to_dict())
    assert again == scope
    assert hash(again) == hash(scope)
    assert again.holds(change(before={"total": {"N": "10.2"}}))


def test_all_parts_must_hold():
    scope = parsed("modified", '[{"pk": "a", "sk": 1}]', "contains(changed, 'n')")
    touched = {"before": {"n": {"N": "1"}}, "after": {"n": {"N": "2"}}}
    assert scope.holds(change("modified", **touched))
    assert not scope.holds(change("modified", sk="2", **touched))
    assert not scope.holds(change("modified"))
    assert not scope.holds(change("removed"))

"""`where` is JMESPath with exact numbers, and leaves nothing out without a word."""

import jmespath
import pytest

from pitrkit.aws.items import canonical
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.scope import Scope

KEY = {"pk": {"S": "a"}, "sk": {"N": "7"}}
LONG = "12345678901234567890123456789.012345678"
BEFORE = {
    **KEY,
    "total": {"N": "10.1"},
    "count": {"N": "0"},
    "long": {"N": LONG},
    "status": {"S": "paid"},
    "digits": {"S": "5"},
    "tags": {"SS": ["gift", "express"]},
    "sizes": {"NS": ["38", "4.5"]},
    "lines": {"L": [{"M": {"price": {"N": "0.1"}}}, {"M": {"price": {"N": "0.2"}}}]},
    "proof": {"B": b"\x00\xff"},
    "open": {"BOOL": True},
    "note": {"NULL": True},
    "empty": {"S": ""},
}
AFTER = {**BEFORE, "total": {"N": "0"}, "status": {"S": "cancelled"}}
MODIFIED = Change(canonical(KEY), "modified", canonical(BEFORE), canonical(AFTER))
REMOVED = Change(canonical(KEY), "removed", canonical(BEFORE), None)
INSERTED = Change(canonical(KEY), "inserted", None, canonical(AFTER))


@pytest.mark.parametrize(
    "where",
    [
        "after.total == `0`",
        "after.total == `0.0`",
        "before.total == `10.1`",
        "before.total == `1.01e1`",
        "before.total != `10.10000000000000000000001`",
        "before.total > `10.05` && before.total < `10.15`",
        "before.total >= `10.1` && before.total <= `10.1`",
        f"before.long == `{LONG}`",
        "before.long > `12345678901234567890123456789.012345677`",
        "abs(before.long) == before.long",
        "sum(before.lines[*].price) == `0.3`",
        "avg(before.sizes) == `21.25`",
        "max(before.sizes) == `38` && min(before.sizes) == `4.5`",
        "sort(before.sizes)[0] == `4.5`",
        "max_by(before.lines, &price).price == `0.2`",
        "contains(before.sizes, `4.5`)",
        "ceil(before.total) == `11` && floor(before.total) == `10`",
        "type(before.total) == 'number' && type(before.count) == 'number'",
        "to_number(before.digits) == `5` && to_number('0.1') == before.lines[0].price",
        "to_number('x') == `null` && to_number('NaN') == `null`",
        "to_string(before.total) == '10.1'",
        "before.lines[?price > `0.1`]",
        "key.pk == 'a' && key.sk == `7`",
        "kind == 'modified'",
        "contains(changed, 'total') && !contains(changed, 'count')",
        "changed == ['status', 'total']",
        "before.tags[0] == 'express'",
        "before.proof == 'AP8='",
        "before.open",
        "before.open == `true` && before.count != `false`",
        "before.count",
        "before.status < after.status || before.status == 'paid'",
        "!before.note && !before.empty && !before.missing",
        "!before.missing == `true` && !before.tags[7] && !before.lines[?price > `1`].price",
        "@.before.status == 'paid'",
        "[before, after][0].status == 'paid'",
        "map(&price, before.lines)",
        "not_null(before.missing, before.count) == `0`",
    ],
)
def test_a_true_condition_selects(where):
    assert Scope(where=where).holds(MODIFIED)


@pytest.mark.parametrize(
    "where",
    [
        "before.total == `10.2`",
        "before.total == `10.10000000000000000000001`",
        f"before.long == `{LONG}1`",
        "before.missing == `0`",
        "before.missing > `0`",
        "before.total == 'ten'",
        "before.count == `false`",
        "before.empty",
        "before.note",
        "before.lines[?price > `1`]",
    ],
)
def test_a_false_null_or_empty_result_does_not(where):
    assert not Scope(where=where).holds(MODIFIED)


def test_an_image_that_is_not_there_is_null():
    scope = Scope(where="before.total > `1`")
    assert [scope.holds(change) for change in (MODIFIED, REMOVED, INSERTED)] == [True, True, False]
    assert Scope(where="!after").holds(REMOVED)
    assert Scope(where="changed == `[]`").holds(REMOVED)


@pytest.mark.parametrize(
    ("where", "change", "says"),
    [
        ("contains(after.tags, 'gift')", REMOVED, "on a removed item: contains() needs array or string, and got null"),
        ("starts_with(before.status, 'p')", INSERTED, "on an inserted item: starts_with() needs string, and got null"),
        ("before.status > `5`", MODIFIED, "on a modified item: > needs two numbers or two strings, and got string"),
        ("before.total <= '5'", MODIFIED, "and got number and string"),
        ("before.tags > `5`", MODIFIED, "and got array and number"),
        ("before.open < `5`", MODIFIED, "and got boolean and number"),
        ("length(before.total)", MODIFIED, "and got number"),
        ("sum(before.tags)", MODIFIED, "sum() needs array-number"),
        ("contains(before.status, `1`)", MODIFIED, "type that cannot be used"),
    ],
)
def test_a_condition_that_cannot_be_answered_is_an_error_not_a_no(where, change, says):
    with pytest.raises(BadInput) as raised:
        Scope(where=where).holds(change)
    assert says in raised.value.what
    assert where in raised.value.what
    assert "`after.tags && contains(after.tags, 'x')`" in raised.value.fix


def test_an_error_never_shows_an_items_content():
    secret = Change(canonical(KEY), "removed", canonical({**KEY, "card": {"S": "4111-1111"}}), None)
    for where in ("sum(before.card)", "before.card > `1`", "abs(before.card)", "join(',', before.card)"):
        with pytest.raises(BadInput) as raised:
            Scope(where=where).holds(secret)
        assert "4111" not in str(raised.value)
        assert raised.value.__suppress_context__


def test_the_advised_guard_works():
    scope = Scope(where="after.tags && contains(after.tags, 'gift')")
    assert [scope.holds(change) for change in (MODIFIED, REMOVED, INSERTED)] == [True, False, True]


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("before.total > 10", "at character 16"),
        ("before.total >", "ends too early, at character 14"),
        ("before.total = `1`", "at character 14"),
        ("before.status == 'paid", "at character 18"),
        ("before.status == `paid`", "at character 18: `paid` is not JSON"),
        ("before.total == `NaN`", "is not JSON"),
        ("before.total ? 1", "at character 14"),
        ("status == 'paid'", "uses 'status'"),
        ('before.status == "paid"', "uses 'paid'"),
        ("before.n == `1` && (total > `1` || kind)", "uses 'total'"),
        ("length(tags) > `1`", "uses 'tags'"),
        ("tags[?@ == 'x']", "uses 'tags'"),
        ("len(before.tags)", "len(), which does not exist"),
        ("kind == 'x' && before.tags[?len(@)]", "len(), which does not exist"),
        ("contains(before.tags)", "gives contains() 1 arguments; it takes 2"),
        ("length(before.tags, before.tags)", "gives length() 2 arguments; it takes 1"),
        ("(" * 5000, "nested too deeply"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused_before_any_item(where, says):
    with pytest.raises(BadInput) as raised:
        Scope(where=where)
    assert says in raised.value.what
    assert raised.value.fix


def test_other_users_of_jmespath_are_left_as_they_were():
    where = "before.total == `10.1`"
    assert Scope(where=where).holds(MODIFIED)
    assert jmespath.search(where, {"before": {"total": 10.1}}) is True
    assert isinstance(jmespath.search("`10.1`", {}), float)

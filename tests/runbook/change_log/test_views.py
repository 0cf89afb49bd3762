"""The views of a log, of its damage, of one item in time, of exports and routes: sound, readable, and safe to show."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings

from pitrkit.aws.change_data.export import export_of
from pitrkit.recovery.advice.cost import routes
from pitrkit.recovery.changelog import change_log
from pitrkit.recovery.changelog.item_history import Sight
from pitrkit.recovery.changelog.locate import locate
from pitrkit.recovery.changes.change import ItemStep
from pitrkit.recovery.changes.scope import Scope
from pitrkit.runbook.change_log import views as change_log_views
from pitrkit.runbook.restore import source_views
from tests.runbook.test_views import KEY, checked, item, key, stored, texts

T0 = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


def at(minute):
    return T0 + timedelta(minutes=minute)


def steps(text="plain"):
    """Item 1 mangled, then written by others in the same attribute; item 2 removed; item 3 removed by TTL."""
    good, bad, odd = (item("c", 1, v={"S": one}) for one in (text, f"{text}!", f"{text}?"))
    yield ItemStep(key("c", 1), at(1), at(1), good, bad, single=True)
    yield ItemStep(key("c", 1), at(2), at(2), bad, odd, single=True)
    yield ItemStep(key("c", 2), at(1), at(1), item("c", 2, v={"S": text}), None, single=True)
    yield ItemStep(key("c", 3), at(3), at(3), item("c", 3, v={"S": text}), None, single=True, by="ttl")


@pytest.fixture
def told(tmp_path):
    return make(tmp_path / "log")


def make(folder, text="plain"):
    about = {"table": "Orders", "key_schema": KEY, "source": change_log.STREAM, "since_at": T0, "until_at": at(10)}
    return change_log.write(steps(text), folder, **about, notes=[text] if text != "plain" else ())


def damage_of(told, folder, scope):
    return told.changes(folder, damage=scope, since_at=told.since_at, until_at=at(2))


def test_a_log_says_what_it_covers_how_much_it_tells_and_when_the_damage_happened(told):
    shown = checked(change_log_views.log_card(told))
    assert "02:14:00 UTC" in shown.text
    assert "4 changes" in shown.text
    found = checked(change_log_views.located_card(locate(told, Scope(kinds=("removed",)))))
    assert "exact to the second" in found.text
    assert "02:14:59 UTC" in found.text, "the second before the removal"


def test_an_item_that_others_wrote_is_shown_with_its_history(told, tmp_path):
    changes = damage_of(told, tmp_path / "changes", Scope(where="changed"))
    shown = checked(change_log_views.reviews_view(told, changes))
    assert "others wrote attributes that the damage had changed" in shown.text
    assert shown.text.count("modified 11-23") == 2


def test_without_a_description_every_change_counts_as_damage_and_the_card_says_so(told, tmp_path):
    for scope, warned in ((Scope(), True), (Scope(kinds=("removed",)), False)):
        card = change_log_views.damage_card(damage_of(told, tmp_path / str(warned), scope), scope, T0, at(2))
        assert ("every change in this window counts as damage" in checked(card).text) == warned


def test_a_history_says_who_deleted_the_item_where_the_source_tells(told):
    shown = checked(change_log_views.history_view(key("c", 3), told.history(key("c", 3)), told))
    assert "by TTL" in shown.text
    assert "was not written" in checked(change_log_views.history_view(key("c", 9), [], told)).text


def test_what_is_unknown_of_an_item_is_called_unknown():
    there = Sight(at(1), item("c", 1, v={"S": "a"}), known=True, source="the copy")
    gone, unknown = (
        Sight(at(2), None, known=True, source="the stream"),
        Sight(at(3), None, known=False, source="nothing"),
    )
    shown = checked(change_log_views.item_view(key("c", 1), [there, gone, unknown])).text
    assert [word in shown for word in ("there", "not there", "unknown", "removed")] == [True] * 4
    assert "v" in checked(change_log_views.item_view(key("c", 1), [there])).text


def test_exports_and_routes_are_told_with_what_they_cost():
    row = {"ExportArn": "arn:x/export/01", "TableArn": "arn:x:table/Orders", "ExportStatus": "FAILED", "S3Bucket": "b"}
    assert "failed" in checked(source_views.exports_card([export_of(row)])).text
    card = change_log_views.routes_card(routes(1024**3), table="Orders", chosen="stream", size_text="1 GB")
    assert "$0.20" in checked(card).text


@given(texts)
def test_no_text_gets_out_of_its_place(tmp_path_factory, text):
    row = {"ExportArn": text, "TableArn": text, "ExportStatus": text, "S3Bucket": text, "S3Prefix": text}
    checked(source_views.exports_card([export_of(row)]))
    checked(change_log_views.routes_card(routes(1), table=text, chosen=text, size_text=text, notes=[text]))
    checked(change_log_views.item_view(key("c", 1), [Sight(T0, None, known=False, source=text)]))


@settings(max_examples=20)
@given(stored)
def test_no_item_gets_out_of_its_place(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("log")
    told = make(folder / "log", text)
    changes = damage_of(told, folder / "changes", Scope(where="changed"))
    checked(change_log_views.log_card(told))
    checked(change_log_views.reviews_view(told, changes))
    checked(change_log_views.history_view(key("c", 1), told.history(key("c", 1)), told))
    sights = [Sight(at(n), item("c", 1, v={"S": text * n}), known=True, source=text) for n in range(3)]
    checked(change_log_views.item_view(key("c", 1), sights))

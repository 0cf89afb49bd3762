"""The front page opens incidents, lists them, and whoever comes back goes on where they stood."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.services import cloudwatch
from pitrkit.errors import InputNeeded, TableNotFound
from pitrkit.incident.incident import Incident
from pitrkit.runbook.restore import restore, restore_wait
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start import protect, select_table, start_here
from pitrkit.runbook.timeline import pick_timestamp
from pitrkit.times import iso


@pytest.fixture(scope="module")
def aws(shop):
    return Aws.connect()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PITRKIT_INCIDENTS", str(tmp_path / "incidents"))


def until(truth):
    return iso(truth.damage_ended_at.replace(microsecond=0) + timedelta(seconds=1))


def test_saying_what_happened_and_the_table_opens_one_incident_however_often(aws):
    begun = start_here.begin(aws)
    begun.button.click()
    assert "Choose what happened" in begun.status_line.value
    begun.happened.value = "mangled"
    begun.button.click()
    assert "Name the table" in begun.status_line.value
    begun.table.value = "Orderz"
    begun.button.click()
    assert "no such table" in begun.status_line.value
    assert Incident.existing() == []
    begun.table.value = "Orders"
    begun.button.click()
    begun.button.click()
    (incident,) = Incident.existing()
    assert begun.opened.to_dict()["incident"] == incident.id
    assert incident.data["happened"] == "mangled"
    assert "select" in incident.data["steps"]
    assert begun.status_line.value == ""


def test_headless_the_parameters_say_the_same(aws):
    opened = start_here.begin(aws, "deleted", "Orders").opened
    assert opened.to_dict()["notebook"] == "02_pick_timestamp"
    assert "10_rollback_without_restore" in str(opened), "the shop's table has a stream"
    with pytest.raises(TableNotFound):
        start_here.begin(aws, "unsure", "Nowhere")


def test_a_deleted_table_is_proposed_only_where_the_table_is_gone(shop, aws):
    client = shop.sandbox.client("dynamodb")
    client.create_table(
        TableName="Gone",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.update_continuous_backups(
        TableName="Gone", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    client.delete_table(TableName="Gone")
    begun = start_here.begin(aws)
    assert "Gone" not in begun.table.options
    begun.happened.value = "gone"
    assert "Gone" in begun.table.options
    assert "Orders" not in begun.table.options
    begun.table.value = "Gone"
    begun.button.click()
    assert begun.opened.to_dict()["notebook"] == "11_deleted_table"
    with pytest.raises(InputNeeded, match="input needed: table"):
        start_here.open_incident(aws, "gone", "Other")


def test_an_incident_that_has_gone_on_is_not_joined_by_a_new_one_of_its_table(shop, aws):
    first = select_table.select(aws, "Orders")
    assert select_table.select(aws, "Orders").incident.id == first.incident.id
    pick_timestamp.pick(first, iso(shop.truth.good_at))
    named = select_table.select(aws, "Orders", incident="of-my-own")
    assert named.incident.id == "of-my-own"
    assert select_table.select(aws, "Orders").incident.id != "of-my-own"


def test_the_list_of_incidents_says_where_each_stands_and_which_cannot_be_read(shop, aws):
    going = select_table.select(aws, "Orders", incident="going")
    pick_timestamp.pick(going, iso(shop.truth.good_at))
    broken = select_table.select(aws, "Orders", incident="broken")
    (broken.incident.folder / "incident.json").write_text("{")
    foreign = select_table.select(aws, "Orders", incident="foreign")
    state = foreign.incident.folder / "incident.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "account": "999999999999"}))
    text = str(start_here.incidents(aws))
    assert "next step: restore" in text
    assert "incident.json of broken cannot be read" in text
    assert "account 999999999999" in text
    assert "03_restore" in text


def test_the_notebook_of_the_second_opened_again_shows_and_keeps_what_was_picked(shop, aws):
    session = select_table.select(aws, "Orders", incident="tomorrow")
    at = iso(shop.truth.good_at)
    pick_timestamp.pick(session, at, damage_until=until(shop.truth))
    again = Session.open("tomorrow", aws=aws)
    picker = pick_timestamp.window(again).picker("")
    assert picker.value == at
    pick_timestamp.pick(again, picker.value)
    assert again.data["damage_until"] == until(shop.truth)
    pick_timestamp.pick(again, picker.value, damage_until="none")
    assert again.data["damage_until"] is None


def test_another_second_does_not_keep_the_end_of_the_damage(shop, aws):
    session = select_table.select(aws, "Orders", incident="other-second")
    pick_timestamp.pick(session, iso(shop.truth.good_at), damage_until=until(shop.truth))
    pick_timestamp.pick(session, iso(shop.truth.good_at - timedelta(minutes=1)))
    assert session.data["damage_until"] is None


def test_the_estimate_of_a_restore_is_what_the_last_one_of_the_table_took(shop, aws):
    first = select_table.select(aws, "Orders", incident="first")
    pick_timestamp.pick(first, iso(shop.truth.good_at))
    assert restore_wait.expected_seconds(first) is None
    assert "AWS gives no estimate" in str(restore.start(first))
    restore.wait(first)
    first.keep("measured", restore_seconds=125)
    second = select_table.select(aws, "Orders", incident="second")
    pick_timestamp.pick(second, iso(shop.truth.good_at))
    assert restore_wait.expected_seconds(second) == 125
    assert "2 min 05 s" in str(restore.start(second, target="Orders-second"))
    assert "longer than expected" in restore_wait.to_text("CREATING", 126, 125)
    restore.wait(second)


def test_an_incident_that_goes_on_has_its_table_chosen_already(aws):
    select_table.select(aws, "Orders", incident="known")
    assert select_table.choose(aws, incident="known").value == "Orders"
    assert select_table.choose(aws, incident="not-there-yet").value == ""


def test_the_list_is_there_by_name_before_the_tables_are_read(shop, aws):
    picker = select_table.choose(aws, patience_seconds=0)
    assert "Orders" in picker.names
    for thread in threading.enumerate():
        if thread.name.startswith("pitrkit-tables"):
            thread.join(30)
    assert "still being read" not in str(picker)
    (row,) = [row for row in picker.list.rows if row["name"] == "Orders"]
    assert row["cells"][5]["text"] in {"within the hour", "1 h ago"}


def test_last_writes_are_told_of_the_tables_that_had_some(aws):
    now = datetime.now(UTC)
    found = cloudwatch.last_writes(aws, ["Orders", "Nowhere"], now)
    assert found.keys() == {"Orders"}
    assert now - timedelta(hours=2) < found["Orders"] <= now


def test_restored_copies_are_not_asked_to_be_protected(shop, aws):
    session = select_table.select(aws, "Orders", incident="copies")
    pick_timestamp.pick(session, iso(shop.truth.good_at))
    restore.start(session)
    restore.wait(session)
    copy = session.data["restored_table"]
    assert copy not in protect.choose(aws).list.options
    assert copy not in protect.protect(aws, "all").tables
    (line,) = [line for line in str(start_here.tables(aws)).splitlines() if f"  {copy}  " in line]
    assert "  copy  " in line

"""Rollback without a restore, headless: by the stream and by exports, through the gate, to the right table and back."""

import json
import re
from datetime import timedelta

import pytest

from pitrkit.aws.items import attributes, canonical
from pitrkit.sandbox import EXPORTS_BUCKET, FaultRule
from pitrkit.times import iso

pytestmark = [pytest.mark.xdist_group("rollback"), pytest.mark.takes(45)]

ROUTES = {
    "stream": ("--route", "stream"),
    "export": ("--route", "export", "--bucket", EXPORTS_BUCKET),
    "full": ("--how", "export", "--bucket", EXPORTS_BUCKET),
}


def window(truth):
    """The damage's window in whole seconds."""
    return iso(truth.good_at), iso(truth.damage_ended_at + timedelta(seconds=1))


def asked(shop, route, incident):
    since, until = window(shop.truth)
    return (
        "recover", "Orders", *ROUTES[route], "--at", since, "--damage-until", until, "--incident", incident,
        "--where", shop.truth.where, "--attributes", ",".join(shop.truth.attributes), "--guard", "attributes",
    )  # fmt: skip


def expected(shop):
    return sorted(canonical(item) for item in shop.truth.expected)


@pytest.fixture(scope="module")
def damaged(shop):
    return shop.items()


def located_in(shop, incident):
    """What the locator found last in an incident, by its record."""
    events = map(json.loads, (shop.folder / incident / "events.jsonl").read_text().splitlines())
    return [event["data"] for event in events if event["event"] == "damage_located"][-1]


def output(shop, incident, cell):
    """What the cell with that text showed, in the last executed notebook 10 of an incident."""
    path = max((shop.folder / incident / "notebooks").glob("10_*.ipynb"), key=lambda one: one.stat().st_mtime)
    cells = [one for one in json.loads(path.read_text())["cells"] if cell in "".join(one["source"])]
    return "".join("".join(out["data"]["text/plain"]) for one in cells for out in one["outputs"] if "data" in out)


def test_the_locator_finds_the_second_of_the_deploy_in_the_stream_without_being_told(shop, damaged):
    code, said = shop.pitrkit("run", "01", "-p", "table", "Orders", "-p", "incident", "found")
    assert code == 0, said
    code, said = shop.pitrkit("run", "10", "-p", "incident", "found", "-p", "source", "stream", "-p", "since", "5h",
                              "-p", "where", shop.truth.where)  # fmt: skip
    assert code == 3, said
    started_at = shop.truth.damage_started_at.replace(microsecond=0)
    located = located_in(shop, "found")
    assert located["began"] == {"earliest": started_at.isoformat(), "latest": started_at.isoformat()}
    assert located["items"] == len(shop.truth.mangled) + len(shop.truth.deleted)
    assert "exact to the second" in output(shop, "found", "log.locate")


def test_the_locator_bounds_it_rightly_by_narrow_exports(shop, damaged):
    until = iso(shop.sandbox.clock.now() - timedelta(minutes=6))
    code, said = shop.pitrkit("run", "01", "-p", "table", "Orders", "-p", "incident", "bounded")
    code, said = shop.pitrkit("run", "10", "-p", "incident", "bounded", "-p", "source", "export", "-p", "since", "3h",
                              "-p", "until", until, "-p", "bucket", EXPORTS_BUCKET, "-p", "width_minutes", "15",
                              "-p", "where", shop.truth.where)  # fmt: skip
    assert code == 3, said
    located = located_in(shop, "bounded")
    began, ended = located["began"], located["ended"]
    started_at, ended_at = shop.truth.damage_started_at.isoformat(), shop.truth.damage_ended_at.isoformat()
    assert began["earliest"] <= started_at <= began["latest"]
    assert ended["earliest"] <= ended_at <= ended["latest"]


@pytest.mark.parametrize("source", [("stream",), ("export", "-p", "bucket", EXPORTS_BUCKET)])
def test_the_damage_is_found_where_the_second_is_picked_and_proposes_it(shop, damaged, source):
    incident = f"picked-{source[0]}"
    shop.pitrkit("run", "01", "-p", "table", "Orders", "-p", "incident", incident)
    code, said = shop.pitrkit("run", "02", "-p", "incident", incident, "-p", "source", *source,
                              "-p", "where", shop.truth.where)  # fmt: skip
    assert code == 0, said
    data = shop.incident(incident)
    assert data["restore_at"] < iso(shop.truth.damage_started_at)
    if source[0] == "stream":
        assert data["restore_at"] == iso(shop.truth.good_at - timedelta(seconds=1))
    assert "route" not in data
    assert '"customer_id"' not in (shop.folder / incident / "events.jsonl").read_text()


def test_one_item_is_shown_as_it_was_at_chosen_moments(shop, damaged):
    key = attributes(canonical(shop.truth.deleted[0]))
    since, until = window(shop.truth)
    code, said = shop.pitrkit("run", "01", "-p", "table", "Orders", "-p", "incident", "item")
    before = iso(shop.truth.good_at - timedelta(minutes=1))
    code, said = shop.pitrkit(
        "run", "10", "-p", "incident", "item", "-p", "source", "stream", "-p", "since", since, "-p", "until", until,
        "-p", "key", json.dumps(key), "-p", "key_at", f"{before},{since},{until}", "-p", "kinds", "removed",
        "-p", "bucket", EXPORTS_BUCKET,
    )  # fmt: skip
    assert code == 3, said
    shown = output(shop, "item", "log.history")
    for moment, state, source in (
        (before, "there", "a filtered export"), (since, "there", "stream"), (until, "not there", "stream"),
    ):  # fmt: skip
        assert re.search(rf"{moment[:10]} {moment[11:19]} UTC +{state} +{source}", shown), shown


@pytest.fixture
def least(shop, route):
    """All of it with the least policy that the kit prints for it."""
    of_exports = () if route == "stream" else ("--bucket", EXPORTS_BUCKET)
    with shop.permitted("--route", "full-export" if route == "full" else route, *of_exports):
        yield


@pytest.mark.parametrize("route", ROUTES)
def test_each_route_stops_at_its_gate_then_makes_the_table_right_and_its_undo_gives_it_back(
    shop, damaged, route, least
):
    tables = shop.tables()
    code, said = shop.pitrkit(*asked(shop, route, route))
    assert code == 3, said
    assert shop.items() == damaged
    code, said = shop.pitrkit(*re.search(r"pitrkit (recover Orders .*--approve [0-9a-f]{64})", said)[1].split())
    assert code == 0, said
    assert shop.items() == expected(shop)
    assert shop.tables() == tables, "no table was made"
    data = shop.incident(route)
    assert (data["plan"]["puts"], data["plan"]["updates"]) == (len(shop.truth.deleted), len(shop.truth.mangled))
    assert data["scope"]["where"] == shop.truth.where, "the approved run knows what was described"
    assert "Counted as damage" in (shop.folder / route / "report.html").read_text() or route == "full"
    assert data["verify"]["ok"] is True
    assert shop.pitrkit("audit", route)[0] == 0

    code, said = shop.pitrkit("run", "12_undo", "-p", "incident", route)
    assert code == 3, said
    code, said = shop.pitrkit(*re.search(r"pitrkit (run 12_undo .*)", said)[1].split())
    assert code == 0, said
    assert shop.items() == damaged


def test_what_cannot_be_told_or_is_not_permitted_ends_with_what_to_do_and_nothing_written(shop, damaged):
    since, until = window(shop.truth)
    rollback = ("run", "10", "-p", "incident", "refused", "-p", "since", since)
    shop.pitrkit("run", "01", "-p", "table", "Orders", "-p", "incident", "refused")
    for words, code, told in [
        (("run", "10", "-p", "incident", "refused"), 4, "since"),
        ((*rollback, "-p", "until", since, "-p", "source", "stream"), 2, "not before"),
        ((*rollback, "-p", "source", "tape"), 2, "source"),
        ((*rollback, "-p", "source", "export", "-p", "until", "21m", "-p", "bucket", "no-such-bucket"), 2, "bucket"),
        ((*rollback, "-p", "until", until, "-p", "source", "stream", "-p", "where", "nope == 1"), 2, "nope"),
    ]:
        ended, said = shop.pitrkit(*words)
        assert ended == code, said
        assert told in said
    assert shop.items() == damaged
    shop.sandbox.faults.add(FaultRule("denied", operations=("ExportTableToPointInTime",)))
    ended, said = shop.pitrkit(
        *rollback, "-p", "source", "export", "-p", "until", "20m", "-p", "bucket", EXPORTS_BUCKET
    )
    shop.sandbox.faults.clear()
    assert ended == 2
    assert "dynamodb:ExportTableToPointInTime" in said
    assert shop.items() == damaged

"""A table's life: gathered from what the account allows, kept with the incident, and shown in its report."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.error_mapping import Ambiguous
from pitrkit.errors import AccessDenied, BadInput, InputNeeded, RecordAltered
from pitrkit.incident.incident import Incident
from pitrkit.runbook.finish import report
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.timeline import pick_timestamp, table_history
from pitrkit.runbook.timeline.table_history import TableHistory
from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.times import iso
from tests import synthetic

NOW = datetime.now(UTC)


@pytest.fixture
def incident(tmp_path):
    return Incident.open("night", root=tmp_path, create=True, table="Orders")


@pytest.fixture(scope="module")
def scenario():
    return orders(7, now=NOW, orders=600)


@pytest.fixture(scope="module")
def sandbox(scenario):
    with Sandbox() as running:
        scenario.lay_into(running)
        yield running


@pytest.fixture
def session(sandbox, monkeypatch, tmp_path):
    for name, value in {**sandbox.environment(), "PITRKIT_INCIDENTS": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return Session.begin("night", table="Orders", aws=Aws.connect())


class Refusing:
    """An account that lets nothing be seen of what the timeline is made from."""

    def __init__(self, error):
        self.error = error

    def paginate(self, service, operation, *_what, **_params):
        raise self.error(service, operation)

    def call(self, service, operation, **_params):
        raise self.error(service, operation)


def denied(service, operation):
    return AccessDenied("the caller may not", code="AccessDeniedException", operation=operation, fix="Allow it.")


def unanswered(service, operation):
    return Ambiguous("no answer", code="EndpointConnectionError", operation=operation, fix="Check the network.")


def test_what_may_not_be_read_is_named_with_its_action_and_is_no_error():
    found = table_history.gather(Refusing(denied), "Orders", None, NOW - timedelta(hours=1), NOW)
    assert found.candidates == ()
    said = [f"{gap.what} {gap.fix}" for gap in found.gaps]
    assert len(said) == 2
    assert "cloudwatch:GetMetricData" in said[0]
    assert "cloudtrail:LookupEvents" in said[1]


def test_what_cannot_be_reached_is_named_and_is_no_error():
    found = table_history.gather(Refusing(unanswered), "Orders", None, NOW - timedelta(hours=1), NOW)
    assert all("EndpointConnectionError" in gap.what for gap in found.gaps)


@pytest.mark.parametrize("made", [
    synthetic.life(300, 40, gaps=["x"]), synthetic.life(30, 0),
    TableHistory("Orders", NOW - timedelta(hours=1), NOW, None, None),
])  # fmt: skip
def test_what_is_kept_reads_back_the_same(incident, made):
    table_history.save(made, incident)
    kept = table_history.load(incident)
    assert kept.to_dict() == made.to_dict()
    assert (kept.activity, kept.events, kept.window, kept.gaps) == (made.activity, made.events, made.window, made.gaps)


@pytest.mark.parametrize("raw", ["", "{}", "[]", '{"window": 3}', "null"])
def test_a_record_that_cannot_be_read_is_refused_by_name(incident, raw):
    assert table_history.load(incident) is None
    incident.path(table_history.NAME).write_text(raw)
    with pytest.raises(RecordAltered) as caught:
        table_history.load(incident)
    assert table_history.NAME in str(caught.value)


def test_the_scenarios_bad_deploy_is_the_likeliest_candidate_without_being_told(session, scenario):
    window = pick_timestamp.window(session)
    best = window.life.candidates[0]
    assert best.kind == "deletes"
    assert timedelta() <= scenario.truth.good_at - best.at < timedelta(seconds=15)
    assert any(event.at - timedelta(seconds=1) == best.at for event in window.life.events if event.kind == "deploy")
    assert window.life.gaps == ()


def test_a_young_tables_picture_begins_shortly_before_its_life(session, scenario):
    found = pick_timestamp.window(session, hours=12).life
    assert timedelta() <= scenario.created_at - found.start_at <= timedelta(minutes=12)


def test_choosing_the_candidate_settles_t_and_the_picture_around_it_is_shown(session):
    control = pick_timestamp.window(session).picker()
    control.candidates.value = control.candidates.options[0][1]
    view = pick_timestamp.pick(session, control.value)
    assert session.data["restore_at"] == control.value
    assert 'class="pk-at"' in view._repr_html_()


def test_a_blank_time_names_the_candidates(session):
    best = pick_timestamp.window(session).life.candidates[0]
    with pytest.raises(InputNeeded) as caught:
        pick_timestamp.pick(session, "")
    assert iso(best.at) in str(caught.value)
    assert "Candidates" in str(caught.value)


def test_the_picture_reaches_back_to_before_the_time_that_is_asked_for(session):
    asked_at = NOW - timedelta(hours=3)
    assert pick_timestamp.window(session, hours=1, at=iso(asked_at)).life.start_at <= asked_at - timedelta(minutes=59)
    assert pick_timestamp.window(session, hours=1).life.start_at > asked_at
    assert pick_timestamp.window(session, hours=1, at="no time").life.start_at > asked_at


@pytest.mark.parametrize("hours", [0, -1, 841, float("nan"), float("inf")])
def test_hours_beyond_what_pitr_reaches_are_refused(session, hours):
    with pytest.raises(BadInput, match="hours"):
        pick_timestamp.window(session, hours=hours)


def test_what_was_read_is_recorded(session):
    found = pick_timestamp.window(session)
    (told,) = [event for event in session.incident.events() if event.event == "timeline_read"]
    assert told.data["candidates"][0] == iso(found.life.candidates[0].at)
    assert table_history.load(session.incident).to_dict() == found.life.to_dict()


def test_the_report_shows_the_picture_with_t_the_candidates_and_the_deploys(incident):
    made = synthetic.life(1440, 200, gaps=["CloudTrail gave little."])
    table_history.save(made, incident)
    incident.update("timestamp_picked", restore_at=iso(made.candidates[0].at))
    html = report.write(incident).read_text()
    assert "When it happened" in html
    assert f"recovery point {made.candidates[0].at:%Y-%m-%d %H:%M:%S} UTC" in html
    for words in (
        "420 calls per minute",
        "ci (deployer)",
        "the 8 of 200 nearest to the recovery point",
        "CloudTrail gave little.",
    ):
        assert words in html
    assert "<script" not in html
    assert "url(" not in html


def test_the_report_says_that_a_timeline_cannot_be_read_and_is_whole_without_one(incident):
    assert "When it happened" not in report.write(incident).read_text()
    incident.path(table_history.NAME).write_text(json.dumps({"window": 1}))
    html = report.write(incident).read_text()
    assert "Write activity and deployments cannot be shown" in html

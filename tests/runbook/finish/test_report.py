"""The report says what the record bears out, whatever the incident got to, and whatever the items hold."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from pitrkit.aws.client.transport import Answer
from pitrkit.aws.items import KeyAttribute, KeySchema, canonical, key_of, to_boto
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import RecordAltered
from pitrkit.incident.incident import Incident
from pitrkit.recovery.apply.journal import Entry, JournalWriter
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import from_changes
from pitrkit.recovery.plan.plan import build
from pitrkit.recovery.plan.policy import Policy
from pitrkit.runbook.finish import milestones, report
from pitrkit.runbook.finish.milestones import Milestone
from pitrkit.runbook.session import verdict
from pitrkit.runner.recover import summary

AT = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)
SCHEMA = KeySchema((KeyAttribute("customer", "S", "HASH"), KeyAttribute("order", "N", "RANGE")))
ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/Orders"
CALLER = "arn:aws:sts::123456789012:assumed-role/OnCall/maria"
TABLE = Table("Orders", ARN, "id-1", "ACTIVE", SCHEMA, 6, 600, "PAY_PER_REQUEST", (), "", False, (), AT, None)
HOSTILE = (
    "</td><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\u202egnp.exe\u202c",
    "a\x00\x1b[2J\x07b",
    "{{ 7*7 }}{% raw %}",
    "x" * 10_000,
    "\ud800",
    "](javascript:alert(1))",
)


class Service:
    """Account and table, for planning."""

    region = "eu-west-1"

    def caller(self):
        return SimpleNamespace(account="123456789012", arn=CALLER, region=self.region)

    def call(self, *operation, **_):
        assert operation == ("dynamodb", "describe_time_to_live")
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}


class Items:
    """The table's items as they are now, for planning."""

    def __init__(self, images: list[str]) -> None:
        self._items = {key_of(to_boto(image), SCHEMA.names): image for image in images}

    def call(self, operation, body, *, table):
        assert (operation, table) == ("BatchGetItem", "Orders")
        keys = [canonical(key) for key in json.loads(body)["RequestItems"]["Orders"]["Keys"]]
        found = ",".join(self._items[key] for key in keys if key in self._items)
        return Answer(f'{{"Responses":{{"Orders":[{found}]}}}}'.encode(), "")


def order(number: int, **more) -> str:
    return canonical({"customer": {"S": f"c-{number % 7}"}, "order": {"N": str(number)}, **more})


def key(number: int) -> str:
    return key_of(to_boto(order(number)), SCHEMA.names)


@dataclass
class Story:
    """An incident, told step by step through the same calls that the notebooks make."""

    incident: Incident
    minutes: list[float]

    def wait(self, minutes: float) -> None:
        self.minutes[0] += minutes

    def select(self):
        about = {"account": "123456789012", "region": "eu-west-1", "table": "Orders"}
        self.incident.expect(**about)
        self.incident.update("table_selected", table_arn=ARN, caller=CALLER, endpoint="")
        self.wait(1)
        self.incident.update("timestamp_picked", restore_at="2026-11-23T01:02:03Z")

    def restore(self):
        self.incident.event("restore_requested", source="Orders", target="Orders-copy")
        self.wait(9)
        self.incident.update("restore_finished", restored_table="Orders-copy", restored_by="incident")

    def compare(self, text: str = "paid"):
        total = {"total": {"N": "12.50"}}
        changes = [
            *[Change(key(n), "removed", order(n, status={"S": text}, **total), None) for n in range(1, 30)],
            *[
                Change(
                    key(n),
                    "modified",
                    order(n, status={"S": text}, note={"S": text}, **total),
                    order(n, status={"S": f"{text}!"}, total={"N": "0"}),
                )
                for n in range(30, 42)
            ],
            *[Change(key(n), "inserted", None, order(n, status={"S": "new"}, **total)) for n in range(42, 45)],
        ]
        folder = self.incident.path("changes", "001")
        found = from_changes(
            changes,
            folder,
            table="Orders",
            key_schema=SCHEMA,
            source="restored copy",
            before_at="2026-11-23T01:02:03Z",
            after_at="2026-11-23T02:25:00Z",
        )
        self.wait(1)
        diff = {**found.counts.to_dict(), "same": 2_956}
        self.incident.update("tables_compared", diff=diff, changes="changes/001", scoped_changes="", scope={})
        return found

    def plan(self, changes, modified="revert"):
        current = [change.after for change in changes if change.after and change.key != key(30)]
        current.append(order(30, status={"S": "written by the shop"}))
        built = build(
            Service(),
            TABLE,
            changes,
            Policy(modified=modified),
            self.incident.path("plan", "p"),
            scope={},
            wire=Items(current),
        )
        self.incident.path("plan", "p").rename(self.incident.path("plan", built.digest[:12]))
        self.wait(2)
        made = {
            "digest": built.digest,
            "puts": built.puts,
            "updates": built.updates,
            "deletes": built.deletes,
            "left": built.left,
            "undecided": built.undecided,
            "write_units": built.write_units,
            "created_at": built.created_at.isoformat(),
        }
        self.incident.update("plan_built", plan=made)
        return type(built).open(self.incident.path("plan", built.digest[:12]))

    def apply(self, plan, conflicts=(31,)):
        self.wait(12)
        approval = {
            "digest": plan.digest,
            "approved_at": self.incident.clock().isoformat(),
            "how": "click",
            "by": CALLER,
        }
        self.incident.update("gate_opened", approval=approval)
        self.wait(0.1)
        began = self.incident.clock()
        self.incident.path("journal").mkdir()
        count = {"applied": 0, "conflict": 0}
        with JournalWriter(self.incident.path("journal", f"{plan.digest[:12]}.jsonl"), plan) as journal:
            journal.begin(plan, began)
            for write in plan.writes():
                blocked = write.key in {key(number) for number in conflicts}
                outcome = "conflict" if blocked else "applied"
                found = order(31, status={"S": "shipped"}, total={"N": "0"}) if blocked else None
                count[outcome] += 1
                journal.settle(Entry(write.number, outcome, found=found))
            journal.end()
        self.wait(0.5)
        done = {
            "applied": count["applied"],
            "already": 0,
            "conflicts": count["conflict"],
            "failed": 0,
            "unsent": 0,
            "write_units": 40.0,
            "before_at": began.isoformat(),
            "started_at": began.isoformat(),
            "finished_at": self.incident.clock().isoformat(),
            "why": "",
        }
        self.incident.update("apply_finished", apply=done)

    def verify(self, **found):
        self.wait(0.2)
        ok = {"ok": True, "checked": 39, "mismatches": 0, "conflicts": 1, "unwritten": 0, "keys": []}
        self.incident.update("verified", verify={**ok, **found})

    def text(self) -> str:
        return report.write(self.incident).read_text()


@pytest.fixture
def story(tmp_path):
    minutes = [0.0]
    incident = Incident.open("orders-1", root=tmp_path, create=True, clock=lambda: AT + timedelta(minutes=minutes[0]))
    return Story(incident, minutes)


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


def words(html: str) -> str:
    body = html[html.index("<body>") :]
    return re.sub(r"\s+", " ", "".join(Tags(body).words))


def test_a_whole_recovery_is_told_from_verdict_to_undo(story):
    story.select()
    story.restore()
    plan = story.plan(story.compare())
    story.apply(plan)
    story.verify()
    html = story.text()
    said = words(html)
    for sentence in (
        "Orders, recovery point 2026-11-23 01:02:03 UTC",
        "Partly recovered 39 of 40 planned writes are in the table.",
        "1 item was written by others in the meantime and not changed.",
        "Every one of them was read again and matches the plan.",
        "1 difference waits for a decision.",
        f"Caller{CALLER}",
        "Restored copyOrders-copy (restored for this incident)",
        "2,956unchanged 29removed: missing now 12modified: different now 3inserted: new since",
        "Removed: 3 of 29",
        "status1200",
        "29restored 11updated 0deleted 4not written",
        '1written again after they were compared customer = "c-2", order = 30',
        f"Digest{plan.digest}",
        f"by click, as {CALLER}",
        'customer = "c-3", order = 31written since: status',
        "39 written items were read again with strongly consistent reads: all match the plan.",
        f"pitrkit run 12_undo -p incident orders-1 -p copy {plan.digest[:12]}",
        "Orders-copy costs storage until it is deleted",
    ):
        assert sentence in said, sentence
    assert "None" not in said.replace("None: the steps were run by hand", "")


def test_the_file_holds_no_script_and_loads_nothing(story):
    story.select()
    story.restore()
    story.apply(story.plan(story.compare()))
    story.verify()
    found = Tags(story.text())
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "use", "image"} & set(
        found.seen
    )
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("src", "href", "xlink:href")]
    assert "url(" not in story.text()
    assert "@import" not in story.text()
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_content_stays_text_and_stays_visible(story, text):
    story.select()
    story.incident.update(restored_table=text[:300], restored_by="given", caller=text)
    changes = story.compare("plain")
    if text.isprintable():
        changes = story.compare(text)
    story.plan(changes, modified="ask")
    story.incident.event("notebook_started", notebook=text[:200], parameters={"where": text})
    story.incident.event("notebook_ended", notebook=text[:200], ended=text[:50], exit_code=2, error=text[:50])
    plain = Tags(story.text())
    assert not {"script", "img", "raw"} & set(plain.seen)
    html = story.text()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", html)
    assert "49" not in [word.strip() for word in plain.words]
    if len(text) > 1000:
        assert max(len(word) for word in re.split(r"\s", html)) < 1_000
        assert "(10,000 characters)" in words(html)
        assert "(10,002 characters)" in words(html)


def test_attribute_names_and_keys_may_be_hostile_too(story):
    story.select()
    name = "<b onclick=x>\u202e"
    image = canonical({"customer": {"S": HOSTILE[0]}, "order": {"N": "1"}, name: {"S": "v"}})
    folder = story.incident.path("changes", "001")
    after = canonical({"customer": {"S": HOSTILE[0]}, "order": {"N": "1"}})
    change = Change(key_of(to_boto(image), SCHEMA.names), "modified", image, after)
    from_changes([change], folder, table="Orders", key_schema=SCHEMA, source="x", before_at="a", after_at="b")
    story.incident.update(diff={"same": 0, "removed": 0, "modified": 1, "inserted": 0}, changes="changes/001")
    html = story.text()
    assert "&lt;b onclick=x&gt;\\u202e" in html
    assert "customer = &#34;&lt;/td&gt;&lt;script&gt;" in html


def test_each_step_on_the_way_can_be_reported(story):
    assert "Nothing was written" in words(story.text())
    story.select()
    assert "No copy has been restored yet." in words(story.text())
    story.restore()
    assert "The restored copy is Orders-copy; it has not been compared yet." in words(story.text())
    changes = story.compare()
    assert "44 differences found; there is no plan yet." in words(story.text())
    plan = story.plan(changes, modified="ask")
    said = words(story.text())
    assert f"Not recovered yet Plan {plan.digest[:12]} (29 writes) waits for its approval. Nothing was written." in said
    assert "12modified, no decision was made" in said
    assert "Approvednot yet" in said
    story.incident.update("apply_started", apply={"started_at": story.incident.clock().isoformat()})
    assert "its end was not recorded" in words(story.text())
    story.apply(plan, conflicts=())
    assert "Written, not verified 29 of 29 planned writes" in words(story.text())
    story.verify(ok=False, mismatches=2, keys=[key(1), key(2)])
    said = words(story.text())
    assert "Not as planned" in said
    assert "2 do not match the plan." in said
    story.incident.update(verify=None)
    story.incident.update(verify={"ok": False, "checked": 29, "mismatches": 2})
    assert "2 do not match the plan." in words(story.text())


def test_a_copy_that_was_taken_back_says_so(story):
    story.select()
    story.restore()
    plan = story.plan(story.compare())
    story.apply(plan)
    story.verify()
    done = {"applied": 39, "already": 0, "conflicts": 0, "failed": 0}
    story.incident.update("apply_finished", undo={"of": plan.digest, "apply": done, "verify": {"ok": True}})
    story.wait(30)
    story.incident.update("undo_done", steps={"undo": "x"})
    said = words(story.text())
    assert (
        "Undone The copy was undone: 39 writes reverted. Every one of them was read again and matches the plan." in said
    )
    assert "39 writes undone, 0 not written because others had written the items since; verified" in said
    assert "Undone 03:09:53" in said


def test_what_cannot_be_read_is_said_in_the_report(story):
    story.select()
    plan = story.plan(story.compare())
    (plan.folder / "plan.json").write_text("{}")
    (story.incident.path("changes", "001") / "changes.json").unlink()
    said = words(story.text())
    assert "What differed cannot be shown: " in said
    assert "The plan cannot be shown: " in said
    assert "29restored" in said


def test_an_unreadable_state_is_an_error_and_leaves_the_last_report(story):
    before = story.text()
    (story.incident.folder / "incident.json").write_text("{")
    with pytest.raises(RecordAltered):
        report.write(story.incident)
    assert story.incident.path("report.html").read_text() == before


def test_a_scope_is_told_with_what_was_in_it(story):
    story.select()
    story.restore()
    story.compare()
    scoped = {"same": 2956, "removed": 29, "modified": 0, "inserted": 0}
    story.incident.update(scope={"kinds": ["removed"], "words": "only removed items"}, scoped=scoped)
    said = words(story.text())
    assert "only these were in scope: only removed items." in said
    assert "In scope: 29 removed, 0 modified, 0 inserted." in said


def test_notebooks_run_are_listed_with_how_they_ended(story):
    story.incident.event("notebook_ended", notebook="notebooks/01_select_table.ipynb", ended="done", error="")
    story.incident.event("notebook_started", notebook="05_copy_back", parameters={})
    story.wait(2)
    story.incident.event(
        "notebook_ended", notebook="notebooks/05_copy_back.ipynb", ended="gate closed", error="GateClosed"
    )
    story.incident.event("notebook_started", notebook="05_copy_back", parameters={})
    runs = report.gather(story.incident).notebooks
    assert [(run["name"], run["ended"], run["seconds"]) for run in runs] == [
        ("01_select_table", "done", None),
        ("05_copy_back", "stopped at the gate", 120.0),
        ("05_copy_back", "running", None),
    ]
    assert "stopped at the gate2 min 00 s" in words(story.text())


def test_the_timeline_is_in_order_and_says_what_lies_between():
    drawn = milestones.draw(
        [
            Milestone(AT + timedelta(minutes=3), "Copy ready"),
            Milestone(AT - timedelta(hours=3), "T", "past"),
            Milestone(AT, "Incident opened"),
        ]
    )
    assert [(point.label, point.time, point.day) for point in drawn.points] == [
        ("T", "23:14:05", "2026-11-22"),
        ("Incident opened", "02:14:05", "2026-11-23"),
        ("Copy ready", "02:17:05", ""),
    ]
    assert [(gap.words, gap.past) for gap in drawn.gaps] == [("3 h 00 min", True), ("3 min 00 s", False)]
    assert milestones.draw([]).points == ()
    assert len(milestones.draw([Milestone(AT, "alone")]).points) == 1


PLAN = {"digest": "0" * 64, "puts": 2, "updates": 1, "deletes": 0, "undecided": 0}
DONE = {"applied": 3, "already": 0, "conflicts": 0, "failed": 0, "unsent": 0}


@pytest.mark.parametrize(
    ("state", "tone", "title"),
    [
        ({"plan": PLAN, "apply": DONE, "verify": {"ok": True}}, "good", "Recovered"),
        ({"plan": {**PLAN, "undecided": 4}, "apply": DONE, "verify": {"ok": True}}, "warn", "Partly recovered"),
        ({"plan": PLAN, "apply": {**DONE, "conflicts": 1}, "verify": {"ok": True}}, "warn", "Partly recovered"),
        ({"plan": PLAN, "apply": {**DONE, "failed": 1}, "verify": {"ok": False}}, "warn", "Partly recovered"),
        ({"plan": PLAN, "apply": {**DONE, "unsent": 1}}, "warn", "Partly recovered"),
        ({"plan": PLAN, "apply": DONE}, "warn", "Written, not verified"),
        ({"plan": PLAN, "apply": DONE, "verify": {"ok": False, "mismatches": 1}}, "bad", "Not as planned"),
        ({"plan": PLAN, "apply": None, "verify": None}, "open", "Not recovered yet"),
        ({"plan": {**PLAN, "puts": 0, "updates": 0}}, "good", "Nothing to write"),
        ({"plan": {**PLAN, "puts": 0, "updates": 0, "undecided": 1}}, "warn", "Nothing to write"),
        ({"diff": {"same": 3, "removed": 1}}, "open", "Not recovered yet"),
        ({}, "open", "Not recovered yet"),
        ({"undo": {"apply": {**DONE, "conflicts": 1}, "verify": {"ok": True}}}, "warn", "Undone"),
        ({"undo": {"apply": DONE}}, "warn", "Partly undone"),
    ],
)
def test_only_a_verified_copy_with_nothing_left_over_is_called_recovered(state, tone, title):
    reached = verdict.verdict_of(json.loads(json.dumps(state)))
    assert (reached.tone, reached.title) == (tone, title)


def test_a_wait_at_the_gate_is_no_failure_and_the_reports_own_run_is_told_apart(story):
    ended = {"exit_code": 0, "error": ""}
    story.incident.event(
        "notebook_ended",
        notebook="notebooks/01_select_table.ipynb",
        ended="done",
        started_at=(story.incident.clock() - timedelta(seconds=75)).isoformat(),
        **ended,
    )
    story.incident.event("notebook_started", notebook="05_copy_back")
    closed = {"exit_code": 3, "error": "GateClosed"}
    story.incident.event("notebook_ended", notebook="notebooks/05_copy_back.ipynb", ended="gate closed", **closed)
    story.incident.event("notebook_started", notebook="06_report")
    told = words(story.text())
    assert "05_copy_back" in told
    assert "stopped at the gate" in told
    assert "failed (GateClosed)" not in told
    first, *_, last = report.gather(story.incident).notebooks
    assert (first["seconds"], first["at"]) == (75, story.incident.clock() - timedelta(seconds=75))
    assert last["ended"] == "this one"


def test_a_terminals_summary_names_undo_and_clean_up_only_where_the_tables_last(story):
    story.select()
    story.restore()
    story.incident.update("copy_counted", copies={"0123456789ab": {"slot": "", "applied": 3}})
    assert "12_undo" in summary(story.incident)
    assert "14_clean_up" in summary(story.incident)
    told = summary(story.incident, lasting=False)
    assert "12_undo" not in told
    assert "14_clean_up" not in told
    assert "report.html" in told

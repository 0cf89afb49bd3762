"""Views: readable as HTML and as text whatever is missing, and nothing that an item holds gets through unescaped."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.backups.backups import Backup, BackupList
from pitrkit.aws.backups.pitr import ContinuousBackups, Restoration
from pitrkit.aws.client.client import Caller
from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.aws.services.cloudwatch import Activity, Minute
from pitrkit.aws.settings.kinds import Recovery, StreamSetting, Ttl
from pitrkit.aws.tables.tables import Index, Restored, Table
from pitrkit.config.team_settings import Account, Settings
from pitrkit.errors import AccessDenied, BadInput, GateClosed, InputNeeded
from pitrkit.record import audit as auditing
from pitrkit.record.signature import SignatureCheck
from pitrkit.recovery.advice.cost import estimate
from pitrkit.recovery.apply.apply import Applied
from pitrkit.recovery.apply.journal import Conflict
from pitrkit.recovery.apply.run import Tally
from pitrkit.recovery.apply.verify import Verified
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import ChangeSet, from_changes
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.plan.drift import Drift, Moved
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.plan.policy import (
    LEFT_ALREADY_SO,
    LEFT_CHANGED_SINCE,
    LEFT_EXISTS_AGAIN,
    LEFT_EXPIRED,
    LEFT_INDEX_REFUSES,
    LEFT_KEPT_BY_POLICY,
    LEFT_UNDECIDED,
    Policy,
)
from pitrkit.recovery.plan.preflight import TargetFinding
from pitrkit.runbook.copy_back import plan_views, result_views
from pitrkit.runbook.diff import views as diff_views
from pitrkit.runbook.restore import source_views
from pitrkit.runbook.session import gate_views
from pitrkit.runbook.session import views as session_views
from pitrkit.runbook.session.gate import Approval, Intent
from pitrkit.runbook.session.status import status_of
from pitrkit.runbook.start import table_views
from pitrkit.runbook.start.table_overview import Overview
from pitrkit.runbook.timeline import views as timeline_views
from pitrkit.runbook.timeline.table_history import HistoryGap, TableHistory
from pitrkit.times import Window
from pitrkit.ui import account_badge, cards
from pitrkit.ui.blocks import Link
from pitrkit.ui.view import View
from tests import synthetic

T0 = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)
KEY = KeySchema((KeyAttribute("customer_id", "S", "HASH"), KeyAttribute("order_no", "N", "RANGE")))
WINDOW = Window(T0 - timedelta(hours=20), T0 + timedelta(hours=3))
PROTECTED = ContinuousBackups("Orders", enabled=True, window=WINDOW, period_days=35)
UNPROTECTED = ContinuousBackups("Logs", enabled=False, window=None, period_days=35)
CALLER = Caller("123456789012", "arn:aws:sts::123456789012:assumed-role/oncall/kim", "eu-west-1")
DIGEST = "3f9a1c77be02d4415a6e8c90b7f2d1e8a4c5b6978012345f6789abcdeffedcba"
PRODUCTION = Account("123456789012", "the shop", production=True)
SANDBOX = account_badge.sign(CALLER, "http://127.0.0.1:4571", Settings())

AT_AWS = account_badge.sign(CALLER, "", Settings())

ODD = "<script>alert(1)</script>\u202e\x1b[31m\u200b&amp;"


def strip(data: dict, sign=AT_AWS, links=None) -> View:
    return session_views.incident_strip(sign, data, status_of(data), links or {})


def table(name: str = "Orders", *, bare: bool = False) -> Table:
    return Table(
        name=name,
        arn=f"arn:aws:dynamodb:eu-west-1:123456789012:table/{name}",
        id="0c1d2e3f",
        status="ACTIVE",
        key_schema=KEY,
        item_count=0 if bare else 3021,
        size_bytes=0 if bare else 1_234_567,
        billing_mode="PAY_PER_REQUEST",
        indexes=()
        if bare
        else (Index("by_status", "global", KeySchema((KeyAttribute("status", "S", "HASH"),)), "ALL"),),
        stream_arn="" if bare else "arn:aws:dynamodb:eu-west-1:123456789012:table/Orders/stream/2026",
        deletion_protection=not bare,
        replicas=() if bare else ("us-east-1", "ap-south-1"),
        created_at=T0 - timedelta(days=400),
        restored=None if bare else Restored("arn:aws:dynamodb:eu-west-1:123456789012:table/Old", "", T0, False),
    )


def item(customer: str, number: int, **attributes: dict) -> str:
    return canonical({"customer_id": {"S": customer}, "order_no": {"N": str(number)}, **attributes})


def key(customer: str, number: int) -> str:
    return item(customer, number)


LONG = "The customer asked for delivery on Tuesday morning. " * 12


def changes() -> list[Change]:
    order = {
        "status": {"S": "PAID"},
        "total": {"N": "129.9"},
        "tags": {"SS": ["gift", "priority"]},
        "address": {
            "M": {"street": {"S": "Gartenweg 7"}, "zip": {"S": "8001"}, "geo": {"L": [{"N": "47.37"}, {"N": "8.5"}]}}
        },
        "note": {"S": LONG},
        "label": {"B": base64.b64encode(bytes(range(200))).decode()},
        "paid": {"BOOL": True},
        "coupon": {"NULL": True},
        "expires": {"N": "1790000000"},
    }
    mangled = order | {
        "status": {"S": "CANCELLED"},
        "total": {"S": "129.9"},
        "note": {"S": LONG.replace("Tuesday", "Thursday", 7).replace("Thursday", "Tuesday", 6)},
        "address": {
            "M": {"street": {"S": "Gartenweg 7"}, "zip": {"S": "9001"}, "geo": {"L": [{"N": "47.37"}, {"N": "8.5"}]}}
        },
        "refund": {"N": "12"},
    }
    del mangled["tags"]
    hostile = {"status": {"S": ODD}, ODD: {"M": {ODD: {"S": ODD}}}}
    return [
        Change(key("c-0001", 7), "removed", item("c-0001", 7, **order), None),
        Change(key("c-0002", 8), "modified", item("c-0002", 8, **order), item("c-0002", 8, **mangled)),
        Change(key("c-0003", 9), "inserted", None, item("c-0003", 9, **order)),
        Change(
            key("c-0004", 1), "modified", item("c-0004", 1, status={"S": "PAID"}), item("c-0004", 1, status={"S": ""})
        ),
        Change(
            key("c-0005", 2), "modified", *(item("c-0005", 2, status={"S": text}) for text in ("<b>x</b>", ODD[:40]))
        ),
        Change(key("c-9<i>", 1), "inserted", None, item("c-9<i>", 1, **hostile)),
    ]


def change_set(folder: Path, found: list[Change] | None = None) -> ChangeSet:
    return from_changes(
        changes() if found is None else found,
        folder,
        table="Orders",
        key_schema=KEY,
        source="restored copy",
        before_at="2026-11-23T02:14:05Z",
        after_at="2026-11-23T05:20:00Z",
    )


def minutes(count: int = 360) -> list[Minute]:
    start = T0.replace(second=0) - timedelta(minutes=count // 2)
    found = []
    for n in range(count):
        at = start + timedelta(minutes=n)
        found += [Minute(at, "PutItem", 4 + n % 7), Minute(at, "UpdateItem", 2 + n % 5)]
        if count // 2 <= n < count // 2 + 4:
            found.append(Minute(at, "DeleteItem", 60 - 9 * (n - count // 2)))
    return found


def lived(known: list[Minute], *, window=WINDOW, gaps=()) -> TableHistory:
    """Return a life of nothing but writes."""
    if not known:
        return TableHistory("Orders", T0 - timedelta(hours=12), T0, window, None, gaps=tuple(gaps))
    start_at, end_at = known[0].at, known[-1].at + timedelta(minutes=1)
    activity = Activity(start_at, end_at, timedelta(minutes=1), tuple(known))
    return TableHistory("Orders", start_at, end_at, window, activity, gaps=tuple(gaps))


def plan(**changed) -> Plan:
    values = {
        "folder": Path("incidents/x/plan/3f9a1c77be02"),
        "table": "Orders",
        "table_arn": "arn:aws:dynamodb:eu-west-1:123456789012:table/Orders",
        "table_id": "0c1d2e3f",
        "account": "123456789012",
        "region": "eu-west-1",
        "policy": Policy(modified="revert", attributes=("status", "total")),
        "scope": {"kinds": ["removed", "modified"], "keys": [], "where": "", "words": "removed and modified items"},
        "source": "restored copy",
        "created_at": T0,
        "digest": DIGEST,
        "puts": 412,
        "updates": 187,
        "deletes": 0,
        "left": {
            LEFT_ALREADY_SO: 3,
            LEFT_UNDECIDED: 12,
            LEFT_KEPT_BY_POLICY: 640,
            LEFT_CHANGED_SINCE: 9,
            LEFT_EXISTS_AGAIN: 2,
            LEFT_EXPIRED: 40,
            LEFT_INDEX_REFUSES: 1,
        },
        "write_units": 1_212,
        "key_schema": KEY,
    }
    return Plan(**(values | changed))


FINDINGS = [
    TargetFinding(
        "no-pitr", "blocking", "point-in-time recovery is off, so a mistake could not be reverted", "Turn it on."
    ),
    TargetFinding(
        "ttl", "warning", "items expire by 'expires': those whose time has passed will be deleted again", "Turn it off."
    ),
    TargetFinding(
        "indexes", "information", "indexes by_status: writes that change their keys cost extra units", "Nothing."
    ),
]


def applied(**changed) -> Applied:
    values = {
        "applied": 588,
        "already": 6,
        "conflicts": 3,
        "failed": 2,
        "unsent": 0,
        "write_units": 1190.0,
        "before_at": T0,
        "started_at": T0,
        "finished_at": T0 + timedelta(seconds=73),
        "why": "ValidationException, request ABC: an index key has the wrong type.",
    }
    return Applied(**(values | changed))


def conflicts() -> list[Conflict]:
    then = item("c-0002", 8, status={"S": "CANCELLED"}, total={"N": "1"})
    now = item("c-0002", 8, status={"S": "SHIPPED"}, total={"N": "1"})
    return [
        Conflict(1, key("c-0002", 8), then, None, now, unsure=False),
        Conflict(2, key("c-0001", 7), None, then, item("c-0001", 7, status={"S": "PAID"}), unsure=True),
    ]


DRIFT = Drift(
    1200,
    1200,
    3,
    1,
    (Moved(key("c-0002", 8), item("c-0002", 8, status={"S": "A"}), item("c-0002", 8, status={"S": "B"})),),
)
TALLY = Tally(412, 3, 2, 1, 600, 500.0, 333.0, "slowed down to 67% of 500 write units a second: the service throttles")


def audit(tmp: Path, *findings: auditing.AuditFinding) -> auditing.Audit:
    signed = SignatureCheck("ssh", "SHA256:abc", "oncall@example.com")
    return auditing.Audit("night", str(tmp), findings, files=14, events=31, seals=1, manifest=DIGEST, signed=signed)


def incident_data(**changed) -> dict:
    return {
        "incident": "orders-2026-11-23",
        "table": "Orders",
        "restore_at": "2026-11-23T02:14:05Z",
        "restored_table": "Orders-pitr-20261123T021405Z",
        "created_at": "2026-11-23T05:00:00.123Z",
        "steps": {"select": "2026-11-23T05:01:00Z", "pick": "2026-11-23T05:04:00Z"},
        "apply": {"applied": 588, "already": 6, "conflicts": 3, "failed": 0},
        "verify": {"ok": True, "mismatches": 0},
    } | changed


BACKUP = Backup(
    arn="arn:aws:dynamodb:eu-west-1:123456789012:table/Carts/backup/01",
    name="Carts$DeletedTableBackup",
    table="Carts",
    table_arn="arn:aws:dynamodb:eu-west-1:123456789012:table/Carts",
    created_at=T0,
    expires_at=T0 + timedelta(days=35),
    size_bytes=88_000_000,
)
DETAILS = {
    "SourceTableDetails": {"ItemCount": 90210, "KeySchema": [{"AttributeName": "cart_id", "KeyType": "HASH"}]},
    "SourceTableFeatureDetails": {
        "GlobalSecondaryIndexes": [{"IndexName": "by_owner"}],
        "TimeToLiveDescription": {"AttributeName": "ttl"},
        "StreamDescription": {"StreamViewType": "NEW_IMAGE"},
    },
}


def gallery(tmp: Path) -> list[View]:
    """Every view there is, with the fullest data."""
    made = change_set(tmp / "set")
    clicked = Approval(DIGEST, T0, "click")
    intent = Intent(
        "delete table", "Orders-pitr-20261123T021405Z", {"account": "123456789012", "tables": ["a", "b"]}, T0
    )
    error = AccessDenied(
        "the caller may not do dynamodb:Scan",
        code="AccessDeniedException",
        operation="Scan",
        request_id="Q1W2E3",
        table="Orders",
        fix="Allow the action dynamodb:Scan to this role.",
    )
    overviews = [
        Overview("Orders", table(), PROTECTED),
        Overview("Logs", table("Logs", bare=True), UNPROTECTED),
        Overview("Secrets", None, None),
    ]
    return [
        session_views.caller_strip(SANDBOX),
        session_views.caller_strip(AT_AWS),
        session_views.caller_strip(account_badge.sign(CALLER, "", Settings({CALLER.account: PRODUCTION}))),
        strip(incident_data(), SANDBOX, {"03_restore": "../x/03_restore.ipynb"}),
        session_views.incidents_list(
            [incident_data(), {"incident": "new"}], links={"new": "new/01_select_table.ipynb"}
        ),
        session_views.onward(
            "night", status_of(incident_data()), [Link("03_restore", "night/03_restore.ipynb", strong=True)]
        ),
        table_views.tables_overview(overviews),
        table_views.table_card(table(), PROTECTED, ttl_attribute="expires", tags={"team": "shop", "stage": "prod"}),
        table_views.table_card(table("Logs", bare=True), UNPROTECTED, ttl_attribute="", tags={}),
        table_views.protections([PROTECTED, UNPROTECTED]),
        timeline_views.window_view(PROTECTED, lived(minutes()), at="2026-11-23T02:14:05Z"),
        timeline_views.window_view(PROTECTED, lived(minutes(3)), at="2026-11-22T02:14:05Z"),
        timeline_views.window_view(
            UNPROTECTED, lived([], window=None, gaps=[HistoryGap("CloudWatch has no write calls.", "Wait.")])
        ),
        timeline_views.window_view(PROTECTED, synthetic.life(240, 30, gaps=["CloudTrail is not permitted."])),
        timeline_views.picked_time(T0, PROTECTED),
        timeline_views.picked_time(synthetic.NOW - timedelta(hours=1), PROTECTED, synthetic.life(240, 30)),
        table_views.restoration_card((Restoration("Orders", "Orders-pitr-20261123T021405Z", T0, False, T0), None)),
        table_views.restoration_card(
            (Restoration("Orders", "Orders-pitr-20261123T021405Z", T0, True, T0), table("Orders-pitr", bare=True)),
            (Restoration("Orders", "Orders-pitr-20261123T021505Z", T0, False, T0), None),
        ),
        diff_views.counts_card(made),
        diff_views.samples_view(made, 3),
        diff_views.attributes_view(made.attribute_statistics()),
        plan_views.plan_card(plan(), findings=FINDINGS, estimate=estimate(write_units=1212), pace=500.0),
        plan_views.plan_card(plan(puts=0, updates=0, left={})),
        gate_views.gate_card(
            plan(), None, command="pitrkit run 05_copy_back -p incident orders-2026-11-23 -p approve 3f9a1c77be02"
        ),
        gate_views.gate_card(plan(), clicked, by=CALLER.arn),
        gate_views.gate_card(plan(), clicked, by=CALLER.arn, drift=DRIFT),
        gate_views.gate_card(
            plan(), None, command="pitrkit run", why="it waits", plan_facts=(("it", "puts 3"), ("scope", "everything"))
        ),
        plan_views.plan_card(plan(), findings=FINDINGS, drift=DRIFT, settled=120),
        plan_views.stale_card("the plan is 25 hours old", plan(), DRIFT, "pitrkit run 05_copy_back"),
        plan_views.stale_card(
            "for another", plan(), replace(DRIFT, moved=0, items=()), "x", approved=plan(digest="0" * 64)
        ),
        plan_views.tally_card("Writing to Orders", TALLY, 73.0, 12.0),
        plan_views.tally_card("Writing to Orders", replace(TALLY, conflicts=0), 0.0, None),
        result_views.stopped_card(applied(unsent=7), [Link("Undo this copy", "../x/12_undo.ipynb")]),
        result_views.stopped_card(None),
        result_views.conflicts_card(conflicts(), {1: "ours", 2: "theirs"}, digest=DIGEST),
        result_views.conflicts_card([]),
        result_views.conflict_card(conflicts()[0]),
        cards.interrupted_card(),
        gate_views.intent_card(intent, "Deletes the restored copy for good. The original table is not touched."),
        result_views.applied_card(applied(), conflicts()),
        result_views.applied_card(applied(conflicts=0, failed=0, why="")),
        result_views.verified_card(Verified(True, 594, 0, 0, 0, ())),
        result_views.verified_card(Verified(False, 594, 2, 3, 2, (key("c-0002", 8), key("c-0003", 9)))),
        session_views.report_card(Path("incidents/orders-2026-11-23/report.html"), incident_data()),
        session_views.audit_card(audit(tmp)),
        session_views.audit_card(
            audit(tmp, auditing.AuditFinding("unsigned", "manifest.json", "is not signed")), ["no key\n-> mend it"]
        ),
        session_views.audit_card(
            audit(tmp, auditing.AuditFinding("altered", "plan/plan.json", "its SHA-256 is not what was sealed"))
        ),
        source_views.backups_list(BackupList((BACKUP,), ("AWS Backup was not looked at.",))),
        source_views.backup_card(BACKUP, DETAILS, "Carts", (Ttl("expires"), Recovery(0)), {"kms_key": "aws-owned"}),
        source_views.sources_card(
            BackupList((BACKUP,)), {"backup": BACKUP.arn, "indexes": "all"}, pitr="PITR", indexes=("by-day",)
        ),
        source_views.reapplied_card("Carts", [(StreamSetting("NEW_IMAGE"), False, True), (Recovery(0), False, False)]),
        cards.error_card(error),
        cards.error_card(ValueError("line one\nline two")),
        cards.error_card(error, trace="Traceback\n  line\n"),
        cards.error_card(GateClosed("waits\nfor you", digest=DIGEST, fix="pitrkit run 05_copy_back")),
        cards.note("Nothing to write, so nothing to approve."),
    ]


class Document(HTMLParser):
    """What a browser would make of a view: its elements, its attributes, its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in {"line", "rect"} or not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


OURS = {
    *("div", "span", "style", "table", "thead", "tbody", "tr", "th", "td", "pre", "mark", "a", "b"),
    *("svg", "line", "text", "rect", "title", "g", "path", "circle"),
    *("details", "summary"),
}


def checked(view: View) -> Document:
    """Parse a view and hold what is true of every view: our elements only, balanced, nothing active, nothing loaded."""
    html = view._repr_html_()
    found = Document(html)
    assert not found.open
    assert set(found.elements) <= OURS
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "src"]
    for name, value in found.attributes:
        if name == "href":
            assert re.fullmatch(r"(\.\./)*[\w%.~/-]+\.(ipynb|html)", value), "links lead to notebooks nearby only"
    assert "url(" not in html
    assert "@import" not in html
    for text in (found.text.replace("\n", ""), str(view).replace("\n", "")):
        assert text.isprintable(), "something invisible got through"
    assert all(value.isprintable() for _, value in found.attributes)
    html.encode()
    return found


def test_every_view_is_sound_html_and_readable_text(tmp_path):
    for view in gallery(tmp_path):
        found = checked(view)
        words = re.findall(r"[A-Za-z]{4,}", str(view).splitlines()[0])
        assert words
        assert all(word in found.text for word in words), "the first words of the text are in the HTML as well"
        assert not re.search(r"<(div|span|table|td)|&(lt|amp|quot);", str(view).replace(ODD[-5:], "")), (
            "text is no HTML"
        )


def test_every_view_gives_plain_json_and_both_renderings(tmp_path):
    for view in gallery(tmp_path):
        json.dumps(view.to_dict())
        bundle = view._repr_mimebundle_()
        assert bundle == {"text/plain": str(view), "text/html": view._repr_html_()}
        assert repr(view) == str(view)


FRAGMENTS = [
    *(
        "<script>alert(1)</script>",
        "</td></table>",
        "</style>",
        "</pre>",
        "</title>",
        "<!--",
        "]]>",
        "&lt;",
        "&#60;b&#62;",
    ),
    *('"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", '" onload="alert(1)', "<a href=javascript:x>"),
    *(
        "{{ 7 * 7 }}",
        "{% raw %}",
        "\u202e",
        "\u2066",
        "\u200b",
        "\0",
        "\x1b[31m",
        "\n",
        "\r",
        "\t",
        "\u2028",
        "\ufeff",
        "\ud800",
    ),
]
texts = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=6).map("".join)
stored = texts.map(lambda text: text.encode("utf-8", "ignore").decode())


@given(texts)
def test_no_text_gets_out_of_its_place_in_any_view_that_takes_text(text):
    evil = Intent(text, text, {text: text, "list": [text]}, T0)
    data = incident_data(incident=text, table=text, restore_at=text, restored_table=text, steps={text: ""})
    checked(cards.note(text, fix=text))
    checked(session_views.caller_strip(account_badge.sign(Caller(text, text, text), text, Settings())))
    checked(strip(data, account_badge.sign(CALLER, text, Settings()), {"01_select_table": text}))
    checked(session_views.incidents_list([data], links={text: text}, unreadable=[text]))
    checked(session_views.onward(text, status_of(data), [Link(text, text, strong=True), Link(text, f"{text}.ipynb")]))
    checked(gate_views.intent_card(evil, text))
    checked(gate_views.gate_card(evil, None, command=text))
    checked(cards.error_card(BadInput(text, table=text, fix=text)))
    checked(cards.error_card(RuntimeError(text)))
    checked(cards.error_card(RuntimeError(text), trace=text))
    checked(gate_views.gate_card(evil, None, command=text, why=text, plan_facts=((text, text),)))
    checked(plan_views.stale_card(text, plan(table=text), DRIFT, text))
    checked(plan_views.tally_card(text, replace(TALLY, why=text), 1.0, 1.0))
    checked(result_views.stopped_card(applied(why=text), [Link(text, text)]))
    checked(table_views.table_card(table(), PROTECTED, ttl_attribute=text, tags={text: text}))
    checked(
        plan_views.plan_card(
            plan(table=text, left={text: 2}, scope={"words": text}), findings=[TargetFinding(text, text, text, text)]
        )
    )
    checked(result_views.applied_card(applied(why=text)))
    checked(session_views.audit_card(audit(Path("x"), auditing.AuditFinding("altered", text, text)), [text]))
    checked(session_views.report_card(Path("x") / text.replace("\0", ""), data))


@given(
    name=stored.filter(bool), then=stored, now=stored, number=st.integers(-(10**37), 10**37), raw=st.binary(max_size=60)
)
def test_no_item_gets_out_of_its_place(name, then, now, number, raw):
    before = item(name, 1, **{f"x{name}": {"S": then}, "m": {"M": {name: {"L": [{"S": then}, {"N": str(number)}]}}}})
    after = item(name, 1, **{f"x{name}": {"S": now}, "b": {"B": raw}})
    found = [Conflict(1, key(name, 1), before, None, after, unsure=False)]
    shown = checked(result_views.applied_card(applied(), found))
    checked(result_views.conflicts_card(found))
    checked(result_views.conflict_card(found[0]))
    assert "conflict" in shown.text
    checked(result_views.verified_card(Verified(False, 1, 1, 0, 0, (key(name, 1),))))


def test_hostile_items_are_seen_for_what_they_are(tmp_path):
    evil = Change(key("c", 1), "modified", item("c", 1, v={"S": "ab"}), item("c", 1, v={"S": "a\u202eb"}))
    view = diff_views.samples_view(change_set(tmp_path, [evil]))
    assert r'"a\u202eb"' in str(view)
    assert r"a\u202eb" in Document(view._repr_html_()).text


def test_values_of_different_types_look_different(tmp_path):
    pairs = [({"S": "12"}, {"N": "12"}), ({"S": "true"}, {"BOOL": True}), ({"NULL": True}, {"S": "null"})]
    for place, (then, now) in enumerate(pairs):
        change = Change(key("c", 1), "modified", item("c", 1, v=then), item("c", 1, v=now))
        sides = re.findall(
            r"(?:before|now) +(.*)", str(diff_views.samples_view(change_set(tmp_path / str(place), [change])))
        )
        assert sides[0] != sides[1]


def test_a_long_value_is_folded_and_the_difference_stays_in_sight(tmp_path):
    then, now = "x" * 5000 + "HERE" + "y" * 5000, "x" * 5000 + "THERE" + "y" * 5000
    change = Change(key("c", 1), "modified", item("c", 1, v={"S": then}), item("c", 1, v={"S": now}))
    view = diff_views.samples_view(change_set(tmp_path, [change]))
    assert "10,006 characters" in str(view)
    assert "<mark>T</mark>" in view._repr_html_()
    assert len(str(view)) < 1000


def test_binary_is_short_with_its_size_and_two_long_ones_differ(tmp_path):
    one, two = bytes(3000), bytes(2999) + b"\x01"
    change = Change(key("c", 1), "modified", item("c", 1, v={"B": one}), item("c", 1, v={"B": two}))
    text = str(diff_views.samples_view(change_set(tmp_path, [change])))
    sides = re.findall(r"(?:before|now) +(base64 .*)", text)
    assert len(set(sides)) == 2
    assert all("3,000 bytes" in side and len(side) < 100 for side in sides)


def test_changed_attributes_are_marked_and_unchanged_ones_only_named(tmp_path):
    text = str(diff_views.samples_view(change_set(tmp_path)))
    assert '* status   before  "PAID"' in text
    assert "unchanged: coupon, expires, label, paid" in text
    assert "refund   before  (absent)" in text


def test_an_item_of_many_attributes_is_cut_and_says_so(tmp_path):
    wide = {f"a{n:03}": {"N": str(n)} for n in range(300)}
    change = Change(key("c", 1), "removed", item("c", 1, **wide), None)
    assert "288 more attributes not shown" in str(diff_views.samples_view(change_set(tmp_path, [change])))


def test_views_render_with_every_combination_of_missing_data():
    for bare, protection, ttl, tags in product(
        (True, False), (None, PROTECTED, UNPROTECTED), (None, "", "t"), (None, {}, {"a": "b"})
    ):
        found = checked(table_views.table_card(table(bare=bare), protection, ttl_attribute=ttl, tags=tags)).text
        assert ("no permission" in found) == (None in (protection, ttl, tags))
    for protection, known, gaps, at in product(
        (PROTECTED, UNPROTECTED), ([], minutes(5)), ((), [HistoryGap("why not")]), ("", "2026-11-23T02:14:05Z")
    ):
        found = checked(timeline_views.window_view(protection, lived(known, gaps=gaps), at=at)).text
        assert ("why not" in found) == bool(gaps)
    for left, findings, cost, pace in product(
        ({}, plan().left), ((), FINDINGS), (None, estimate(write_units=5)), (0.0, 500.0)
    ):
        checked(plan_views.plan_card(plan(left=left), findings=findings, estimate=cost, pace=pace))
    for conflicts_, failed, unsent, of in product((0, 1), (0, 1), (0, 1), ([], conflicts())):
        found = checked(result_views.applied_card(applied(conflicts=conflicts_, failed=failed, unsent=unsent), of)).text
        assert ("complete" in found) == (conflicts_ == failed == unsent == 0)
    for names in product((True, False), repeat=4):
        data = incident_data()
        for name, present in zip(("table", "restore_at", "steps", "apply"), names, strict=True):
            if not present:
                del data[name]
        checked(strip(data))
        checked(session_views.incidents_list([data]))
        checked(session_views.report_card(Path("r.html"), data))
    for details in ({}, DETAILS, {"SourceTableFeatureDetails": {}}):
        checked(source_views.backup_card(BACKUP, details, "Carts"))
    for empty in (
        table_views.tables_overview([]),
        session_views.incidents_list([]),
        source_views.backups_list(BackupList(())),
        table_views.protections([]),
    ):
        checked(empty)


def test_nothing_to_show_is_said(tmp_path):
    made = change_set(tmp_path, [])
    assert "No differences" in str(diff_views.counts_card(made))
    assert "no difference" in str(diff_views.samples_view(made))
    assert "no attribute changed" in str(diff_views.attributes_view(made.attribute_statistics()))


def test_the_plan_says_what_it_leaves_why_and_what_approval_does():
    text = str(plan_views.plan_card(plan(), findings=FINDINGS, estimate=estimate(write_units=1212), pace=500.0))
    for words in (
        *("412 put back", "187 updated", "0 deleted", "707 left alone", DIGEST, "only status, total"),
        *("640", "the policy keeps them", "the table would delete them again"),
        *("1,212 write units, 2 s at 500", "x 0.625 a million", "2026-11-01"),
        *("point-in-time recovery is off", "exactly these 599 writes", "12_undo"),
    ):
        assert words in text


@pytest.mark.parametrize(("policy", "words"), [
    (Policy(), "modified items are left for you to decide"),
    (Policy.UNDO, "inserted items are deleted"),
    (Policy(removed="keep", modified="keep"), "removed items stay gone"),
    (Policy(modified="revert", guard="attributes"), "what else was written to modified items since is kept"),
    (Policy(expired="put"), "expired items are put back, too"),
])  # fmt: skip
def test_the_policy_is_put_in_words(policy, words):
    assert words in str(plan_views.plan_card(plan(policy=policy)))


@pytest.mark.parametrize(("scope", "words"), [
    ({}, "everything"),
    ({"undo_of": DIGEST}, "everything that copy 3f9a1c77be02 wrote"),
    ({"undo_of": ""}, "everything that the copy wrote"),
    (Scope(kinds=("removed",)).to_dict(), "removed items"),
])  # fmt: skip
def test_the_scope_is_put_in_words(scope, words):
    assert words in str(plan_views.plan_card(plan(scope=scope)))


def test_the_gate_shows_its_command_or_how_long_a_click_lasts():
    closed = gate_views.gate_card(plan(), None, command="pitrkit run 05_copy_back -p approve 3f9a")
    assert "[closed]" in str(closed)
    assert "<pre>pitrkit run 05_copy_back -p approve 3f9a</pre>" in closed._repr_html_()
    clicked = str(gate_views.gate_card(plan(), Approval(DIGEST, T0, "click"), by=CALLER.arn))
    assert "[open]" in clicked
    assert "02:29:05" in clicked
    assert "lasts until" not in str(gate_views.gate_card(plan(), Approval(DIGEST, T0, "parameter")))


def test_a_strip_says_sandbox_only_where_calls_do_not_go_to_aws():
    assert "[sandbox]" in str(session_views.caller_strip(SANDBOX))
    assert "[AWS]" in str(session_views.caller_strip(AT_AWS))


def test_steps_show_what_is_done_and_what_is_next():
    text = str(strip(incident_data()))
    assert "[x] 02 recovery point  [>] 03 restore  [ ] 04 diff" in text


def test_money_is_never_without_its_date():
    view = plan_views.plan_card(plan(), estimate=estimate(write_units=10**9))
    assert date(2026, 11, 1).isoformat() in str(view)
    assert "USD 625.00" in str(view)


def test_an_error_keeps_what_happened_the_table_and_what_to_do():
    text = str(cards.error_card(InputNeeded("at", fix="Choose a time.", table="Orders")))
    assert "input needed: at" in text
    assert "Orders" in text
    assert "Choose a time." in text


def test_what_a_note_quotes_in_backticks_is_set_as_code_and_literals_keep_theirs():
    html = cards.note(
        "give `at` <b>", fix="write `pitrkit run <x>`, or after.total > `10.5` && after.paid == `true`"
    )._repr_html_()
    assert 'give <span class="pk-word">at</span> &lt;b&gt;' in html
    assert '<span class="pk-word">pitrkit run &lt;x&gt;</span>' in html
    assert "`10.5` &amp;&amp; after.paid == `true`" in html
    assert "give `at`" in str(cards.note("give `at`"))

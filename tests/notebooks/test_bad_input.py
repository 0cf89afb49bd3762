"""Bad input ends with an error that says what to do, and with nothing written."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.errors import BadInput, InputNeeded, NoCredentials, PitrkitError, StalePlan, TableNotFound
from pitrkit.runbook.copy_back import copy_back, undo
from pitrkit.runbook.diff import diff
from pitrkit.runbook.restore import restore
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start import select_table
from pitrkit.runbook.timeline import pick_timestamp
from pitrkit.runner.recover import recover
from pitrkit.runner.recover_request import RecoverRequest
from pitrkit.times import iso

pytestmark = pytest.mark.takes(40)


@pytest.fixture(scope="module")
def aws(shop):
    return Aws.connect()


@pytest.fixture(scope="module")
def items(shop):
    """What the table holds. No test here writes to it."""
    return shop.items()


@pytest.fixture
def unchanged(shop, items):
    """What must be the same afterwards: the items, and the tables."""
    before = shop.tables()
    yield
    assert (shop.items(), shop.tables()) == (items, before)


def book_of(aws, name, **given):
    return select_table.select(aws, "Orders", incident=name, **given)


def test_an_unknown_table_is_named(aws, unchanged):
    with pytest.raises(TableNotFound, match="Orderz") as caught:
        select_table.select(aws, "Orderz", incident="bad-table")
    assert caught.value.fix


def test_a_blank_table_asks_for_one(aws):
    with pytest.raises(InputNeeded, match="table"):
        select_table.select(aws, "")


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-11-23T02:14:05", "zone"),
        ("soon", "not a time"),
        (timedelta(days=1), "later than the latest"),
        ("40d", "earlier than the earliest"),
        ("99999999999d", "not a time"),
    ],
)
def test_a_time_that_cannot_be_restored_is_refused_with_the_window(aws, unchanged, at, words):
    text = at if isinstance(at, str) else iso(datetime.now(UTC) + at)
    with pytest.raises(BadInput, match=words):
        pick_timestamp.pick(book_of(aws, "bad-time"), text)


def test_without_pitr_there_is_no_past_and_the_message_says_the_other_way(shop, aws, unchanged):
    client = shop.sandbox.client("dynamodb")
    client.create_table(
        TableName="Unprotected",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        session = select_table.select(aws, "Unprotected", incident="no-pitr")
        with pytest.raises(BadInput, match="recovery is off") as caught:
            pick_timestamp.pick(session, "5m")
        assert "restored" in caught.value.fix
        with pytest.raises(BadInput, match="has the key"):
            book_of(aws, "other-key", restored="Unprotected")
    finally:
        client.delete_table(TableName="Unprotected")


def test_a_taken_target_name_is_not_restored_over(aws, shop, unchanged):
    session = book_of(aws, "taken")
    pick_timestamp.pick(session, iso(shop.truth.good_at))
    with pytest.raises(BadInput, match="taken"):
        restore.start(session, target="Orders")


def test_a_name_no_table_can_have_is_refused(aws, shop, unchanged):
    session = book_of(aws, "odd-name")
    pick_timestamp.pick(session, iso(shop.truth.good_at))
    with pytest.raises(BadInput, match="is not a valid table name"):
        restore.start(session, target="a/b")


def test_a_table_is_not_compared_with_itself(aws, unchanged):
    with pytest.raises(BadInput, match="itself"):
        book_of(aws, "itself", restored="Orders")


def test_an_incident_of_another_table_is_refused(aws, unchanged):
    book_of(aws, "mine")
    with pytest.raises((BadInput, TableNotFound)):
        select_table.select(aws, "Others", incident="mine")


def test_an_incident_of_another_account_is_refused(aws, shop, unchanged):
    book_of(aws, "elsewhere")
    state = shop.folder / "elsewhere" / "incident.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "account": "999999999999"}))
    with pytest.raises(BadInput, match="999999999999"):
        Session.open("elsewhere", aws=aws)


@pytest.mark.parametrize(
    ("given", "error"), [("../x", BadInput), ("a b", BadInput), ("nowhere", BadInput), ("", InputNeeded)]
)
def test_an_incident_that_cannot_be_opened_says_why(aws, given, error):
    book_of(aws, "one")
    book_of(aws, "two")
    with pytest.raises(error) as caught:
        Session.open(given, aws=aws)
    assert caught.value.fix


@pytest.mark.parametrize(
    "step", [pick_timestamp.window, restore.start, diff.diff, diff.open_scoped, copy_back.plan, undo.plan]
)
def test_a_step_before_its_time_names_the_one_that_comes_first(aws, unchanged, step):
    with pytest.raises(PitrkitError) as caught:
        step(book_of(aws, "too-early")) if step is not pick_timestamp.window else pick_timestamp.pick(
            book_of(aws, "too-early"), ""
        )
    assert caught.value.fix


@pytest.fixture(scope="module")
def compared(shop, aws):
    """An incident whose tables are compared."""
    session = book_of(aws, "compared")
    pick_timestamp.pick(session, iso(shop.truth.good_at))
    restore.start(session, target="Orders-then")
    restore.wait(session)
    diff.diff(session)
    return session


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ({"kinds": "deleted"}, "deleted"),
        ({"keys": "not json"}, "JSON"),
        ({"keys": '[{"customer_id": "c"}]'}, "key"),
        ({"where": "after.total =="}, "where"),
    ],
)
def test_a_scope_that_cannot_be_read_is_refused(compared, unchanged, scope, words):
    with pytest.raises(BadInput) as caught:
        diff.scope(diff.open_scoped(compared), **scope)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "policy",
    [
        {"modified": "yes"},
        {"inserted": "drop"},
        {"guard": "none"},
        {"expired": "yes"},
        {"accept": "everything"},
        {"write_units": 0.0},
    ],
)
def test_a_policy_word_that_is_not_known_is_refused(compared, unchanged, policy):
    with pytest.raises(BadInput):
        copy_back.plan(compared, **policy)


@pytest.mark.parametrize("approve", ["0" * 64, "0" * 12, "yes", "0" * 11])
def test_a_wrong_or_stale_digest_opens_no_gate_and_writing_without_the_gate_is_refused(compared, unchanged, approve):
    copy = copy_back.plan(compared, modified="revert", approve=approve)
    with pytest.raises((StalePlan, BadInput)) as caught:
        copy.gate(approve)
    assert copy.plan.digest in caught.value.fix
    with pytest.raises(PitrkitError, match="gate"):
        copy.apply()


def test_an_approval_of_one_policy_does_not_pass_for_another(compared, unchanged):
    digest = copy_back.plan(compared, modified="revert").plan.digest
    for other in ({"modified": "keep"}, {"modified": "revert", "guard": "attributes"}, {"expired": "put"}):
        with pytest.raises(BadInput, match="another policy"):
            copy_back.plan(compared, **other, approve=digest)


def test_credentials_that_are_gone_are_said_to_be(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NoCredentials) as caught:
        Aws.connect()
    assert "sign in" in caught.value.fix.lower()


def test_a_file_where_the_folder_should_be_is_named(aws, tmp_path, monkeypatch, unchanged):
    (tmp_path / "incidents").write_text("a file")
    monkeypatch.setenv("PITRKIT_INCIDENTS", str(tmp_path / "incidents"))
    with pytest.raises(BadInput) as caught:
        book_of(aws, "nowhere-to-write")
    assert str(tmp_path / "incidents") in str(caught.value)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "99_nothing"), 2, "01_select_table"),
        (("run", "01_select_table", "-p", "tabel", "Orders"), 2, "table: str"),
        (("run", "04_diff", "-p", "incident", "one", "-p", "segments", "many"), 2, "whole number"),
        (("run", "01_select_table", "-p", "table", "A", "-p", "table", "B"), 2, "twice"),
        (("run", "01_select_table"), 4, "table"),
        (("recover", "Orderz", "--at", "90m"), 2, "Orderz"),
        (("recover", "Orders"), 4, "--at"),
        (("audit", "no-such-incident"), 2, "no-such-incident"),
    ],
)
def test_the_command_line_says_what_is_wrong_and_ends_as_its_contract_has_it(shop, unchanged, words, code, said):
    ended, printed = shop.pitrkit(*words)
    assert ended == code, printed
    assert said in printed
    assert "Traceback" not in printed


RECOVER = ("recover", "Orders", "--at", "90m", "--incident", "typed-wrong")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kinds", "deleted"), "deleted"),
        (("--where", "after.total =="), "ends too early"),
        (("--where", "befor.total"), "befor"),
        (("--where", "by == 'ttl'"), "by"),
        (("--keys", "not json"), "JSON"),
        (("--keys", '{"customer_id": "c"}'), "list"),
        (("--keys", "[1]"), "object"),
        (("--accept", "everything"), "no-pitr"),
        (("--write-units", "fast"), "number"),
        (("--write-units", "0"), "pace"),
        (("--write-units", "nan"), "pace"),
        (("--mixed", "revert"), "--mixed"),
        (("--bucket", "b"), "--bucket"),
        (("--route", "stream", "--prefix", "p"), "--prefix"),
        (("--route", "stream", "--how", "export"), "--how"),
        (("--route", "export", "--target", "T"), "--target"),
        (("--how", "export", "--restored", "T"), "--restored"),
        (("--how", "export", "--target", "T"), "--target"),
        (("--restored-until", "T"), "--restored TABLE"),
        (("--damage-until", "91m"), "--damage-until"),
        (("--damage-until", "soon"), "not a time"),
        (("--approve", "yes"), "digest"),
    ],
)
def test_what_recover_can_refuse_without_the_table_it_refuses_before_anything_is_done(
    shop, unchanged, monkeypatch, words, said
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nothing answers there
    ended, printed = shop.pitrkit(*RECOVER, *words)
    assert ended == 2, printed
    assert said in printed
    assert "01_select_table" not in printed
    assert not (shop.folder / "typed-wrong").exists()


def test_recover_refuses_no_condition_on_steps_where_a_log_tells_them(shop, unchanged, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    _, printed = shop.pitrkit(*RECOVER, "--route", "stream", "--where", "by == 'ttl'", "--mixed", "revert")
    assert "01_select_table ..." in printed


@pytest.mark.parametrize(
    "words", [{name: "yes"} for name in ("modified", "inserted", "guard", "expired", "mixed", "route", "how")]
)
def test_a_word_that_recover_does_not_know_is_refused_before_anything_is_done(shop, unchanged, words):
    request = RecoverRequest(table="Orders", at="90m", incident="typed-wrong", **{"route": "stream", **words})
    with pytest.raises(BadInput):
        recover(request, echo=io.StringIO())
    assert not (shop.folder / "typed-wrong").exists()

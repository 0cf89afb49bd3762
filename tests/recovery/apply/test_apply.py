"""Apply: guarded writes whose outcome is always known, whatever happens to requests and answers."""

import os
import signal
from contextlib import suppress
from threading import Event, Thread

import pytest

from pitrkit.aws.client.error_mapping import Ambiguous, ConditionFailed, Throttled
from pitrkit.aws.items import attributes, canonical
from pitrkit.errors import AccessDenied, AwsError, BadInput, NoCredentials, RecordAltered, StalePlan
from pitrkit.recovery.apply.apply import summary
from pitrkit.recovery.apply.journal import Journal, conflicts

LOST = Ambiguous("no answer", code="ReadTimeoutError", operation="PutItem")
BUSY = Throttled("too fast", code="ThrottlingException", operation="PutItem")
DENIED = AccessDenied("the caller may not do dynamodb:PutItem", code="AccessDeniedException", operation="PutItem")


def outcome(bench, plan):
    (entry,) = Journal(bench.journal(plan), plan).outcomes()
    return entry


@pytest.fixture
def removed(bench, make_order):
    return bench.plan([bench.change(make_order(1), None)])


@pytest.fixture
def modified(bench, make_order):
    return bench.plan([bench.change(make_order(1), make_order(1, status={"S": "mangled"}, note=None))])


@pytest.fixture
def inserted(bench, make_order):
    return bench.plan([bench.change(None, make_order(1))])


def test_each_kind_of_change_is_reverted(bench, make_order):
    then, now = make_order(2), make_order(2, status={"S": "mangled"}, extra={"N": "1"}, total=None)
    plan = bench.plan([bench.change(make_order(1), None), bench.change(then, now), bench.change(None, make_order(3))])
    done = bench.apply(plan)
    assert (done.applied, done.already, done.conflicts, done.failed, done.unsent) == (3, 0, 0, 0, 0)
    assert sorted(bench.state().values()) == sorted([make_order(1), then])
    assert done.complete


def test_applying_twice_sends_nothing_the_second_time(bench, removed):
    bench.apply(removed)

    def never(*_):
        raise AssertionError("sent again")

    assert bench.meddled(removed, never).applied == 1


def test_an_attribute_that_somebody_adds_meanwhile_survives_an_update(bench, make_order, modified):
    bench.set(make_order(1), "parcel", {"S": "P-77"})
    assert bench.apply(modified).applied == 1
    assert bench.get(make_order(1)) == make_order(1, parcel={"S": "P-77"})


def test_an_item_that_somebody_changed_is_a_conflict_and_stays(bench, make_order, modified):
    bench.set(make_order(1), "status", {"S": "sent"})
    present = bench.get(make_order(1))
    done = bench.apply(modified)
    assert (done.applied, done.conflicts) == (0, 1)
    assert bench.get(make_order(1)) == present
    (conflict,) = conflicts(modified, bench.journal(modified))
    assert conflict.found == present
    assert conflict.goal == make_order(1)
    assert not conflict.unsure


def test_an_item_that_somebody_deleted_is_a_conflict_with_nothing_found(bench, make_order, modified):
    bench.delete(make_order(1))
    assert bench.apply(modified).conflicts == 1
    assert conflicts(modified, bench.journal(modified))[0].found is None
    assert bench.state() == {}


def test_a_key_that_exists_again_is_a_conflict_and_stays(bench, make_order, removed):
    bench.put(make_order(1, status={"S": "new"}))
    assert bench.apply(removed).conflicts == 1
    assert bench.get(make_order(1)) == make_order(1, status={"S": "new"})


def test_an_item_that_is_as_wanted_already_is_told_apart_from_our_own_writes(bench, make_order, removed):
    bench.put(make_order(1))
    assert bench.apply(removed).already == 1


def test_a_deletion_that_somebody_else_did_is_already_so(bench, make_order, inserted):
    bench.delete(make_order(1))
    assert bench.apply(inserted).already == 1


def test_a_service_that_does_not_return_the_blocking_item_is_asked_for_it(bench, make_order, inserted):
    bench.put(make_order(1, status={"S": "sent"}))

    def mute(_operation, _parameters, send):
        try:
            return send()
        except ConditionFailed as blocked:
            blocked.found = None
            raise

    assert bench.meddled(inserted, mute).conflicts == 1
    assert bench.get(make_order(1)) == make_order(1, status={"S": "sent"})


@pytest.mark.parametrize("kind", ["removed", "modified", "inserted"])
@pytest.mark.parametrize("mishap", [(BUSY, False), (LOST, False), (LOST, True)])
def test_a_write_whose_first_attempt_goes_wrong_counts_as_applied_once(bench, make_order, request, kind, mishap):
    plan = request.getfixturevalue(kind)
    fault, done_first = mishap
    attempts = []

    def meddle(_operation, _parameters, send):
        attempts.append(1)
        if len(attempts) == 1:
            if done_first:
                send()
            raise fault
        return send()

    done = bench.meddled(plan, meddle)
    assert (done.applied, done.already, done.conflicts, done.failed) == (1, 0, 0, 0)
    assert bench.get(make_order(1)) == (None if kind == "inserted" else make_order(1))


def lost_then(meanwhile):
    """Do the write, let *meanwhile* happen, and lose the answer; later attempts go through."""
    lost = []

    def meddle(_operation, _parameters, send):
        if lost:
            return send()
        lost.append(send())
        meanwhile()
        raise LOST

    return meddle


def test_an_update_whose_answer_was_lost_is_ours_though_somebody_added_to_it(bench, make_order, modified):
    done = bench.meddled(modified, lost_then(lambda: bench.set(make_order(1), "parcel", {"S": "P-77"})))
    assert (done.applied, done.conflicts) == (1, 0)
    bench.undo(modified)
    mangled = make_order(1, status={"S": "mangled"}, note=None, parcel={"S": "P-77"})
    assert bench.get(make_order(1)) == mangled


def test_a_put_whose_answer_was_lost_is_ours_though_somebody_added_to_it_and_undo_leaves_it(bench, make_order, removed):
    done = bench.meddled(removed, lost_then(lambda: bench.set(make_order(1), "parcel", {"S": "P-77"})))
    assert (done.applied, done.conflicts) == (1, 0)
    assert bench.undo(removed).left == {"changed since": 1}
    assert bench.get(make_order(1)) == make_order(1, parcel={"S": "P-77"})


@pytest.mark.parametrize("kind", ["removed", "modified"])
def test_a_lost_write_that_somebody_wrote_over_is_an_unsure_conflict_and_stays(bench, make_order, request, kind):
    plan = request.getfixturevalue(kind)
    done = bench.meddled(plan, lost_then(lambda: bench.set(make_order(1), "status", {"S": "sent"})))
    assert (done.applied, done.conflicts) == (0, 1)
    assert attributes(bench.get(make_order(1)))["status"] == {"S": "sent"}
    assert conflicts(plan, bench.journal(plan))[0].unsure


def deleting_after(meanwhile):
    """Let *meanwhile* happen between the look at an item and its deletion."""

    def meddle(operation, _parameters, send):
        if operation == "delete_item":
            meanwhile()
        return send()

    return meddle


def test_an_item_deleted_although_somebody_had_just_added_to_it_is_put_back(bench, make_order, inserted):
    done = bench.meddled(inserted, deleting_after(lambda: bench.set(make_order(1), "parcel", {"S": "P-77"})))
    assert (done.applied, done.conflicts) == (0, 1)
    assert bench.get(make_order(1)) == make_order(1, parcel={"S": "P-77"})
    assert outcome(bench, inserted).found == make_order(1, parcel={"S": "P-77"})


def test_an_item_that_could_not_be_put_back_is_put_back_by_the_next_run(bench, make_order, inserted):
    def meddle(operation, _parameters, send):
        if operation == "put_item":
            raise DENIED
        bench.set(make_order(1), "parcel", {"S": "P-77"})
        return send()

    done = bench.meddled(inserted, meddle)
    assert (done.failed, done.conflicts) == (1, 0)
    assert bench.state() == {}
    done = bench.apply(inserted)
    assert (done.failed, done.conflicts) == (0, 1)
    assert bench.get(make_order(1)) == make_order(1, parcel={"S": "P-77"})


def test_putting_back_does_not_overwrite_what_somebody_has_put_there_since(bench, make_order, inserted):
    def meddle(operation, _parameters, send):
        if operation == "delete_item":
            bench.set(make_order(1), "parcel", {"S": "P-77"})
            answer = send()
            bench.put(make_order(1, status={"S": "new"}))
            return answer
        return send()

    assert bench.meddled(inserted, meddle).conflicts == 1
    assert bench.get(make_order(1)) == make_order(1, status={"S": "new"})


def test_an_item_that_somebody_added_to_before_is_not_even_deleted_for_a_moment(bench, make_order, inserted):
    bench.set(make_order(1), "parcel", {"S": "P-77"})

    def never(*_):
        raise AssertionError("sent")

    assert bench.meddled(inserted, never).conflicts == 1
    assert bench.get(make_order(1)) == make_order(1, parcel={"S": "P-77"})


def test_a_reading_that_fails_before_a_deletion_leaves_no_doubt(bench, make_order, inserted):
    def meddle(operation, _parameters, send):
        if operation == "get_item":
            raise LOST
        return send()

    assert bench.meddled(inserted, meddle, reads=True).failed == 1
    bench.delete(make_order(1))
    assert bench.apply(inserted).already == 1


def test_access_denied_stops_the_run_with_every_write_accounted_for_and_the_next_run_goes_on(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(40)])
    sent = []

    def meddle(_operation, _parameters, send):
        sent.append(1)
        if len(sent) > 10:
            raise DENIED
        return send()

    done = bench.meddled(plan, meddle, workers=2)
    assert done.applied == 10
    assert 1 <= done.failed <= 2
    assert done.applied + done.failed + done.unsent == 40
    assert "dynamodb:PutItem" in done.why
    assert len(sent) < 14
    failed = [entry for entry in Journal(bench.journal(plan)).outcomes() if entry.outcome == "failed"]
    assert {entry.code for entry in failed} == {"AccessDeniedException"}
    done = bench.apply(plan)
    assert (done.applied, done.failed, done.unsent) == (40, 0, 0)
    assert len(bench.state()) == 40


def test_a_write_called_off_before_it_was_sent_is_not_taken_for_ours_later(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(6)])

    def meddle(_operation, _parameters, _send):
        raise DENIED

    assert bench.meddled(plan, meddle, workers=1).unsent == 5
    for number in range(6):
        bench.put(make_order(number))
    assert bench.apply(plan).already == 6


def test_expired_credentials_stop_the_run(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(20)])

    def meddle(_operation, _parameters, _send):
        raise NoCredentials("AWS credentials have expired", fix="Sign in again.")

    done = bench.meddled(plan, meddle, workers=2)
    assert done.failed <= 2
    assert done.failed + done.unsent == 20
    assert "Sign in again" in done.why


def test_a_refusal_of_one_item_does_not_stop_the_others(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(20)])

    def meddle(_operation, parameters, send):
        if parameters["Item"]["sk"] == {"N": "7"}:
            raise AwsError("Type mismatch for Index Key", code="ValidationException", operation="PutItem")
        return send()

    done = bench.meddled(plan, meddle)
    assert (done.applied, done.failed, done.unsent) == (19, 1, 0)


@pytest.mark.parametrize("fault", [BUSY, LOST])
def test_faults_without_end_fail_and_stop_the_run(bench, make_order, fault):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(20)])

    def meddle(_operation, _parameters, _send):
        raise fault

    done = bench.meddled(plan, meddle, workers=2)
    assert done.applied == 0
    assert 1 <= done.failed <= 2
    assert done.failed + done.unsent == 20
    assert bench.apply(plan).applied == 20


def test_a_failed_write_that_may_have_been_done_is_found_to_be_ours_by_the_next_run(bench, removed):
    def meddle(_operation, _parameters, send):
        with suppress(ConditionFailed):
            send()
        raise LOST

    assert bench.meddled(removed, meddle).failed == 1
    done = bench.apply(removed)
    assert (done.applied, done.already) == (1, 0)


def test_a_doubt_outlives_a_run_that_called_the_write_off(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(4)])

    def done_but_lost(_operation, _parameters, send):
        with suppress(ConditionFailed):
            send()
        raise LOST

    def denied(*_):
        raise DENIED

    assert bench.meddled(plan, done_but_lost, workers=4).applied == 0
    assert bench.meddled(plan, denied, workers=1).complete is False
    written = len(bench.state())
    done = bench.apply(plan)
    assert (done.applied, done.already) == (4, 0)
    assert 1 <= written <= 4


def test_an_interrupt_brings_what_is_under_way_to_its_end_and_the_next_run_finishes(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(60)])
    sent = []

    def meddle(_operation, _parameters, send):
        sent.append(1)
        if len(sent) == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return send()

    with pytest.raises(KeyboardInterrupt):
        bench.meddled(plan, meddle, workers=2)
    assert summary(plan, bench.journal(plan)).applied == len(bench.state())
    assert bench.apply(plan).applied == 60


def test_two_runs_on_one_journal_at_once_are_refused(bench, make_order, removed):
    inside, leave = Event(), Event()

    def meddle(_operation, _parameters, send):
        inside.set()
        assert leave.wait(30)
        return send()

    first = Thread(target=bench.meddled, args=(removed, meddle))
    first.start()
    try:
        assert inside.wait(30)
        with pytest.raises(BadInput, match="another run"):
            bench.apply(removed)
    finally:
        leave.set()
        first.join()
    assert bench.get(make_order(1)) == make_order(1)


@pytest.mark.sandbox_alone("DynamoDB Local gives tables no TableId, and the ARN of a table made anew is the same")
def test_a_table_made_anew_under_the_same_name_is_refused(bench, removed):
    bench.aws.call("dynamodb", "delete_table", TableName=bench.name)
    bench.create()
    with pytest.raises(StalePlan):
        bench.apply(removed)
    assert bench.state() == {}


def test_a_plan_that_was_replaced_on_disk_is_refused(bench, make_order, removed):
    other = bench.plan([bench.change(make_order(2), None)])
    for file in other.folder.iterdir():
        if file.is_file():
            (removed.folder / file.name).write_bytes(file.read_bytes())
    with pytest.raises(RecordAltered):
        bench.apply(removed)
    assert bench.state() == {}


def test_the_moment_before_the_first_write_is_the_services_and_stays_that_of_the_first_run(bench, removed):
    class Dated:
        def __init__(self, date):
            self.date = date

        def __getattr__(self, name):
            return getattr(bench.aws, name)

        def call(self, service, operation, **parameters):
            answer = bench.aws.call(service, operation, **parameters)
            answer["ResponseMetadata"]["HTTPHeaders"]["date"] = self.date
            return answer

    done = bench.apply(removed, Dated("Mon, 23 Nov 2026 02:14:05 GMT"))
    assert done.before_at.isoformat() == "2026-11-23T02:14:05+00:00"
    assert bench.apply(removed, Dated("Mon, 23 Nov 2026 09:00:00 GMT")).before_at == done.before_at


def test_progress_ends_with_everything_done(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(30)])
    told = []
    bench.apply(plan, on_progress=lambda done, total, note: told.append((done, total, note)))
    assert told[-1] == (30, 30, "30 applied, 0 already correct, 0 conflicts, 0 failed; as fast as the service answers")


def test_a_summary_of_nothing_says_what_to_do(bench, removed):
    with pytest.raises(BadInput, match="nothing of this plan"):
        summary(removed, bench.journal(removed))


def test_hostile_attribute_names_are_written_like_any_other(bench, make_order):
    odd = {
        "size": {"N": "1"},
        "#k": {"S": "a"},
        ":0": {"S": "b"},
        "a.b[0]": {"S": "c"},
        "SET x = y": {"S": "d"},
        "é '": {"S": "e"},
    }
    mangled = {name: {"S": "mangled"} for name in odd}
    plan = bench.plan([bench.change(make_order(1, **odd), make_order(1, **mangled))])
    assert bench.apply(plan).applied == 1
    assert bench.get(make_order(1)) == make_order(1, **odd)


def test_what_the_service_keeps_for_replication_is_neither_compared_nor_written(bench, make_order):
    rep = {"aws:rep:updatetime": {"N": "17"}}
    then, now = make_order(1, **{"aws:rep:updatetime": {"N": "3"}}), make_order(1, status={"S": "mangled"}, **rep)
    plan = bench.plan([bench.change(then, now), bench.change(None, make_order(2, **rep))])
    assert bench.apply(plan).applied == 2
    assert list(bench.state().values()) == [canonical(attributes(make_order(1, **rep)))]

"""Absent keys put 25 to a call: each has an outcome of its own, and each ends as it would by itself."""

from collections import Counter

import orjson
import pytest

from pitrkit.aws.client.error_mapping import Ambiguous, Throttled
from pitrkit.aws.client.transport import Answer
from pitrkit.errors import AccessDenied, AwsError
from pitrkit.recovery.apply.journal import Journal, conflicts
from pitrkit.sandbox import FaultRule

BATCH = "batch_execute_statement"
CALL = "BatchExecuteStatement"
LOST = Ambiguous("no answer", code="ReadTimeoutError", operation=CALL)
BUSY = Throttled("too fast", code="ThrottlingException", operation=CALL)
DENIED = AccessDenied("the caller may not do this", code="AccessDeniedException", operation=CALL)
UNKNOWN = AwsError("what is that?", code="UnknownOperationException", operation=CALL)
INVALID = AwsError("not one of these", code="ValidationException", operation=CALL)
ITEMS = 60


@pytest.fixture
def plan(bench, make_order):
    """Sixty removed orders."""
    return bench.plan([bench.change(make_order(n), None) for n in range(ITEMS)])


@pytest.fixture
def wanted(bench, make_order):
    return {bench.key(make_order(n)): make_order(n) for n in range(ITEMS)}


@pytest.fixture(autouse=True)
def _without_faults_left(sandbox):
    yield
    sandbox.faults.clear()


class Batched:
    """Applies with batches of 25, and counts requests by operation on their way to *meddle*."""

    def __init__(self, bench, plan):
        self.bench = bench
        self.plan = plan
        self.sent = Counter()

    def apply(self, meddle=lambda _operation, _parameters, send: send(), **options):
        def counting(operation, parameters, send):
            self.sent[operation] += 1
            return meddle(operation, parameters, send)

        return self.bench.meddled(self.plan, counting, **{"inserts_per_call": 25, **options})


@pytest.fixture
def batched(bench, plan):
    return Batched(bench, plan)


def refusing(code, number, *, found=None):
    """Meddle with answers: of the statement of order *number*, say that it was refused with *code*."""

    def meddle(operation, parameters, send):
        answer = send()
        if operation != BATCH:
            return answer
        body = orjson.loads(answer.body)
        for position, statement in enumerate(parameters["Statements"]):
            if {"N": str(number)} in statement["Parameters"]:
                error = {"Code": code, "Message": "because"} | ({"Item": found} if found else {})
                body["Responses"][position] = {"Error": error, "TableName": "Orders"}
        return Answer(orjson.dumps(body), answer.request_id)

    return meddle


def test_absent_keys_are_put_many_to_a_call(batched, bench, wanted):
    assert batched.apply(workers=1).applied == ITEMS
    assert bench.state() == wanted
    assert batched.sent == {BATCH: 3}


def test_each_put_of_a_call_has_an_outcome_with_request_and_units(batched, bench, plan):
    done = batched.apply()
    entries = list(Journal(bench.journal(plan), plan).outcomes())
    assert sorted(entry.number for entry in entries) == list(range(1, ITEMS + 1))
    assert all(entry.request_id for entry in entries)
    assert done.write_units == sum(entry.units for entry in entries)


def test_a_key_that_exists_again_is_a_conflict_with_the_item_found_and_the_rest_of_its_call_is_put(
    batched, bench, plan, wanted, make_order
):
    theirs = make_order(7, status={"S": "made anew"})
    bench.put(theirs)
    bench.put(make_order(8))
    done = batched.apply()
    assert (done.applied, done.already, done.conflicts) == (ITEMS - 2, 1, 1)
    assert [conflict.found for conflict in conflicts(plan, bench.journal(plan))] == [theirs]
    assert bench.state() == wanted | {bench.key(theirs): theirs}


def test_the_item_in_the_way_that_the_service_returns_is_not_read_again(batched, bench, plan, make_order):
    item = {"pk": {"S": "customer-0"}, "sk": {"N": "7.0"}, "status": {"S": "made anew"}}
    meddle = refusing("DuplicateItem", 7, found=item)
    assert batched.apply(meddle, reads=True).conflicts == 1
    assert batched.sent["get_item"] == 0
    assert '"sk":{"N":"7"}' in conflicts(plan, bench.journal(plan))[0].found


@pytest.mark.parametrize(("fault", "done_first"), [(BUSY, False), (LOST, False), (LOST, True)])
def test_a_call_that_goes_wrong_at_first_is_ours_once(batched, bench, wanted, fault, done_first):
    struck = []

    def meddle(operation, _parameters, send):
        if operation == BATCH and len(struck) < 2:
            struck.append(1)
            if done_first:
                send()
            raise fault
        return send()

    done = batched.apply(meddle)
    assert (done.applied, done.already, done.conflicts, done.failed) == (ITEMS, 0, 0, 0)
    assert bench.state() == wanted


def test_a_key_that_somebody_puts_after_a_lost_call_did_not_is_theirs(batched, bench, plan, make_order):
    theirs = []

    def meddle(_operation, parameters, send):
        if not theirs:
            number = next(n for n in range(ITEMS) if {"N": str(n)} in parameters["Statements"][0]["Parameters"])
            theirs.append(make_order(number, status={"S": "made anew"}))
            bench.put(theirs[0])
            raise LOST
        return send()

    done = batched.apply(meddle, workers=1)
    assert (done.applied, done.conflicts) == (ITEMS - 1, 1)
    assert bench.get(theirs[0]) == theirs[0]
    (conflict,) = conflicts(plan, bench.journal(plan))
    assert (conflict.found, conflict.unsure) == (theirs[0], True)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.sandbox_alone("it is the sandbox that fails on demand")
def test_statements_that_fail_within_a_call_are_made_again_and_ours_once(sandbox, batched, bench, wanted, done):
    sandbox.faults.add(FaultRule("unprocessed", share=0.6, operations=(CALL,), done=done))
    ended = batched.apply()
    assert (ended.applied, ended.already, ended.conflicts, ended.failed) == (ITEMS, 0, 0, 0)
    assert bench.state() == wanted
    assert batched.sent[BATCH] > 3


@pytest.mark.parametrize("fault", [DENIED, UNKNOWN])
def test_where_partiql_is_not_to_be_had_each_is_put_by_itself_and_that_is_said(batched, bench, wanted, fault):
    def meddle(operation, _parameters, send):
        if operation == BATCH:
            raise fault
        return send()

    notes = []
    done = batched.apply(meddle, workers=1, on_progress=lambda _done, _total, note: notes.append(note))
    assert done.applied == ITEMS
    assert bench.state() == wanted
    assert batched.sent == {BATCH: 1, "put_item": ITEMS}
    assert f"one insert a call: {fault.what}" in notes[-1]


def test_a_call_that_is_refused_as_a_whole_is_made_in_single_puts_and_the_others_stay_batches(batched, bench, wanted):
    def meddle(operation, _parameters, send):
        if operation == BATCH and batched.sent[BATCH] == 1:
            raise INVALID
        return send()

    assert batched.apply(meddle, workers=1).applied == ITEMS
    assert bench.state() == wanted
    assert batched.sent == {BATCH: 3, "put_item": 25}


@pytest.mark.parametrize("code", ["AccessDenied", "ValidationError", "TransactionConflict", "SomethingNew"])
def test_a_statement_that_is_refused_is_put_by_itself_and_that_answer_counts(bench, plan, batched, wanted, code):
    def meddle(operation, parameters, send):
        if operation != BATCH:
            return send()
        body = {"Responses": [{"Error": {"Code": code, "Message": "because"}} for _ in parameters["Statements"]]}
        return Answer(orjson.dumps(body), "r-1")

    assert batched.apply(meddle).applied == ITEMS
    assert batched.sent["put_item"] == ITEMS
    assert bench.state() == wanted


def test_an_answer_for_other_than_the_statements_sent_leaves_all_of_them_in_doubt(batched, bench, wanted):
    def meddle(operation, _parameters, send):
        answer = send()
        if operation == BATCH and batched.sent[BATCH] == 1:
            return Answer(b'{"Responses":[]}', answer.request_id)
        return answer

    done = batched.apply(meddle)
    assert (done.applied, done.already) == (ITEMS, 0)
    assert bench.state() == wanted


def test_access_denied_to_both_ways_stops_the_run_and_the_next_goes_on(batched, bench, plan):
    def meddle(_operation, _parameters, _send):
        raise DENIED

    done = batched.apply(meddle, workers=1)
    assert (done.failed, done.failed + done.unsent) == (1, ITEMS)
    assert bench.apply(plan).applied == ITEMS


def test_faults_without_end_stop_the_run_with_everything_accounted_for(batched, bench, plan, wanted):
    def meddle(_operation, _parameters, send):
        send()
        raise LOST

    done = batched.apply(meddle, workers=1)
    assert done.applied == 0
    assert done.failed + done.unsent == ITEMS
    assert done.failed >= 1
    done = bench.apply(plan)
    assert (done.applied, done.already, done.conflicts) == (ITEMS, 0, 0)
    assert bench.state() == wanted


def test_items_whose_names_do_not_fit_a_statement_are_put_by_themselves(bench, make_order):
    images = [make_order(n, **({"it's": {"S": "x"}} if n % 2 else {})) for n in range(10)]
    images.append(make_order(10, **{f"attribute-{n:04}": {"S": "x"} for n in range(500)}))
    plan = bench.plan([bench.change(image, None) for image in images])
    batched = Batched(bench, plan)
    assert batched.apply(workers=1).applied == 11
    assert batched.sent["put_item"] == 6
    assert sorted(bench.state().values()) == sorted(images)


def test_large_items_do_not_make_large_calls(bench, make_order):
    plan = bench.plan([bench.change(make_order(n, blob={"S": "x" * 300_000}), None) for n in range(8)])
    sizes = []

    def meddle(_operation, parameters, send):
        sizes.append(len(orjson.dumps(parameters)))
        return send()

    assert Batched(bench, plan).apply(meddle, workers=1).applied == 8
    assert max(sizes) < 1_100_000


def test_a_slow_pace_sends_one_at_a_time(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(4)])
    batched = Batched(bench, plan)
    assert batched.apply(pace=30).applied == 4
    assert sum(batched.sent.values()) >= 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.sandbox_alone("it is the sandbox that fails on demand")
def test_under_all_faults_at_once_every_write_is_accounted_for_and_the_table_is_right(sandbox, bench, make_order, seed):
    images = [make_order(n) for n in range(150)]
    changes = [bench.change(image, None) for image in images[:90]]
    changes += [bench.change(make_order(n), make_order(n, status={"S": "mangled"})) for n in range(90, 120)]
    changes += [bench.change(None, image) for image in images[120:]]
    damaged = bench.state()
    plan = bench.plan(changes)
    writes = (CALL, "PutItem", "UpdateItem", "DeleteItem", "GetItem")
    kinds = ("throttle", "drop_before", "drop_after", "truncate", "bad_checksum", "unprocessed")
    sandbox.faults.add(*(FaultRule(kind, share=0.08, operations=writes, seed=seed) for kind in kinds))
    sandbox.faults.add(
        *(FaultRule(kind, share=0.08, operations=writes, seed=seed, done=True) for kind in ("error500", "error503"))
    )
    for _ in range(10):
        done = bench.apply(plan)
        assert done.applied + done.already + done.conflicts + done.failed + done.unsent == plan.total
        if done.complete:
            break
    sandbox.faults.clear()
    assert (done.applied, done.conflicts) == (plan.total, 0)
    assert sorted(bench.state().values()) == sorted(images[:120])
    bench.undo(plan)
    assert bench.state() == damaged

"""Guarded writes, many at a time, each sent until its outcome is known.

Every attempt is a single request, so a lost answer is known to be lost. After one, the guard tells what became of
it: if the item now holds what we meant to write, the lost attempt did it.

What the guard cannot tell apart, it leaves to the other writer: a lost attempt that was done and then changed again
by somebody is a conflict, marked *unsure*. One thing no condition of DynamoDB can express: an item that was written
by us, answer lost, and removed by somebody else before the next attempt, looks like one never written.

Items that are put back go 25 to a call. Each statement has an outcome of its own, for which the same holds: one that
was refused because the key exists is asked what is there; one of a call whose answer was lost is in doubt. What a
batch cannot carry, or is refused for any other reason, goes by itself, and its own answer counts.

Deletes need more care, for there is no condition for "and no other attributes". They re-read the item right before
(one consistent read each), and what was deleted is compared with what was to be deleted: if somebody added an
attribute in between, the item is put back as it was and the write is a conflict. That it has to come back is on
disk before the attempt to do so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from pitrkit.aws.client.backoff import Backoff
from pitrkit.aws.client.error_mapping import Ambiguous, ConditionFailed, Throttled
from pitrkit.aws.client.transport import Answer, Wire
from pitrkit.aws.items import Image, changed_attributes, owned, with_attributes
from pitrkit.aws.tables import item_calls
from pitrkit.aws.tables.item_calls import Request
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AccessDenied, AwsError, NoCredentials, PitrkitError
from pitrkit.recovery.apply import requests
from pitrkit.recovery.apply.journal import Entry, JournalWriter
from pitrkit.recovery.apply.send_queue import Attempt
from pitrkit.recovery.plan.guard import as_wanted, carries
from pitrkit.recovery.token_bucket import Bucket

ATTEMPTS = 14
BACKOFF = Backoff(first=0.1)
"""Pauses between repetitions of a write."""

_BATCH = item_calls.OPERATIONS["inserts"]

_PASSING = {"TransactionConflictException", "ReplicatedWriteConflictException", "TransactionInProgressException"}
"""Codes of refusals that pass by themselves, besides throttling."""

OF_ONE_ITEM = {"ValidationException", "ItemCollectionSizeLimitExceededException", "BadInput"}
"""Codes of failures that say something about one item only, so that the others go on."""

# Codes of a batch's statements; they are not those of exceptions. Source: API reference, BatchStatementError.
_EXISTS = {"DuplicateItem", "ConditionalCheckFailed"}
_TOO_FAST = {"ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}
_IN_DOUBT = {"InternalServerError"}
_NO_SUCH_OPERATION = {"UnknownOperationException", "UnknownOperation", "NotImplemented", "501"}

_Outcome = tuple[Attempt, Entry | PitrkitError | None]
"""What came of an attempt: its entry, or what it failed with; None if it is to be made again, by itself."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One request: a batch of inserts, or one write alone."""

    attempts: Sequence[Attempt]
    batch: bool


class Sender:
    """Sends writes to one table. Safe to share between threads.

    Args:
        wire: Where.
        table: The table written to.
        bucket: The pace.
        log: Where an item that has to be put back is noted.
        halt: Set when nothing more may be sent: by whoever stops the run, and by a failure that all writes share.
        inserts_per_call: How many absent keys are put in one call.
        pause: Seconds before the n-th repetition.

    Attributes:
        inserts_per_call: As given.
        alone: Why absent keys are put one at a time; empty while they are not.
    """

    def __init__(
        self,
        wire: Wire,
        table: Table,
        *,
        bucket: Bucket,
        log: JournalWriter,
        halt: Event,
        inserts_per_call: int = requests.INSERTS_PER_CALL,
        pause: Callable[[int], float] | None = None,
    ) -> None:
        self._wire = wire
        self._table = table
        self._bucket = bucket
        self._log = log
        self._halt = halt
        self.inserts_per_call = inserts_per_call
        self._pause = pause or BACKOFF.pause
        self.alone = ""

    def round(self, attempts: Sequence[Attempt]) -> tuple[list[Entry], list[tuple[Attempt, float]]]:
        """Make *attempts* all at once.

        Returns:
            The outcomes that are known now, and what has to be tried again, each after how many seconds. Together
            these are all of the attempts.
        """
        self._bucket.take(sum(attempt.units for attempt in attempts))
        if self._halt.is_set():
            return [], [(attempt, 0.0) for attempt in attempts]
        entries: list[Entry] = []
        again: list[tuple[Attempt, float]] = []
        for attempt, outcome in self._outcomes(attempts):
            if isinstance(outcome, Entry):
                entries.append(outcome)
            elif outcome is None:
                attempt.batched = False
                again.append((attempt, 0.0))
            elif self._gives_up(attempt, outcome):
                entries.append(self.failed(attempt))
            else:
                again.append((attempt, self._pause(attempt.tried)))
        return entries, again

    def calls(self, attempts: Iterable[Attempt]) -> Iterator[_Call]:
        """Yield the requests that *attempts* make, in their order."""
        inserts: list[Attempt] = []
        size = 0
        for attempt in attempts:
            if not self.batches(attempt):
                yield _Call((attempt,), batch=False)
                continue
            weight = len(attempt.write.goal or "")
            if inserts and (len(inserts) == self.inserts_per_call or size + weight > requests.LARGEST_CALL):
                yield _Call(inserts, batch=True)
                inserts, size = [], 0
            inserts.append(attempt)
            size += weight
        if inserts:
            yield _Call(inserts, batch=True)

    def batches(self, attempt: Attempt) -> bool:
        """Return whether *attempt* goes out together with others."""
        return attempt.batched and self.inserts_per_call > 1 and not self.alone

    def failed(self, attempt: Attempt) -> Entry:
        """Return the outcome of an attempt that is given up."""
        assert attempt.failure is not None
        return self._failed(attempt.write.number, attempt.failure, unsure=attempt.unsure)

    def put_back(self, number: int, image: Image) -> Entry:
        """Put back the item that write *number* deleted although it had changed; return the conflict it was."""
        body = requests.put_request(self._table.name, image, self._table.key_schema)
        failure: PitrkitError | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(self._pause(attempt))
            try:
                item_calls.send(self._wire, ("put", body), table=self._table.name)
            except ConditionFailed:
                # Back already by an attempt whose answer was lost, or by somebody else, whose write it is then.
                break
            except PitrkitError as error:
                failure = error
                if not _passes(error):
                    return self._failed(number, error, unsure=False)
            else:
                break
        else:
            assert failure is not None
            return self._failed(number, failure, unsure=False)
        return Entry(number, "conflict", found=image)

    def _outcomes(self, attempts: Sequence[Attempt]) -> Iterator[_Outcome]:
        going = [attempt for attempt in attempts if attempt.write.action != "delete"]
        for attempt, present in self._look([attempt for attempt in attempts if attempt.write.action == "delete"]):
            if present == attempt.write.seen:
                going.append(attempt)
                continue
            self._bucket.correct(-attempt.units)
            yield attempt, present if isinstance(present, PitrkitError) else _blocked(attempt, present)
        unseen: list[Attempt] = []
        calls = list(self.calls(going))
        answers = item_calls.send_all(self._wire, [self._request(call) for call in calls], table=self._table.name)
        for call, answer in zip(calls, answers, strict=True):
            read = self._of_batch if call.batch else self._of_single
            yield from read(call.attempts, answer, unseen)
        # Not every service returns the blocking item, and none does for every kind of write; it must be certain.
        for attempt, present in self._look(unseen):
            yield attempt, present if isinstance(present, PitrkitError) else _blocked(attempt, present)

    def _request(self, call: _Call) -> Request:
        name, schema = self._table.name, self._table.key_schema
        if call.batch:
            images = [attempt.write.goal for attempt in call.attempts if attempt.write.goal is not None]
            return "inserts", requests.inserts(name, images)
        write = call.attempts[0].write
        return write.action, requests.single(name, write, schema)

    def _look(self, attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, Image | PitrkitError | None]]:
        """Yield the item that each attempt is about as it is now, or why it could not be read.

        A read that failed leaves no doubt, unlike a write.
        """
        if not attempts:
            return
        name = self._table.name
        reads: list[Request] = [("look", requests.get_request(name, attempt.write.key)) for attempt in attempts]
        for attempt, answer in zip(attempts, item_calls.send_all(self._wire, reads, table=name), strict=True):
            yield attempt, requests.item_of(answer.body) if isinstance(answer, Answer) else answer

    def _of_single(
        self, attempts: Sequence[Attempt], answer: Answer | PitrkitError, unseen: list[Attempt]
    ) -> Iterator[_Outcome]:
        (attempt,) = attempts
        if isinstance(answer, Answer):
            yield attempt, self._done(attempt, answer)
        elif not isinstance(answer, ConditionFailed):
            yield attempt, self._went_wrong(attempt, answer)
        elif answer.found is None:
            unseen.append(attempt)
        else:
            yield attempt, _blocked(attempt, owned(answer.found), request_id=answer.request_id)

    def _of_batch(
        self, attempts: Sequence[Attempt], answer: Answer | PitrkitError, unseen: list[Attempt]
    ) -> Iterator[_Outcome]:
        if isinstance(answer, Answer):
            results = requests.inserted(answer.body)
            if len(results) == len(attempts):
                for attempt, result in zip(attempts, results, strict=True):
                    yield from self._of_statement(attempt, result, answer.request_id, unseen)
                return
            answer = Ambiguous("the answer is not that of the request", code="Unreadable", operation=_BATCH)
        if isinstance(answer, Throttled | Ambiguous | NoCredentials):
            for attempt in attempts:
                yield attempt, self._went_wrong(attempt, answer)
            return
        # The call was refused as a whole, and nothing of it was done. What it is about, each write says for itself.
        if isinstance(answer, AccessDenied) or (isinstance(answer, AwsError) and answer.code in _NO_SUCH_OPERATION):
            self.alone = f"{answer.what} ({_BATCH})"
        for attempt in attempts:
            self._bucket.correct(-attempt.units)
            yield attempt, None

    def _of_statement(
        self, attempt: Attempt, result: requests.Inserted, request_id: str, unseen: list[Attempt]
    ) -> Iterator[_Outcome]:
        if not result.code:
            self._bucket.correct(result.units - attempt.units if result.units else 0.0)
            yield (
                attempt,
                Entry(
                    attempt.write.number, "applied", request_id=request_id, units=result.units, unsure=attempt.unsure
                ),
            )
            return
        known: dict[str, Any] = {
            "code": result.code,
            "operation": _BATCH,
            "request_id": request_id,
            "table": self._table.name,
        }
        if result.code in _EXISTS and result.found is None:
            unseen.append(attempt)
        elif result.code in _EXISTS:
            yield attempt, _blocked(attempt, result.found, request_id=request_id)
        elif result.code in _TOO_FAST:
            yield attempt, self._went_wrong(attempt, Throttled(result.message, **known))
        elif result.code in _IN_DOUBT:
            yield attempt, self._went_wrong(attempt, Ambiguous(result.message, **known))
        else:
            if result.code == "AccessDenied":
                self.alone = f"{result.message or 'access denied'} ({_BATCH})"
            self._bucket.correct(-attempt.units)
            yield attempt, None

    def _went_wrong(self, attempt: Attempt, error: PitrkitError) -> PitrkitError:
        if isinstance(error, Throttled):
            # What was taken for it is not given back: otherwise nothing would limit how fast it is refused again.
            self._bucket.throttled(error.reasons)
        if isinstance(error, Ambiguous):
            attempt.unsure = attempt.lost = True
        return error

    def _gives_up(self, attempt: Attempt, error: PitrkitError) -> bool:
        """Take note of a failure, and return whether it is the last."""
        # Credentials are asked for anew with each request: those that expired may have been followed by others.
        renewable = isinstance(error, NoCredentials) and not isinstance(attempt.failure, NoCredentials)
        attempt.failure = error
        attempt.tried += 1
        return attempt.tried >= ATTEMPTS or not (_passes(error) or renewable)

    def _done(self, attempt: Attempt, answer: Answer) -> Entry:
        write = attempt.write
        units, before = requests.replaced(write, answer.body)
        self._bucket.correct(units - attempt.units if units else 0.0)
        response_fields: dict[str, Any] = {"request_id": answer.request_id, "units": units, "unsure": attempt.unsure}
        if before is None:
            return Entry(write.number, "applied", **response_fields)
        if write.goal is not None:
            assert write.seen is not None
            after = with_attributes(before, write.goal, changed_attributes(write.seen, write.goal))
            return Entry(write.number, "applied", before=before, after=after, **response_fields)
        self._log.repair(write.number, before)
        return self.put_back(write.number, before)

    def _failed(self, number: int, error: PitrkitError, *, unsure: bool) -> Entry:
        code, request_id = type(error).__name__, ""
        if isinstance(error, AwsError):
            code, request_id = error.code, error.request_id
        if code not in OF_ONE_ITEM:
            self._halt.set()
        return Entry(number, "failed", code=code, request_id=request_id, why=str(error), unsure=unsure)


def _blocked(attempt: Attempt, current: Image | None, *, request_id: str = "") -> Entry:
    """Return what it means that the guard failed on *current*."""
    write, unsure = attempt.write, attempt.unsure
    known: dict[str, Any] = {"request_id": request_id, "unsure": unsure}
    if unsure and (current == write.goal or carries(write, current)):
        if current is None or current == write.goal or write.seen is None or write.goal is None:
            # What was put and then added to by somebody is ours, too: the undo will leave it alone.
            return Entry(write.number, "applied", **known)
        before = with_attributes(current, write.seen, changed_attributes(write.seen, write.goal))
        return Entry(write.number, "applied", before=before, after=current, **known)
    if as_wanted(write, current):
        return Entry(write.number, "already", **known)
    return Entry(write.number, "conflict", found=current, **known)


def _passes(error: PitrkitError) -> bool:
    """Return whether trying again may help."""
    if isinstance(error, Throttled | Ambiguous):
        return True
    return isinstance(error, AwsError) and error.code in _PASSING

"""One item in time: what it looked like at chosen moments, out of whatever the incident has that can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pitrkit import times as utc_times
from pitrkit.aws.backups import pitr
from pitrkit.aws.change_data import export_item, exports
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import Key, KeySchema
from pitrkit.aws.tables import tables
from pitrkit.config import masked_inputs
from pitrkit.errors import BadInput
from pitrkit.incident.state import sides
from pitrkit.recovery.changelog import item_history
from pitrkit.recovery.changelog.change_log import ChangeLog
from pitrkit.recovery.changelog.item_history import Sight, Teller
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.plan.current_items import current_items
from pitrkit.runbook.change_log import views as change_log_views
from pitrkit.runbook.restore.restore import note_begun
from pitrkit.runbook.restore.restore_wait import poll_seconds
from pitrkit.runbook.session.session import Session
from pitrkit.times import iso, now
from pitrkit.ui.progress import ProgressBar
from pitrkit.ui.view import View

PRESENT = timedelta(seconds=5)
"""How long ago a log may end for an item that is not in it to be as it is now."""


def item_at(
    session: Session, key: str, *times: str, log: ChangeLog | None = None, bucket: str = "", prefix: str = ""
) -> View:
    """Return what one item looked like at *times*, with what had changed from each to the next.

    Asked are, in this order: the log, the copies that the incident has, and for moments that neither tells a filtered
    export each, if a bucket is given and the installed SDK can ask for one.

    Args:
        session: The incident's session.
        key: The item's key, as plain JSON (`{"pk": "a", "sk": 1}`) or DynamoDB JSON.
        times: ISO 8601 with Z or an offset, or durations ago; none is taken for all seconds that the incident is about.
        log: A log of the table; absent, the one that the incident read last.
        bucket: S3 bucket for filtered exports, which cost by what the service reads for them; none when blank.
        prefix: Prefix in that bucket.

    Raises:
        BadInput: The key or a time cannot be read.
    """
    table = session.table()
    item_key = one_key(masked_inputs.read(session.incident, key), table.key_schema)
    log_record = session.data.get("log") or {}
    opened_log = log or (ChangeLog.open(session.path(log_record["folder"])) if log_record else None)
    window = pitr.protection(session.aws, table.name).window
    at = now()
    moments = [utc_times.parse_time(time, now=at, window=window) for time in times] or list(_of_the_incident(session))
    by_log = _by_log(session, item_key, opened_log) if opened_log else ()
    tellers = [*by_log, *_by_copies(session, item_key), _by_now(session, item_key, at)]
    sights = item_history.images_at(moments, tellers)
    if bucket and export_item.offered(session.aws):
        missing = [sight.at for sight in sights if not sight.known]
        sights = item_history.images_at(moments, [*tellers, *_by_exports(session, item_key, missing, bucket, prefix)])
    return change_log_views.item_view(item_key, sights)


def one_key(key: str, key_schema: KeySchema) -> Key:
    """Return the key that an operator wrote as text.

    Raises:
        BadInput: It is not one key of the table.
    """
    keys = Scope.parse("", f"[{key}]", "", key_schema).keys
    if len(keys) != 1:
        raise BadInput("key does not name one item", fix='Write one object, such as {"pk": "a", "sk": 1}.')
    return keys[0]


def _of_the_incident(session: Session) -> Iterator[datetime]:
    """Yield the seconds that the incident is about: what it goes back to, the damage's end, and now."""
    window = session.data.get("window") or {}
    time_texts = [*(session.data.get(side.at) for side in sides(session.data)), *window.values(), iso(now())]
    yield from {datetime.fromisoformat(at) for at in time_texts if at}


def _by_log(session: Session, key: Key, log: ChangeLog) -> Iterator[Teller]:
    steps = log.history(key)
    source = f"{log.source}, {iso(log.since_at)} to {iso(log.until_at)}"
    yield item_history.by_steps(steps, log.since_at, log.until_at, source=source)
    if not steps and now() - log.until_at < PRESENT:
        yield item_history.by_present(_present(session, key), log.since_at, now())


def _by_now(session: Session, key: Key, at: datetime) -> Teller:
    def tell(moment: datetime) -> Sight | None:
        if abs(at - moment) > PRESENT:
            return None
        return Sight(moment, _present(session, key), known=True, source="the table as it is now")

    return tell


def _present(session: Session, key: Key) -> str | None:
    table = session.table()
    return current_items(Wire.of(session.aws), table.name, [key], table.key_schema).get(key)


def _by_copies(session: Session, key: Key) -> Iterator[Teller]:
    for side in sides(session.data):
        name, at = session.data.get(side.table), session.data.get(side.at)
        if name and at and session.data.get(side.by) != "deleted":
            copy_aws = session.aws_of(side)
            copy = tables.describe(copy_aws, name)
            image = current_items(Wire.of(copy_aws), name, [key], copy.key_schema).get(key)
            yield item_history.by_copy(datetime.fromisoformat(at), image, source=f"the copy {name}")


def _by_exports(session: Session, key: Key, times: Sequence[datetime], bucket: str, prefix: str) -> Iterator[Teller]:
    table = session.table()
    started = [
        export_item.start_filtered(session.aws, table, key, at, bucket=bucket, prefix=prefix) for at in set(times)
    ]
    note_begun(session, started)
    for export in started:
        with ProgressBar(f"Waiting for the {export} of one item", unit="seconds") as progress:
            done = exports.wait(
                session.aws,
                export,
                poll_seconds=poll_seconds(session),
                on_progress=lambda waiting: progress(int(waiting.seconds), waiting.expected_seconds, waiting.status),
            )
        assert done.at is not None
        image = export_item.read(session.aws, done, key, table.key_schema)
        yield item_history.by_copy(done.at, image, source=f"a filtered export, {done.arn.rpartition('/')[2]}")

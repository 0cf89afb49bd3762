"""The change log of a table's stream: every write of up to the last 24 hours, one step each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pitrkit.aws.change_data import streams
from pitrkit.aws.change_data.shards import EXPORTS_INSTEAD, StreamRecord
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput
from pitrkit.recovery.changelog.change_log import STREAM, ChangeLog, write
from pitrkit.recovery.changes.change import ItemStep


def read(
    aws: Aws,
    table: Table,
    folder: Path,
    since_at: datetime,
    until_at: datetime,
    *,
    on_progress: streams.Progress | None = None,
) -> ChangeLog:
    """Read what the stream of *table* tells of [*since_at*, *until_at*) into *folder* as a change log, and return it.

    The log's own `since_at` and `until_at` say what was really covered, its notes why.

    Raises:
        BadInput: The table has no stream, or one without both images; the message says what to do instead.
        AwsError: The stream could not be read.
    """
    stream = streams.describe(aws, table)
    if stream is None:
        raise BadInput("the table has no stream, which records single writes", table=table.name, fix=EXPORTS_INSTEAD)
    reading = streams.read(aws, stream, table.key_schema, since_at, until_at, on_progress=on_progress)
    return write(
        _steps(reading),
        folder,
        table=table.name,
        key_schema=table.key_schema,
        source=STREAM,
        since_at=since_at,
        until_at=until_at,
        covered=reading,
    )


def _steps(records: Iterator[StreamRecord] | streams.StreamPass) -> Iterator[ItemStep]:
    for record in records:
        if record.before != record.after:  # a write that changed nothing but what replication keeps for itself
            by = "ttl" if record.ttl else ""
            yield ItemStep(record.key, record.at, record.at, record.before, record.after, single=True, by=by)  # type: ignore[arg-type]

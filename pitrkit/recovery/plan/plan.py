"""Plans: the exact list of writes that reverts a change set, each with its guard, and what is left alone and why.

Every candidate is re-read with a strongly consistent read while planning, so neither the age of a snapshot nor
eventual consistency yields a false difference. What was re-read is the guard. A plan is a folder: `plan.parquet`
(the writes), `left.parquet` (what it will not do) and `plan.json`, which is written last. Its digest covers all
three, so what was approved is what gets written.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import Key, KeySchema
from pitrkit.aws.tables.item_calls import KEYS_PER_CALL
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput, RecordAltered
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.plan.admission import Admission
from pitrkit.recovery.plan.current_items import READERS, in_parallel
from pitrkit.recovery.plan.guard import Write, write_units
from pitrkit.recovery.plan.policy import (
    FOR_A_PERSON,
    LEFT_ALSO_WRITTEN,
    LEFT_EXPIRED,
    LEFT_KEPT_BY_POLICY,
    LEFT_UNDECIDED,
    Policy,
    SkippedChange,
    decide,
)
from pitrkit.recovery.storage import ParquetFile, batches, read_json, write_json, writing

_PLAN = pa.schema([("number", pa.int64()), ("key", pa.string()), ("seen", pa.string()), ("goal", pa.string())])
_LEFT = pa.schema([("key", pa.string()), ("kind", pa.string()), ("reason", pa.string())])
_GROUPS_SHUFFLED_TOGETHER = 8
_ROWS_PER_BATCH = 5_000
_SIDES = {"removed": (True, False), "modified": (True, True), "inserted": (False, True)}
_AGAIN = "Build the plan again: nothing was written by building it."


class ProgressCallback(Protocol):
    """Told about long work as it goes on."""

    def __call__(self, done: int, total: int, note: str) -> None:
        """Take note that *done* of *total* are through; *note* says in words what came of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan on disk. Its writes and what it leaves are streamed, never held.

    Attributes:
        folder: Where it lies.
        table: Name of the table it writes to.
        table_arn: That table's ARN, and `table_id` its id: a table of the same name made anew is another table.
        account: Account it was built in.
        region: Region it was built in.
        policy: What was asked for.
        scope: What the change set was narrowed to, as JSON.
        source: What told the changes.
        created_at: When it was built.
        digest: SHA-256 (hex) over all of the above, every write and everything left.
        puts: Writes onto absent keys.
        updates: Writes of the attributes that differ.
        deletes: Deletions.
        left: How many changes are left alone, by reason.
        write_units: Estimate: per write ceil(max(old, new) / 1 KiB), plus one per affected global index (two if
            its key changes).
        key_schema: The table's key.
    """

    folder: Path
    table: str
    table_arn: str
    table_id: str
    account: str
    region: str
    policy: Policy
    scope: dict[str, Any]
    source: str
    created_at: datetime
    digest: str
    puts: int
    updates: int
    deletes: int
    left: dict[str, int]
    write_units: int
    key_schema: KeySchema

    @classmethod
    def open(cls, folder: Path) -> Plan:
        """Open the plan in *folder*, checking all of it against its digest.

        Raises:
            BadInput: There is no complete plan.
            RecordAltered: It is not what was written.
        """
        data = read_json(folder / "plan.json", what="plan", fix=_AGAIN)
        try:
            typed = {
                "policy": Policy.from_dict(data["policy"]),
                "created_at": datetime.fromisoformat(data["created_at"]),
                "key_schema": KeySchema.from_dict(data["key_schema"]),
            }
            plan = Plan(folder, **(data | typed))
            counted_plan = _counted(plan)
        except (BadInput, KeyError, TypeError, ValueError, OSError, pa.ArrowException) as error:
            raise RecordAltered(f"the plan in {folder} cannot be read: {error}", fix=_AGAIN) from error
        if counted_plan != plan:
            raise RecordAltered(f"the plan in {folder} is not the one of digest {plan.digest[:12]}", fix=_AGAIN)
        return plan

    @property
    def total(self) -> int:
        """Number of writes."""
        return self.puts + self.updates + self.deletes

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return self.total == 0

    @property
    def undecided(self) -> int:
        """How many changes are left for a person to decide."""
        return sum(self.left.get(reason, 0) for reason in FOR_A_PERSON)

    def writes(self, *, shuffled: bool = False) -> Iterator[Write]:
        """Yield the writes, sorted by key, or *shuffled*: in a fixed order that does not hammer one partition."""
        path = self.folder / "plan.parquet"
        if not shuffled:
            for batch in batches(path, _PLAN.names):
                yield from self._writes(batch)
            return
        # Random over row groups first, then over the rows of a few of them: memory stays bounded.
        order = random.Random(self.digest)  # noqa: S311 -- an order, no secret
        with pq.ParquetFile(path, pre_buffer=False) as file:
            groups = list(range(file.num_row_groups))
            order.shuffle(groups)
            for start in range(0, len(groups), _GROUPS_SHUFFLED_TOGETHER):
                together = file.read_row_groups(
                    groups[start : start + _GROUPS_SHUFFLED_TOGETHER], _PLAN.names, use_threads=False
                )
                rows = [write for batch in together.to_batches() for write in self._writes(batch)]
                order.shuffle(rows)
                yield from rows

    def _writes(self, batch: pa.RecordBatch) -> Iterator[Write]:
        for number, key, seen, goal in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield Write(number, key, seen, goal, self.policy.guard)

    def left_items(self) -> Iterator[SkippedChange]:
        """Yield what is left alone, sorted by key."""
        for batch in batches(self.folder / "left.parquet", _LEFT.names):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield SkippedChange(*row)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the folder as plain JSON."""
        return {
            "account": self.account,
            "region": self.region,
            "table": self.table,
            "table_arn": self.table_arn,
            "table_id": self.table_id,
            "policy": self.policy.to_dict(),
            "scope": self.scope,
            "source": self.source,
            "created_at": self.created_at.isoformat(),
            "key_schema": self.key_schema.to_dict(),
            "digest": self.digest,
            "puts": self.puts,
            "updates": self.updates,
            "deletes": self.deletes,
            "left": self.left,
            "write_units": self.write_units,
        }


def build(
    aws: Aws,
    table: Table,
    changes: ChangeSet,
    policy: Policy,
    folder: Path,
    *,
    scope: dict[str, Any],
    on_progress: ProgressCallback | None = None,
    wire: Wire | None = None,
) -> Plan:
    """Re-read every candidate, write the plan that reverts *changes* to *folder*, and return it.

    Reads only. An earlier plan in *folder* is replaced.

    Raises:
        BadInput: The change set is of another key schema, holds a key twice, or the folder cannot be written.
    """
    if changes.key_schema != table.key_schema:
        raise BadInput(
            f"the change set is keyed by {changes.key_schema}, the table by {table.key_schema}",
            table=table.name,
            fix="Give a change set of this table.",
        )
    number = done = units = 0
    total = len(changes)
    reads = wire or Wire.of(aws, max_connections=READERS)
    admission = Admission.of(aws, table, expiring=policy.expired == "keep")
    with writing(folder, complete="plan.json", clear="*.parquet"):
        with (
            ParquetFile(folder / "plan.parquet", _PLAN) as planned,
            ParquetFile(folder / "left.parquet", _LEFT) as left,
        ):
            candidates = _candidates(changes, policy, admission, table.name)
            for rows, items in in_parallel(reads, table, candidates, _to_read):
                for row in rows:
                    if isinstance(row, SkippedChange):
                        left.add(row.key, row.kind, row.reason, weight=len(row.key))
                        continue
                    current = items.get(row.key)
                    reason, goal = decide(row, current, policy)
                    write = Write(number + 1, row.key, current, goal, policy.guard)
                    if reason := reason or admission.refusal(write):
                        left.add(row.key, row.kind, reason, weight=len(row.key))
                        continue
                    planned.add(write.number, row.key, current, goal, weight=len(current or "") + len(goal or ""))
                    units += write_units(write, table.indexes)
                    number += 1
                done += len(rows)
                if on_progress is not None:
                    on_progress(done, total, f"{number:,} to write, {done - number:,} left alone")
        counts: dict[str, Any] = {"puts": 0, "updates": 0, "deletes": 0, "left": {}, "write_units": units}
        where: dict[str, Any] = {"account": aws.caller().account, "region": aws.region}
        where |= {"table": table.name, "table_arn": table.arn, "table_id": table.id, "key_schema": table.key_schema}
        why: dict[str, Any] = {"policy": policy, "scope": scope, "source": changes.source}
        # To the microsecond: two plans of the same writes are two plans, each with a digest and journal of its own.
        why["created_at"] = datetime.now(UTC)
        plan = _counted(Plan(folder, digest="", **where, **why, **counts))
        write_json(folder / "plan.json", plan.to_dict())
    return plan


def _candidates(
    changes: ChangeSet, policy: Policy, admission: Admission, table: str
) -> Iterator[list[Change | SkippedChange]]:
    """Yield runs of changes with at most one call's worth of keys to read; a `SkippedChange` needs no reading."""
    rows: list[Change | SkippedChange] = []
    to_read = 0
    previous = ""
    for change in changes:
        if change.key == previous:
            raise BadInput(
                "the change set holds one key twice", table=table, fix="Merge the changes of a key into one."
            )
        if (change.before is not None, change.after is not None) != _SIDES[change.kind]:
            raise BadInput(f"a {change.kind} change lacks an image", table=table, fix="Make the change set anew.")
        previous = change.key
        choice = {"removed": policy.removed, "modified": policy.modified, "inserted": policy.inserted}[change.kind]
        if choice == "keep":
            rows.append(SkippedChange(change.key, change.kind, LEFT_KEPT_BY_POLICY))
        elif change.review and policy.mixed == "ask":
            rows.append(SkippedChange(change.key, change.kind, LEFT_ALSO_WRITTEN))
        elif choice == "ask":
            rows.append(SkippedChange(change.key, change.kind, LEFT_UNDECIDED))
        elif change.kind == "removed" and admission.expired(change.before):
            # Most likely TTL removed it, and there may be millions of them: whatever is there now, it is left alone.
            rows.append(SkippedChange(change.key, change.kind, LEFT_EXPIRED))
        else:
            rows.append(change)
            to_read += 1
        if to_read == KEYS_PER_CALL or len(rows) == _ROWS_PER_BATCH:
            yield rows
            rows, to_read = [], 0
    if rows:
        yield rows


def _to_read(rows: list[Change | SkippedChange]) -> list[Key]:
    return [row.key for row in rows if not isinstance(row, SkippedChange)]


def _counted(plan: Plan) -> Plan:
    """Return *plan* with the counts and the digest that its rows on disk and its other fields have."""
    actions: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    digest = hashlib.sha256()
    for write in plan.writes():
        digest.update(_line([write.number, write.key, write.seen, write.goal]))
        actions[write.action] += 1
    for item in plan.left_items():
        digest.update(_line([item.key, item.kind, item.reason]))
        reasons[item.reason] += 1
    plan = replace(
        plan, digest="", puts=actions["put"], updates=actions["update"], deletes=actions["delete"], left=dict(reasons)
    )
    plan_document = plan.to_dict()
    if plan.policy.mixed == "ask":
        del plan_document["policy"]["mixed"]  # so that plans from before there was the choice keep their digest
    digest.update(_line(plan_document))
    return replace(plan, digest=digest.hexdigest())


def _line(value: dict[str, Any] | list[Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)

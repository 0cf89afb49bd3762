"""Search: the changes that a query holds, in any order, a page at a time.

Nothing is loaded: DuckDB looks into the change set's Parquet file, and what stays in memory is a bit for each change
and filter. So 100,000 changes are filtered, sorted and paged in tenths of a second. Two things only Python can answer,
a condition in JMESPath and a text that the file's JSON writes in another way: they are tried last, on the changes that
pass everything else, and on a limited number of them.

Images there are the service's JSON, so an attribute's text is at `/name/S`. Values travel as parameters.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from string import ascii_letters
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import numpy as np
import orjson
import pyarrow as pa

from pitrkit.aws.items import attributes
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import KINDS, Change, Counts
from pitrkit.recovery.changes.fingerprints import Fingerprints
from pitrkit.recovery.changes.join import MEMORY_LIMIT, numbered
from pitrkit.recovery.changes.query import COLUMNS, Query, Side, Term
from pitrkit.recovery.changes.scope import Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pitrkit.recovery.changes.change_set import ChangeSet


LONGEST_TEXT = 500
_TAGS = ("bool", "null", "ss", "ns", "bs", "s", "n", "b", "m", "l", "true", "false")
"""What the service's JSON of an item holds besides names and values."""

_RARE = re.compile(r'["\\{}\[\]:,\x00-\x1f\x7f]')


def pointer_to(attribute: str) -> str:
    """Return the JSON pointer to a top-level attribute, whatever is in its name."""
    return f"/{attribute.replace('~', '~0').replace('/', '~1')}"


def condition(term: Term) -> tuple[str, list[Any]]:
    """Return a term as a condition on the rows of the Parquet file, and its parameters."""
    pointer, column = pointer_to(term.attribute), COLUMNS[term.side]
    if term.how == "changed":
        return "kind = 'modified' AND json_extract(before, $1) IS DISTINCT FROM json_extract(after, $1)", [pointer]
    if term.how in {"exists", "is absent"}:
        condition_sql = f"coalesce(json_exists({column}, $1), false)"
        return (condition_sql if term.how == "exists" else f"NOT {condition_sql}"), [pointer]
    text = f"coalesce(json_extract_string({column}, $1), json_extract_string({column}, $2))"
    values = [f"{pointer}/S", f"{pointer}/B", term.text]
    if term.how == "contains":
        return f"coalesce(contains({text}, $3), false)", values
    same = [f"{text} = $3"]
    if term.number is not None:
        values += [f"{pointer}/N", term.number]
        same.append(f"json_extract_string({column}, $4) = $5")
    if not term.quoted and term.value in {"true", "false", "null"}:
        values += [f"{pointer}/{'NULL' if term.value == 'null' else 'BOOL'}", term.value.replace("null", "true")]
        same.append(f"json_extract_string({column}, $4) = $5")
    condition_sql = " OR ".join(f"coalesce({clause}, false)" for clause in same)
    return (f"NOT ({condition_sql})" if term.how == "is not" else condition_sql), values


def pattern(text: str) -> str:
    """Return a regular expression for *text* as an image's JSON writes it, A to Z as a to z and nothing else so."""
    written = orjson.dumps(text).decode()[1:-1]
    # Not the engine's own way to ignore case: to that, other letters have two cases as well, and K has three.
    return "".join(
        f"[{fragment.lower()}{fragment.upper()}]" if fragment in ascii_letters else re.escape(fragment)
        for fragment in written
    )


def unambiguous(text: str) -> bool:
    """Return whether *text*, found in an image's JSON, can only be in a name or in a value."""
    small = text.lower()
    return len(text) <= LONGEST_TEXT and not _RARE.search(text) and not any(small in tag for tag in _TAGS)


TRIED = 50_000
"""Changes that a condition in JMESPath is tried on: a second or two. Applying a scope tries it on all of them."""

_MASKS = 24
_LONGEST = 400
"""Characters of an attribute's JSON by which its values are counted."""

Place = Literal["kind", "changed", "then", "now", "key"]


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of changes; by key where *by* is blank. Those without the attribute come last.

    Attributes:
        by: `kind`, `changed` (how many attributes), or the side on which *attribute* is looked at.
        attribute: A top-level attribute's name.
        descending: From the largest to the smallest.
    """

    by: Place | Literal[""] = ""
    attribute: str = ""
    descending: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a query holds.

    Attributes:
        query: The query.
        mask: For each change, in key order, whether it is held.
        counts: Them by kind.
        tried: Changes that were looked at: all of them, unless a condition in JMESPath met its limit.
        total: Changes in the set.
    """

    query: Query
    mask: NDArray[np.bool_]
    counts: Counts
    tried: int
    total: int

    @property
    def whole(self) -> bool:
        """Whether every change was looked at."""
        return self.tried == self.total

    def __len__(self) -> int:
        return self.counts.changes


@dataclass(frozen=True, slots=True)
class Shift:
    """What an attribute was then and is now, in how many items; None where it is absent, or too long to count by."""

    then: str | None
    now: str | None
    count: int
    long: bool = False


@dataclass(slots=True)
class Search:
    """Finds changes of a change set. Not for several threads at once.

    Attributes:
        changes: The change set.
        prints: Which attributes differ, for each modified item.
    """

    changes: ChangeSet
    prints: Fingerprints = field(init=False)
    _database: Any = field(init=False, repr=False)
    _kinds: NDArray[np.int8] = field(init=False, repr=False)
    _masks: dict[Any, NDArray[np.bool_]] = field(init=False, repr=False, default_factory=dict)
    _orders: dict[Sort, NDArray[np.int64]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": str(Path(tempfile.gettempdir()) / "pitrkit-search"),
            "autoinstall_known_extensions": False,
        }
        self._database = duckdb.connect(config=config)
        self._database.execute("SET enable_progress_bar = false")
        numbered(self._database, self.changes.rows).create_view("changes")
        ranks = " ".join(f"WHEN '{kind}' THEN {place}" for place, kind in enumerate(KINDS))
        kind_ranks = self._asked(
            f"SELECT (CASE kind {ranks} END)::TINYINT AS answer FROM changes ORDER BY file_row_number"
        )
        self._kinds = kind_ranks.astype(np.int8)
        self.prints = Fingerprints.read(self.changes)

    def names(self, sample: int) -> list[str]:
        """Return names of attributes: the key's, then those that differ, busiest first, then others of a sample."""
        attribute_names = dict.fromkeys(self.changes.key_schema.names)
        attribute_names |= dict.fromkeys(
            differing_name.attribute for differing_name in self.prints.differing(np.ones(len(self._kinds), bool))
        )
        others: set[str] = set()
        for change in islice(self.changes, sample):
            others |= attributes(change.before or "{}").keys() | attributes(change.after or "{}").keys()
        return list(attribute_names | dict.fromkeys(sorted(others)))

    def find(self, query: Query, *, tried: int = TRIED) -> SearchResult:
        """Return what *query* holds.

        Raises:
            BadInput: Its condition cannot be read, or evaluated on one of the changes.
        """
        scope = query.scope()
        mask = np.ones(len(self._kinds), bool)
        if scope.kinds:
            mask &= np.isin(self._kinds, [KINDS.index(kind) for kind in scope.kinds])
        if query.keys:
            mask &= self._mask(("keys", query.keys), lambda: self._keyed(query))
        for term in query.terms:
            mask &= self._mask(term, partial(self._held, *condition(term)))
        rest = bool(query.where.strip())
        if query.fingerprint:
            exact = self.prints.rows_of(query.fingerprint)
            rest |= exact is None
            mask &= exact if exact is not None else self._kinds == KINDS.index("modified")
        if query.text and len(query.text) <= LONGEST_TEXT:
            mask &= self._mask(("text", query.text), lambda: self._mentioned(query.text))
        rest |= bool(query.text) and not unambiguous(query.text)
        looked_at = len(mask)
        if rest:
            looked_at = self._try(scope, mask, tried)
        kinds = np.bincount(self._kinds[mask], minlength=len(KINDS)).tolist()
        return SearchResult(query, mask, Counts(**dict(zip(KINDS, kinds, strict=True))), looked_at, len(mask))

    def first(self, result: SearchResult, count: int) -> SearchResult:
        """Return the first *count* of what was found, in key order."""
        mask = result.mask & (np.cumsum(result.mask) <= count)
        return replace(result, mask=mask)

    def page(self, result: SearchResult, sort: Sort, first: int, length: int) -> list[tuple[int, Change]]:
        """Return *length* changes from place *first* on, in an order, each with its place in the change set."""
        rows = self.rows(result, sort)[first : first + length].tolist()
        changes_by_row = dict(self._read(rows))
        return [(row, changes_by_row[row]) for row in rows]

    def rows(self, result: SearchResult, sort: Sort) -> NDArray[np.int64]:
        """Return the places, in the change set, of what was found, in an order."""
        if not sort.by:
            rows = np.flatnonzero(result.mask)
            return rows[::-1] if sort.descending else rows
        order = self._order(sort)
        return order[result.mask[order]]

    def change(self, row: int) -> Change:
        """Return the change at a place in the change set."""
        ((_, change),) = self._read([row])
        return change

    def matches(self, result: SearchResult) -> Iterator[Change]:
        """Yield what was found, in key order and in bounded memory."""
        place = 0
        for batch in self.changes.batches():
            kept = result.mask[place : place + batch.num_rows]
            place += batch.num_rows
            if kept.any():
                yield from _changes(batch.filter(pa.array(kept)))

    def shifts(self, result: SearchResult, attribute: str, limit: int = 6) -> list[Shift]:
        """Return from what to what an attribute went, the most frequent first, *limit* of them.

        Values are the service's JSON, `{"S":"PAID"}`. Those too long to be told apart here are counted together.
        """
        pointer, shown = pointer_to(attribute), f"<= {_LONGEST} THEN"
        self._database.register("picked", pa.table({"row": np.flatnonzero(result.mask)}))
        rows = self._database.execute(
            f"""
            WITH sides AS (
                SELECT json_extract(before, $pointer)::VARCHAR AS was, json_extract(after, $pointer)::VARCHAR AS is_now
                FROM changes WHERE file_row_number IN (SELECT row FROM picked)
            )
            SELECT
                CASE WHEN length(was) {shown} was END AS one, CASE WHEN length(is_now) {shown} is_now END AS two,
                coalesce(length(was) > {_LONGEST}, false) OR coalesce(length(is_now) > {_LONGEST}, false) AS long,
                count(*) AS many
            FROM sides WHERE was IS DISTINCT FROM is_now
            GROUP BY ALL ORDER BY many DESC, one, two LIMIT {int(limit)}
            """,
            {"pointer": pointer},
        ).fetchall()
        return [Shift(before_text, two, many, long) for before_text, two, long, many in rows]

    def _read(self, rows: list[int]) -> Iterator[tuple[int, Change]]:
        if not rows:
            return
        review = "review" if "review" in self.changes.columns else "''"
        result_rows = self._database.execute(
            f"SELECT file_row_number, key, kind, before, after, {review} FROM changes "
            f"WHERE file_row_number IN ({','.join(map(str, rows))})"
        )
        for row, *change in result_rows.fetchall():
            yield row, Change(*change)

    def _asked(self, query: str, values: list[Any] | None = None) -> NDArray[Any]:
        result_rows = self._database.execute(query, values or []).fetchnumpy()
        answer: NDArray[Any] = np.asarray(result_rows["answer"])
        return answer

    def _mask(self, name: Any, make: Callable[[], NDArray[np.bool_]]) -> NDArray[np.bool_]:
        mask = self._masks.pop(name, None)
        if mask is None:
            mask = make()
        self._masks[name] = mask
        while len(self._masks) > _MASKS:
            self._masks.pop(next(iter(self._masks)))
        return mask

    def _held(self, where: str, values: list[Any]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self._kinds), bool)
        mask[self._asked(f"SELECT file_row_number AS answer FROM changes WHERE {where}", values)] = True
        return mask

    def _keyed(self, query: Query) -> NDArray[np.bool_]:
        self._database.register("wanted", pa.table({"key": pa.array(query.keys, pa.string())}))
        return self._held("key IN (SELECT key FROM wanted)", [])

    def _mentioned(self, text: str) -> NDArray[np.bool_]:
        """Return where the file's JSON holds *text*, so at least all the items that mention it."""
        matches_sql = "coalesce(regexp_matches({}, $1), false)".format
        return self._held(f"{matches_sql('before')} OR {matches_sql('after')}", [pattern(text)])

    def _try(self, scope: Scope, mask: NDArray[np.bool_], limit: int) -> int:
        """Narrow *mask* to the changes in *scope*; return how many were looked at until *limit* of them were tried."""
        left = place = 0
        for batch in self.changes.batches():
            here = np.flatnonzero(mask[place : place + batch.num_rows])
            if left + len(here) > limit:
                here = here[: limit - left]
                until = place + (int(here[-1]) + 1 if len(here) else 0)
                self._narrow(scope, mask, batch, here, place)
                mask[until:] = False
                return until
            self._narrow(scope, mask, batch, here, place)
            left += len(here)
            place += batch.num_rows
        return place

    @staticmethod
    def _narrow(scope: Scope, mask: NDArray[np.bool_], batch: pa.RecordBatch, here: NDArray[Any], place: int) -> None:
        if len(here):
            in_scope = [scope.holds(change) for change in _changes(batch.take(pa.array(here)))]
            mask[place + here] = in_scope

    def _order(self, sort: Sort) -> NDArray[np.int64]:
        known_order = self._orders.get(sort)
        if known_order is not None:
            return known_order
        if sort.by == "kind":
            ranks = -self._kinds if sort.descending else self._kinds
            order = np.argsort(ranks, kind="stable")
        elif sort.by == "changed":
            counts = self.prints.sizes().astype(np.int64)
            counts[counts == 0] = -1 if sort.descending else np.iinfo(np.int64).max
            order = np.argsort(-counts if sort.descending else counts, kind="stable")
        else:
            order = self._sorted(COLUMNS[_side(sort.by)], sort)
        if len(self._orders) >= _MASKS // 3:
            self._orders.pop(next(iter(self._orders)))
        self._orders[sort] = order
        return order

    def _sorted(self, column: str, sort: Sort) -> NDArray[np.int64]:
        way, pointer = "DESC" if sort.descending else "ASC", pointer_to(sort.attribute)
        return self._asked(
            f"""
            SELECT file_row_number AS answer FROM (
                SELECT
                    file_row_number,
                    json_extract({column}, $1) IS NULL AS absent,
                    try_cast(json_extract_string({column}, $2) AS DOUBLE) AS number,
                    left(coalesce(json_extract_string({column}, $3), json_extract({column}, $1)::VARCHAR), 64) AS words
                FROM changes
            ) ORDER BY absent, number {way} NULLS LAST, words {way} NULLS LAST, file_row_number
            """,
            [pointer, f"{pointer}/N", f"{pointer}/S"],
        ).astype(np.int64)


def _side(by: str) -> Side:
    if by in COLUMNS:
        return by
    raise BadInput(f"cannot sort by {by!r}", fix=f"Sort by kind, changed, {', '.join(COLUMNS)}.")


def _changes(batch: pa.RecordBatch) -> Iterator[Change]:
    return map(Change, *(column.to_pylist() for column in batch.columns))

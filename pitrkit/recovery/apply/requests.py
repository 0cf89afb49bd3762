"""Requests of a copy in the service's own JSON, and what is read from the answers.

An item that is put travels as the bytes of its image: an image is already the service's JSON. Absent keys are put 25
to a call by PartiQL's `INSERT`, which is refused for a key that exists, just as a `PutItem` guarded by its absence is.
The values are parameters; attribute names have to be in the statement's text, so an item with names that PartiQL's
grammar might take in another way is put alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
import orjson

from pitrkit.aws.items import Image, Key, KeySchema, canonical, image_of, owned
from pitrkit.recovery.plan.guard import Guard, Write, request

INSERTS_PER_CALL = 25
"""Statements in one BatchExecuteStatement call. Source: the API reference."""

LARGEST_CALL = 1024 * 1024
"""Bytes of items put in one call: far below the service's 16 MB, so that one lost answer puts little in doubt."""

LONGEST_STATEMENT = 8192
"""Characters. Source: the API reference, BatchStatementRequest."""

_DOUBTFUL = re.compile(r"""['"\\\x00-\x1f\x7f]""")
_MARK = re.compile(rb'\{"S":"@([01])(\d+)@"\}')
_ANSWER = b'"ReturnConsumedCapacity":"TOTAL","ReturnValuesOnConditionCheckFailure":"ALL_OLD"'


class _Capacity(msgspec.Struct, frozen=True):
    CapacityUnits: float = 0.0


class _StatementError(msgspec.Struct):
    Code: str = ""
    Message: str = ""
    Item: msgspec.Raw = msgspec.Raw()


class _Statement(msgspec.Struct):
    Error: _StatementError | None = None


class _Batch(msgspec.Struct):
    Responses: list[_Statement] = []
    ConsumedCapacity: list[_Capacity] = []


class _Single(msgspec.Struct):
    Attributes: msgspec.Raw = msgspec.Raw()
    ConsumedCapacity: _Capacity = _Capacity()


class _Got(msgspec.Struct):
    Item: msgspec.Raw = msgspec.Raw()


_read_batch = msgspec.json.Decoder(_Batch).decode
_read_single = msgspec.json.Decoder(_Single).decode
_read_got = msgspec.json.Decoder(_Got).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Inserted(msgspec.Struct, frozen=True):
    """What came of one statement of a batch.

    Attributes:
        code: The service's code for a refusal, e.g. `DuplicateItem`; empty when it was done.
        message: Its words.
        found: The item that was in the way, if the service gives it.
        units: Write units consumed.
    """

    code: str
    message: str
    found: Image | None
    units: float


def insertable(image: Image) -> bool:
    """Return whether an item can be put by a statement."""
    return _statement("", tuple(_members(image))) is not None


def inserts(table: str, images: Sequence[Image]) -> bytes:
    """Return the BatchExecuteStatement request that puts *images*, all of them insertable, onto absent keys."""
    statements = []
    for image in images:
        members = _members(image)
        head = _statement(table, tuple(members))
        assert head is not None
        statements.append(b"".join((head, b",".join(map(bytes, members.values())), b"]}")))
    return b"".join((b'{"ReturnConsumedCapacity":"TOTAL","Statements":[', b",".join(statements), b"]}"))


def inserted(body: bytes) -> list[Inserted]:
    """Return what came of each statement, in order."""
    answer = _read_batch(body)
    count = len(answer.Responses)
    units = [capacity.CapacityUnits for capacity in answer.ConsumedCapacity]
    if len(units) != count:
        units = [sum(units) / max(1, count)] * count
    return [
        Inserted(error.Code, error.Message, _image(error.Item), spent) if error else Inserted("", "", None, spent)
        for error, spent in ((response.Error, spent) for response, spent in zip(answer.Responses, units, strict=True))
    ]


def single(table: str, write: Write, key_schema: KeySchema) -> bytes:
    """Return the request of one guarded write alone: PutItem, UpdateItem or DeleteItem."""
    if write.seen is None:
        assert write.goal is not None
        return put_request(table, write.goal, key_schema)
    seen = _members(write.seen)
    goal = None if write.goal is None else _members(write.goal)
    changed = () if goal is None else tuple(name for name, value in goal.items() if not _equal(value, seen.get(name)))
    kept = None if goal is None else tuple(goal)
    shape = _shape(table, key_schema, guard=write.guard, seen=tuple(seen), goal=kept, changed=changed)
    sides = (seen, goal or {})
    parts = [part if isinstance(part, bytes) else bytes(sides[part[0]][part[1]]) for part in shape]
    return b"".join(parts)


def put_request(table: str, image: Image, key_schema: KeySchema) -> bytes:
    """Return the PutItem request of *image* onto an absent key."""
    return b"".join(
        (
            b'{"TableName":',
            orjson.dumps(table),
            b',"ConditionExpression":"attribute_not_exists(#k)","ExpressionAttributeNames":{"#k":',
            orjson.dumps(key_schema.partition),
            b"},",
            _ANSWER,
            b',"Item":',
            image.encode(),
            b"}",
        )
    )


def replaced(write: Write, body: bytes) -> tuple[float, Image | None]:
    """Return the write units that a single write consumed, and the image it replaced if that is not the one seen.

    What the service keeps for replication does not count.
    """
    answer = _read_single(body)
    units = answer.ConsumedCapacity.CapacityUnits
    if write.seen is None or not bytes(answer.Attributes):
        return units, None
    # Most often the very bytes come back, though in another order.
    if _same(_members(bytes(answer.Attributes)), _members(write.seen)):
        return units, None
    image = _image(answer.Attributes)
    return units, None if image == write.seen else image


def get_request(table: str, key: Key) -> bytes:
    """Return the GetItem request that reads what is under *key* now."""
    return b'{"TableName":%b,"Key":%b,"ConsistentRead":true}' % (orjson.dumps(table), key.encode())


def item_of(body: bytes) -> Image | None:
    """Return the item of a GetItem answer."""
    return _image(_read_got(body).Item)


def _image(raw: msgspec.Raw) -> Image | None:
    attributes_json = orjson.loads(bytes(raw) or b"null")
    return owned(canonical(attributes_json)) if attributes_json else None


def _equal(this: msgspec.Raw, that: msgspec.Raw | None) -> bool:
    return that is not None and bytes(this) == bytes(that)


def _same(these: Mapping[str, msgspec.Raw], those: Mapping[str, msgspec.Raw]) -> bool:
    return these.keys() == those.keys() and all(_equal(value, those[name]) for name, value in these.items())


@lru_cache(maxsize=1024)
def _statement(table: str, names: tuple[str, ...]) -> bytes | None:
    """Return the request's part for an item of these attributes, up to its values; None if it cannot be said so."""
    fields = ",".join(f"'{name}':?" for name in names)
    statement = f'INSERT INTO "{table}" VALUE {{{fields}}}'
    if len(statement) + 255 > LONGEST_STATEMENT or any(_DOUBTFUL.search(name) for name in names):
        return None
    return (
        b'{"ReturnValuesOnConditionCheckFailure":"ALL_OLD","Statement":' + orjson.dumps(statement) + b',"Parameters":['
    )


@lru_cache(maxsize=1024)
def _shape(
    table: str,
    key_schema: KeySchema,
    *,
    guard: Guard,
    seen: tuple[str, ...],
    goal: tuple[str, ...] | None,
    changed: tuple[str, ...],
) -> tuple[bytes | tuple[int, str], ...]:
    """Return the request of all guarded writes between items of these attributes, with places for the values.

    A place is an attribute's name, and 0 for its value as seen or 1 for its value in the goal. What a request says
    depends on values only in so far as they differ: so it is made once, of marks in their stead, for all alike.
    """
    marks = {name: {"S": f"@0{number}@"} for number, name in enumerate(seen)}
    becomes = {
        name: {"S": f"@1{number}@"} if name in changed else marks[name] for number, name in enumerate(goal or ())
    }
    key = image_of({name: marks[name] for name in key_schema.names})
    write = Write(0, key, image_of(marks), None if goal is None else image_of(becomes), guard)
    body = orjson.dumps({"TableName": table, **request(write, key_schema)})
    # No name can be taken for a mark: within a string of JSON, quotes are escaped.
    parts: list[bytes | tuple[int, str]] = []
    end = 0
    for mark in _MARK.finditer(body):
        names = (seen, goal or ())[int(mark[1])]
        parts += [body[end : mark.start()], (int(mark[1]), names[int(mark[2])])]
        end = mark.end()
    return (*parts, body[end:])

"""A planned write and its guard: the state the item must still be in at the moment of writing.

Why updates and not puts: `UpdateItem` touches only the attributes that differ between what was seen and what is
wanted, so an attribute that another writer adds in the meantime survives. The guard compares every attribute that
was seen, so a writer who *changed* one of them wins, too: our write fails and is reported as a conflict.

DynamoDB has no condition for "and no other attributes". That matters for deletes alone; see `sender`.

A guard is one of two. `item`: the item is exactly as it was seen, in all that is known of it. `attributes`: what the
update writes is as it was seen, and the item still exists; whatever else was written to it since is kept. What is put
onto an absent key or deleted is a whole item, so there both are the same.

Expressions are limited to 300 operators and 4 KB, which is a guard over 150 attributes. Wider ones are said in the
older parameters `Expected` and `AttributeUpdates`. They compare the same values in the same way, and the limits are
documented for expressions only. DynamoDB Local takes 400 attributes so, and returns the blocking item as well; that the
service itself knows no limit there is not documented. Should it have one, it refuses the write (outcome: failed):
nothing is ever written unguarded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pitrkit.aws.items import Image, Key, KeySchema, attributes, changed_attributes, stored_size
from pitrkit.aws.tables.tables import Index
from pitrkit.recovery.token_bucket import units_for

Action = Literal["put", "update", "delete"]
Guard = Literal["item", "attributes"]

MAX_OPERATORS = 300
"""Operators and functions in one expression. Source: Developer Guide, "Service, account, and table quotas"."""

MAX_EXPRESSION_BYTES = 4096
"""Length of one expression string. Source: as above."""


@dataclass(frozen=True, slots=True)
class Write:
    """One planned write.

    Attributes:
        number: Its number in the plan, from 1.
        key: Canonical key.
        seen: The item as re-read while planning, and thereby the guard. None where the key was absent.
        goal: The item after the write. None where it is to be gone.
        guard: How much of what was seen an update relies on: all of the `item`, or the `attributes` that it writes.
    """

    number: int
    key: Key
    seen: Image | None
    goal: Image | None
    guard: Guard = "item"

    @property
    def action(self) -> Action:
        """Return what is sent: `put` onto an absent key, `delete`, or `update` of the attributes that differ."""
        if self.seen is None:
            return "put"
        return "delete" if self.goal is None else "update"

    @property
    def units(self) -> int:
        """Return the write units on the table itself: one per started KiB of the larger of both images."""
        return units_for(max(stored_size(image) for image in (self.seen, self.goal) if image is not None))


def carries(write: Write, current: Image | None) -> bool:
    """Return whether *current* holds everything that *write* would have put there.

    For an update these are the attributes it writes; others may have changed since. For a put, all of the goal's.
    """
    if current is None or write.goal is None:
        return current == write.goal
    want, have = attributes(write.goal), attributes(current)
    names = tuple(want) if write.seen is None else changed_attributes(write.seen, write.goal)
    return all(have.get(name) == want.get(name) for name in names)


def holds(write: Write, current: Image | None) -> bool:
    """Return whether the guard of *write* would let it happen to an item that is as *current*."""
    if write.seen is None or current is None or write.goal is None:
        return current == write.seen
    seen, goal, have = attributes(write.seen), attributes(write.goal), attributes(current)
    relied = changed_attributes(write.seen, write.goal) if write.guard == "attributes" else {*seen, *goal}
    return all(have.get(name) == seen.get(name) for name in relied)


def as_wanted(write: Write, current: Image | None) -> bool:
    """Return whether *current* is as *write* would leave it, in all that its guard looks at."""
    return carries(write, current) if write.guard == "attributes" else current == write.goal


def request(write: Write, key_schema: KeySchema) -> dict[str, Any]:
    """Return the parameters of a guarded update or delete as the service's JSON, without TableName.

    The write asks for the image it replaced, for the item that blocked it, and for the capacity it consumed.
    """
    assert write.seen is not None
    terms = _Terms.of(write, attributes(write.seen), key_schema)
    return {
        "Key": attributes(write.key),
        "ReturnValues": "ALL_OLD",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ReturnConsumedCapacity": "TOTAL",
        **(terms.expressions() or terms.without_expressions()),
    }


def write_units(write: Write, indexes: Sequence[Index]) -> int:
    """Return estimated write units, indexes included: table + one per affected global index, two if its key changes."""
    old = attributes(write.seen) if write.seen is not None else {}
    new = attributes(write.goal) if write.goal is not None else {}
    units = write.units
    for index in indexes:
        if index.kind != "global":
            continue
        names = index.key_schema.names
        was, becomes = (all(name in item for name in names) for item in (old, new))
        if was and becomes:
            moves = any(old[name] != new[name] for name in names)
            units += 2 if moves else int(index.projection != "KEYS_ONLY")
        else:
            units += int(was or becomes)
    return units


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a write relies on and what it sets, by attribute.

    Attributes:
        equal: Attributes that must be as they were seen. Always some of them are the key: so the item must exist.
        absent: Attributes that must not be there.
        put: Attributes to set.
        removed: Attributes to remove.
    """

    equal: dict[str, Any]
    absent: list[str]
    put: dict[str, Any]
    removed: list[str]

    @classmethod
    def of(cls, write: Write, seen: dict[str, Any], key_schema: KeySchema) -> _Terms:
        """Return the terms of an update or, where the goal is None, of a delete of what was *seen*."""
        if write.goal is None:
            return cls(seen, [], {}, [])
        goal = attributes(write.goal)
        changed = [name for name in sorted(seen.keys() | goal.keys()) if seen.get(name) != goal.get(name)]
        relied = seen
        if write.guard == "attributes":
            relied = {name: seen[name] for name in (*key_schema.names, *changed) if name in seen}
        return cls(
            relied,
            [name for name in goal if name not in seen],
            {name: goal[name] for name in changed if name in goal},
            [name for name in changed if name not in goal],
        )

    def expressions(self) -> dict[str, Any] | None:
        """Return them as expressions, None where the service's limits do not allow that.

        Counted on the safe side: each comparison, function, conjunction, assignment and removal is an operator.
        """
        conditions, updates = len(self.equal) + len(self.absent), len(self.put) + len(self.removed)
        if max(2 * conditions - 1, updates) > MAX_OPERATORS:
            return None
        # Placeholders, so that attribute names and values of any kind never meet the grammar.
        names: dict[str, str] = {}
        values: dict[str, Any] = {}

        def name(attribute: str) -> str:
            return names.setdefault(attribute, f"#{len(names)}")

        def value(operand: Any) -> str:
            values[f":{len(values)}"] = operand
            return f":{len(values) - 1}"

        terms = [f"{name(attribute)} = {value(seen)}" for attribute, seen in self.equal.items()]
        terms += [f"attribute_not_exists({name(attribute)})" for attribute in self.absent]
        parameters: dict[str, Any] = {"ConditionExpression": " AND ".join(terms)}
        sets = [f"{name(attribute)} = {value(goal)}" for attribute, goal in self.put.items()]
        clauses = [("SET", sets), ("REMOVE", [name(attribute) for attribute in self.removed])]
        if updates:
            parameters["UpdateExpression"] = " ".join(f"{verb} {', '.join(those)}" for verb, those in clauses if those)
        if any(len(text) > MAX_EXPRESSION_BYTES for text in parameters.values()):
            return None
        parameters["ExpressionAttributeNames"] = {
            placeholder: attribute_name for attribute_name, placeholder in names.items()
        }
        return parameters | {"ExpressionAttributeValues": values}

    def without_expressions(self) -> dict[str, Any]:
        """Return them in the parameters that came before expressions.

        Source: API reference, "Legacy conditional parameters".
        """
        expected: dict[str, Any] = {
            name: {"ComparisonOperator": "EQ", "AttributeValueList": [value]} for name, value in self.equal.items()
        }
        parameters: dict[str, Any] = {
            "Expected": expected | {name: {"ComparisonOperator": "NULL"} for name in self.absent}
        }
        updates: dict[str, Any] = {name: {"Action": "PUT", "Value": value} for name, value in self.put.items()}
        if updates := updates | {name: {"Action": "DELETE"} for name in self.removed}:
            parameters["AttributeUpdates"] = updates
        return parameters

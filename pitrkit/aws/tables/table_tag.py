"""Marks: one tag of a table, by which recoveries on other machines see that one is at work on it.

Source: Amazon DynamoDB Developer Guide, "Tagging restrictions": a value has up to 256 characters, letters, digits,
spaces and `+ - = . _ : /`. Tags are eventually consistent, and no condition can be put on setting one.
"""

from __future__ import annotations

import re

from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AccessDenied

LONGEST = 256
_REFUSED = re.compile(r"[^\w +\-=.:/]", re.ASCII)


def read_tag(aws: Aws, table: Table, name: str) -> str | None:
    """Return the value of a table's tag, blank where it has none, None where the caller may not read tags."""
    table_tags = tables.tags(aws, table)
    return None if table_tags is None else table_tags.get(name, "")


def set_tag(aws: Aws, table: Table, name: str, value: str) -> bool:
    """Set a tag of a table; return False where the caller may not."""
    pair = {"Key": name, "Value": _REFUSED.sub("_", value)[:LONGEST]}
    try:
        aws.call("dynamodb", "tag_resource", table=table.name, ResourceArn=table.arn, Tags=[pair])
    except AccessDenied:
        return False
    return True


def remove(aws: Aws, table: Table, name: str) -> bool:
    """Remove a tag of a table, if it is there; return False where the caller may not."""
    try:
        aws.call("dynamodb", "untag_resource", table=table.name, ResourceArn=table.arn, TagKeys=[name])
    except AccessDenied:
        return False
    return True

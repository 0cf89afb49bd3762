"""One item at one time, by a filtered export: what it looked like, for cents, without a restore.

A filtered export holds what was asked for and nothing else, so it is only looked at: neither a snapshot nor a plan is
made of one. Old SDKs know no filters; `offered` says so beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pitrkit.aws.change_data import export_files, export_records, exports
from pitrkit.aws.change_data.export import Export, filter_text, whole_second
from pitrkit.aws.client.client import Aws
from pitrkit.aws.items import Image, Key, KeySchema, to_boto
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput

_FILTER = "FilterSpecification"


def offered(aws: Aws) -> bool:
    """Return whether the installed SDK can export single items."""
    return aws.offers("dynamodb", "ExportTableToPointInTime", _FILTER)


def start_filtered(
    aws: Aws,
    table: Table,
    key: Key,
    at: datetime,
    *,
    bucket: str = "",
    prefix: str = "",
    bucket_owner: str = "",
    earlier_exports: Sequence[Export] | None = None,
) -> Export:
    """Start exporting the one item of *key* as of the second *at*; `exports.wait` waits for it, `read` reads it.

    Args:
        aws: Where.
        table: The table.
        key: The item's key.
        at: A whole second, inside the restorable window.
        bucket: Where it goes; absent, where the table's latest export went.
        prefix: What the keys of the files are to begin with.
        bucket_owner: Account of the bucket, if it is another one.
        earlier_exports: The table's earlier exports, where they were asked for already.

    Raises:
        BadInput: The SDK knows no filters, or the time cannot be exported.
        InputNeeded: No bucket was given, and none was exported to before.
    """
    if not offered(aws):
        raise BadInput(
            "the installed AWS SDK cannot export single items",
            table=table.name,
            fix="Update boto3, or read the item from a full export or a restored copy.",
        )
    only = only_of(key, table.key_schema)
    return exports.start(
        aws, table, whole_second(at), (bucket, prefix, bucket_owner), earlier_exports=earlier_exports, only=only
    )


def only_of(key: Key, key_schema: KeySchema) -> dict[str, Any]:
    """Return the FilterSpecification that lets only the item of *key* through."""
    names = dict(enumerate(key_schema.names))
    values = to_boto(key)
    return {
        "KeyConditionExpression": " AND ".join(f"#k{place} = :k{place}" for place in names),
        "ExpressionAttributeNames": {f"#k{place}": name for place, name in names.items()},
        "ExpressionAttributeValues": {f":k{place}": values[name] for place, name in names.items()},
    }


def read(aws: Aws, export: Export, key: Key, key_schema: KeySchema) -> Image | None:
    """Return the item of *key* out of a complete full export, None if it did not exist then.

    Raises:
        BadInput: The export is none of the whole table or of this item, or a file of it cannot be used.
    """
    if export.kind != "full":
        raise BadInput(f"the {export} contains changes, not items", table=export.table, fix="Use a full export.")
    if export.filtered and export.filter != filter_text(only_of(key, key_schema)):
        raise BadInput(f"the {export} is of another item", table=export.table, fix="Export this one.")
    manifest = export_files.manifest(aws, export)
    encoded_key = key.encode()
    with TemporaryDirectory(prefix="pitrkit-") as work:
        path = Path(work) / "file"
        image_bytes: bytes | None = None
        for file in manifest.files:
            export_files.fetch(aws, export, file, path)
            for batch in export_records.rows(path, file, export, key_schema.names):
                for row in batch:
                    image_bytes = row[1] if row[0] == encoded_key else image_bytes
    manifest.check_complete()
    return image_bytes.decode() if image_bytes else None

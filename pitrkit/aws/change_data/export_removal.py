"""Removing an export's files from S3: those in its own folder, and of the shared ones those that its manifest lists.

Data files go first and manifests last, so that an interrupted removal still knows what is left. In a bucket with
versioning a deletion only hides the files; in one with Object Lock it is refused for as long as they are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pitrkit.aws.change_data import export_files
from pitrkit.aws.change_data.export import Export
from pitrkit.aws.client import client
from pitrkit.aws.client.client import Aws
from pitrkit.errors import AwsError, BadInput

AT_ONCE = 1000
"""Keys that one DeleteObjects takes."""


@dataclass(frozen=True, slots=True)
class ExportFiles:
    """What of an export lies in S3.

    Attributes:
        data: Keys of its data files, which may be gone already.
        others: Keys of its manifests and the like.
        unknown: Why its data files are not known, blank where they are.
    """

    export: Export
    data: tuple[str, ...]
    others: tuple[str, ...]
    unknown: str = ""

    @property
    def count(self) -> int:
        """How many files there are, at most."""
        return len(self.data) + len(self.others)


def find(aws: Aws, export: Export) -> ExportFiles:
    """Return the files of *export*.

    Raises:
        AccessDenied: The bucket may not be listed.
        AwsError: The bucket cannot be looked into.
    """
    folder = "/".join(filter(None, (export.prefix, "AWSDynamoDB", export.arn.rpartition("/")[2]))) + "/"
    inside = sorted(_listed(aws, export, folder))
    own = [key for key in inside if key.startswith(f"{folder}data/")]
    others = tuple(key for key in inside if key not in set(own))
    if export.kind == "full":
        return ExportFiles(export, tuple(own), others)
    try:
        listed = export_files.manifest(aws, export).files if others else ()
    except BadInput as error:
        return ExportFiles(export, tuple(own), others, error.what)
    shared = [next(key for key in file.keys if key.startswith(export.prefix)) for file in listed]
    return ExportFiles(export, (*own, *shared), others)


def remove(aws: Aws, files: ExportFiles, *, on_progress: Callable[[int], None] | None = None) -> list[str]:
    """Delete the files, data first; return the ids of the requests.

    Raises:
        AwsError: A file could not be deleted; it says which. What was deleted before is deleted.
    """
    requests: list[str] = []
    done = 0
    for keys in (files.data, files.others):
        for batch in _batches(keys):
            requests.append(_delete(aws, files.export, batch))
            done += len(batch)
            if on_progress is not None:
                on_progress(done)
    return requests


def _listed(aws: Aws, export: Export, prefix: str) -> Iterator[str]:
    listed_items = aws.paginate(
        "s3", "list_objects_v2", "Contents", table=export.table, Bucket=export.bucket, Prefix=prefix, **export.owner
    )
    for row in listed_items:
        yield str(row["Key"])


def _delete(aws: Aws, export: Export, keys: Sequence[str]) -> str:
    deletion = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    answer = aws.call("s3", "delete_objects", table=export.table, Bucket=export.bucket, Delete=deletion, **export.owner)
    request = client.request_id(answer)
    if failed := answer.get("Errors"):
        first = failed[0]
        raise AwsError(
            f"{len(failed)} of {len(keys)} files in s3://{export.bucket} were not deleted, such as {first.get('Key')}: "
            f"{first.get('Message')}",
            code=str(first.get("Code", "")),
            operation="DeleteObjects",
            request_id=request,
            table=export.table,
            fix=f"Allow s3:DeleteObject on {export.bucket}'s objects; files under Object Lock stay until it ends.",
        )
    return request


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(keys), AT_ONCE):
        yield keys[begin : begin + AT_ONCE]

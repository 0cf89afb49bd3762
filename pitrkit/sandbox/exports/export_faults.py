"""What goes wrong with exports on demand: refused, failed, slow, damaged, or in a bucket that denies.

Rules as those of `faults`, put in force and lifted in the same places. Whether a rule strikes an export is decided when
the export is started; one about S3 is asked at every request to a bucket, and when an export is written into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pitrkit.sandbox.protocol.faults import Rule

DAMAGES = ("file_missing", "file_changed", "file_torn", "file_foreign", "manifest_changed")
_CODES = {"export_refused": "AccessDeniedException", "export_fails": "S3AccessDenied"}
_MESSAGE = "User is not authorized to perform: s3:PutObject on the bucket"


@dataclass(frozen=True, slots=True)
class ExportFault(Rule):
    """A rule about exports, or about the S3 they go to.

    Attributes:
        kind: What happens:
            `export_refused`: it is not started;
            `export_fails`: it ends as FAILED;
            `export_slow`: it takes *seconds* longer;
            `file_missing`: a data file of its manifest does not exist;
            `file_changed`: a data file has lost its last line, and is otherwise whole;
            `file_torn`: a data file breaks off;
            `file_foreign`: its manifest lists one file more, whole and of another table;
            `manifest_changed`: its list of files has lost its last line;
            `s3_denied`: requests to a bucket are denied. An export that cannot put its files ends as FAILED.
        table: Name of the table that it is about; empty for all.
        bucket: Name of the bucket that it is about; empty for all.
        operations: Of `s3_denied`: the actions it is about, e.g. `GetObject`, `PutObject`, `ListBucket`; none for all.
        access_key: Of `s3_denied`: access key whose requests it is about; empty for all, and for exports' own.
        seconds: Of `export_slow`: real seconds.
        code: Of `export_refused` and `export_fails`: the error's or the failure's; empty for a denied bucket's.
        message: Its message.
    """

    KINDS: ClassVar[tuple[str, ...]] = ("export_refused", "export_fails", "export_slow", *DAMAGES, "s3_denied")

    table: str = ""
    bucket: str = ""
    operations: tuple[str, ...] = ()
    access_key: str = ""
    seconds: float = 1.0
    code: str = ""
    message: str = _MESSAGE

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        if self.seconds < 0:
            raise ValueError("seconds cannot be negative")

    @property
    def answer(self) -> tuple[str, str]:
        """Code and message of the refusal or failure."""
        return self.code or _CODES[self.kind], self.message

    def is_about_export(self, table: str, bucket: str) -> bool:
        """Return whether it can strike an export of *table* to *bucket*."""
        return self.kind != "s3_denied" and self.table in ("", table) and self.bucket in ("", bucket)

    def denies(self, bucket: str, operation: str, access_key: str) -> bool:
        """Return whether it can strike a request to a bucket."""
        return (
            self.kind == "s3_denied"
            and self.bucket in ("", bucket)
            and (not self.operations or operation in self.operations)
            and self.access_key in ("", access_key)
        )

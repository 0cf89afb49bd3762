"""Objects under one prefix of an S3 bucket: put with their SHA-256, looked up, read again.

S3 itself checks the SHA-256 of what it is sent and refuses anything else. Of an object sent in parts S3 keeps only the
hash of the parts' hashes, so the whole one is in the object's metadata as well.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pitrkit.aws.client import client
from pitrkit.aws.client.client import Aws
from pitrkit.errors import AwsError

MIB = 1024 * 1024
SINGLE = 1024 * MIB
"""Largest file that is sent in one piece; S3 takes five times as much."""

PART = 128 * MIB
"""Size of a part; S3 takes 10,000 of them."""

_NOT_THERE = {"404", "NoSuchKey", "NotFound", "403", "AccessDenied"}
_CHUNK = MIB

Mode = Literal["GOVERNANCE", "COMPLIANCE"]


@dataclass(frozen=True, slots=True)
class ObjectProtection:
    """How what is put is protected.

    Attributes:
        kms_key: KMS key that encrypts it; blank: as the bucket does by itself.
        mode: Object Lock's mode; None: as the bucket says.
        days: For how many days it can be neither changed nor deleted, with a mode.
    """

    kms_key: str = ""
    mode: Mode | None = None
    days: int = 0

    def parameters(self) -> dict[str, Any]:
        """Return what it is in a request's parameters."""
        parameters: dict[str, Any] = {}
        if self.kms_key:
            parameters |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key}
        if self.mode:
            until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=self.days)
            parameters |= {"ObjectLockMode": self.mode, "ObjectLockRetainUntilDate": until}
        return parameters


@dataclass(frozen=True, slots=True)
class Objects:
    """Everything under a prefix.

    Attributes:
        aws: Where.
        bucket: The bucket.
        prefix: What every key begins with; with a slash at its end, or blank.
        single: Largest file that is sent in one piece, in bytes.
        part: Size of a part, in bytes.
    """

    aws: Aws
    bucket: str
    prefix: str
    single: int = SINGLE
    part: int = PART

    def __str__(self) -> str:
        """Return its address, as `aws s3` has it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def locks(self) -> bool:
        """Return whether the bucket has Object Lock.

        Raises:
            AwsError: It does not say.
        """
        try:
            answer = self.aws.call("s3", "get_object_lock_configuration", Bucket=self.bucket)
        except AwsError as error:
            if error.code == "ObjectLockConfigurationNotFoundError":
                return False
            raise
        return bool(answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled")

    def sha256(self, name: str, size: int) -> str:
        """Return the SHA-256, in hex, of the object *name* if it has *size* bytes, blank if none is seen."""
        try:
            response = self.aws.call(
                "s3", "head_object", Bucket=self.bucket, Key=self.prefix + name, ChecksumMode="ENABLED"
            )
        except AwsError as error:
            if error.code in _NOT_THERE:
                return ""
            raise
        if response.get("ContentLength") != size:
            return ""
        whole, in_parts = response.get("ChecksumSHA256", ""), "-" in response.get("ETag", "")
        if whole and not in_parts:
            return base64.b64decode(whole).hex()
        return str((response.get("Metadata") or {}).get("sha256", ""))

    def put(self, name: str, content: bytes | Path, sha256: str, protection: ObjectProtection) -> dict[str, str]:
        """Put *content*, whose SHA-256 is *sha256*, and return the object's `version` and the `request_id`.

        Raises:
            AwsError: S3 does not take it, or it is not (any more) what *sha256* says.
        """
        where: dict[str, Any] = {"Bucket": self.bucket, "Key": self.prefix + name}
        more: dict[str, Any] = {
            "Metadata": {"sha256": sha256},
            "ChecksumAlgorithm": "SHA256",
            **protection.parameters(),
        }
        if isinstance(content, Path):
            if content.stat().st_size > self.single:
                return self._put_in_parts(content, where, more)
            with content.open("rb") as file:
                answer = self.aws.call("s3", "put_object", Body=file, ChecksumSHA256=_base64(sha256), **where, **more)
        else:
            answer = self.aws.call("s3", "put_object", Body=content, ChecksumSHA256=_base64(sha256), **where, **more)
        return _told(answer)

    def _put_in_parts(self, path: Path, where: dict[str, Any], more: dict[str, Any]) -> dict[str, str]:
        multipart_upload = self.aws.call("s3", "create_multipart_upload", **where, **more)
        where = {**where, "UploadId": multipart_upload["UploadId"]}
        parts: list[dict[str, Any]] = []
        try:
            with path.open("rb") as file:
                while content := file.read(self.part):
                    hashed = base64.b64encode(hashlib.sha256(content).digest()).decode()
                    number: dict[str, Any] = {"PartNumber": len(parts) + 1}
                    sent = self.aws.call("s3", "upload_part", Body=content, ChecksumSHA256=hashed, **number, **where)
                    parts.append({**number, "ETag": sent["ETag"], "ChecksumSHA256": hashed})
            return _told(self.aws.call("s3", "complete_multipart_upload", MultipartUpload={"Parts": parts}, **where))
        except BaseException:
            self.aws.call("s3", "abort_multipart_upload", **where)
            raise

    def names(self) -> list[str]:
        """Return the names of all objects under the prefix, sorted."""
        rows = self.aws.paginate("s3", "list_objects_v2", "Contents", Bucket=self.bucket, Prefix=self.prefix)
        return sorted(str(row["Key"]).removeprefix(self.prefix) for row in rows)

    def read(self, name: str) -> bytes:
        """Return an object's content, empty if there is none."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield an object's content, nothing if there is no such object."""
        try:
            answer = self.aws.call("s3", "get_object", Bucket=self.bucket, Key=self.prefix + name)
        except AwsError as error:
            if error.code == "NoSuchKey":
                return
            raise
        yield from answer["Body"].iter_chunks(_CHUNK)


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def _told(answer: dict[str, Any]) -> dict[str, str]:
    return {"version": str(answer.get("VersionId", "")), "request_id": client.request_id(answer)}

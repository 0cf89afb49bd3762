"""The sandbox's S3: moto's, in front of which buckets deny on demand, and into which exports put their files."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex
from typing import Any
from urllib.parse import unquote

from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends

from pitrkit.sandbox.exports.export_faults import ExportFault
from pitrkit.sandbox.protocol.faults import Faults
from pitrkit.sandbox.protocol.protocol import ServiceReply

EXPORTS_BUCKET = "pitrkit-sandbox-exports"
"""The bucket that a sandbox with a story in it has ready."""

FORBIDDEN = 403
BAD_REQUEST = 400
_SIGNED = re.compile(r"Credential=([^/,&]+)/[^/]+/[^/]+/s3/|AWSAccessKeyId=([^&]+)")
_OBJECT_ACTIONS = {"GET": "GetObject", "HEAD": "GetObject", "DELETE": "DeleteObject"}
_BUCKET_ACTIONS = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
_ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>'


class Refused(Exception):
    """An export's file that S3 does not take.

    Args:
        code: The export's FailureCode.
        message: Its FailureMessage.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class S3Request:
    """What a request asks of S3.

    Attributes:
        bucket: The bucket; empty for a list of all.
        action: The action's name as policies have it, e.g. `GetObject`.
        access_key: The access key that it is signed with.
        sha256: The SHA-256 that it says its content has, in base64; empty if it says none.
        key: The object's key; empty for the bucket itself.
    """

    bucket: str
    action: str
    access_key: str
    sha256: str = ""
    key: str = ""

    @classmethod
    def read(cls, environ: dict[str, Any]) -> S3Request | None:
        """Return the request of a WSGI environment, or None if it is not signed for S3."""
        query = environ.get("QUERY_STRING", "")
        signed = _SIGNED.search(environ.get("HTTP_AUTHORIZATION", "") or unquote(query))
        if signed is None:
            return None
        host = environ.get("HTTP_HOST", "").partition(":")[0]
        path = environ.get("PATH_INFO", "").lstrip("/")
        bucket, is_virtual, _ = host.partition(".localhost")
        bucket, key = (bucket, path) if is_virtual else path.partition("/")[::2]
        method = environ["REQUEST_METHOD"]
        if not bucket:
            action = "ListAllMyBuckets"
        elif key or "delete" in query.split("&"):
            action = _OBJECT_ACTIONS.get(method, "PutObject") if key else "DeleteObject"
        elif query.startswith("location"):
            action = "GetBucketLocation"
        else:
            action = _BUCKET_ACTIONS.get(method, "PutObject")
        return cls(bucket, action, signed[1] or signed[2], environ.get("HTTP_X_AMZ_CHECKSUM_SHA256", ""), key)


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets, seen from inside the service.

    Attributes:
        faults: What goes wrong.
    """

    faults: Faults

    def refusal(self, request: S3Request, content: bytes) -> ServiceReply | None:
        """Return the reply of a bucket that denies *request*, or that gets other *content* than was sent; else None."""
        if self._denied(request.bucket, request.action, request.access_key):
            return _error(FORBIDDEN, "AccessDenied", "Access Denied")
        if content and request.sha256 and b64encode(sha256(content).digest()).decode() != request.sha256:
            return _error(BAD_REQUEST, "BadDigest", "The SHA256 you specified did not match the calculated checksum.")
        return None

    def create(self, name: str, *, account: str, region: str) -> None:
        """Make a bucket."""
        s3_backends[account]["aws"].create_bucket(name, region)

    def put(
        self,
        bucket: str,
        key: str,
        content: bytes,
        *,
        owner: str,
        etag: str | None = None,
        encryption: str,
        kms_key: str | None,
    ) -> None:
        """Put an export's file.

        Args:
            bucket: The bucket.
            key: The file's key.
            content: What is in it.
            owner: Account that the bucket should belong to.
            etag: Its ETag; None for that of a file put in one part.
            encryption: S3SseAlgorithm of the export.
            kms_key: Its key, if it has one.

        Raises:
            Refused: There is no such bucket, it belongs to somebody else, or it denies.
        """
        if self._denied(bucket, "PutObject", ""):
            raise Refused("S3AccessDenied", f"Access Denied: s3:PutObject on {bucket}")
        held_by = s3_backends.bucket_accounts.get(bucket)
        if held_by is not None and held_by[1] != owner:
            raise Refused("S3AccessDenied", f"Access Denied: the bucket {bucket} belongs to another account")
        try:
            s3_backends[owner]["aws"].put_object(
                bucket,
                key,
                content,
                etag=etag,
                encryption="aws:kms" if encryption == "KMS" else encryption,
                kms_key_id=kms_key,
            )
        except MissingBucket:
            raise Refused("S3NoSuchBucket", f"The specified bucket does not exist: {bucket}") from None

    def _denied(self, bucket: str, action: str, access_key: str) -> bool:
        return bool(self.faults.strike(ExportFault, lambda fault: fault.denies(bucket, action, access_key)))


def _error(status: int, code: str, message: str) -> ServiceReply:
    headers = (("Content-Type", "application/xml"), ("x-amz-request-id", token_hex(8).upper()))
    return ServiceReply(status, headers, _ERROR.format(code, message).encode())

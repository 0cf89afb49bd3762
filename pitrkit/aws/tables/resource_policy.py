"""A table's resource-based policy: read, put and deleted only in the revision that was read.

The service takes some seconds to tell a policy that was put, and to heed it. Whoever has put one waits for
`wait_for_policy`. Source: API reference of PutResourcePolicy and GetResourcePolicy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pitrkit.aws.client import client
from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.polling import poll
from pitrkit.errors import AwsError, BadInput

NO_POLICY = "NO_POLICY"
"""Revision of a table that has no policy."""

LARGEST_BYTES = 20 * 1024
"""Size of the longest policy; the service counts white space as well."""

TOLD_AFTER_SECONDS = 60.0
_LOOKS_EVERY = 0.5
_NOT_FOUND = "PolicyNotFoundException"


class PolicyChanged(AwsError):
    """The policy is not of the revision that was expected: somebody else has changed it."""


@dataclass(frozen=True, slots=True)
class PolicyRevision:
    """A policy as the service has it.

    Attributes:
        text: The document as it was put; blank where there is none.
        revision: Its revision; `NO_POLICY` where there is none.
    """

    text: str = ""
    revision: str = NO_POLICY


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A change to a policy that the service has taken.

    Attributes:
        revision: The policy's revision since; `NO_POLICY` where it was deleted.
        request_id: AWS's id of the request.
    """

    revision: str
    request_id: str


def read(aws: Aws, table: str, arn: str) -> PolicyRevision:
    """Return the policy of *table*.

    Raises:
        AccessDenied: The caller may not read it.
    """
    try:
        answer = aws.call("dynamodb", "get_resource_policy", table=table, ResourceArn=arn)
    except AwsError as error:
        if error.code == _NOT_FOUND:
            return PolicyRevision()
        raise
    return PolicyRevision(answer["Policy"], answer["RevisionId"])


def change(aws: Aws, table: str, arn: str, text: str, *, expected: str) -> PolicyChange:
    """Put *text* in the place of the policy of revision *expected*; a blank one deletes it.

    Raises:
        PolicyChanged: The policy is of another revision. Nothing was changed.
        BadInput: The installed SDK cannot do it conditionally, or the text is too long.
    """
    if not aws.offers("dynamodb", "PutResourcePolicy", "ExpectedRevisionId"):
        raise BadInput(
            "the installed AWS SDK does not support resource policies of tables", table=table, fix="Update boto3."
        )
    if len(text.encode()) > LARGEST_BYTES:
        raise BadInput(
            f"the policy would have {len(text.encode()):,} bytes, and the limit is {LARGEST_BYTES:,}",
            table=table,
            fix="Shorten the table's policy, or continue without.",
        )
    parameters: dict[str, Any] = {"table": table, "ResourceArn": arn, "ExpectedRevisionId": expected}
    try:
        if text:
            answer = aws.call("dynamodb", "put_resource_policy", Policy=text, **parameters)
        else:
            answer = aws.call("dynamodb", "delete_resource_policy", **parameters)
    except AwsError as error:
        if error.code != _NOT_FOUND:
            raise
        raise PolicyChanged(
            "the table's policy was changed by somebody else in the meantime",
            code=error.code,
            operation=error.operation,
            request_id=error.request_id,
            table=table,
            fix="Run this step again.",
        ) from error
    return PolicyChange(answer["RevisionId"] if text else NO_POLICY, client.request_id(answer))


def wait_for_policy(aws: Aws, table: str, arn: str, so: Callable[[PolicyRevision], bool]) -> bool:
    """Wait until the service tells a policy that is *so*, and return whether it does within a minute."""
    last = poll(lambda: read(aws, table, arn), lambda now, _: so(now), every=_LOOKS_EVERY, at_most=TOLD_AFTER_SECONDS)
    return so(last)

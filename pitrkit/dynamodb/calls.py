"""Calls that change something in AWS, each told as it is answered: what was called, and the service's request id.

Whoever keeps a record sets `Aws.on_change`; then no change can be made past it, whatever part of the kit makes it.
Writes of items go another way (`wire`), and are in the journal of their copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pitrkit.errors import AwsError, WouldWrite

_ONLY_LOOKS = ("describe_", "list_", "get_", "batch_get_", "head_", "lookup_", "scan", "query", "simulate_")
_CHANGES_NOTHING = {("kms", "sign"), ("kms", "verify"), ("sts", "assume_role")}


@dataclass(frozen=True, slots=True)
class Called:
    """A call that changes something in AWS, answered.

    Attributes:
        service: boto3's name of the service.
        operation: The API's name of the operation, e.g. `RestoreTableToPointInTime`.
        table: Table it is about, empty where there is none.
        outcome: `done`; `refused`: nothing was done; `unknown`: no whole answer, so it may have been done.
        request_id: AWS's id of the request, empty without an answer.
        code: The service's error code, empty if there was none.
    """

    service: str
    operation: str
    table: str
    outcome: Literal["done", "refused", "unknown"]
    request_id: str
    code: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it as plain JSON."""
        return asdict(self)


def api_name(operation: str) -> str:
    """Return the API's name of boto3's *operation*: `PutItem` of `put_item`."""
    return "".join(part.capitalize() for part in operation.split("_"))


def request_id(answer: Mapping[str, Any]) -> str:
    """Return AWS's id of the request that *answer* answers, empty where it does not tell."""
    return str(answer.get("ResponseMetadata", {}).get("RequestId", ""))


def changes_something(service: str, operation: str) -> bool:
    """Return whether boto3's *operation* of *service* does more than look."""
    return not operation.startswith(_ONLY_LOOKS) and (service, operation) not in _CHANGES_NOTHING


def told(
    on_change: Callable[[Called], None], send: Callable[[], Any], *, service: str, operation: str, table: str
) -> Any:
    """Return what *send* returns, and tell *on_change* how it ended if the operation changes something."""
    if not changes_something(service, operation):
        return send()
    api = api_name(operation)
    try:
        answer = send()
    except AwsError as error:
        outcome: Literal["refused", "unknown"] = "unknown" if error.unsure else "refused"
        on_change(Called(service, api, table, outcome, error.request_id, error.code))
        raise
    on_change(Called(service, api, table, "done", request_id(answer)))
    return answer


def would_write(what: str, table: str) -> WouldWrite:
    """Return what to raise where nothing may be changed, instead of calling *what*."""
    words = f"dry run: it would call {what}, and stops before that"
    return WouldWrite(words, table=table, fix="Leave out --dry-run to do it.")


def without_quotes(text: str) -> str:
    """Return botocore's message about parameters without the values that it quotes: they may be of an item."""
    return re.sub(r"value: .*?(?=, type: |, valid |$)", "value: ...", text, flags=re.MULTILINE)

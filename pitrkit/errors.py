"""What can go wrong, said so that a tired person knows what to do next.

One root, `PitrkitError`. Every error says what happened, to which table, and what to do. Errors that come from
AWS keep the service's code and request id. The command line's exit codes are a contract and live here, beside
the errors that cause them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

_QUOTING = frozenset(
    {"ValidationException", "ValidationError", "ParamValidationError", "SerializationException",
     "ItemCollectionSizeLimitExceededException", "TransactionCanceledException", "DuplicateItem"}
)  # fmt: skip
"""Codes whose messages may quote a value of an item."""

_WITHHELD = "the service refuses a value; its words are withheld, for they may quote a sensitive attribute"


class Exit(IntEnum):
    """Exit codes of `pitrkit run`, `pitrkit recover` and `pitrkit drill`."""

    DONE = 0
    LEFT = 1  # differences or conflicts left, or verification or a drill failed
    ERROR = 2
    GATE_CLOSED = 3
    INPUT_NEEDED = 4
    INTERRUPTED = 130


class PitrkitError(Exception):
    """Root of all errors the kit raises on purpose.

    Args:
        what: What happened, as one sentence.
        table: Table it happened to, where there is one.
        fix: What to do next, as one sentence.

    Attributes:
        discreet: Whether errors keep to themselves what they would quote of items or of what an operator typed: set for
            the whole process where attributes are named sensitive.
        meaning: What it means for the data, as one sentence; a step that writes says what is true of it.
        card: What a notebook shows instead of the usual card; something that shows itself, None for the usual.
    """

    exit_code: Exit = Exit.ERROR
    discreet: ClassVar[bool] = False
    meaning: str = "No item was written or changed."
    card: object = None

    def __init__(self, what: str, *, table: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.table = table
        self.fix = fix

    @staticmethod
    def quoted(expression: str) -> str:
        """Return the end of a sentence that shows *expression*, if that may be shown."""
        return "" if PitrkitError.discreet else f". The expression is: {expression}"

    def __str__(self) -> str:
        first = self.what.partition("\n")[0]
        head = f"{self.table}: {self.what}" if self.table and self.table not in first else self.what
        return f"{head}\n-> {self.fix}" if self.fix else head

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: an operator reads one line, not our call stack. The rest is on the card above it."""
        return [f"{type(self).__name__}: {self.what.splitlines()[0] if self.what else ''}"]


class BadInput(PitrkitError):
    """A parameter, file or table that cannot be used as given. Nothing was written."""


class InputNeeded(PitrkitError):
    """A parameter is blank at the point of use.

    Attributes:
        parameter: Name of the parameter to fill.
    """

    exit_code = Exit.INPUT_NEEDED

    def __init__(self, parameter: str, *, fix: str, table: str = "") -> None:
        super().__init__(f"input needed: {parameter}", table=table, fix=fix)
        self.parameter = parameter


class GateClosed(PitrkitError):
    """A plan awaits its approval.

    Attributes:
        digest: Digest of the plan that has to be approved.
    """

    exit_code = Exit.GATE_CLOSED

    def __init__(self, what: str, *, digest: str, table: str = "", fix: str = "") -> None:
        super().__init__(what, table=table, fix=fix)
        self.digest = digest


class StalePlan(PitrkitError):
    """The approval names a plan that is not the present one, or one that is too old."""


class WouldWrite(PitrkitError):
    """A dry run has come to the first thing that it would change."""

    exit_code = Exit.DONE


class RecordAltered(PitrkitError):
    """A file of an incident's record is not what it was when it was written."""


class AwsError(PitrkitError):
    """An AWS call failed.

    Attributes:
        code: The service's error code, e.g. `AccessDeniedException`.
        operation: The API operation, e.g. `RestoreTableToPointInTime`.
        request_id: AWS's id of the failed request, empty if there was no answer.
        unsure: Whether it may have been done all the same.
    """

    unsure: bool = False

    def __init__(
        self, what: str, *, code: str, operation: str, request_id: str = "", table: str = "", fix: str = ""
    ) -> None:
        withheld = PitrkitError.discreet and code in _QUOTING
        super().__init__(_WITHHELD if withheld else what, table=table, fix=fix)
        self.code = code
        self.operation = operation
        self.request_id = request_id

    def __str__(self) -> str:
        trace = f" [{self.operation}: {self.code}"
        trace += f", request {self.request_id}]" if self.request_id else "]"
        head, arrow, fix = super().__str__().partition("\n-> ")
        return head + trace + arrow + fix


class TableNotFound(AwsError):
    """The table does not exist in this account and region."""


class AccessDenied(AwsError):
    """The caller may not do this; the message names the IAM action."""


class DrillFailed(PitrkitError):
    """A drill is over, and recovery is not as it has to be: a limit was passed, or what was copied does not hold."""

    exit_code = Exit.LEFT


class NoCredentials(PitrkitError):
    """AWS credentials are missing or expired."""


class NoRegion(PitrkitError):
    """No AWS region is set."""

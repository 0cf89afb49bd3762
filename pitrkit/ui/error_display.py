"""Failures: what a notebook shows when a cell fails. A card that says what to do, with the traceback folded away.

IPython lets one handler see what a cell raised. Ours shows the card and leaves one line as the cell's error, so that
papermill, nbclient and JupyterLab's "run all" still stop there. `pitrkit.runbook` installs it in each kernel.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, TracebackType
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display

from pitrkit import __version__
from pitrkit.errors import BadInput, PitrkitError
from pitrkit.ui.cards import error_card, interrupted_card


class Interrupted(KeyboardInterrupt):
    """Work that writes was interrupted, and all that was under way is settled and recorded.

    Attributes:
        card: What came of it so far, as something that shows itself.
    """

    def __init__(self, card: object) -> None:
        super().__init__("completed work is recorded; run this cell again to resume")
        self.card = card


def install() -> bool:
    """Show failures as cards in the kernel that this runs in; return False where this is no kernel."""
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return False
    shell.set_custom_exc((Exception, KeyboardInterrupt), _show)
    return True


@contextmanager
def failure_meaning(meaning: str) -> Iterator[None]:
    """Let a failure inside say *meaning* on its card about what it means for the data."""
    try:
        yield
    except PitrkitError as error:
        error.meaning = meaning
        raise
    except Exception as error:
        error.__dict__["meaning"] = meaning
        raise


def card_of(error: BaseException, trace: str = "") -> object:
    """Return the card that a failure is shown as.

    Args:
        error: What was raised.
        trace: Its traceback as text, to be folded away.
    """
    if (own := getattr(error, "card", None)) is not None:
        return own
    if isinstance(error, KeyboardInterrupt):
        return interrupted_card()
    assert isinstance(error, Exception)
    return error_card(error, trace=trace)


def one_line(error: BaseException) -> str:
    """Return what the cell's error itself says, below the card."""
    if isinstance(error, PitrkitError):
        return error._render_traceback_()[0]
    error_lines = str(error).splitlines()
    head = "" if isinstance(error, KeyboardInterrupt) else "unexpected "
    return f"{head}{type(error).__name__}{f': {error_lines[0]}' if error_lines else ''}"


def outdated(error: BaseException, trace: TracebackType | None) -> BadInput | None:
    """Return what to say if a cell itself names something that this version of the kit does not have.

    That is a working copy laid out by another version: names of the kit are no interface, its notebooks change with it.

    Args:
        error: What was raised.
        trace: Its traceback, from the cell on.
    """
    if isinstance(error, ImportError):
        missing = str(error.name or "")
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType) and trace and trace.tb_next is None:
        missing = error.obj.__name__
    else:
        return None
    if missing.split(".")[0] != "pitrkit":
        return None
    return BadInput(
        f"this notebook was laid out by another version of pitrkit: {error}",
        fix=f"Run `pitrkit lab --fresh`: it lays out the notebooks of this version ({__version__}) and keeps the "
        "earlier ones beside them. The incident continues where it is.",
    )


def _withheld(error: BaseException) -> Exception:
    """Return an unexpected error without its words, which may quote an item."""
    withheld_error: Exception = type(type(error).__name__, (Exception,), {})(
        "its message is not shown: it may contain a sensitive attribute"
    )
    withheld_error.__dict__.update(getattr(error, "__dict__", {}))
    return withheld_error


def _show(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> list[str]:
    del tb_offset
    inside = trace.tb_next if trace is not None else None  # the first frame is IPython's own
    if (known := outdated(error, inside)) is not None:
        kind, error = type(known), known
    if PitrkitError.discreet:
        # What led to an error may quote an item in its own words, and so may an error that nobody expected.
        text = "".join(traceback.format_tb(inside)).rstrip("\n")
        error = error if isinstance(error, (PitrkitError, KeyboardInterrupt)) else _withheld(error)
    else:
        text = "".join(traceback.format_exception(kind, error, inside)).rstrip("\n")
    display(card_of(error, text))
    lines = [one_line(error)]
    shell._showtraceback(kind, error, lines)  # noqa: SLF001 (it is what IPython's own handlers end with)
    return lines

"""What users read is plain English of AWS and database operations: retired words stay out."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pitrkit"

ROOMS = (
    "cli",
    "config",
    "errors.py",
    "record",
    "recovery/apply",
    "recovery/plan",
    "runbook/adopt",
    "runbook/change_log",
    "runbook/copy_back",
    "runbook/drill",
    "runbook/finish",
    "runner",
)
"""Rooms and modules below `pitrkit/` whose texts are held to the table."""

RETIRED = {
    r"\bmangl\w+": "corrupt, corrupted",
    r"\bt(?:ak\w+|ook) (?:\w+ ){0,3}back\b": "revert (damage), undo (a copy)",
    r"\bthe second to go back to\b": "recovery point",
    r"\bgo(?:es|ing)? back to T\b": "recovery point",
    r"\b(?:is|are) told by\b": "source",
    r"\bspeaks for it\b": "evidence",
    r"\bthe hard way\b": "fallback",
    r"\blasts until\b": "valid until",
    r"\balready so\b": "already correct",
    r"\bas they should be\b": "match the plan",
    r"\ball hold\b": "all match",
    r"\bwhy not faster\b": "limited by",
    r"\bwhat (?:will not|will happen)\b": "will be written, will not be written",
    r"\bwhat moved\b": "check for changes since the plan",
    r"\bnobody has said\b": "no decision yet",
    r"\bcould do harm\b": "acknowledge each risk",
    r"\bhangs on it\b": "dependencies",
    r"\bwhoever mends\b": "technical details",
    r"\bthat did not work\b": "this step failed",
    r"\bholds? the kit to\b": "no guardrails set",
    r"\bhow that comes about\b": "calculation",
    r"\bwhat it takes\b": "estimated time and cost; permission check",
    r"\bblank is as it was\b": "blank keeps the original setting",
    r"\bsomething happened\b": "report an incident",
    r"\bit is over\b": "incident closed",
    r"\bways back\b": "recovery options",
    r"\bin nobody's\b": "has to be recreated by hand",
    r"\bambiguous \(": "no response",
    r"\bh(?:old(?:s|ing)?|eld) (?:\w+ )?off\b": "block, pause",
}
"""Retired phrase (a pattern, in any case) -> what to say instead."""

STORED = {
    "already so": "a reason in a plan's files and manifest; cards say `already correct`",
    "mangled": "a key of the counts that the sandbox keeps of its damage",
    "take settings back": "the action in a settings plan that is stored and approved by its digest",
    "when the damage was done: take back what it did till then": "an option's help: the table of options",
    "findings that could do harm, acknowledged by name, such as streams,no-pitr; the closed gate names them": (
        "an option's help: the table of options"
    ),
}
"""Stored values that hold a retired phrase, each with the reason why it stays."""


def modules() -> list[Path]:
    paths = [PACKAGE / room for room in ROOMS]
    return sorted(module for path in paths for module in ([path] if path.is_file() else path.rglob("*.py")))


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string literal that is no docstring; an f-string's fields read `{}`."""
    tree = ast.parse(source)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in node.values)
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def findings(text: str) -> list[str]:
    return [
        f"{hit.group(0)!r}: say instead: {plain}"
        for pattern, plain in RETIRED.items()
        for hit in re.finditer(pattern, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_retired_words_in_what_a_module_says(module: Path) -> None:
    found = [
        f"{module.relative_to(ROOT)}:{line}: {finding}\n    {text}"
        for line, text in literals(module.read_text())
        if text not in STORED
        for finding in findings(text)
    ]
    assert not found, "\n".join(found)


def test_a_retired_word_is_found_in_texts_and_not_in_docstrings() -> None:
    source = '"""Mangled."""\nLABEL = "What moved?"\nNOTE = f"{1} items are Mangled"\n'
    hits = [(line, finding) for line, text in literals(source) for finding in findings(text)]
    assert [line for line, _ in hits] == [2, 3]
    assert "check for changes since the plan" in hits[0][1]

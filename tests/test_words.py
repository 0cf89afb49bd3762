"""What users read is plain English of AWS and database operations: retired words stay out."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.runbook.test_views import gallery

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pitrkit"

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
    r"(?-i:(?<![\w&<{$.\-/\\])T(?![\w'.:+\-}\])>]))": "recovery point",
    r"\btable's life\b": "write activity and deployments",
    r"\bthen and now\b": "before and now",
    r"\bgone on with\b": "resumed",
    r"\bin these filters\b": "matching changes",
    r"\buse as scope\b": "limit recovery to these",
    r"\bset again what\b": "reapply settings stored in the backup",
    r"\bpick (?:a|the) second\b": "choose the recovery point",
    r"\bthe second (?:that|to|before|by which)\b": "recovery point, time",
    r"\btold (?:apart )?by\b": "source, distinguished by",
    r"\bwhere an incident stands\b": "status",
    r"\ba stream tells\b": "open shards returned no new records",
    r"\bthe past alone\b": "if you know when the damage ended",
}
"""Retired phrase (a pattern, in any case) -> what to say instead."""

STORED = {
    "already so": "a reason in a plan's files and manifest; cards say `already correct`",
    "mangled": "a key of the counts that the sandbox keeps of its damage",
    "what happened: deleted, mangled, gone or unsure; with table it opens the incident": "values of a parameter",
    "take settings back": "the action in a settings plan that is stored and approved by its digest",
}
"""Stored values that hold a retired phrase, each with the reason why it stays."""


QUOTED = ("`mangled`", '"mangled"', "deleted, mangled, gone or unsure")
"""How a page names a stored value."""


def modules() -> list[Path]:
    """Every module of the kit; the sandbox speaks as AWS does."""
    return sorted(path for path in PACKAGE.rglob("*.py") if not {"sandbox", "_notebooks"} & set(path.parts))


def pages() -> list[Path]:
    """What is read as it stands: README, guide, templates and scripts of cards and widgets."""
    guide = sorted((ROOT / "notebooks" / "guide").glob("*.md"))
    return [
        ROOT / "README.md",
        *guide,
        *sorted((PACKAGE / "ui").rglob("*.j2")),
        *sorted((PACKAGE / "ui").rglob("*.js")),
    ]


def notebooks() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


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
        if text not in STORED and text != "T" and r"\d" not in text  # a time's T, a pattern
        for finding in findings(text)
    ]
    assert not found, "\n".join(found)


def without_stored(text: str) -> str:
    """Leave out stored values and code that a page quotes."""
    for value in (*STORED, *QUOTED):
        text = text.replace(value, "")
    return text


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_no_retired_words_on_a_page(page: Path) -> None:
    lines = enumerate(page.read_text().splitlines(), start=1)
    found = [f"{page.name}:{number}: {hit}" for number, line in lines for hit in findings(without_stored(line))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("notebook", notebooks(), ids=lambda path: path.stem)
def test_no_retired_words_in_a_notebook(notebook: Path) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    read = [cell for place, cell in enumerate(cells) if cell["cell_type"] == "markdown" or place == 1]
    found = [hit for cell in read for hit in findings(without_stored("".join(cell["source"])))]
    assert not found, "\n".join(found)


def test_no_retired_words_in_any_view(tmp_path: Path) -> None:
    """The gallery has every card with data in it, so what is put together as it is shown counts as well."""
    found = [f"{view.kind}: {hit}" for view in gallery(tmp_path) for hit in findings(without_stored(str(view)))]
    assert not found, "\n".join(found)


def test_a_retired_word_is_found_in_texts_and_not_in_docstrings() -> None:
    source = '"""Mangled."""\nLABEL = "What moved?"\nNOTE = f"{1} items are Mangled"\n'
    hits = [(line, finding) for line, text in literals(source) for finding in findings(text)]
    assert [line for line, _ in hits] == [2, 3]
    assert "check for changes since the plan" in hits[0][1]

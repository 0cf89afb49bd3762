"""What an operator gave that names sensitive values: kept with the incident's data, and named everywhere else.

Keys and conditions have to be known in full when the recovery goes on. Where they hold what is sensitive they are in
`given/` of the incident's folder, beside snapshots and plans, and a parameter, an event or `incident.json` holds a
name of it (`@given/0123abcd...`) and what may be shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pitrkit import documents, files
from pitrkit.config import masking
from pitrkit.errors import BadInput
from pitrkit.incident.incident import Incident
from pitrkit.recovery.changes.scope import Scope

FOLDER = "given"
_NAME = re.compile(r"@given/([0-9a-f]{16})\Z")
PARAMETERS = ("keys", "key", "where")
"""Parameters of notebooks that say which items are meant."""


def recorded(incident: Incident, scope: Scope, text: str = "") -> dict[str, Any]:
    """Return a scope as plain JSON for the record, with its words; what is sensitive is masked, and kept aside.

    Args:
        incident: Where it is kept.
        scope: The scope.
        text: It in words; its own description where blank.
    """
    masked_scope = masking.current().scope(scope)
    scope_document = {**masked_scope.to_dict(), "words": masking.current().words(scope, text)}
    return (
        scope_document
        if masked_scope == scope
        else {**scope_document, FOLDER: save(incident, json.dumps(scope.to_dict()))}
    )


def recorded_scope(incident: Incident, document: Mapping[str, Any]) -> Scope:
    """Return the scope that `recorded` was given.

    Raises:
        BadInput: It is not there any more.
    """
    return Scope.from_dict(
        documents.from_json(read(incident, document[FOLDER]), dict[str, Any])
        if document.get(FOLDER)
        else dict(document)
    )


def hidden(incident: Incident, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return parameters as they may be recorded and handed on: those that name what is sensitive by their place."""
    return {name: save(incident, text) if _tells(name, text) else text for name, text in parameters.items()}


def _tells(name: str, text: str) -> bool:
    current_masks = masking.current()
    if not current_masks or name not in PARAMETERS or not text.strip() or _NAME.match(text):
        return False
    if name == "where":
        return current_masks.where(text) != text
    try:
        return any(map(current_masks.touches, _names(json.loads(text))))
    except ValueError:
        return True  # it cannot be told, and will be refused where it is used


def _names(value: Any) -> Iterator[str]:
    """Yield the names in JSON, however deep."""
    for element in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names(element)
    if isinstance(value, dict):
        yield from value


def save(incident: Incident, text: str) -> str:
    """Keep *text* with the incident's data and return the name that stands for it."""
    name = masking.current().digest(text)[:16]
    folder = incident.path(FOLDER)
    folder.mkdir(mode=0o700, exist_ok=True)
    files.replace(folder / name, text.encode())
    return f"@{FOLDER}/{name}"


def read(incident: Incident, text: str) -> str:
    """Return what *text* stands for: itself, unless it is such a name.

    Raises:
        BadInput: What it names is not in this incident.
    """
    name = _NAME.match(text.strip())
    if name is None:
        return text
    try:
        return incident.path(FOLDER, name[1]).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{text} is not in this incident", fix="Give it anew, in full.") from error

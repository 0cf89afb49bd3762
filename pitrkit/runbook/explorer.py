"""The control for exploring a change set and taking what is looked at as the scope of the recovery.

The filters are written as a `Scope`, the very thing that is applied later and that headless runs are given. So what
is seen here is what will be in scope.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from pitrkit.errors import BadInput
from pitrkit.recovery.changes import Change, Counts
from pitrkit.recovery.scope import KINDS, Scope
from pitrkit.runbook.blocks import Bar, Block, Facts, Note, Segment, Tag
from pitrkit.runbook.change_views import side_by_side
from pitrkit.runbook.controls import WIDE, Control
from pitrkit.runbook.incident_views import error_card, note
from pitrkit.runbook.values import things, visible
from pitrkit.runbook.view import View

if TYPE_CHECKING:
    from pitrkit.dynamodb.tables import KeyAttribute
    from pitrkit.recovery.changes import ChangeSet

LOOKED_AT = 20_000
"""Changes that are looked at for one set of filters: some seconds' work. Applying a scope looks at all of them."""


class Explorer(Control):
    """Filters over a change set, with counts and samples of what they let through.

    Args:
        changes: The change set.
        samples: How many items to show.
        looked_at: How many changes the filters are tried on at most.
    """

    def __init__(self, changes: ChangeSet, *, samples: int = 5, looked_at: int = LOOKED_AT) -> None:
        self._changes, self._samples, self._looked_at = changes, samples, looked_at
        self._filtering: Scope | None = Scope()
        self._scope: Scope | None = None
        counts = changes.counts
        self.view = note(
            f"{counts.removed:,} removed, {counts.modified:,} modified and {counts.inserted:,} inserted items to "
            "explore. Headless, the parameters `kinds`, `keys` and `where` say which of them are the damage."
        )
        self.kinds = {
            kind: widgets.Checkbox(value=True, description=f"{kind} ({getattr(counts, kind):,})", indent=False)
            for kind in KINDS
        }
        self.key = _text("Key contains", "part of a key attribute's value", "Only items whose key contains this")
        self.keys = _text("Keys", f"[{_example(changes)}]", "Only these keys: a JSON list, plain or DynamoDB JSON")
        names = [str(name) for name in changes.attribute_statistics()["attribute"]]
        self.attribute = widgets.Dropdown(
            description="Changed",
            options=[("any attribute", ""), *((visible(name), name) for name in names)],
            value="",
            tooltip="Only modified items in which this attribute differs",
            style=WIDE,
            layout={"width": "32em"},
        )
        self.where = _text("Where", "after.status == 'CANCELLED'", "JMESPath over kind, key, before, after, changed")
        self.use = widgets.Button(description="Use as scope", icon="filter", tooltip="Recover only what is shown here")
        self.found = widgets.HTML()
        self.said = widgets.HTML()
        for control in (*self.kinds.values(), self.key, self.keys, self.attribute, self.where):
            control.observe(self._filters_changed, names="value")
        self.use.on_click(self._used)
        boxes = widgets.HBox([*self.kinds.values()], layout={"flex_flow": "row wrap"})
        fields = [boxes, self.key, self.keys, self.attribute, self.where]
        self.box = widgets.VBox([*fields, self.found, self.use, self.said])
        self._filters_changed({})

    @property
    def scope(self) -> Scope | None:
        """The scope that "Use as scope" was last pressed for, None until it was."""
        return self._scope

    def _written(self) -> Scope:
        """Return the filters as a scope. Raises BadInput where one cannot be read."""
        kinds = [kind for kind in KINDS if self.kinds[kind].value]
        if not kinds:
            raise BadInput("no kind of change is ticked", fix="Tick at least one.")
        text = "" if len(kinds) == len(KINDS) else ",".join(kinds)
        # The filters are read one by one first: an error should speak of what was typed, not of all of it together.
        Scope.parse("", "", self.where.value, self._changes.key_schema)
        return Scope.parse(text, self.keys.value, self._where(), self._changes.key_schema)

    def _where(self) -> str:
        terms = []
        if self.key.value:
            wanted = _literal(self.key.value)
            keys = (_key_contains(one, wanted) for one in self._changes.key_schema.attributes)
            terms.append(" || ".join(keys))
        if self.attribute.value:
            terms.append(f"contains(changed, {_literal(self.attribute.value)})")
        if self.where.value.strip():
            terms.append(self.where.value.strip())
        return terms[0] if len(terms) == 1 else " && ".join(f"({term})" for term in terms)

    def _filters_changed(self, _change: Mapping[str, Any]) -> None:
        self._filtering = None
        try:
            scope = self._written()
            shown = self._shown(scope)
        except BadInput as error:
            shown = error_card(error)
        else:
            self._filtering = scope
        self.use.disabled = self._filtering is None
        self.found.value = shown._repr_html_()

    def _shown(self, scope: Scope) -> View:
        counts = dict.fromkeys(KINDS, 0)
        samples: list[Change] = []
        looked_at = 0
        for change in islice(self._changes, self._looked_at):
            looked_at += 1
            if scope.holds(change):
                counts[change.kind] += 1
                if counts[change.kind] <= self._samples:
                    samples.append(change)
        return _result(scope, Counts(**counts), self._taken(samples), looked_at, len(self._changes))

    def _taken(self, samples: list[Change]) -> list[Change]:
        """Return as many samples as are shown, of every kind in turn."""
        by_kind = {kind: [change for change in samples if change.kind == kind] for kind in KINDS}
        turns = [(place, KINDS.index(kind), change) for kind in KINDS for place, change in enumerate(by_kind[kind])]
        return [change for _, _, change in sorted(turns, key=lambda turn: turn[:2])[: self._samples]]

    def _used(self, _button: object) -> None:
        if self._filtering is None:
            return
        self._scope = self._filtering
        said = note(f"Scope: {self._scope.describe()}. Run the next cell.", "good")
        self.said.value = said._repr_html_()


def _text(label: str, placeholder: str, tooltip: str) -> Any:
    return widgets.Text(
        description=label,
        placeholder=placeholder,
        tooltip=tooltip,
        continuous_update=False,
        style=WIDE,
        layout={"width": "100%", "max_width": "60em"},
    )


def _example(changes: ChangeSet) -> str:
    parts = (
        f'"{one.name}": {1 if one.type == "N" else chr(34) + "a" + chr(34)}' for one in changes.key_schema.attributes
    )
    return f"{{{', '.join(parts)}}}"


def _literal(text: str) -> str:
    """Return *text* as a JMESPath literal, whatever is in it."""
    escaped = json.dumps(text).replace("`", "\\`")
    return f"`{escaped}`"


def _key_contains(attribute: KeyAttribute, wanted: str) -> str:
    path = f"key.{json.dumps(attribute.name)}"
    return f"contains({f'to_string({path})' if attribute.type == 'N' else path}, {wanted})"


def _result(scope: Scope, counts: Counts, samples: list[Change], looked_at: int, total: int) -> View:
    bar = Bar(tuple(Segment(kind, getattr(counts, kind), kind) for kind in KINDS))
    rows = [("scope", scope.describe())]
    given = scope.to_dict()
    if scope.kinds:
        rows.append(("kinds", ",".join(scope.kinds)))
    if scope.where:
        rows.append(("where", scope.where))
    blocks: list[Block] = [Facts(tuple(rows)), bar]
    if looked_at < total:
        text = f"Tried on the first {looked_at:,} of {total:,} changes; taken as scope, it is applied to all."
        blocks.append(Note(text, "warn"))
    if samples:
        blocks.append(side_by_side(samples))
    elif total:
        blocks.append(Note("Nothing passes these filters.", "warn"))
    tag = Tag(f"{counts.changes:,} of {things(looked_at, 'change')}")
    return View("explored", "In these filters", (tag,), tuple(blocks), {"scope": given, "counts": counts.to_dict()})

"""Change sets as pandas frames: how people look at them. A frame never carries what will be written."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from pitrkit.dynamodb.items import attributes, changed_attributes, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from pitrkit.recovery.changes import Change, ChangeSet

ATTRIBUTES_SHOWN = 100


def attribute_statistics(changes: Iterable[Change]) -> pd.DataFrame:
    """Return `attribute`, `changed`, `added` and `removed`: in how many modified items, busiest first."""
    import pandas as pd  # noqa: PLC0415  slow to import, and headless paths do without

    changed: Counter[str] = Counter()
    added: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    for change in changes:
        if change.before is None or change.after is None:
            continue
        then, now = attributes(change.before), attributes(change.after)
        added.update(now.keys() - then.keys())
        removed.update(then.keys() - now.keys())
        changed.update(name for name in then.keys() & now.keys() if then[name] != now[name])
    names = sorted((total := changed + added + removed), key=lambda name: (-total[name], name))
    rows = [(name, changed[name], added[name], removed[name]) for name in names]
    return pd.DataFrame(rows, columns=["attribute", "changed", "added", "removed"])


def explore(changes: ChangeSet, limit: int) -> pd.DataFrame:
    """Return the first *limit* changes: `kind`, key attributes, then `name (then)` and `name (now)` of each other."""
    return frame(list(islice(changes, limit)), changes.key_schema.names)


def frame(shown: Sequence[Change], keys: Sequence[str]) -> pd.DataFrame:
    """Return these changes in the columns of `explore`."""
    import pandas as pd  # noqa: PLC0415  as above

    others = _names(shown, keys)
    columns = ["kind", *keys, *(f"{name} ({when})" for name in others for when in ("then", "now"))]
    rows = [_row(change, keys, others, pd.NA) for change in shown]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _names(shown: Iterable[Change], keys: Sequence[str]) -> list[str]:
    """Return the attributes to show, by name; of too many, those that differ most often."""
    differ: Counter[str] = Counter()
    for change in shown:
        differ.update(dict.fromkeys(attributes(change.before or change.after or "{}"), 0))
        differ.update(changed_attributes(change.before or "{}", change.after or "{}"))
    for name in keys:
        differ.pop(name, None)
    most = sorted(differ, key=lambda name: (-differ[name], name))[:ATTRIBUTES_SHOWN]
    return sorted(most)


def _row(change: Change, keys: Sequence[str], others: Sequence[str], absent: Any) -> list[Any]:
    key = plain(change.key)
    then, now = plain(change.before or "{}"), plain(change.after or "{}")
    row: list[Any] = [change.kind, *(key[name] for name in keys)]
    for name in others:
        row += [then.get(name, absent), now.get(name, absent)]
    return row

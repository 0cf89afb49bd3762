"""Views of a change log: what it covers, when the damage happened, what waits for a person, one item in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from pitrkit.aws.items import Key
from pitrkit.config import masking
from pitrkit.recovery.changes.change import KINDS, kind_of
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.changes.scope import EVERYTHING, Scope
from pitrkit.runbook.diff.views import sample
from pitrkit.ui.blocks import Block, Cell, Facts, Grid, Note, Samples, Tag, Tile, Tiles
from pitrkit.ui.cards import note
from pitrkit.ui.text import count_text, duration, key_text, moment
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.recovery.advice.cost import Estimate, Route
    from pitrkit.recovery.changelog.change_log import ChangeLog
    from pitrkit.recovery.changelog.item_history import Sight
    from pitrkit.recovery.changelog.locate import Located
    from pitrkit.recovery.changes.change import ItemStep


REVIEWS_SHOWN = 10
STEPS_SHOWN = 12
"""Steps of one item that are shown; the rest is counted."""


def log_card(log: ChangeLog) -> View:
    """Return what a log covers, how many changes it tells, and what it cannot know."""
    kinds = {kind: getattr(log, kind) for kind in KINDS}
    reach = duration((log.until_at - log.since_at).total_seconds())
    each = "each write for itself, to the second" if log.single else "each item once a window, as it was left"
    rows: list[tuple[str, Cell]] = [
        ("source", log.source),
        ("from", moment(log.since_at)),
        ("to", f"{moment(log.until_at)}, {reach} later"),
        ("tells", each),
    ]
    tiles = Tiles(tuple(Tile(f"{count:,}", kind, kind) for kind, count in kinds.items()))
    blocks: list[Block] = [Facts(tuple(rows)), tiles, *(Note(text, "warn") for text in log.notes)]
    tag = Tag(count_text(len(log), "change"), "info")
    return View("log", f"What happened in {log.table}", (tag,), tuple(blocks), log.to_dict())


def located_card(located: Located) -> View:
    """Return when the damage began and ended, how many items it met, and how sure that is."""
    rows: list[tuple[str, Cell]] = [
        ("looked for", located.damage),
        ("began", str(located.began)),
        ("ended", str(located.ended)),
        ("items", f"{located.items:,}: {_kinds(located.kinds)}"),
        ("how sure", located.precision),
        ("window", f"{moment(located.since_at)} to {moment(located.until_at)} holds it"),
        ("restore to", f"{moment(located.restore_at)}, the last second that is surely before it"),
    ]
    blocks: list[Block] = [Facts(tuple(rows))]
    if len(located.bursts) > 1:
        bursts = tuple(
            (f"{burst.items:,}", _kinds(burst.kinds), str(burst.began), str(burst.ended)) for burst in located.bursts
        )
        blocks.append(Grid((">items", "kinds", "began", "ended"), bursts, "Bursts of what looks like that"))
        if located.found > len(bursts):
            blocks.append(Note(f"{count_text(located.found - len(bursts), 'more burst')} not shown.", "muted"))
    blocks += [Note(text, "warn") for text in located.unknown]
    return View(
        "located",
        "When it happened",
        (Tag(count_text(located.items, "item"), "warn"),),
        tuple(blocks),
        located.to_dict(),
    )


def _kinds(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())


def damage_card(
    changes: ChangeSet, scope: Scope, since_at: datetime, until_at: datetime, *, narrowed: str = ""
) -> View:
    """Return how many items the damage has changed, what counts as damage, and what of it alone is taken back."""
    counts = changes.counts
    rows: list[tuple[str, Cell]] = [
        ("damage is", masking.current().words(scope)),
        ("from", moment(since_at)),
        ("until before", moment(until_at)),
        ("source", changes.source),
    ]
    tiles = Tiles(tuple(Tile(f"{getattr(counts, kind):,}", kind, kind) for kind in KINDS))
    blocks: list[Block] = [Facts(tuple(rows)), tiles]
    if scope == EVERYTHING:
        fix = "Give `where`, `kinds` or `keys`; look at the samples for what they have in common."
        text = "Nothing says what damage looks like, so every change in this window counts as damage, good ones too."
        blocks.append(Note(text, "warn", fix))
    elif not counts.changes:
        blocks.append(Note("There is nothing to revert.", "good"))
    if narrowed:
        blocks.append(
            Note(f"Scope limited: the plan reverts only {narrowed}.", "info", "To undo that, use all as scope.")
        )
    data = {"counts": counts.to_dict(), "scope": masking.current().scope(scope).to_dict(), "source": changes.source}
    return View(
        "damage", f"The damage to {changes.table}", (Tag(count_text(counts.changes, "item")),), tuple(blocks), data
    )


def reviews_view(log: ChangeLog, changes: ChangeSet) -> View:
    """Return the damaged items that others wrote as well, each with its history in the log."""
    waiting = list(islice((change for change in changes if change.review), REVIEWS_SHOWN + 1))
    if not waiting:
        return note("No damaged item was written by others in a way that needs a person.", "good")
    blocks: list[Block] = []
    for change in waiting[:REVIEWS_SHOWN]:
        blocks.append(Note(f"{key_text(change.key)}: {change.review}", "warn"))
        blocks.append(_steps(log.history(change.key)))
    if len(waiting) > REVIEWS_SHOWN:
        blocks.append(Note(f"More than {REVIEWS_SHOWN} wait; the others are in the frame of `explore()`.", "muted"))
    text = "The plan leaves these to you. `mixed` set to revert puts them back as well, except what others wrote since."
    blocks.append(Note(text))
    data = {"keys": [masking.current().key(change.key) for change in waiting[:REVIEWS_SHOWN]]}
    return View("reviews", "Also written by others", (Tag("for a person", "warn"),), tuple(blocks), data)


def history_view(key: Key, steps: Sequence[ItemStep], log: ChangeLog) -> View:
    """Return the history of one item in a log."""
    if not steps:
        return note(f"{key_text(key)} was not written from {moment(log.since_at)} to {moment(log.until_at)}.")
    data: dict[str, Any] = {"key": masking.current().key(key), "steps": len(steps)}
    return View("history", key_text(key), (Tag(count_text(len(steps), "change")),), (_steps(steps),), data)


def _steps(steps: Sequence[ItemStep]) -> Samples:
    last_steps = steps[-STEPS_SHOWN:]
    caption = f"the last {STEPS_SHOWN} of {len(steps):,} changes" if len(steps) > STEPS_SHOWN else ""
    return Samples(
        tuple(sample(Tag(_when(step), step.kind), step.key, step.before, step.after) for step in last_steps),
        caption=caption,
    )


def _when(step: ItemStep) -> str:
    by = f", by {step.by.upper()}" if step.by else ""
    when = _second(step.at) if step.exact else f"{_second(step.before_at)} to {_second(step.at)}"
    return f"{step.kind} {when}{by}"


def _second(at: datetime) -> str:
    return f"{at.astimezone(UTC):%m-%d %H:%M:%S}"


def item_view(key: Key, sights: Sequence[Sight]) -> View:
    """Return what one item looked like at chosen moments, and what had changed from each to the next."""
    if not sights:
        return note("No moment was asked for.", fix="Give times: ISO 8601 with Z or an offset, or a duration ago.")
    rows = tuple((moment(sight.at), _state(sight), sight.source) for sight in sights)
    blocks: list[Block] = [Grid(("at", "the item", "source"), rows)]
    blocks += [Samples(tuple(_changes(key, sights)))] if len(sights) > 1 else [Samples((_only(key, sights[0]),))]
    data = {"key": key, "sights": [sight.to_dict() for sight in sights]}
    return View("item", key_text(key), (Tag(count_text(len(sights), "moment")),), tuple(blocks), data)


def _state(sight: Sight) -> Tag:
    if not sight.known:
        return Tag("unknown", "warn")
    return Tag("not there", "removed") if sight.image is None else Tag("there", "good")


def _changes(key: Key, sights: Sequence[Sight]) -> Iterable[Any]:
    for earlier, later in pairwise(sight for sight in sights if sight.known):
        change_kind = "unchanged" if earlier.image == later.image else kind_of(earlier.image, later.image)
        span = f"{change_kind}, {_second(earlier.at)} to {_second(later.at)}"
        tone = change_kind if change_kind != "unchanged" else "muted"
        yield sample(Tag(span, tone), key, earlier.image, later.image)


def _only(key: Key, sight: Sight) -> Any:
    return sample(Tag(_second(sight.at)), key, sight.image, None)


def routes_card(routes: Sequence[Route], *, table: str, chosen: str, size_text: str, notes: Sequence[str] = ()) -> View:
    """Return the routes for a table side by side, the one to be taken marked."""
    rows = tuple(
        (
            Tag(route.name, "info" if route.name == chosen else ""),
            route.when,
            route.reach,
            route.time,
            cost_text(route.cost),
        )
        for route in routes
    )
    grid = Grid(("route", "take it when", "reaches back", "takes", ">costs about"), rows)
    priced_at = routes[0].cost.priced_at
    priced = Note(f"Estimates for {size_text}, by the prices of {priced_at}, without the writes.", "muted")
    taken = tuple(Note(f"{route.name}: {route.cost}", "muted") for route in routes if route.name == chosen)
    blocks: tuple[Block, ...] = (grid, *(Note(text, "warn") for text in notes), *taken, priced)
    data = {"chosen": chosen, "routes": [{"name": route.name, "usd": round(route.cost.usd, 2)} for route in routes]}
    return View("routes", f"Ways to roll {table} back", (Tag(f"takes: {chosen}", "info"),), blocks, data)


def cost_text(cost: Estimate) -> str:
    """Return about what it costs, in words."""
    return "cents at most" if not cost.usd else f"${max(cost.usd, 0.01):,.2f}"

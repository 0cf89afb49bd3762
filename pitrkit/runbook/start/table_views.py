"""Views of tables: their protection and windows, dependencies, restores and what is left of deleted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pitrkit.aws.services import cloudwatch
from pitrkit.aws.tables.tables import AWS_OWNED
from pitrkit.times import iso
from pitrkit.ui.blocks import Block, Cell, Facts, Grid, Note, Tag, Tile, Tiles
from pitrkit.ui.cards import note
from pitrkit.ui.text import count_text, moment, size
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.aws.backups.pitr import ContinuousBackups, Restoration
    from pitrkit.aws.items import KeySchema
    from pitrkit.aws.tables.tables import Table
    from pitrkit.runbook.start.table_overview import Overview
    from pitrkit.times import Window


_HOURS_TOLD = 48

NO_PITR = "Point-in-time recovery is off: the table cannot be restored to an earlier time."

_STALE = "DynamoDB updates item counts and sizes about every six hours: use them as estimates only."


def pitr_tag(protection: ContinuousBackups | None) -> Tag:
    """Return in a word whether a table is protected; None is of a caller who may not know."""
    if protection is None:
        return Tag("no permission", "muted", "Allow dynamodb:DescribeContinuousBackups to see it")
    return Tag("on", "good") if protection.enabled else Tag("off", "bad")


def window_text(window: Window | None) -> str:
    """Return a window's two ends, `-` where there is none."""
    return f"{window.earliest_at:%Y-%m-%d %H:%M:%S} to {window.latest_at:%Y-%m-%d %H:%M:%S}" if window else "-"


def window_short(window: Window | None) -> str:
    """Return a window's two ends to the minute, the day once where it is the same; `-` where there is none."""
    if window is None:
        return "-"
    same = window.earliest_at.date() == window.latest_at.date()
    return f"{window.earliest_at:%Y-%m-%d %H:%M} to {window.latest_at:{'%H:%M' if same else '%Y-%m-%d %H:%M'}}"


def window_dict(window: Window | None) -> dict[str, str] | None:
    """Return a window as plain JSON."""
    return {"earliest_at": iso(window.earliest_at), "latest_at": iso(window.latest_at)} if window else None


def tables_overview(overviews: Sequence[Overview], *, at: datetime | None = None) -> View:
    """Return every table with its protection and window; *at* is when that was, where last writes are told."""
    if not overviews:
        return note("There are no tables in this account and Region.", "warn", "Check the account and AWS_REGION.")
    ordered = sorted(overviews, key=lambda overview: (not overview.unprotected, overview.name))
    rows = tuple(
        (
            overview.name,
            overview_tag(overview),
            window_short(overview.protection.window if overview.protection else None),
            f"{overview.table.item_count:,}" if overview.table else "",
            size(overview.table.size_bytes) if overview.table else "",
            written_text(overview, at),
            status_text(overview),
        )
        for overview in ordered
    )
    off = [overview.name for overview in overviews if overview.unprotected]
    on = sum(overview.protection is not None and overview.protection.enabled for overview in overviews)
    hidden = sum(overview.known and overview.protection is None for overview in overviews)
    reading = sum(not overview.known for overview in overviews)
    counts = (
        Tile(f"{on:,}", "protected", "good"),
        Tile(f"{len(off):,}", "not protected", "bad" if off else "muted"),
        *((Tile(f"{hidden:,}", "no permission to read", "warn"),) if hidden else ()),
        *((Tile(f"{reading:,}", "still being read", "info"),) if reading else ()),
    )
    columns = ("table", "PITR", "=restorable (UTC)", ">items", ">size", "=last written", "=status")
    blocks: list[Block] = [Tiles(counts), Grid(columns, rows), Note(_STALE, "muted")]
    if off:
        text = f"{count_text(len(off), 'table')} without point-in-time recovery: data lost there cannot be restored."
        blocks.insert(2, Note(text, "warn", "00_start_here turns it on."))
    data = {
        "tables": [
            {"table": overview.name, "status": status_text(overview), **_pitr(overview.protection)}
            for overview in overviews
        ]
    }
    return View("tables", f"Tables ({len(overviews):,})", blocks=tuple(blocks), data=data)


def overview_tag(overview: Overview) -> Tag:
    """Return in a word whether a table of the overview is protected; a restored copy need not be."""
    if not overview.known:
        return Tag("reading", "muted")
    if overview.is_copy and overview.protection is not None and not overview.protection.enabled:
        return Tag("copy", "muted", "A restored copy; PITR is off, as after every restore")
    return pitr_tag(overview.protection)


def status_text(overview: Overview) -> str:
    """Return a table's status in a word."""
    return overview.table.status if overview.table else "no permission" if overview.known else ""


def written_text(overview: Overview, at: datetime | None) -> str:
    """Return when a table was written to, as seen at *at*; blank where that is not known."""
    if not overview.writes_known or at is None:
        return ""
    if overview.last_write_at is None:
        return f"more than {cloudwatch.RECENTLY.days} d ago"
    hours = int((at - overview.last_write_at) / timedelta(hours=1))
    if hours < 1:
        return "within the hour"
    return f"{hours} h ago" if hours < _HOURS_TOLD else f"{hours // 24} d ago"


def _pitr(protection: ContinuousBackups | None) -> dict[str, Any]:
    if protection is None:
        return {"pitr": None, "window": None}
    return {"pitr": protection.enabled, "window": window_dict(protection.window)}


def protections(listed: Sequence[ContinuousBackups]) -> View:
    """Return the protection of some tables, after it was turned on."""
    rows = tuple((protection.table, pitr_tag(protection), window_text(protection.window)) for protection in listed)
    grid = Grid(("table", "PITR", "restorable (UTC)"), rows)
    data = {"tables": [{"table": protection.table, **_pitr(protection)} for protection in listed]}
    later = Note("The PITR window begins when PITR is turned on; its first seconds become restorable minutes later.")
    return View("protections", "Protection", blocks=(grid, later), data=data)


def table_card(
    table: Table,
    protection: ContinuousBackups | None = None,
    *,
    ttl_attribute: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> View:
    """Return a table: its key, size, window and dependencies. None is what the caller may not see."""
    unseen = Tag("no permission", "muted")
    rows: list[tuple[str, Cell]] = [
        ("key", _keys(table.key_schema)),
        ("items", f"about {table.item_count:,}, {size(table.size_bytes)}"),
        ("PITR", pitr_tag(protection)),
        ("restorable (UTC)", window_text(protection.window if protection else None)),
        ("billing", table.billing_mode.replace("_", " ").lower()),
        ("TTL", unseen if ttl_attribute is None else f"attribute {ttl_attribute}" if ttl_attribute else "off"),
        ("stream", table.stream_arn or "off"),
        ("replicas", ", ".join(table.replicas) or "none"),
        ("deletion protection", Tag("on", "good") if table.deletion_protection else "off"),
        ("tags", unseen if tags is None else ", ".join(f"{name}={value}" for name, value in tags.items()) or "none"),
        ("created", moment(table.created_at)),
        ("ARN", table.arn),
    ]
    if table.restored:
        rows.insert(0, ("restored from", f"{table.restored.source_arn} as of {moment(table.restored.restore_at)}"))
    blocks: list[Block] = [Facts(tuple(rows))]
    if table.indexes:
        indexes = tuple((index.name, index.kind, _keys(index.key_schema), index.projection) for index in table.indexes)
        blocks.append(Grid(("index", "kind", "key", "projection"), indexes))
    if protection is not None and not protection.enabled:
        fix = "00_start_here turns it on for the future. An existing copy can be compared (parameter `restored`)."
        blocks.append(Note(NO_PITR, "bad", fix))
    blocks.append(Note(_STALE, "muted"))
    status = Tag(table.status, "good" if table.status == "ACTIVE" else "warn")
    data = {"table": table.name, "arn": table.arn, "key": table.key_schema.to_dict(), **_pitr(protection)}
    return View("table", table.name, (status,), tuple(blocks), data)


def _keys(schema: KeySchema) -> str:
    roles = {"HASH": "partition", "RANGE": "sort"}
    types = {"S": "string", "N": "number", "B": "binary"}
    return ", ".join(
        f"{attribute.name} ({types.get(attribute.type, attribute.type)}, {roles.get(attribute.role, attribute.role)})"
        for attribute in schema.attributes
    )


def restoration_card(*restorations: tuple[Restoration, Table | None], ahead: str = "") -> View:
    """Return restores: from where, to where, as of when; each with the copy itself once it is there.

    *ahead* says what is known of how long it takes.
    """
    rendered = [_restoration(*pair) for pair in restorations]
    blocks: list[Block] = [block for facts, _, _ in rendered for block in facts]
    tags = tuple(tag for _, these, _ in rendered for tag in these)
    missing = "A restored copy has no tags, TTL, streams, alarms or PITR. It is only read here."
    title = "Restored copy" if len(rendered) == 1 else "Restored copies: before and right after the damage"
    data = rendered[0][2] | ({"until": rendered[1][2]} if len(rendered) > 1 else {})
    coming = (Note(ahead),) if ahead else ()
    return View("restoration", title, tags, (*blocks, *coming, Note(missing, "muted")), data)


def _restoration(
    restoration: Restoration, table: Table | None
) -> tuple[tuple[Block, ...], tuple[Tag, ...], dict[str, Any]]:
    """Return what is to be said of one restore: its facts, its state, and both as plain JSON."""
    rows: list[tuple[str, Cell]] = [
        ("source", restoration.source),
        ("copy", restoration.target + (f" in {restoration.region}" if restoration.region else "")),
        ("as of", moment(restoration.restore_at)),
        ("started", moment(restoration.started_at)),
    ]
    if table is not None:
        rows.append(("items", f"about {table.item_count:,}, {size(table.size_bytes)}; updated about every six hours"))
        rows.append(("indexes", count_text(len(table.indexes), "index", "indexes")))
        rows.append(("billing", _capacity(table)))
        rows.append(("encryption", table.kms_key or AWS_OWNED))
    ready = table is not None and table.status == "ACTIVE" and not (table.restored and table.restored.in_progress)
    state = Tag("ready", "good") if ready else Tag(table.status if table else "requested", "info")
    origin_tag = (
        Tag("adopted", "info", "A matching restored copy existed already") if restoration.adopted else Tag("new")
    )
    data = {
        "source": restoration.source,
        "target": restoration.target,
        "region": restoration.region,
        "restore_at": iso(restoration.restore_at),
        "adopted": restoration.adopted,
        "started_at": iso(restoration.started_at),
        "status": table.status if table else "",
    }
    return (Facts(tuple(rows)),), (state, origin_tag), data


def _capacity(table: Table) -> str:
    mode, (read, write) = table.billing_mode.replace("_", " ").lower(), table.units
    if not (read or write):
        return mode
    return f"{mode}, {'' if table.billing_mode == 'PROVISIONED' else 'at most '}{read}/{write} units"

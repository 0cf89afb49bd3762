"""What a recovery costs and how long it takes: estimates from a dated price table, never a reason to fail.

Prices differ by region and change. The table below is us-east-1's for standard tables, on-demand; `[prices]` of
`pitrkit.toml`, with the same names, replaces what it names. Every estimate says how it came about.

The routes are here as well: what each can tell, what it takes, what it costs for a table of a given size. Times are
orders of magnitude. The service promises none: in 2023 its documentation had 95% of restores done within an hour, and
small exports were seen to take five minutes; a stream is read at once. Costs are estimates of `cost`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

_MILLION = 1_000_000
_GB = 1024**3
_SMALLEST_SHOWN = 0.01

LEAST_LOG_BYTES = 10 * 1024**2
"""What an incremental export is charged for at least."""

BYTES_PER_READ_UNIT = 8192
"""What one read unit reads in a scan, eventually consistent."""

FASTEST_READ_UNITS = 12_000
"""Read units a second that a new on-demand table takes: faster than that few scans go."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices in US dollars.

    Attributes:
        region: Region they hold for.
        priced_at: Day they were looked up.
        write_units_million: A million write request units.
        read_units_million: A million read request units; an eventually consistent read takes half a unit per 4 KiB.
        export_gb: Exporting a GB of a table.
        export_log_gb: Exporting a GB of a table's log of changes, incrementally; `LEAST_LOG_BYTES` an export at least.
        restore_gb: Restoring a GB by point-in-time recovery. (Whether indexes count is not documented for sure.)
        storage_gb_month: Keeping a GB for a month, e.g. of the restored copy.
        backup_gb_month: Keeping a GB of an on-demand backup for a month.
    """

    region: str = "us-east-1"
    priced_at: date = date(2026, 11, 1)
    write_units_million: float = 0.625
    read_units_million: float = 0.125
    export_gb: float = 0.10
    export_log_gb: float = 0.10
    restore_gb: float = 0.15
    storage_gb_month: float = 0.25
    backup_gb_month: float = 0.10

    def with_values(self, values: Mapping[str, float], priced_at: date | None = None) -> PriceTable:
        """Return the table with *values* in the place of its own, by name."""
        if not values and priced_at is None:
            return self
        price_values: dict[str, Any] = dict(values)
        return replace(self, **price_values, region="pitrkit.toml", priced_at=priced_at or self.priced_at)


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate, with how it came about.

    Attributes:
        usd: Amount.
        currency: Always `USD`.
        priced_at: Day of the prices.
        formula: How it comes about: numbers, prices, and the sum.
    """

    usd: float
    currency: str
    priced_at: date
    formula: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self) | {"priced_at": self.priced_at.isoformat()}

    def __str__(self) -> str:
        small = 0 < self.usd < _SMALLEST_SHOWN
        amount = f"under {self.currency} {_SMALLEST_SHOWN}" if small else f"{self.currency} {self.usd:.2f}"
        return f"{amount} ({self.formula}; prices of {self.priced_at.isoformat()})"


def estimate(
    *,
    write_units: float = 0,
    restore_bytes: float = 0,
    scan_bytes: float = 0,
    kept_days: float = 0,
    kept_bytes: float = 0,
    export_bytes: float = 0,
    export_logs: Sequence[float] = (),
    backup_bytes: float = 0,
    regions: int = 1,
    provisioned: bool = False,
    prices: PriceTable | None = None,
) -> Estimate:
    """Return what these together cost.

    Args:
        write_units: Write units of a plan, indexes included.
        restore_bytes: Size of the table to restore.
        scan_bytes: Bytes scanned, eventually consistent: half a read unit per 4 KiB.
        kept_days: How long the restored bytes are kept as a table.
        kept_bytes: What is kept so long where nothing is restored.
        export_bytes: Size of the table to export in full.
        export_logs: Of each incremental export, the bytes written in its window; 0 where that is not known.
        backup_bytes: Size of the table to back up on demand, kept for a month.
        regions: In how many Regions each write is done: those of a global table's replicas, too.
        provisioned: Whether reads and writes take units that are provisioned, and so paid for already.
        prices: Price table, the built-in one if absent.
    """
    prices = prices or PriceTable()
    restored_gb = restore_bytes / _GB
    log_gb = sum(max(LEAST_LOG_BYTES, size) for size in export_logs) / _GB
    read_units = scan_bytes / BYTES_PER_READ_UNIT
    provisioned_share = " of those provisioned x 0" if provisioned else ""
    times = f" x {regions} Regions" if regions > 1 else ""
    units = [
        (write_units * regions, f"{write_units:,.0f} write units{times}", prices.write_units_million),
        (read_units, f"{read_units:,.0f} read units", prices.read_units_million),
    ]
    terms: list[tuple[float, str]] = [
        (
            0.0 if provisioned_share else amount / _MILLION * price,
            f"{words}{provisioned_share or f' x {price} a million'}",
        )
        for amount, words, price in units
        if amount
    ]
    kept_gb = (kept_bytes or restore_bytes) / _GB
    gbs = [
        (restored_gb, f"{_gb(restored_gb)} restored x {prices.restore_gb}", prices.restore_gb),
        (
            kept_gb * kept_days / 30,
            f"{_gb(kept_gb)} kept {kept_days:g} days x {prices.storage_gb_month} a month",
            prices.storage_gb_month,
        ),
        (export_bytes / _GB, f"{_gb(export_bytes / _GB)} exported x {prices.export_gb}", prices.export_gb),
        (
            log_gb,
            f"{_gb(log_gb)} of changes exported x {prices.export_log_gb}, at least 10 MB each",
            prices.export_log_gb,
        ),
        (
            backup_bytes / _GB,
            f"{_gb(backup_bytes / _GB)} backed up x {prices.backup_gb_month} a month",
            prices.backup_gb_month,
        ),
    ]
    terms += [(gb * price, words) for gb, words, price in gbs if gb]
    usd = sum(amount for amount, _ in terms)
    summed = f"{' + '.join(terms_text for _, terms_text in terms)} = {_amount(usd)}" if terms else "no charges"
    how = "provisioned" if provisioned else "on demand"
    return Estimate(usd, "USD", prices.priced_at, f"{summed}, {prices.region}, {how}")


def _gb(amount: float) -> str:
    return f"{amount:,.3f} GB" if amount >= 0.1 or not amount else f"{amount:.3g} GB"  # noqa: PLR2004


def _amount(usd: float) -> str:
    """Return an amount with as many decimals as it takes to see it."""
    return f"{usd:,.2f}" if usd >= 1 or not usd else f"{usd:.2g}"


KEPT_DAYS = 1.0
"""How long a restored copy is thought to be kept."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a change set.

    Attributes:
        name: What it is called.
        command: How `pitrkit recover` takes it.
        when: When to take it.
        reach: How far back it goes.
        time: How long it takes until there is a change set, in words.
        cost: What that costs, without the writes of the recovery itself.
    """

    name: str
    command: str
    when: str
    reach: str
    time: str
    cost: Estimate


def routes(size_bytes: float, *, windows: Sequence[timedelta] = (), prices: PriceTable | None = None) -> list[Route]:
    """Return the routes for a table of *size_bytes*, the cheapest kind first.

    Args:
        size_bytes: What the table holds.
        windows: Windows of the incremental exports it would take; three short ones where blank, as for a short damage.
        prices: Price table, the built-in one if absent.
    """
    logs = [0.0] * (len(windows) or 3)
    return [
        Route(
            "stream", "--route stream",
            "the table has a stream with both images, and the damage is of the last 24 hours",
            "24 hours", "minutes", estimate(prices=prices),
        ),
        Route(
            "incremental exports", "--route export",
            "no stream, or longer ago; also for tables too large to restore and scan",
            "35 days", "5 minutes to an hour", estimate(export_logs=logs, prices=prices),
        ),
        Route(
            "full exports, three-way", "--damage-until TIME --how export",
            "you want whole items of both times, without creating a table",
            "35 days", _exporting(size_bytes), estimate(export_bytes=2 * size_bytes, prices=prices),
        ),
        Route(
            "one copy against now", "",
            "you want a restored table to explore; only the time of the damage is known",
            "35 days", _restoring(size_bytes, scans=2),
            estimate(restore_bytes=size_bytes, kept_days=KEPT_DAYS, scan_bytes=2 * size_bytes, prices=prices),
        ),
        Route(
            "two copies, three-way", "--damage-until TIME",
            "as above, and the application kept writing: later good writes are kept apart from the damage",
            "35 days", _restoring(size_bytes, scans=2),
            estimate(restore_bytes=2 * size_bytes, kept_days=KEPT_DAYS, scan_bytes=2 * size_bytes, prices=prices),
        ),
    ]  # fmt: skip


_LARGE = 100 * 1024**3


def _restoring(size_bytes: float, *, scans: int) -> str:
    if size_bytes < _LARGE:
        return f"10 minutes to an hour, and {scans} scans"
    return f"an hour to many, and {scans} scans of hours"


def _exporting(size_bytes: float) -> str:
    return "5 minutes to an hour" if size_bytes < _LARGE else "hours, and reading the files"

"""What a recovery costs and how long it takes: estimates from a dated price table, never a reason to fail.

Prices differ by region and change. The table below is us-east-1's for standard tables, on-demand; a JSON file with
the same names replaces what it names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from pitrkit.errors import BadInput

_MILLION = 1_000_000
_GB = 1024**3
_SMALLEST_SHOWN = 0.01

LEAST_LOG_BYTES = 10 * 1024**2
"""What an incremental export is charged for at least."""


@dataclass(frozen=True, slots=True)
class Prices:
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
    """

    region: str = "us-east-1"
    priced_at: date = date(2026, 11, 1)
    write_units_million: float = 0.625
    read_units_million: float = 0.125
    export_gb: float = 0.10
    export_log_gb: float = 0.10
    restore_gb: float = 0.15
    storage_gb_month: float = 0.25

    @classmethod
    def open(cls, path: Path) -> Prices:
        """Return the table with what the JSON file *path* names replaced, e.g. `{"restore_gb": 0.18}`.

        Raises:
            BadInput: It is not readable, or names something else.
        """
        known = {field.name for field in fields(cls)}
        try:
            given = orjson.loads(path.read_bytes())
            if not isinstance(given, dict) or not given.keys() <= known:
                raise ValueError(f"the names are {', '.join(sorted(known))}")
            read: dict[str, Callable[[Any], Any]] = {"region": str, "priced_at": date.fromisoformat}
            return replace(cls(), **{name: read.get(name, float)(value) for name, value in given.items()})
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(
                f"the price file {path} cannot be used: {error}", fix="Correct it or leave it out."
            ) from error


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate, with how it came about.

    Attributes:
        usd: Amount.
        currency: Always `USD`.
        priced_at: Day of the prices.
        formula: The sum in words and numbers.
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
    export_bytes: float = 0,
    export_logs: Sequence[float] = (),
    prices: Prices | None = None,
) -> Estimate:
    """Return what these together cost on demand.

    Args:
        write_units: Write units of a plan.
        restore_bytes: Size of the table to restore.
        scan_bytes: Bytes scanned, eventually consistent: half a read unit per 4 KiB.
        kept_days: How long the restored bytes are kept as a table.
        export_bytes: Size of the table to export in full.
        export_logs: Of each incremental export, the bytes written in its window; 0 where that is not known.
        prices: Price table, the built-in one if absent.
    """
    prices = prices or Prices()
    read_units = scan_bytes / 4096 / 2
    restored_gb = restore_bytes / _GB
    exported_gb = export_bytes / _GB
    log_gb = sum(max(LEAST_LOG_BYTES, size) for size in export_logs) / _GB
    terms = [
        (
            write_units / _MILLION * prices.write_units_million,
            f"{write_units:,.0f} write units x {prices.write_units_million} a million",
            write_units,
        ),
        (
            read_units / _MILLION * prices.read_units_million,
            f"{read_units:,.0f} read units x {prices.read_units_million} a million",
            scan_bytes,
        ),
        (restored_gb * prices.restore_gb, f"{restored_gb:,.3f} GB restored x {prices.restore_gb}", restore_bytes),
        (
            restored_gb * kept_days / 30 * prices.storage_gb_month,
            f"{restored_gb:,.3f} GB kept {kept_days:g} days x {prices.storage_gb_month} a month",
            restore_bytes * kept_days,
        ),
        (exported_gb * prices.export_gb, f"{exported_gb:,.3f} GB exported x {prices.export_gb}", export_bytes),
        (
            log_gb * prices.export_log_gb,
            f"{log_gb:,.3f} GB of changes exported x {prices.export_log_gb}, at least 10 MB each",
            log_gb,
        ),
    ]
    used = [(usd, words) for usd, words, amount in terms if amount]
    formula = " + ".join(words for _, words in used) or "nothing is charged for"
    return Estimate(sum(usd for usd, _ in used), "USD", prices.priced_at, f"{formula}, {prices.region}, on demand")

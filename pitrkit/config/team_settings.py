"""The settings of a team: `pitrkit.toml`, typed and checked, beside the incidents or in a folder above.

    [accounts.123456789012]
    name = "shop production"
    production = true

    [guard]
    accounts = ["123456789012"]

Every section is a class below, every key one of its attributes. One that is not known is refused: a misspelt
`prodution` must not turn an account harmless, and a misspelt `acounts` must not open a guard.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from pitrkit.errors import BadInput
from pitrkit.recovery.advice.cost import PriceTable

NAME = "pitrkit.toml"
VARIABLE = "PITRKIT_SETTINGS"
"""Environment variable that names the file; otherwise the nearest `pitrkit.toml` from the current folder upwards."""

Section = TypeVar("Section", bound=msgspec.Struct)

_LONGEST_NAME = 60
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_TYPES = {
    "str": 'a text in quotes, "..."',
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "array": 'a list of texts, ["...", "..."]',
    "object": "a table: [section] on a line of its own, and its keys below",
}


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An AWS account that the team has named: `[accounts.123456789012]`.

    Attributes:
        id: Its twelve digits, from the section's name.
        name: What people call it.
        production: Whether a mistake there hurts: shown in red, in every notebook.
    """

    id: str
    name: str
    production: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.name.strip()) <= _LONGEST_NAME:
            raise ValueError(f"has no name: give `name`, a text of up to {_LONGEST_NAME} characters")


class Guard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the kit may run: `[guard]`. It refuses to go on elsewhere; a list that is not given allows all.

    Attributes:
        accounts: Accounts, by their twelve digits.
        regions: Regions, such as `eu-central-1`.
        tables: Patterns of tables' names, such as `Orders*`: `*` any characters, `?` one, `[ab]` one of these.
    """

    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _each("accounts", self.accounts, r"\d{12}", "an account's id has twelve digits")
        _each("regions", self.regions, r"[a-z]{2,}(-[a-z]+)+-\d+", 'write a Region\'s code, such as "eu-central-1"')
        _each("tables", self.tables, r"[A-Za-z0-9_.\-*?\[\]!]{1,255}", 'write a name or a pattern, such as "Orders*"')


class RecordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The record of an incident: `[record]`.

    Attributes:
        sensitive: Attribute paths, such as `email` or `card.number`, masked in every output, report, log and notebook.
        upload: `s3://bucket/prefix` to which the record is uploaded as it grows; blank: it stays here.
        upload_kms_key: KMS key that encrypts what is uploaded; blank: as the bucket does by itself.
        object_lock_days: Days for which what is uploaded can be neither changed nor deleted; 0: as the bucket says.
        object_lock_mode: `governance` or `compliance`; needed with `object_lock_days`.
        sign: What signs a sealed record: `ssh:/path/to/key` or `kms:KEY-ARN`; blank: nothing.
        allowed_signers: OpenSSH `allowed_signers` file that says whose signatures count.
    """

    sensitive: tuple[str, ...] = ()
    upload: str = ""
    upload_kms_key: str = ""
    object_lock_days: int = 0
    object_lock_mode: str = ""
    sign: str = ""
    allowed_signers: str = ""

    def __post_init__(self) -> None:
        _each("sensitive", self.sensitive, r"[^.\s]([^.]*[^.])?(\.[^.]+)*", 'write a path, such as "card.number"')
        bucket = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/\S*)?"
        _text("upload", self.upload, bucket, 'write "s3://bucket/prefix"')
        _text("object_lock_mode", self.object_lock_mode, "governance|compliance", 'write "governance" or "compliance"')
        if self.object_lock_days < 0:
            raise ValueError(f"object_lock_days is {self.object_lock_days}: write a number of days, or 0")
        if bool(self.object_lock_days) != bool(self.object_lock_mode):
            raise ValueError("object_lock_days and object_lock_mode go together: give both, or neither")
        for name in ("upload_kms_key", "object_lock_mode"):
            if getattr(self, name) and not self.upload:
                raise ValueError(f"{name} is for what is uploaded: give `upload`, too")
        _text("sign", self.sign, r"ssh:.+|kms:arn:aws[a-z-]*:kms:.+", 'write "ssh:/path/to/key" or "kms:KEY-ARN"')


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told how a headless run ended: `[notify]`.

    Attributes:
        webhook: URL that a JSON message is posted to: https, or http to this very machine.
        topic: ARN of an SNS topic.
    """

    webhook: str = ""
    topic: str = ""

    def __post_init__(self) -> None:
        if self.webhook:
            to = urlsplit(self.webhook)
            safe = to.scheme == "https" or (to.scheme == "http" and to.hostname in _LOOPBACK)
            if not to.hostname or not safe:
                raise ValueError("webhook is no https URL: write https://..., or http:// to this machine alone")
        _text("topic", self.topic, r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w.-]+", "write the ARN of an SNS topic")


class DrillSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a drill must reach: `[drill]`. It fails when it is over a limit.

    Attributes:
        recovery_time: Longest time from the start to a verified table, such as `2h`; blank: no limit.
        recovery_point: Farthest that the latest restorable second may be behind, such as `10m`; blank: no limit.
    """

    recovery_time: str = ""
    recovery_point: str = ""

    def __post_init__(self) -> None:
        for name in ("recovery_time", "recovery_point"):
            _text(name, getattr(self, name), r"\d{1,6}\s*[smhd]", "write a duration, such as 90s, 10m, 2h or 1d")


class PriceSettings(msgspec.Struct, frozen=True):
    """Prices in place of the built-in price table's: `[prices]`, each named as that table names it, in US dollars.

    Attributes:
        as_of: Day that they are of.
        values: The prices that are given, by name.
    """

    as_of: date | None = None
    values: Mapping[str, float] = {}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `pitrkit.toml` says.

    Attributes:
        accounts: Accounts by id, in the file's order.
        guard: Where the kit may run.
        record: The record of an incident.
        notify: Who is told how a headless run ended.
        drill: What a drill must reach.
        prices: Prices in place of the built-in ones.
        path: The file; None where there is none.
    """

    accounts: Mapping[str, Account] = {}
    guard: Guard = msgspec.field(default_factory=Guard)
    record: RecordSettings = msgspec.field(default_factory=RecordSettings)
    notify: Notify = msgspec.field(default_factory=Notify)
    drill: DrillSettings = msgspec.field(default_factory=DrillSettings)
    prices: PriceSettings = msgspec.field(default_factory=PriceSettings)
    path: Path | None = None

    def beside(self, text: str) -> Path:
        """Return the path that a key of the file means: `~` is the home folder, a relative one begins at the file."""
        return (self.path.parent if self.path else Path.cwd()) / Path(text).expanduser()


SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "guard": Guard,
    "record": RecordSettings,
    "notify": Notify,
    "drill": DrillSettings,
}
"""The sections whose keys are plain attributes; `accounts` and `prices` are tables of names."""


def find(start: Path | None = None) -> Path | None:
    """Return the settings file that counts in *start* (the current folder if absent), None where there is none."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    start_folder = (start or Path.cwd()).absolute()
    return next((path for folder in (start_folder, *start_folder.parents) if (path := folder / NAME).is_file()), None)


def read(path: Path | None = None) -> Settings:
    """Return the settings in *path*, or in the file that counts here; without a file there are none.

    Raises:
        BadInput: The file cannot be read, or says something that is not known.
    """
    path = path or find()
    if path is None:
        return Settings()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read: {error}", fix=f"Mend it, or set {VARIABLE} to another settings file."
        ) from error
    _known(path, "", document, ("accounts", *SECTIONS, "prices"))
    accounts = _table(path, "accounts", document.get("accounts", {}))
    return Settings(
        accounts={name: _account(path, name, value) for name, value in accounts.items()},
        prices=_prices(path, document.get("prices", {})),
        path=path.absolute(),
        guard=_section(path, "guard", document.get("guard", {}), Guard),
        record=_section(path, "record", document.get("record", {}), RecordSettings),
        notify=_section(path, "notify", document.get("notify", {}), Notify),
        drill=_section(path, "drill", document.get("drill", {}), DrillSettings),
    )


def price_names() -> tuple[str, ...]:
    """Return the prices that `[prices]` may name."""
    return tuple(field.name for field in fields(PriceTable) if field.type in {"float", float})


def _account(path: Path, name: str, value: Any) -> Account:
    where = f"accounts.{name}"
    if not re.fullmatch(r"\d{12}", name, re.ASCII):
        raise _bad(path, f"[{where}] is no account", "An account's id has twelve digits.")
    section = _table(path, where, value)
    _known(path, where, section, ("name", "production"))
    title = section.get("name", "")
    return _section(
        path, where, {**section, "id": name, "name": title.strip() if isinstance(title, str) else title}, Account
    )


def _prices(path: Path, value: Any) -> PriceSettings:
    section = _table(path, "prices", value)
    names = price_names()
    _known(path, "prices", section, ("as_of", *names))
    values = {name: price for name, price in section.items() if name != "as_of"}
    for name, price in values.items():
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < float("inf"):
            raise _bad(path, f"[prices] {name} is {price!r}", "Write a price in US dollars, such as 0.625.")
    price_fields = {"as_of": section.get("as_of"), "values": values}
    return _section(path, "prices", price_fields, PriceSettings)


def _section(path: Path, where: str, value: Any, kind: type[Section]) -> Section:
    section = _table(path, where, value)
    _known(path, where, section, kind.__struct_fields__)
    try:
        return msgspec.convert(section, kind)
    except msgspec.ValidationError as error:
        problem, fix = _explained(str(error), section)
        raise _bad(path, f"[{where}] {problem}", fix) from error


def _explained(message: str, section: Mapping[str, Any]) -> tuple[str, str]:
    """Return msgspec's message, or that of a check above, as what is wrong and what to write."""
    problem, _, place = message.partition(" - at `$.")
    key = re.split(r"[.\[`]", place)[0]
    if type_match := re.match(r"Expected `(\w+)", problem):
        return f"{key} is {section.get(key)!r}", f"Write {_TYPES.get(type_match[1], type_match[1])}."
    if key:
        return f"{key} is {section.get(key)!r}: {problem}", "Correct it, or leave it out."
    cause, _, fix = message.partition(": ")
    return cause, f"{fix[:1].upper()}{fix[1:]}." if fix else "Correct it, or leave it out."


def _each(name: str, values: tuple[str, ...], pattern: str, fix: str) -> None:
    for value in values:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"{name} names {value!r}: {fix}")


def _text(name: str, value: str, pattern: str, fix: str) -> None:
    if value and not re.fullmatch(pattern, value):
        raise ValueError(f"{name} is {value!r}: {fix}, or leave it out")


def _table(path: Path, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(path, f"{where} is no table", f"Write [{where}] on a line of its own, and its keys below.")
    return value


def _known(path: Path, where: str, section: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if unknown := sorted(section.keys() - set(names)):
        place = f"[{where}] has" if where else "there are"
        near = difflib.get_close_matches(unknown[0], names, n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise _bad(path, f"{place} unknown keys: {', '.join(unknown)}", f"{meant}Known are: {', '.join(names)}.")


def _bad(path: Path, problem: str, fix: str) -> BadInput:
    return BadInput(f"{path}: {problem}", fix=fix)

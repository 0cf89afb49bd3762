"""The options of commands and notebooks, each declared once: name, type, default, help, and who takes it.

The command line is built from this table, the parameter cells of the notebooks and the tables in `notebooks/guide/` are
written from it (`make tables`) and held against it by a test, and values are checked against its choices. An option of
a command that a notebook takes as well travels as text, and blank leaves the notebook's default.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pitrkit.errors import BadInput


@dataclass(frozen=True, slots=True)
class Option:
    """An option.

    Attributes:
        name: Its name, as a notebook's parameter has it; a command has dashes for the underscores.
        help: What it is, in one line without `#` and `=`, which papermill's parser of parameter cells cannot bear.
        notebooks: Numbers of the notebooks that take it as a parameter; `03:role` where it bears another name there.
        commands: Commands that take it.
        kind: Its type; `pairs` is a NAME and a VALUE, any number of times.
        default: Its default where it is not given.
        choices: The values it may have; any if there are none.
        value: What stands for its value in a command's usage.
        positional: Whether a command takes it without a name before it.
        required: Whether a command does not run without it.
    """

    name: str
    help: str
    notebooks: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    kind: Literal["str", "int", "float", "bool", "pairs"] = "str"
    default: str | float | bool = ""
    choices: tuple[str, ...] = ()
    value: str = ""
    positional: bool = False
    required: bool = False

    @property
    def flag(self) -> str:
        """How a command line names it."""
        if self.positional:
            return self.name
        return "-p" if self.kind == "pairs" else f"--{self.name.replace('_', '-')}"

    def parameter_of(self, notebook: str) -> str:
        """Return its name as a parameter of the notebook with this number; empty where that does not take it."""
        for taker in self.notebooks:
            number, _, name = taker.partition(":")
            if number == notebook:
                return name or self.name
        return ""

    def line_for(self, notebook: str) -> str:
        """Return its line in the parameters cell of a notebook."""
        default = f'"{self.default}"' if self.kind == "str" else repr(self.default)
        return f"{self.parameter_of(notebook)}: {self.kind} = {default}  # {self.help}"


_WITH_A_PLAN = ("05", "10", "12")
_OF_AN_INCIDENT = ("02", "03", "04", "05", "06", "10", "12", "13", "14")
_RECOVER = ("recover",)
_RUNS = ("run", "recover")
_LOGGED = ("run", "recover", "drill")

LATEST_LAG_SECONDS = 300.0
"""How far the latest restorable time is behind in a sandbox: in the service it is typically five minutes."""

_TIME = "ISO 8601 with Z or an offset, or a duration ago such as 90m"

OPTIONS = (
    # -- which incident, which table
    Option(
        "happened",
        "what happened: deleted, mangled, gone or unsure; with table it opens the incident",
        ("00",),
        choices=("deleted", "mangled", "gone", "unsure"),
    ),
    Option("incident", "name of the incident; may be blank if there is only one", _OF_AN_INCIDENT),
    Option("incident", "name of the incident; a new one is made up when blank", ("01", "11")),
    Option("incident", "name of the incident; continues with it if it exists", commands=_RECOVER),
    Option("incident", "name of the incident", commands=("unfreeze",), positional=True),
    Option(
        "incident", "name or folder of the incident, or s3://bucket/prefix/ID", commands=("audit",), positional=True
    ),
    Option("table", "the damaged table; choose it in the list when blank", ("00", "01")),
    Option("table", "the damaged table", commands=_RECOVER, positional=True),
    Option("table", "the deleted table; choose it in the list when blank", ("11",)),
    Option("table", "the table whose recovery is rehearsed; it is only read", ("15",), ("drill",), positional=True),
    Option("incident", "name of the drill's incident; made up if blank", ("15",), ("drill",)),
    Option("table", "the table", commands=("policy",), required=True),
    Option("notebook", "number, name or path, such as 05_copy_back", commands=("run",), positional=True),
    Option("parameters", "a parameter of the notebook", commands=("run",), kind="pairs"),
    # -- the recovery point, and when the damage ended
    Option("at", f"recovery point: latest, {_TIME}", ("02",), _RECOVER),
    Option(
        "damage_until",
        "time by which the damage had ended, for the three-way route; blank keeps what was chosen; none: up to now",
        ("02",), _RECOVER, value="TIME",
    ),
    Option("hours", "how far back the timeline looks, in hours", ("02",), kind="float", default=12.0),
    Option(
        "source", "where to look for the damage itself: stream or export; blank does not look", ("02",),
        choices=("stream", "export"),
    ),
    Option(
        "since", f"time from which to look: {_TIME}; blank for as far back as the timeline", ("02",),
    ),
    Option(
        "source", "stream or export; blank takes the stream if it reaches back far enough, else exports", ("10",),
        choices=("stream", "export"),
    ),
    Option("since", f"time before the damage: {_TIME}", ("10",)),
    Option("until", f"time by which the damage had ended: {_TIME}; blank for up to now", ("10",)),
    Option("at", f"recovery point to rehearse: latest, {_TIME}", ("15",), ("drill",), default="latest"),
    # -- which route
    Option(
        "route", "source of the changes: restore, stream or export; restore when blank", commands=_RECOVER,
        choices=("restore", "stream", "export"),
    ),
    Option(
        "how", "restore into a new table, or export to S3, where the copy is only read; blank restores", ("03",),
        _RECOVER, choices=("restore", "export"),
    ),
    Option(
        "bucket", "S3 bucket of exports; that of the table's earlier exports when blank", ("02", "03", "10"), _RECOVER
    ),
    Option("bucket", "S3 bucket that exports would go to, to check permissions for it; unchecked if blank", ("00",)),
    Option("bucket", "S3 bucket of exports", commands=("policy",)),
    Option("prefix", "prefix of exports in that bucket", ("03", "10"), (*_RECOVER, "policy")),
    Option(
        "width_minutes", "about how many minutes each export's window covers", ("02",), kind="float", default=15.0
    ),
    Option(
        "width_minutes",
        "about how many minutes each export's window covers, to locate the damage in time; 0 for one window",
        ("10",), kind="float", default=0.0,
    ),
    # -- copies that exist already, and other pasts
    Option(
        "restored", "an existing copy of the table's past to compare with, instead of a restore", ("01",), _RECOVER,
        value="TABLE",
    ),
    Option(
        "restored_until", "an existing copy from right after the damage, to compare the first one with, instead of now",
        ("01",), _RECOVER, value="TABLE",
    ),
    Option(
        "source_arn", "ARN of another table of the account to restore the past of, such as a replica in another Region",
        ("01",), _RECOVER, value="ARN",
    ),
    # -- the copy that is restored
    Option("target", "name of the new table; made up when blank", ("03",), _RECOVER, value="TABLE"),
    Option("target", "name to restore under; the old name when blank", ("11",)),
    Option(
        "backup", "ARN of a backup or recovery point to restore; blank for point-in-time recovery", ("03",), _RECOVER,
        value="ARN",
    ),
    Option(
        "backup", "ARN of what to restore; when blank the latest system backup, or else the latest of all", ("11",)
    ),
    Option(
        "backup_role", "ARN of the role that AWS Backup restores under; only for its recovery points",
        ("03:role", "11:role"), _RECOVER, value="ARN",
    ),
    Option(
        "target_region", "Region to restore in; that of the source when blank", ("03:region", "11:region"), _RECOVER,
        value="REGION",
    ),
    Option(
        "indexes", "indexes of the copy: none, all, or names with commas between; none when blank", ("03",),
        _RECOVER, value="NAMES",
    ),
    Option("indexes", "indexes to restore: none, all, or names with commas between; all when blank", ("11",)),
    Option(
        "kms_key", "key of the copy: aws-owned, aws-managed, or ARN, id or alias of a key; as the source when blank",
        ("03", "11"), _RECOVER, value="KEY",
    ),
    Option(
        "billing", "billing mode of the copy: on-demand or provisioned; as the source when blank", ("03", "11"),
        _RECOVER, choices=("on-demand", "provisioned"),
    ),
    Option(
        "throughput", "capacity units of the copy, READ/WRITE such as 100/50; as the source when blank", ("03", "11"),
        _RECOVER, value="READ/WRITE",
    ),
    Option(
        "settings",
        "what to set again: none, or some of ttl,stream,pitr,deletion-protection; all that is known when blank",
        ("11",),
    ),
    # -- which changes are the damage
    Option(
        "kinds", "scope by kind: removed, modified, inserted, with commas between; blank for all", ("02", "04", "10"),
        _RECOVER,
    ),
    Option("keys", 'scope by key: JSON list such as [{"pk": "a"}]; blank for all', ("04", "10"), _RECOVER),
    Option(
        "where",
        "scope by condition: JMESPath over kind, key, before, after, changed; from a log also by, at; blank for none",
        ("02", "04", "10"), _RECOVER,
    ),
    Option("key", 'one item to see the history of, such as {"pk": "a"}; blank for none', ("10",)),
    Option("key_at", "times to see it at, with commas between; blank for each change of it", ("10",)),
    Option("segments", "parallel scan segments a table", ("04",), kind="int", default=4),
    Option(
        "read_units", "pace of each scan in read capacity units a second; 0 for as fast as the service answers",
        ("04", "15"), (*_RECOVER, "drill"), kind="float", default=0.0, value="N",
    ),
    # -- what is written, and how
    Option(
        "modified",
        "modified items in scope: keep or revert; blank reverts where the end of the damage is known, else asks",
        ("05", "10"), _RECOVER, choices=("keep", "revert"),
    ),
    Option(
        "inserted", "inserted items in scope: keep or delete; blank keeps", ("05", "10"), _RECOVER,
        choices=("keep", "delete"),
    ),
    Option(
        "attributes", "of modified items write back only these attributes, with commas between; blank for all",
        ("05", "10"), _RECOVER,
    ),
    Option(
        "guard",
        "what of a modified item must be unchanged: item (all of it) or attributes (those written back); blank: item",
        ("05", "10"), _RECOVER, choices=("item", "attributes"),
    ),
    Option(
        "expired", "items whose time to live has passed: keep them deleted or put them back; blank keeps", ("05", "10"),
        _RECOVER, choices=("keep", "put"),
    ),
    Option(
        "mixed", "damaged items that others wrote as well: ask or revert; blank asks", ("10",), _RECOVER,
        choices=("ask", "revert"),
    ),
    Option("copy", "digest of the copy to undo; may be blank if there was only one", ("12",)),
    Option(
        "accept",
        "risks acknowledged by name, with commas between, such as streams,no-pitr; the closed gate names them",
        _WITH_A_PLAN, _RECOVER, value="NAMES",
    ),
    Option(
        "write_units", "pace of the copy in write capacity units a second", (*_WITH_A_PLAN, "15"), (*_RECOVER, "drill"),
        kind="float", default=500.0, value="N",
    ),
    Option(
        "alarms", "CloudWatch alarms that pause the copy while in ALARM, with commas between; blank for none",
        _WITH_A_PLAN, _RECOVER, value="NAMES",
    ),
    Option(
        "ceiling",
        "write capacity units a second that the table may consume in all, others' writes included; 0 for no limit",
        _WITH_A_PLAN, _RECOVER, kind="float", default=0.0, value="N",
    ),
    Option(
        "stop_file", "path of a file that stops the copy while it exists; blank for none", _WITH_A_PLAN, _RECOVER,
        value="PATH",
    ),
    Option(
        "freeze", "block all other writers by the table's policy while the copy writes: applications cannot write then",
        _WITH_A_PLAN, _RECOVER, kind="bool", default=False,
    ),
    Option(
        "conflicts", "items that others wrote since the plan: keep theirs or write ours; blank leaves them undecided",
        _WITH_A_PLAN, choices=("theirs", "ours"),
    ),
    Option(
        "safety_copy",
        "make an on-demand backup of the table before the first write; without that backup nothing is written",
        _WITH_A_PLAN, _RECOVER, kind="bool", default=False,
    ),
    # -- other things that are approved
    Option("protect", "tables to turn PITR on for, with commas between, or all; blank changes nothing", ("00",)),
    Option("leave", "kinds of settings to leave out, with commas between, such as ttl,tags", ("13",)),
    Option("leave", "what to keep, with commas between: copies, exports; blank keeps neither", ("14",)),
    Option(
        "accept",
        "kinds that invoke others or cost, to reapply all the same: event-source, kinesis, warm-throughput",
        ("13",),
    ),
    Option("undo", "undo what was reapplied before, instead of reapplying", ("13",), kind="bool", default=False),
    Option("backup", "name or ARN of a safety backup to delete as well; blank keeps all of them", ("14",)),
    Option(
        "items", "items to copy, spread evenly over the table; 0 for all", ("15",), ("drill",), "int", 10000, value="N"
    ),
    Option(
        "recovery_time", "limit from the restore to the verified copy, such as 2h; blank for that of pitrkit.toml",
        ("15",), ("drill",), value="2h",
    ),
    Option(
        "recovery_point",
        "limit of how far the latest restorable time is behind, such as 10m; blank for that of pitrkit.toml", ("15",),
        ("drill",), value="10m",
    ),
    Option(
        "cost_limit", "what the drill may cost, in US dollars", ("15",), ("drill",), "float", 5.0, value="USD",
    ),
    # -- the approval
    Option(
        "approve", "digest of the plan to write, as the closed gate prints it; the approve box does the same by hand",
        _WITH_A_PLAN, _RECOVER, value="DIGEST",
    ),
    Option("approve", "digest of what to approve; the approve box does the same by hand", ("00", "11", "13", "14")),
    Option(
        "approve", "digest of the drill, the same each time; the approve box does the same by hand", ("15",),
        ("drill",), value="DIGEST",
    ),
    # -- runs with nobody in front of them
    Option(
        "log", "write JSON lines, and nothing else, to stderr", commands=_LOGGED, choices=("json",)
    ),
    Option("log_file", "append these lines to a file instead", commands=_LOGGED, value="PATH"),
    Option(
        "dry_run", "say what would be done, and write nothing to AWS", commands=_RUNS, kind="bool", default=False
    ),
    Option(
        "take_over", "continue although the table is marked as being recovered by that incident", commands=_RUNS,
        value="INCIDENT",
    ),
    Option("json", "print it all as JSON, for programs", commands=("audit",), kind="bool", default=False),
    # -- the least policy
    Option(
        "route",
        "restore (one copy against now), threeway (two copies), stream, export (incremental), full-export, or deleted "
        "(the table itself is gone)",
        commands=("policy",), default="restore", value="ROUTE",
    ),
    Option(
        "steps", "the route's steps, with commas between, or all; those that it cannot do without when blank",
        commands=("policy",), value="STEPS",
    ),
    Option("target", "name of the restored table, if it is not the kit's own", commands=("policy",), value="NAME"),
    Option("account", "account; any when blank", commands=("policy",), value="ID"),
    Option("region", "Region; any when blank", commands=("policy",), value="REGION"),
    # -- demo, JupyterLab and the sandbox
    Option("folder", "folder of the demo's incident", commands=("demo",), default="incidents"),
    Option("seed", "seed of the scenario", commands=("demo", "sandbox"), kind="int", default=7),
    Option(
        "route", "restore (one copy against now), threeway (two copies), stream or export", commands=("demo",),
        default="restore",
    ),
    Option("sandbox", "work on the sandbox's scenario instead of AWS", commands=("lab",), kind="bool", default=False),
    Option(
        "fresh", "replace the kit's notebooks here, those of incidents too (the earlier ones are kept)",
        commands=("lab",), kind="bool", default=False,
    ),
    Option("port", "port on loopback; any free one when left out", commands=("sandbox",), kind="int", default=0),
    Option("empty", "no table, no scenario", commands=("sandbox",), kind="bool", default=False),
    Option(
        "restore_seconds", "how long a restore takes", commands=("sandbox",), kind="float", default=5.0, value="S"
    ),
    Option(
        "export_seconds", "how long an export takes", commands=("sandbox",), kind="float", default=3.0, value="S"
    ),
    Option(
        "latest_lag_seconds", "how far the latest restorable time is behind now", commands=("sandbox",), kind="float",
        default=LATEST_LAG_SECONDS, value="S",
    ),
    Option(
        "live", "the shop goes on selling while the sandbox serves", commands=("sandbox",), kind="bool", default=False
    ),
    Option("load", "DynamoDB-JSON lines or a full export", commands=("sandbox",), value="FILE"),
    Option("table", "name of the loaded table", commands=("sandbox",)),
    Option("keys", "its key, partition key first, such as year:N,title:S", commands=("sandbox",)),
)  # fmt: skip


def of_command(command: str) -> Iterator[Option]:
    """Return the options that a command takes."""
    return (option for option in OPTIONS if command in option.commands)


def of_notebook(notebook: str) -> Iterator[Option]:
    """Return the options that the notebook with this number takes as parameters."""
    return (option for option in OPTIONS if option.parameter_of(notebook))


def choices(name: str) -> tuple[str, ...]:
    """Return the values that options of a name may have, blank apart."""
    return tuple(dict.fromkeys(choice for option in OPTIONS if option.name == name for choice in option.choices))


def choose(name: str, value: str, *more: str) -> str:
    """Return *value* if it is blank, one of the option's choices or one of *more*.

    Raises:
        BadInput: It is not.
    """
    allowed = choices(name)
    if value and value not in (*allowed, *more):
        values = ", ".join((*more, *allowed))
        raise BadInput(f"{name}={value!r} is not a valid value", fix=f"Set {name} to one of {values}.")
    return value

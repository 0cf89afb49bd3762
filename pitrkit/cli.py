"""The command line: demo, lab, sandbox, run, recover, unfreeze, audit."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pitrkit import __version__
from pitrkit.errors import BadInput, Exit, PitrkitError

LAB_RESTORE_SECONDS = 20.0
"""Long enough to see a restore's progress, too short to get coffee."""

LATEST_LAG_SECONDS = 300.0
"""The service's latest restorable time is typically five minutes ago."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parsed(sys.argv[1:] if words is None else words)
    try:
        return int(arguments.command(arguments))
    except PitrkitError as error:
        print(f"pitrkit: {error}", file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("pitrkit: interrupted; run the same command again to go on", file=sys.stderr)
        return int(Exit.INTERRUPTED)


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """Return the arguments. What `lab` does not know, and all after a `--`, is for `jupyter lab`."""
    if list(words[:1]) != ["lab"]:
        return parser().parse_args(words)
    split = words.index("--") if "--" in words else len(words)
    arguments, unknown = parser().parse_known_args(words[:split])
    arguments.options = [*unknown, *words[split + 1 :]]
    return arguments


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    top = argparse.ArgumentParser(
        prog="pitrkit",
        description="Recover DynamoDB items by point-in-time recovery: diff, guarded copy back, proof, undo, record.",
        epilog="Exit codes of run and recover: 0 done; 1 differences or conflicts left, or verification failed; "
        "2 error; 3 gate closed; 4 input needed; 130 interrupted.",
    )
    top.add_argument("--version", action="version", version=f"pitrkit {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _demo(commands.add_parser("demo", help="recover the sandbox's damaged table headless and check the outcome"))
    _lab(
        commands.add_parser(
            "lab",
            help="open JupyterLab on the runbook, against AWS or a sandbox",
            epilog="Whatever else is given, such as --no-browser, is passed on to `jupyter lab`; so is all after a --.",
            allow_abbrev=False,
        )
    )
    _sandbox(commands.add_parser("sandbox", help="serve an AWS on loopback whose DynamoDB has a past"))
    _run(commands.add_parser("run", help="run one notebook of the runbook headless"))
    _recover(commands.add_parser("recover", help="run 01 to 06 headless as one incident, stopping at the gate"))
    _unfreeze(commands.add_parser("unfreeze", help="undo what an ended run of an incident holds other writers off by"))
    _audit(commands.add_parser("audit", help="check an incident's record against its seal"))
    return top


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--folder", type=Path, default=Path("incidents"), help="folder of the demo's incident")
    command.add_argument("--seed", type=int, default=7, help="of the scenario")
    command.add_argument(
        "--route", default="restore", help="restore (one copy against now), threeway (two copies), stream or export"
    )

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit import demo  # noqa: PLC0415 -- moto and papermill take seconds to import

        if arguments.route not in demo.ROUTES:
            raise BadInput(f"there is no route {arguments.route!r}", fix=f"Choose {', '.join(demo.ROUTES)}.")
        return demo.run(arguments.folder.absolute(), seed=arguments.seed, route=arguments.route, echo=sys.stdout)

    command.set_defaults(command=run)


def _lab(command: argparse.ArgumentParser) -> None:
    command.add_argument("--sandbox", action="store_true", help="work on the sandbox's scenario instead of AWS")
    command.add_argument("--fresh", action="store_true", help="replace the kit's notebooks that are here already")

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit import lab  # noqa: PLC0415

        folder = Path.cwd()
        if not arguments.sandbox:
            return lab.run(folder, environment={}, options=arguments.options, fresh=arguments.fresh)
        from pitrkit.sandbox import main as sandbox  # noqa: PLC0415

        with sandbox.serving(
            restore_seconds=LAB_RESTORE_SECONDS, latest_lag_seconds=LATEST_LAG_SECONDS, live=True
        ) as served:
            print(sandbox.welcome(served), flush=True)
            return lab.run(folder, environment=served.environment(), options=arguments.options, fresh=arguments.fresh)

    command.set_defaults(command=run)


def _sandbox(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, default=0, help="port on loopback; any free one when left out")
    command.add_argument("--empty", action="store_true", help="no table, no scenario")
    command.add_argument("--restore-seconds", type=float, default=5.0, metavar="S", help="how long a restore takes")
    command.add_argument("--export-seconds", type=float, default=3.0, metavar="S", help="how long an export takes")
    command.add_argument(
        "--latest-lag-seconds",
        type=float,
        default=LATEST_LAG_SECONDS,
        metavar="S",
        help="how far the latest restorable time is behind now",
    )
    command.add_argument("--seed", type=int, default=7, help="of the scenario")
    command.add_argument("--live", action="store_true", help="the shop goes on selling while the sandbox serves")
    command.add_argument("--load", default="", metavar="FILE", help="DynamoDB-JSON lines or a full export")
    command.add_argument("--table", default="", help="name of the loaded table")
    command.add_argument("--keys", default="", help="its key, partition key first, such as year:N,title:S")

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.sandbox import main as sandbox  # noqa: PLC0415
        from pitrkit.sandbox.dump import LoadError  # noqa: PLC0415

        chosen = {name: value for name, value in vars(arguments).items() if name != "command"}
        try:
            return sandbox.run(**chosen)
        except LoadError as error:
            raise BadInput(str(error)) from error

    command.set_defaults(command=run)


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("notebook", help="number, name or path, such as 05_copy_back")
    command.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter"
    )

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.runbook import copy_back, cut_over, front  # noqa: PLC0415
        from pitrkit.runbook.incident import Incident  # noqa: PLC0415

        parameters: dict[str, str] = {}
        for name, value in arguments.parameters:
            if name in parameters:
                raise BadInput(f"parameter {name} is given twice", fix="Give it once.")
            parameters[name] = value
        notebook = front.find(arguments.notebook)
        incident = parameters.get("incident") or _incident_of(notebook, parameters)
        result = front.run(notebook, parameters, incident=incident, echo=sys.stdout)
        slot = copy_back.NOTEBOOKS.get(notebook.stem)
        if result.exit_code is Exit.DONE and slot is not None:
            return copy_back.ending(Incident.open(incident).data, slot)
        if result.exit_code is Exit.DONE and notebook.stem == cut_over.NOTEBOOK:
            return cut_over.ending(Incident.open(incident).data)
        return result.exit_code

    command.set_defaults(command=run)


def _incident_of(notebook: Path, parameters: dict[str, str]) -> str:
    """Return the incident that a notebook run without its name belongs to, so that the run is in that record."""
    from pitrkit.runbook.book import new_id, only  # noqa: PLC0415
    from pitrkit.runbook.parameters import parameters_of  # noqa: PLC0415

    declared = parameters_of(notebook)
    if "incident" not in declared:
        return ""
    if "table" in declared:  # a notebook that opens incidents
        return new_id(parameters["table"]) if parameters.get("table") else ""
    return only("")


def _recover(command: argparse.ArgumentParser) -> None:
    command.add_argument("table", help="the damaged table")
    command.add_argument("--at", default="", help="ISO 8601 with Z or an offset, latest, or a duration ago (90m)")
    command.add_argument(
        "--damage-until", default="", metavar="TIME", help="when the damage was done: take back what it did till then"
    )
    command.add_argument(
        "--route",
        default="",
        choices=("restore", "stream", "export"),
        help="what tells the changes; restore if left out",
    )
    command.add_argument(
        "--how",
        default="",
        choices=("restore", "export"),
        help="restore copies of the past into tables, or export them",
    )
    command.add_argument(
        "--bucket", default="", help="S3 bucket of exports; that of the table's earlier ones if left out"
    )
    command.add_argument("--prefix", default="", help="prefix of exports in that bucket")
    command.add_argument("--incident", default="", help="name of the incident; goes on with it if it exists")
    command.add_argument("--approve", default="", metavar="DIGEST", help="write exactly the plan of this digest")
    command.add_argument("--modified", default="", choices=("keep", "revert"), help="modified items in scope")
    command.add_argument("--inserted", default="", choices=("keep", "delete"), help="inserted items in scope")
    command.add_argument("--attributes", default="", help="of modified items put back only these, a,b,c")
    command.add_argument(
        "--guard", default="", choices=("item", "attributes"), help="what of a modified item must be unchanged since"
    )
    command.add_argument("--expired", default="", choices=("keep", "put"), help="items past the table's TTL")
    command.add_argument(
        "--mixed",
        default="",
        choices=("ask", "revert"),
        help="damaged items that others wrote as well, where a log tells",
    )
    command.add_argument("--kinds", default="", help="scope by kind: removed,modified,inserted")
    command.add_argument("--keys", default="", help="scope by key: a JSON list")
    command.add_argument("--where", default="", help="scope by JMESPath over kind, key, before, after, changed")
    command.add_argument("--restored", default="", metavar="TABLE", help="compare with this copy, do not restore")
    command.add_argument(
        "--restored-until", default="", metavar="TABLE", help="a copy from right after the damage, with --restored"
    )
    command.add_argument("--target", default="", metavar="TABLE", help="name of the table to restore into")
    command.add_argument(
        "--accept",
        default="",
        metavar="NAMES",
        help="findings that could do harm, acknowledged by name, such as streams,no-pitr; the closed gate names them",
    )
    command.add_argument(
        "--freeze",
        action="store_const",
        const="true",
        default="",
        help="hold other writers off by the table's policy while the copy writes: the shop stops writing",
    )
    command.add_argument("--write-units", default="", metavar="N", help="pace in write units a second")
    command.add_argument(
        "--read-units",
        default="",
        metavar="N",
        help="pace of each scan in read units a second; as fast as it goes else",
    )
    command.add_argument("--alarms", default="", metavar="NAMES", help="CloudWatch alarms that pause the copy, a,b,c")
    command.add_argument(
        "--ceiling", default="", metavar="N", help="write units a second that the table may consume in all"
    )
    command.add_argument("--stop-file", default="", metavar="PATH", help="a file that stops the copy while it exists")
    command.add_argument(
        "--safety-copy",
        action="store_const",
        const="true",
        default="",
        help="an on-demand backup of the table before the first write; without it nothing is written",
    )

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.runbook.recover import recover  # noqa: PLC0415
        from pitrkit.runbook.request import Request  # noqa: PLC0415

        chosen = {name: value for name, value in vars(arguments).items() if name != "command"}
        code, _ = recover(Request(**chosen), echo=sys.stdout)
        return code

    command.set_defaults(command=run)


def _unfreeze(command: argparse.ArgumentParser) -> None:
    command.add_argument("incident", help="name of the incident")

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.runbook import freezing  # noqa: PLC0415
        from pitrkit.runbook.book import Book  # noqa: PLC0415

        book = Book.open(arguments.incident)
        lifted = freezing.left_over(book)
        print(lifted.words if lifted else freezing.words(book.data) or "This incident has held nobody off its table.")
        return Exit.DONE

    command.set_defaults(command=run)


def _audit(command: argparse.ArgumentParser) -> None:
    command.add_argument("incident", help="name or folder of the incident")

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.runbook import record  # noqa: PLC0415
        from pitrkit.runbook.incident import root_folder  # noqa: PLC0415

        given = Path(arguments.incident)
        folder = given if given.is_dir() else root_folder() / arguments.incident
        if not folder.is_dir():
            raise BadInput(f"there is no incident {arguments.incident!r}", fix="Give its name or its folder.")
        found = record.audit(folder)
        print(found)
        return Exit.DONE if found.ok else Exit.LEFT

    command.set_defaults(command=run)

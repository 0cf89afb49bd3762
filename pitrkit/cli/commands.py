"""The command line: demo, lab, sandbox, run, recover, drill, unfreeze, audit, policy."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pitrkit import __version__
from pitrkit.cli import recover_options
from pitrkit.errors import BadInput, Exit, PitrkitError

if TYPE_CHECKING:
    from pitrkit.runner.service import Service


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
        epilog="Exit codes of run, recover and drill: 0 done; 1 differences or conflicts left, or verification or a "
        "drill failed; 2 error; 3 gate closed; 4 input needed; 130 interrupted.",
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
    _drill(commands.add_parser("drill", help="rehearse a table's recovery on tables made for it, time it, clean up"))
    _unfreeze(commands.add_parser("unfreeze", help="undo what an ended run of an incident holds other writers off by"))
    _audit(commands.add_parser("audit", help="check an incident's record against its seal"))
    _policy(commands.add_parser("policy", help="print the least IAM policy for steps of a route"))
    return top


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--folder", type=Path, default=Path("incidents"), help="folder of the demo's incident")
    command.add_argument("--seed", type=int, default=7, help="of the scenario")
    command.add_argument(
        "--route", default="restore", help="restore (one copy against now), threeway (two copies), stream or export"
    )

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.cli import demo  # noqa: PLC0415 -- moto and papermill take seconds to import

        if arguments.route not in demo.ROUTES:
            raise BadInput(f"there is no route {arguments.route!r}", fix=f"Choose {', '.join(demo.ROUTES)}.")
        return demo.run(arguments.folder.absolute(), seed=arguments.seed, route=arguments.route, echo=sys.stdout)

    command.set_defaults(command=run)


def _lab(command: argparse.ArgumentParser) -> None:
    command.add_argument("--sandbox", action="store_true", help="work on the sandbox's scenario instead of AWS")
    command.add_argument("--fresh", action="store_true", help="replace the kit's notebooks that are here already")

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.cli import lab  # noqa: PLC0415

        folder = Path.cwd()
        if not arguments.sandbox:
            return lab.run(folder, environment={}, options=arguments.options, fresh=arguments.fresh)
        from pitrkit.config.guardrails import WITHOUT_SETTINGS  # noqa: PLC0415
        from pitrkit.sandbox.scenario import process as sandbox  # noqa: PLC0415

        with sandbox.serving(
            restore_seconds=LAB_RESTORE_SECONDS, latest_lag_seconds=LATEST_LAG_SECONDS, live=True
        ) as served:
            print(sandbox.welcome(served), flush=True)
            environment = {**served.environment(), **WITHOUT_SETTINGS}
            return lab.run(folder, environment=environment, options=arguments.options, fresh=arguments.fresh)

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
        from pitrkit.sandbox.scenario import process as sandbox  # noqa: PLC0415
        from pitrkit.sandbox.scenario.dump import LoadError  # noqa: PLC0415

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
    _service(command)

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.runner import notebook_run, service  # noqa: PLC0415

        parameters: dict[str, str] = {}
        for name, value in arguments.parameters:
            if name in parameters:
                raise BadInput(f"parameter {name} is given twice", fix="Give it once.")
            parameters[name] = value
        notebook = notebook_run.find(arguments.notebook)
        incident = parameters.get("incident") or _incident_of(notebook, parameters)
        return service.notebook(notebook, parameters, incident, _served(arguments), echo=sys.stdout)

    command.set_defaults(command=run)


_SERVICE = ("log", "log_file", "dry_run", "take_over")


def _service(command: argparse.ArgumentParser) -> None:
    """Add the options of a run that nobody sits in front of."""
    _logging(command)
    command.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing to AWS")
    command.add_argument(
        "--take-over",
        default="",
        metavar="INCIDENT",
        help="go on although the table is marked as being recovered by that incident",
    )


def _logging(command: argparse.ArgumentParser) -> None:
    command.add_argument("--log", default="", choices=("json",), help="write JSON lines, and nothing else, to stderr")
    command.add_argument("--log-file", default="", metavar="PATH", help="append these lines to a file instead")


def _served(arguments: argparse.Namespace) -> Service:
    from pitrkit.runner.service import Service  # noqa: PLC0415

    return Service(**{name: getattr(arguments, name) for name in _SERVICE if name in arguments})


def _incident_of(notebook: Path, parameters: dict[str, str]) -> str:
    """Return the incident that a notebook run without its name belongs to, so that the run is in that record."""
    from pitrkit.runbook.session.session import new_id, only  # noqa: PLC0415
    from pitrkit.runner.parameters import parameters_of  # noqa: PLC0415

    declared = parameters_of(notebook)
    if "incident" not in declared:
        return ""
    if "table" in declared:  # a notebook that opens incidents
        kind = "-drill" if notebook.stem == "15_drill" else ""
        return new_id(f"{parameters['table']}{kind}") if parameters.get("table") else ""
    return only("")


def _recover(command: argparse.ArgumentParser) -> None:
    recover_options.add(command)
    _service(command)

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.runner import service  # noqa: PLC0415
        from pitrkit.runner.recover_request import Request  # noqa: PLC0415

        chosen = {name: value for name, value in vars(arguments).items() if name not in {"command", *_SERVICE}}
        return service.recovery(Request(**chosen), _served(arguments), echo=sys.stdout)

    command.set_defaults(command=run)


def _drill(command: argparse.ArgumentParser) -> None:
    command.add_argument("table", help="the table whose recovery is rehearsed; it is only read")
    command.add_argument("--at", default="", help="the second to restore; the latest restorable one if left out")
    command.add_argument("--items", default="", metavar="N", help="items to copy, 10000 if left out; 0 for all")
    command.add_argument(
        "--recovery-time", default="", metavar="2h", help="limit from the restore to the verified copy"
    )
    command.add_argument(
        "--recovery-point", default="", metavar="10m", help="limit of how far the latest restorable second is behind"
    )
    command.add_argument("--cost-limit", default="", metavar="USD", help="what it may cost, 5 if left out")
    command.add_argument("--write-units", default="", metavar="N", help="pace of the copy in write units a second")
    command.add_argument("--read-units", default="", metavar="N", help="pace of each scan in read units a second")
    command.add_argument("--incident", default="", help="name of the drill's incident; made up if left out")
    command.add_argument("--approve", default="", metavar="DIGEST", help="the drill's digest, the same each time")
    _logging(command)

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.runner import notebook_run, service  # noqa: PLC0415

        given = vars(arguments).items()
        chosen = {name: value for name, value in given if name not in {"command", *_SERVICE} and value}
        notebook = notebook_run.find(service.NOTEBOOK)
        incident = chosen.get("incident") or _incident_of(notebook, chosen)
        return service.notebook(notebook, chosen, incident, _served(arguments), echo=sys.stdout)

    command.set_defaults(command=run)


def _unfreeze(command: argparse.ArgumentParser) -> None:
    command.add_argument("incident", help="name of the incident")

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.runbook.copy_back import freeze  # noqa: PLC0415
        from pitrkit.runbook.session.session import Book  # noqa: PLC0415

        book = Book.open(arguments.incident)
        lifted = freeze.left_over(book)
        print(
            lifted.words if lifted else freeze.words(book.data) or "This incident has not blocked writes to its table."
        )
        return Exit.DONE

    command.set_defaults(command=run)


def _audit(command: argparse.ArgumentParser) -> None:
    command.add_argument("incident", help="name or folder of the incident, or s3://bucket/prefix/ID")
    command.add_argument("--json", action="store_true", help="print it all as JSON, for programs")

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.incident.incident import root_folder  # noqa: PLC0415
        from pitrkit.record import audit, upload  # noqa: PLC0415
        from pitrkit.ui.text import visible  # noqa: PLC0415

        given = Path(arguments.incident)
        if arguments.incident.startswith("s3://"):
            found = audit.audit(upload.at(arguments.incident))
        else:
            folder = given if given.is_dir() else root_folder() / arguments.incident
            if not folder.is_dir():
                raise BadInput(f"there is no incident {arguments.incident!r}", fix="Give its name or its folder.")
            found = audit.audit(folder)
        if arguments.json:
            print(json.dumps(found.to_dict(), indent=2))
        else:
            lines = [*str(found).splitlines(), "", *(f"  {line}" for line in found.summary.lines())]
            print("\n".join(visible(line) for line in lines))
        return Exit.DONE if found.ok else Exit.LEFT

    command.set_defaults(command=run)


def _policy(command: argparse.ArgumentParser) -> None:
    command.add_argument("--table", required=True, help="the table")
    command.add_argument(
        "--route",
        default="restore",
        metavar="ROUTE",
        help="restore (one copy against now), threeway (two copies), stream, export (incremental), full-export, or "
        "deleted (the table itself is gone)",
    )
    command.add_argument(
        "--steps",
        default="",
        metavar="STEPS",
        help="a,b,c of the route's steps, or all; those that it cannot do without if left out",
    )
    command.add_argument(
        "--target", default="", metavar="NAME", help="name of the restored table, if not the kit's own"
    )
    command.add_argument("--bucket", default="", help="S3 bucket of exports")
    command.add_argument("--prefix", default="", help="prefix of exports in that bucket")
    command.add_argument("--account", default="", metavar="ID", help="account; any if left out")
    command.add_argument("--region", default="", metavar="REGION", help="Region; any if left out")

    def run(arguments: argparse.Namespace) -> int:
        from pitrkit.recovery.advice import least_policy, permission_catalogue  # noqa: PLC0415

        place = least_policy.Place(
            arguments.table,
            copies=arguments.target,
            bucket=arguments.bucket,
            prefix=arguments.prefix,
            account=arguments.account,
            region=arguments.region,
        )
        steps = permission_catalogue.steps_of(arguments.route, arguments.steps)
        print(json.dumps(least_policy.policy(steps, place), indent=2))
        return Exit.DONE

    command.set_defaults(command=run)

"""The command line: demo, lab, sandbox, run, recover, drill, unfreeze, audit, policy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pitrkit import __version__, documents
from pitrkit.cli import arguments as command_arguments
from pitrkit.errors import BadInput, Exit, PitrkitError
from pitrkit.options import LATEST_LAG_SECONDS

if TYPE_CHECKING:
    from pitrkit.runner.service import Service

LAB_RESTORE_SECONDS = 20.0
"""Long enough to see a restore's progress, too short to get coffee."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parsed(sys.argv[1:] if argv is None else argv)
    try:
        return int(arguments.command(arguments))
    except PitrkitError as error:
        print(f"pitrkit: {error}", file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("pitrkit: interrupted; run the same command again to go on", file=sys.stderr)
        return int(Exit.INTERRUPTED)


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments. What `lab` does not know, and all after a `--`, is for `jupyter lab`."""
    if list(argv[:1]) != ["lab"]:
        return parser().parse_args(argv)
    split = argv.index("--") if "--" in argv else len(argv)
    arguments, unknown = parser().parse_known_args(argv[:split])
    arguments.options = [*unknown, *argv[split + 1 :]]
    return arguments


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser, built from the table of options."""
    top = argparse.ArgumentParser(
        prog="pitrkit",
        description="Recover DynamoDB items by point-in-time recovery: diff, guarded copy back, proof, undo, record.",
        epilog="Exit codes of run, recover and drill: 0 done; 1 differences or conflicts left, or verification or a "
        "drill failed; 2 error; 3 gate closed; 4 input needed; 130 interrupted.",
    )
    top.add_argument("--version", action="version", version=f"pitrkit {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for name, (command, help_text) in COMMANDS.items():
        passes_on = name == "lab"
        under = commands.add_parser(
            name, help=help_text, epilog=PASSED_ON if passes_on else None, allow_abbrev=not passes_on
        )
        command_arguments.add(under, name)
        under.set_defaults(command=command)
    return top


@contextmanager
def _sandbox_extra() -> Iterator[None]:
    """Say how to get the sandbox's packages where one of them is not installed; around imports of the sandbox."""
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).startswith("pitrkit"):
            raise
        raise BadInput(
            f"the sandbox needs packages that are not installed here, such as {error.name}",
            fix="Install them: pip install 'pitrkit[sandbox]'. Recoveries on AWS do without them.",
        ) from error


_SERVICE = ("log", "log_file", "dry_run", "take_over")


def _demo(arguments: argparse.Namespace) -> int:
    with _sandbox_extra():
        from pitrkit.cli import demo  # noqa: PLC0415 -- moto and papermill take seconds to import

    if arguments.route not in demo.ROUTES:
        raise BadInput(f"there is no route {arguments.route!r}", fix=f"Choose {', '.join(demo.ROUTES)}.")
    return demo.run(Path(arguments.folder).absolute(), seed=arguments.seed, route=arguments.route, echo=sys.stdout)


def _lab(arguments: argparse.Namespace) -> int:
    from pitrkit.cli import lab  # noqa: PLC0415

    folder = Path.cwd()
    if not arguments.sandbox:
        return lab.run(folder, environment={}, options=arguments.options, fresh=arguments.fresh)
    from pitrkit.config.guardrails import WITHOUT_SETTINGS  # noqa: PLC0415

    with _sandbox_extra():
        from pitrkit.sandbox.scenario import process as sandbox  # noqa: PLC0415

    with sandbox.serving(
        restore_seconds=LAB_RESTORE_SECONDS, latest_lag_seconds=LATEST_LAG_SECONDS, live=True
    ) as served:
        print(sandbox.welcome(served), flush=True)
        environment = {**served.environment(), **WITHOUT_SETTINGS}
        return lab.run(folder, environment=environment, options=arguments.options, fresh=arguments.fresh)


def _sandbox(arguments: argparse.Namespace) -> int:
    with _sandbox_extra():
        from pitrkit.sandbox.scenario import process as sandbox  # noqa: PLC0415
        from pitrkit.sandbox.scenario.dump import LoadError  # noqa: PLC0415

    options = {name: value for name, value in vars(arguments).items() if name != "command"}
    try:
        return sandbox.run(**options)
    except LoadError as error:
        raise BadInput(str(error)) from error


def _run(arguments: argparse.Namespace) -> int:
    from pitrkit.runner import notebook_run, service  # noqa: PLC0415

    parameters: dict[str, str] = {}
    for name, value in arguments.parameters:
        if name in parameters:
            raise BadInput(f"parameter {name} is given twice", fix="Give it once.")
        parameters[name] = value
    notebook = notebook_run.find(arguments.notebook)
    incident = parameters.get("incident") or _incident_of(notebook, parameters)
    return service.notebook(notebook, parameters, incident, _served(arguments), echo=sys.stdout)


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


def _recover(arguments: argparse.Namespace) -> int:
    from pitrkit.runner import service  # noqa: PLC0415
    from pitrkit.runner.recover_request import RecoverRequest  # noqa: PLC0415

    options = {name: value for name, value in vars(arguments).items() if name not in {"command", *_SERVICE}}
    return service.recovery(RecoverRequest(**options), _served(arguments), echo=sys.stdout)


def _drill(arguments: argparse.Namespace) -> int:
    from pitrkit.runner import notebook_run, service  # noqa: PLC0415

    pairs = vars(arguments).items()
    parameters = {name: value for name, value in pairs if name not in {"command", *_SERVICE} and value}
    notebook = notebook_run.find(service.NOTEBOOK)
    incident = parameters.get("incident") or _incident_of(notebook, parameters)
    return service.notebook(notebook, parameters, incident, _served(arguments), echo=sys.stdout)


def _unfreeze(arguments: argparse.Namespace) -> int:
    from pitrkit.runbook.copy_back import freeze  # noqa: PLC0415
    from pitrkit.runbook.session.session import Session  # noqa: PLC0415

    session = Session.open(arguments.incident)
    lifted = freeze.left_over(session)
    print(
        lifted.words if lifted else freeze.to_text(session.data) or "This incident has not blocked writes to its table."
    )
    return Exit.DONE


def _audit(arguments: argparse.Namespace) -> int:
    from pitrkit.incident.incident import root_folder  # noqa: PLC0415
    from pitrkit.record import audit, upload  # noqa: PLC0415
    from pitrkit.ui.text import visible  # noqa: PLC0415

    path = Path(arguments.incident)
    if arguments.incident.startswith("s3://"):
        audit_result = audit.audit(upload.record_at(arguments.incident))
    else:
        folder = path if path.is_dir() else root_folder() / arguments.incident
        if not folder.is_dir():
            raise BadInput(f"there is no incident {arguments.incident!r}", fix="Give its name or its folder.")
        audit_result = audit.audit(folder)
    if arguments.json:
        print(documents.pretty(audit_result, indent=2), end="")
    else:
        lines = [*str(audit_result).splitlines(), "", *(f"  {line}" for line in audit_result.summary.lines())]
        print("\n".join(visible(line) for line in lines))
    return Exit.DONE if audit_result.ok else Exit.LEFT


def _policy(arguments: argparse.Namespace) -> int:
    from pitrkit.recovery.advice import least_policy, permission_catalogue  # noqa: PLC0415

    place = least_policy.PolicyTarget(
        arguments.table,
        copies=arguments.target,
        bucket=arguments.bucket,
        prefix=arguments.prefix,
        account=arguments.account,
        region=arguments.region,
    )
    steps = permission_catalogue.steps_of(arguments.route, arguments.steps)
    print(documents.pretty(least_policy.policy(steps, place), indent=2), end="")
    return Exit.DONE


PASSED_ON = "Whatever else is given, such as --no-browser, is passed on to `jupyter lab`; so is all after a --."

COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "demo": (_demo, "recover the sandbox's damaged table headless and check the outcome"),
    "lab": (_lab, "open JupyterLab on the runbook, against AWS or a sandbox"),
    "sandbox": (_sandbox, "serve an AWS on loopback whose DynamoDB has a past"),
    "run": (_run, "run one notebook of the runbook headless"),
    "recover": (_recover, "run a whole route headless as one incident, stopping at the gate"),
    "drill": (_drill, "rehearse a table's recovery on tables made for it, time it, clean up"),
    "unfreeze": (_unfreeze, "lift the write block that an ended run of an incident left on its table"),
    "audit": (_audit, "check an incident's record against its seal"),
    "policy": (_policy, "print the least IAM policy for steps of a route"),
}
"""Each command: what it calls, and its help."""

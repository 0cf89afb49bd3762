"""Who works on an incident, with what: the caller, the person's login, and the versions of everything that decides."""

from __future__ import annotations

import os
import platform
import pwd
import socket
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pitrkit import __version__
from pitrkit.aws.client.client import Aws
from pitrkit.incident.incident import Incident

WORKED_IN = "worked_in"
"""Event that says who works with what; recorded again when any of it is another."""

PACKAGES = (
    *("boto3", "botocore", "duckdb", "ipykernel", "ipywidgets", "jmespath", "jupyterlab", "msgspec", "nbclient"),
    *("numpy", "orjson", "pandas", "papermill", "pyarrow", "urllib3"),
)


def login() -> str:
    """Return this process's user as the operating system knows it: no variable has a say in it."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


@cache
def versions() -> dict[str, str]:
    """Return the version of the kit, of Python and of each package that reads, compares or writes; and the system."""
    package_versions = {"pitrkit": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            package_versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return package_versions | {"system": platform.platform()}


def current(aws: Aws) -> dict[str, Any]:
    """Return who works here now, and with what."""
    return {"by": aws.caller().arn, "user": login(), "host": socket.gethostname(), "versions": versions()}


def news(incident: Incident, aws: Aws) -> dict[str, Any]:
    """Return who works here now and with what, empty if the incident says so already."""
    now = current(aws)
    recorded_data = next((event.data for event in reversed(incident.events()) if event.event == WORKED_IN), {})
    return {} if recorded_data == now else now

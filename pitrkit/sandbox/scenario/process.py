"""The sandbox as a process: it tells a story, says that it is ready, and serves until it is told to stop."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pitrkit.sandbox.exports.buckets import EXPORTS_BUCKET
from pitrkit.sandbox.scenario.dump import LoadError
from pitrkit.sandbox.scenario.live_shop import LiveShop
from pitrkit.sandbox.scenario.load import load as load_table
from pitrkit.sandbox.scenario.scenario import Scenario
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.sandbox.scenario.truth import Truth
from pitrkit.sandbox.server.sandbox import Sandbox


def run(
    *,
    port: int = 0,
    empty: bool = False,
    restore_seconds: float = 0.0,
    export_seconds: float = 0.0,
    latest_lag_seconds: float = 0.0,
    seed: int = 7,
    load: str = "",
    table: str = "",
    keys: str = "",
    live: bool = False,
) -> int:
    """Serve until SIGTERM or SIGINT; `ready http://127.0.0.1:PORT` on stdout says from when.

    Call it in the process's main thread: signals arrive nowhere else. Arguments and errors are those of `serving`.

    Returns:
        0, when it was told to stop.
    """
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with serving(
            port=port,
            empty=empty,
            restore_seconds=restore_seconds,
            export_seconds=export_seconds,
            latest_lag_seconds=latest_lag_seconds,
            seed=seed,
            load=load,
            table=table,
            keys=keys,
            live=live,
        ) as sandbox:
            sys.stderr.write(welcome(sandbox) + "\n")
            sys.stderr.flush()
            sys.stdout.write(f"ready {sandbox.url}\n")
            sys.stdout.flush()
            stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


@contextmanager
def serving(
    *,
    port: int = 0,
    empty: bool = False,
    restore_seconds: float = 0.0,
    export_seconds: float = 0.0,
    latest_lag_seconds: float = 0.0,
    seed: int = 7,
    load: str = "",
    table: str = "",
    keys: str = "",
    live: bool = False,
) -> Iterator[Sandbox]:
    """A sandbox with the story in it, while the context lasts.

    Args:
        port: Port on loopback, 0 for any free one.
        empty: No scenario and no table.
        restore_seconds: How long a restore takes.
        export_seconds: How long an export takes.
        latest_lag_seconds: How far the latest restorable time is behind now.
        seed: Of the scenario.
        load: File or folder to rehearse on instead of the shop's scenario; needs *table* and *keys*.
        table: Name of the loaded table.
        keys: Its keys, e.g. `year:N,title:S`.
        live: The shop goes on selling while the sandbox serves.

    Raises:
        LoadError: The arguments do not go together, or the load cannot be used.
    """
    _check(empty=empty, load=load, table=table, keys=keys, live=live)
    with ExitStack() as closing:
        sandbox = closing.enter_context(
            Sandbox(
                port=port,
                restore_seconds=restore_seconds,
                export_seconds=export_seconds,
                latest_lag_seconds=latest_lag_seconds,
            )
        )
        if not empty:
            scenario = _scenario(sandbox, seed=seed, load=load, table=table, keys=keys)
            scenario.lay_into(sandbox)
            if live:
                shop = closing.enter_context(LiveShop(scenario, sandbox.client("dynamodb"), sandbox.clock.now))
                sandbox.truth = shop.truth_json
        yield sandbox


def welcome(sandbox: Sandbox) -> str:
    """What a person who starts *sandbox* wants to know: the variables to set, and the story it tells."""
    lines = ["# an AWS of your own, until it is stopped:"]
    lines += [f"export {name}={value}" for name, value in sandbox.environment().items()]
    if sandbox.truth:
        truth = Truth.from_dict(sandbox.truth())
        ran = f"{truth.damage_started_at:%H:%M:%S} to {truth.damage_ended_at:%H:%M:%S} UTC"
        lines += [
            f"# table {truth.table}: {truth.writes:,} writes of the last six hours",
            f"# bucket for exports: {EXPORTS_BUCKET}",
            f"# a bad deploy ran {ran}: {len(truth.deleted):,} items deleted, {len(truth.mangled):,} mangled",
            f"# last good second: {truth.good_at:%Y-%m-%dT%H:%M:%SZ}",
            "# to recover it headless, with the variables above set:",
            f"#   {_command(truth)}",
        ]
    return "\n".join(lines)


def _command(truth: Truth) -> str:
    """The command that recovers the scenario, up to its gate."""
    at = f"{truth.good_at:%Y-%m-%dT%H:%M:%SZ}"
    policy = ["--modified", "revert", "--attributes", ",".join(truth.attributes)]
    return shlex.join(["pitrkit", "recover", truth.table, "--at", at, *policy, "--where", truth.where])


def _scenario(sandbox: Sandbox, *, seed: int, load: str, table: str, keys: str) -> Scenario:
    now = sandbox.clock.now()
    if load:
        return load_table(Path(load), table=table, keys=keys, seed=seed, now=now)
    return orders(seed, now=now)


def _check(*, empty: bool, load: str, table: str, keys: str, live: bool) -> None:
    if empty and (load or live):
        raise LoadError("an empty sandbox has no table", fix="leave out --empty, or --load and --live")
    if {bool(load), bool(table), bool(keys)} == {True, False}:
        raise LoadError(
            "--load, --table and --keys go together",
            fix="give all three, e.g. --load movies.json.gz --table Movies --keys year:N,title:S",
        )
    if load and live:
        raise LoadError("only the shop's own scenario goes on live", fix="leave out --live, or --load")

"""00: what of a recovery the caller may do, step by step, before an incident needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pitrkit.aws.client.client import Aws
from pitrkit.aws.services import iam_simulation
from pitrkit.aws.services.iam_simulation import Demand, PermissionResult
from pitrkit.config import guardrails
from pitrkit.errors import AccessDenied, AwsError
from pitrkit.recovery.advice import permission_catalogue
from pitrkit.recovery.advice.least_policy import PermissionStep, PolicyTarget, Where
from pitrkit.ui.blocks import Block, Grid, Note, Tag
from pitrkit.ui.cards import note
from pitrkit.ui.progress import ProgressBar
from pitrkit.ui.text import count_text
from pitrkit.ui.view import View

_MADE_UP = "pitrkit"
"""Stands for the name of a copy, a stream or an export that does not exist yet."""

_ASKING = "iam:SimulatePrincipalPolicy"

_TRIED: frozenset[Where] = frozenset(("table", "anywhere", "alarms", "streams"))
"""What is there already, so that reading it can be tried."""

Pair = tuple[str, Where]


@dataclass(frozen=True, slots=True)
class StepAccess:
    """What was found about one step.

    Attributes:
        step: The step.
        routes: Routes that have it.
        missing: Actions that the caller may not do, each with what it is done to where that is not the table.
        unknown: Actions that cannot be known.
    """

    step: PermissionStep
    routes: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def verdict(self) -> Tag:
        """Whether the step can be taken."""
        if self.missing:
            return Tag("not permitted", "warn" if self.step.optional else "bad")
        return Tag("unknown", "warn") if self.unknown else Tag("permitted", "good")


def check(aws: Aws, table: str = "", *, bucket: str = "") -> View:
    """Return which steps of which routes the caller may take on *table*. Nothing is changed by it.

    IAM is asked where that is permitted, and reads that change nothing are tried. What is left is said to be unknown.

    Args:
        aws: Where.
        table: The table; blank checks nothing.
        bucket: Bucket for exports; blank leaves what is done in it unknown.

    Raises:
        BadInput: A name is none, or the settings hold the kit off this table.
    """
    name = table.strip()
    if not name:
        return note("No table to check: name one above, or set the parameter `table`.", "muted")
    caller = aws.caller()
    guardrails.check(caller, table=name, endpoint_url=aws.endpoint_url)
    place = PolicyTarget(name, bucket=bucket, account=caller.account, region=caller.region)
    place.check()
    steps = permission_catalogue.every_step().values()
    pairs_by_step = {step.words: _pairs(step) for step, _ in steps}
    every = dict.fromkeys(pair for pairs in pairs_by_step.values() for pair in pairs)
    with ProgressBar("Checking permissions", unit="calls"):
        results, why_not = _told(aws, place, every)
    checked = [
        StepAccess(
            step,
            routes,
            _which(pairs_by_step[step.words], results, "denied"),
            _which(pairs_by_step[step.words], results, "unknown"),
        )
        for step, routes in steps
    ]
    return _view(name, checked, why_not, bucket)


def _pairs(step: PermissionStep) -> list[Pair]:
    return list(dict.fromkeys((action, on) for need in step.needs for action in need.actions for on in need.on))


def _told(aws: Aws, place: PolicyTarget, pairs: Iterable[Pair]) -> tuple[dict[Pair, PermissionResult], str]:
    """Return what is known of each pair, and why IAM could not be asked; blank if it could."""
    arns = {pair: _sample(place, pair[1]) for pair in pairs}
    why_not, by_policy = "", dict[Demand, PermissionResult]()
    try:
        by_policy = iam_simulation.simulated(aws, [(action, arn) for (action, _), arn in arns.items() if arn])
    except AwsError as error:
        why_not = error.what
        if isinstance(error, AccessDenied):
            by_policy = {(action, arn): "denied" for (action, _), arn in arns.items() if action == _ASKING}
    by_trial = iam_simulation.probe_actions(aws, place.table, [action for action, on in arns if on in _TRIED])
    results_by_pair: dict[Pair, PermissionResult] = {}
    for (action, on), arn in arns.items():
        guess = by_policy.get((action, arn), "unknown")
        certain = by_trial.get(action, "unknown") if on in _TRIED else "unknown"
        results_by_pair[action, on] = guess if certain == "unknown" else certain
    return results_by_pair, why_not


def _sample(place: PolicyTarget, where: Where) -> str:
    """Return the ARN of something like what an action is done to; blank where that is not known."""
    if where in {"bucket", "objects", "records"} and not place.bucket:
        return ""
    arn = place.resource(where)
    return arn if arn == "*" else arn.replace("*", _MADE_UP)


def _which(
    pairs: Iterable[Pair], results: Mapping[Pair, PermissionResult], result: PermissionResult
) -> tuple[str, ...]:
    places_by_name: dict[str, list[Where]] = {}
    for action, on in pairs:
        if results[action, on] == result:
            places_by_name.setdefault(action, []).append(on)
    return tuple(
        action if set(on) <= {"table", "anywhere"} else f"{action} on {' and '.join(on)}"
        for action, on in places_by_name.items()
    )


def _view(table: str, checked: Sequence[StepAccess], why_not: str, bucket: str) -> View:
    rows = tuple(
        (
            access.step.name,
            f"{access.step.words}{' (optional)' if access.step.optional else ''}",
            "every" if set(permission_catalogue.WAYS_BACK) <= set(access.routes) else ", ".join(access.routes),
            access.verdict,
            "; ".join(filter(None, (", ".join(access.missing), _unknown_words(access.unknown)))),
        )
        for access in checked
    )
    required = [access for access in checked if not access.step.optional]
    missing, unknown = (
        [access for access in required if access.missing],
        [access for access in required if access.unknown],
    )
    blocks: list[Block] = [Grid(("=step", "purpose", "routes", "=result", "missing or unknown"), rows)]
    if missing:
        text = "This caller lacks permissions for some routes. Grant them before an incident needs them."
        blocks.append(Note(text, "bad", f"`pitrkit policy --table {table} --route ROUTE` prints the policy."))
    if why_not:
        text = f"IAM could not be asked, so only read-only calls were tried. Other permissions are unknown: {why_not}"
        blocks.append(Note(text, "warn", "Allow iam:SimulatePrincipalPolicy for this role to check all of them."))
    elif unknown and not bucket:
        blocks.append(Note("Permissions for the export bucket are unknown without its name: set `bucket`.", "info"))
    if not why_not:
        text = "Policies of the table, bucket and keys may deny more than IAM reports. Read-only calls were tried."
        blocks.append(Note(text, "muted"))
    mark = Tag(count_text(len(missing), "step") + " not permitted", "bad") if missing else Tag("all permitted", "good")
    if not missing and unknown:
        mark = Tag(count_text(len(unknown), "step") + " unknown", "warn")
    data = {
        "table": table,
        "steps": [
            {
                "step": access.step.name,
                "routes": list(access.routes),
                "missing": list(access.missing),
                "unknown": list(access.unknown),
            }
            for access in checked
        ],
        "asked_iam": not why_not,
    }
    return View("access", f"Permissions on {table}", (mark,), tuple(blocks), data)


def _unknown_words(actions: Sequence[str]) -> str:
    return f"unknown: {', '.join(actions)}" if actions else ""

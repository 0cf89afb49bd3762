"""Views of a copy: the plan in words and numbers, and the live counters while it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pitrkit.incident.state import SHORTEST, outside_words
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.plan.policy import (
    LEFT_ALREADY_SO,
    LEFT_ALSO_WRITTEN,
    LEFT_CHANGED_SINCE,
    LEFT_EXISTS_AGAIN,
    LEFT_EXPIRED,
    LEFT_INDEX_REFUSES,
    LEFT_KEPT_BY_POLICY,
    LEFT_UNDECIDED,
)
from pitrkit.runbook.diff.views import sample
from pitrkit.runbook.session.gate_views import drift_note
from pitrkit.ui.blocks import (
    Bar,
    Block,
    Cell,
    Code,
    Facts,
    Grid,
    Heading,
    Note,
    Samples,
    Segment,
    Tag,
    Tile,
    Tiles,
    Tone,
)
from pitrkit.ui.progress import ProgressBar
from pitrkit.ui.text import count_text, duration, moment
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.recovery.advice.cost import Estimate
    from pitrkit.recovery.apply.run import Tally
    from pitrkit.recovery.plan.drift import Drift
    from pitrkit.recovery.plan.plan import Plan
    from pitrkit.recovery.plan.policy import Policy
    from pitrkit.recovery.plan.preflight import TargetFinding


MOVED_SHOWN = 5

_REASONS = {
    LEFT_KEPT_BY_POLICY: ("the policy keeps them as they are", "nothing"),
    LEFT_UNDECIDED: ("modified, no decision yet", "look at them, then give `modified`: revert or keep"),
    LEFT_CHANGED_SINCE: ("written again since they were compared", "look at them; compare again (04) to include them"),
    LEFT_ALREADY_SO: ("already correct", "nothing"),
    LEFT_EXISTS_AGAIN: ("there is an item under this key again", "look at them: a good write may have made it"),
    LEFT_EXPIRED: ("expired: the table would delete them again", "nothing; or turn TTL off and give `expired`: put"),
    LEFT_ALSO_WRITTEN: ("others wrote them, too", "look at their history; or give `mixed`: revert"),
    LEFT_INDEX_REFUSES: ("their earlier values do not fit the key of an index", "put them back by hand, mended"),
}
_TONES: dict[str, Tone] = {"blocking": "bad", "accepted": "warn", "warning": "warn", "information": "muted"}


def plan_card(
    plan: Plan,
    *,
    findings: Sequence[TargetFinding] = (),
    estimate: Estimate | None = None,
    safety: Estimate | None = None,
    pace: float = 0,
    outside: Mapping[str, int] | None = None,
    drift: Drift | None = None,
    settled: int = 0,
) -> View:
    """Return a plan: what will happen, what will not and why, side effects, what it takes, how it is taken back.

    Args:
        plan: The plan.
        findings: What is to be known about the table first.
        estimate: What it costs; not shown if absent.
        safety: What the backup before it costs; none is made if absent.
        pace: Write units a second.
        outside: How many differences of each kind its scope leaves out.
        drift: What moved since it was made, if anybody looked.
        settled: Writes that an earlier run of it has brought to an outcome.
    """
    skipped_count = sum(plan.left.values())
    tiles = Tiles(
        (
            Tile(f"{plan.puts:,}", "put back", "good"),
            Tile(f"{plan.updates:,}", "updated", "warn"),
            Tile(f"{plan.deletes:,}", "deleted", "bad"),
            Tile(f"{skipped_count:,}", "left alone", "muted"),
        )
    )
    blocks: list[Block] = [tiles]
    if settled and not plan.empty:
        text = (
            f"This plan is written in part: {settled:,} of {count_text(plan.total, 'write')} have come to an outcome."
        )
        fix = f"Approve it again to go on with the {plan.total - settled:,} to go; nothing is written twice."
        blocks.append(Note(text, "warn", fix))
    if drift is not None and (moved := drift_note(drift)) is not None:
        blocks.append(moved)
    blocks += [Heading("Will be written"), _what(plan)]
    if not plan.empty:
        blocks.append(_guarded(plan))
    blocks.append(Heading("Will not be written"))
    blocks.append(_left(plan.left) if skipped_count else Note("Nothing in scope is left out.", "muted"))
    if outside:
        blocks.append(Facts((("outside the scope", outside_words(outside)),)))
    if findings:
        blocks.append(Heading("Side effects, and what to know first"))
        blocks += [
            Note(f"{finding.name}: {finding.what}", _TONES.get(finding.severity, "info"), _fix(finding))
            for finding in findings
        ]
    if not plan.empty:
        blocks += [
            Heading("Cost and time"),
            _cost(plan, pace, estimate, safety),
            Heading("How to undo"),
            *_undoing(),
        ]
    tag = Tag("nothing to write", "good") if plan.empty else Tag(count_text(plan.total, "write"), "info")
    data = {
        **plan.to_dict(),
        "findings": [finding.to_dict() for finding in findings],
        "estimate": estimate.to_dict() if estimate else None,
        "pace": pace,
        "outside": dict(outside or {}),
        "drift": drift.to_dict() if drift else None,
        "settled": settled,
    }
    return View("plan", f"Plan {plan.digest[:SHORTEST]}", (tag,), tuple(blocks), data)


def _fix(finding: TargetFinding) -> str:
    return "Acknowledged." if finding.severity == "accepted" else finding.fix


def _what(plan: Plan) -> Facts:
    policy = policy_words(plan.policy)
    rows: list[tuple[str, Cell]] = [
        ("table", f"{plan.table} ({plan.account}, {plan.region})"),
        ("scope", scope_words(plan.scope)),
        *(("policy" if not place else "", text) for place, text in enumerate(policy)),
        ("planned", moment(plan.created_at)),
        ("digest", plan.digest),
    ]
    return Facts(tuple(rows))


def _guarded(plan: Plan) -> Note:
    subject = {"item": "its item is", "attributes": "what it changes in its item is"}[plan.policy.guard]
    each = f"Each write is done only if {subject} still as it was read for this plan; otherwise it is a conflict, "
    return Note(
        f"Approving lets exactly these {count_text(plan.total, 'write')} happen, nothing else. {each}left alone."
    )


def _cost(plan: Plan, pace: float, estimate: Estimate | None, safety: Estimate | None) -> Facts:
    units = count_text(plan.write_units, "write unit")
    rows: list[tuple[str, Cell]] = [("writes", units)]
    if pace > 0:
        rows.append(("takes about", f"{units}, {duration(plan.write_units / pace)} at {pace:,.0f} units a second"))
        del rows[0]
    if estimate is not None:
        rows.append(("costs about", str(estimate)))
    if safety is not None:
        rows.append(("safety copy", f"{safety} a month"))
    return Facts(tuple(rows))


def _left(counts: Mapping[str, int]) -> Grid:
    reasons = {reason: _REASONS.get(reason, (reason, "look at them")) for reason in counts}
    rows = tuple((f"{count:,}", *reasons[reason]) for reason, count in counts.items())
    return Grid((">items", "left alone because", "what to do"), rows)


def _undoing() -> list[Block]:
    text = "12_undo can undo the copy afterwards, item by item, from its journal. These writes are conditional, too."
    return [Note(text, "muted")]


def stale_card(reason: str, plan: Plan, drift: Drift, command: str, *, approved: Plan | None = None) -> View:
    """Return that a plan went stale: why, what moved since it was made, and how to plan again.

    Args:
        reason: What happened.
        plan: The present plan.
        drift: What moved since it was made.
        command: The one command that plans again; that approves the present plan where another was approved.
        approved: The plan that the approval is of, where it is another one of this incident.
    """
    rows: list[tuple[str, Cell]] = [("what happened", reason), ("table", plan.table)]
    another = approved is not None and approved.digest != plan.digest
    if approved is not None and another:
        rows += [("approved", _counts_of(approved)), ("present plan", _counts_of(plan))]
    else:
        rows.append(("planned", moment(plan.created_at)))
    rows.append(("your data", "No item was written or changed."))
    moved = drift_note(drift) or Note("None of the items looked at has been written since.", "good")
    blocks: list[Block] = [Facts(tuple(rows)), Note(moved.text, moved.tone, moved.fix if another else "")]
    if drift.items:
        blocks.append(moved_samples(drift))
    if another:
        blocks.append(
            Note("What to do: leave `approve` blank, read the card of the present plan, approve it, and run on.")
        )
        blocks.append(Code(command, "Headless, this command approves the present plan:"))
    else:
        blocks.append(Note("What to do: press Plan again beside Approve, read the new plan, approve it, and run on."))
        blocks.append(Code(command, "Headless, this command plans again:"))
    data = {"error": "StalePlan", "what": reason, "digest": plan.digest, "drift": drift.to_dict()}
    return View("stale", "The plan is stale", (Tag("StalePlan", "info"),), tuple(blocks), data)


def _counts_of(plan: Plan) -> str:
    counts = f"{plan.puts:,} put back, {plan.updates:,} updated, {plan.deletes:,} deleted"
    return f"{plan.digest[:SHORTEST]} of {moment(plan.created_at)}: {counts}, {sum(plan.left.values()):,} left alone"


def moved_samples(drift: Drift) -> Samples:
    """Return items that moved since a plan was made, as it saw them and as they are."""
    moved_items = drift.items[:MOVED_SHOWN]
    samples = tuple(
        sample(Tag("moved", "warn"), moved_item.key, moved_item.seen, moved_item.found) for moved_item in moved_items
    )
    more = f", {len(moved_items):,} of {drift.moved:,}" if drift.moved > len(moved_items) else ""
    return Samples(samples, "planned against", "now", f"Moved since{more}")


def policy_words(policy: Policy) -> tuple[str, ...]:
    """Return what a policy does with each kind of change, a sentence each."""
    only = f", only {', '.join(policy.attributes)}" if policy.attributes else ""
    removed = {"put": "removed items are put back", "keep": "removed items stay gone"}
    modified = {
        "ask": "modified items are left for you to decide",
        "keep": "modified items stay as they are now",
        "revert": f"modified items get their earlier values back{only}",
    }
    inserted = {"keep": "inserted items stay", "delete": "inserted items are deleted"}
    phrases = [removed[policy.removed], modified[policy.modified], inserted[policy.inserted]]
    if policy.guard == "attributes" and policy.modified == "revert":
        phrases.append("what else was written to modified items since is kept")
    if policy.expired == "put":
        phrases.append("expired items are put back, too")
    if policy.mixed == "revert":
        phrases.append("items that others wrote, too, are no exception")
    return tuple(phrases)


def scope_words(scope: Mapping[str, Any]) -> str:
    """Return a plan's scope in words."""
    if scope.get("words"):
        return str(scope["words"])
    if "conflicts_of" in scope:
        return f"conflicts of copy {str(scope['conflicts_of'])[:SHORTEST]}, as decided"
    if "undo_of" in scope:
        return f"everything that copy {str(scope['undo_of'])[:SHORTEST]} wrote".replace("copy  wrote", "the copy wrote")
    return Scope.from_dict(dict(scope)).describe() if "kinds" in scope else "everything"


def tally_card(label: str, tally: Tally, seconds: float, to_go: float | None) -> View:
    """Return a copy under way: its counters, its pace and why it is not faster, and that it may be interrupted.

    Args:
        label: What is being done.
        tally: How it stands.
        seconds: Time taken so far.
        to_go: Estimate of the seconds that are left, None while there is none.
    """
    share = f"{tally.done:,} of {count_text(tally.total, 'write')}"
    tiles = Tiles(
        (
            Tile(f"{tally.applied:,}", "applied", "good"),
            Tile(f"{tally.already:,}", "already correct", "muted"),
            Tile(f"{tally.conflicts:,}", "conflicts", "warn" if tally.conflicts else "muted"),
            Tile(f"{tally.failed:,}", "failed", "bad" if tally.failed else "muted"),
        )
    )
    parts = (
        Segment("applied", tally.applied, "done"),
        Segment("already correct", tally.already, "same"),
        Segment("conflicts", tally.conflicts, "modified"),
        Segment("failed", tally.failed, "failed"),
        Segment("to go", max(0, tally.total - tally.done), "togo"),
    )
    remaining_text = (
        f"about {duration(to_go)} to go" if to_go is not None and seconds >= 1 else "time left not known yet"
    )
    rows: tuple[tuple[str, Cell], ...] = (
        ("time", f"{duration(seconds)}, {remaining_text}"),
        ("pace", f"{tally.units:,.0f} of {tally.pace:,.0f} write units a second"),
        ("limited by", tally.why),
    )
    safe = "You may interrupt it: what is under way is settled, and running this cell again goes on from there."
    blocks: tuple[Block, ...] = (tiles, Bar(parts), Facts(rows), Note(safe, "muted"))
    return View("tally", label, (Tag(share, "info"),), blocks)


class CopyProgress(ProgressBar):
    """Shows a copy under way as a card of its own, which gives way to one line when it has ended."""

    def __init__(self, label: str, total: int, **options: Any) -> None:
        super().__init__(label, total, "writes", **options)
        self.tally: Tally | None = None

    def stands(self, tally: Tally) -> None:
        """Say how the copy stands."""
        self.tally = tally
        self(tally.done, tally.total, str(tally))

    def html(self) -> str:
        """Return the card while it runs, the line with its bar afterwards."""
        if self.tally is None or self.state.ended:
            return super().html()
        view = tally_card(self.state.label, self.tally, self.state.seconds, self.state.eta_seconds)
        return view._repr_html_()

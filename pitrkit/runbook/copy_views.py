"""Views of a copy: the plan in words and numbers, the gate, what came of it, and what is true afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from pitrkit.recovery.policy import (
    LEFT_ALREADY_SO,
    LEFT_ALSO_WRITTEN,
    LEFT_CHANGED_SINCE,
    LEFT_EXISTS_AGAIN,
    LEFT_EXPIRED,
    LEFT_INDEX_REFUSES,
    LEFT_KEPT_BY_POLICY,
    LEFT_UNDECIDED,
)
from pitrkit.recovery.scope import Scope
from pitrkit.runbook.blocks import Bar, Block, Cell, Code, Facts, Grid, Note, Samples, Segment, Tag, Tile, Tiles, Tone
from pitrkit.runbook.change_views import sample
from pitrkit.runbook.gate import CLICK_LASTS, SHORTEST
from pitrkit.runbook.scoping import outside_words
from pitrkit.runbook.values import duration, key_text, moment, things
from pitrkit.runbook.view import View

if TYPE_CHECKING:
    from pitrkit.recovery.apply import Applied
    from pitrkit.recovery.cost import Estimate
    from pitrkit.recovery.journal import Conflict
    from pitrkit.recovery.plan import Plan
    from pitrkit.recovery.policy import Policy
    from pitrkit.recovery.preflight import Finding
    from pitrkit.recovery.verify import Verified
    from pitrkit.runbook.gate import Approvable, Approval, Intent

CONFLICTS_SHOWN = 20
KEYS_SHOWN = 20

_REASONS = {
    LEFT_KEPT_BY_POLICY: ("the policy keeps them as they are", "nothing"),
    LEFT_UNDECIDED: ("modified, and nobody has said what to do", "look at them, then give `modified`: revert or keep"),
    LEFT_CHANGED_SINCE: ("written again since they were compared", "look at them; compare again (04) to include them"),
    LEFT_ALREADY_SO: ("already as they should be", "nothing"),
    LEFT_EXISTS_AGAIN: ("there is an item under this key again", "look at them: a good write may have made it"),
    LEFT_EXPIRED: ("expired: the table would delete them again", "nothing; or turn TTL off and give `expired`: put"),
    LEFT_ALSO_WRITTEN: ("others wrote them, too", "look at their history; or give `mixed`: revert"),
    LEFT_INDEX_REFUSES: ("their earlier values do not fit the key of an index", "put them back by hand, mended"),
}
_TONES: dict[str, Tone] = {"blocking": "bad", "accepted": "warn", "warning": "warn", "information": "muted"}


def plan_card(
    plan: Plan,
    *,
    findings: Sequence[Finding] = (),
    estimate: Estimate | None = None,
    pace: float = 0,
    outside: Mapping[str, int] | None = None,
) -> View:
    """Return a plan: what it writes, what it leaves and why, what that takes, and what approving it does.

    Args:
        plan: The plan.
        findings: What is to be known about the table first.
        estimate: What it costs; not shown if absent.
        pace: Write units a second.
        outside: How many differences of each kind its scope leaves out.
    """
    left = sum(plan.left.values())
    tiles = Tiles(
        (
            Tile(f"{plan.puts:,}", "put back", "good"),
            Tile(f"{plan.updates:,}", "updated", "warn"),
            Tile(f"{plan.deletes:,}", "deleted", "bad"),
            Tile(f"{left:,}", "left alone", "muted"),
        )
    )
    rows: list[tuple[str, Cell]] = [
        ("table", f"{plan.table} ({plan.account}, {plan.region})"),
        ("scope", scope_words(plan.scope)),
        *((("outside the scope", outside_words(outside)),) if outside else ()),
        *(("policy" if not place else "", words) for place, words in enumerate(policy_words(plan.policy))),
        ("takes", _takes(plan, pace)),
    ]
    if estimate is not None:
        rows.append(("costs about", str(estimate)))
    rows += [("planned", moment(plan.created_at)), ("digest", plan.digest)]
    blocks: list[Block] = [tiles, Facts(tuple(rows))]
    if left:
        blocks.append(_left(plan.left))
    blocks += [Note(one.what, _TONES.get(one.severity, "info"), one.fix) for one in findings]
    blocks += _meaning(plan)
    tag = Tag("nothing to write", "good") if plan.empty else Tag(things(plan.total, "write"), "info")
    data = {
        **plan.to_dict(),
        "findings": [one.to_dict() for one in findings],
        "estimate": estimate.to_dict() if estimate else None,
        "pace": pace,
        "outside": dict(outside or {}),
    }
    return View("plan", f"Plan {plan.digest[:SHORTEST]}", (tag,), tuple(blocks), data)


def _takes(plan: Plan, pace: float) -> str:
    units = things(plan.write_units, "write unit")
    return f"{units}, {duration(plan.write_units / pace)} at {pace:,.0f} units a second" if pace > 0 else units


def _left(left: Mapping[str, int]) -> Grid:
    known = {reason: _REASONS.get(reason, (reason, "look at them")) for reason in left}
    rows = tuple((f"{count:,}", *known[reason]) for reason, count in left.items())
    return Grid((">items", "left alone because", "what to do"), rows)


def _meaning(plan: Plan) -> list[Block]:
    if plan.empty:
        return [Note("There is nothing to approve.", "muted")]
    what = {"item": "its item is", "attributes": "what it changes in its item is"}[plan.policy.guard]
    each = f"Each write is done only if {what} still as it was read for this plan; otherwise it is a conflict, "
    return [
        Note(f"Approving lets exactly these {things(plan.total, 'write')} happen, nothing else. {each}left alone."),
        Note("12_undo takes the copy back afterwards, item by item, from its journal.", "muted"),
    ]


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
    words = [removed[policy.removed], modified[policy.modified], inserted[policy.inserted]]
    if policy.guard == "attributes" and policy.modified == "revert":
        words.append("what else was written to modified items since is kept")
    if policy.expired == "put":
        words.append("expired items are put back, too")
    if policy.mixed == "revert":
        words.append("items that others wrote, too, are no exception")
    return tuple(words)


def scope_words(scope: Mapping[str, Any]) -> str:
    """Return a plan's scope in words."""
    if scope.get("words"):
        return str(scope["words"])
    if "undo_of" in scope:
        return f"everything that copy {str(scope['undo_of'])[:SHORTEST]} wrote".replace("copy  wrote", "the copy wrote")
    return Scope.from_dict(dict(scope)).describe() if "kinds" in scope else "everything"


def intent_card(intent: Intent, words: str) -> View:
    """Return one change to AWS other than a plan's writes, as something to approve."""
    details: list[tuple[str, Cell]] = [(name, _plainly(value)) for name, value in intent.details.items()]
    rows = (("table", intent.table), *details, ("digest", intent.digest))
    data = {"action": intent.action, "table": intent.table, "digest": intent.digest, **intent.details}
    tag = Tag("not done yet", "info")
    return View("intent", intent.action.capitalize(), (tag,), (Facts(rows), Note(words)), data)


def _plainly(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def gate_card(subject: Approvable, approval: Approval | None, *, by: str = "", command: str = "") -> View:
    """Return whether the gate is open for *subject*; closed, with the one command that opens it."""
    rows: list[tuple[str, Cell]] = [("for", f"{subject.digest[:SHORTEST]} on {subject.table}")]
    data: dict[str, Any] = {"open": approval is not None, "digest": subject.digest, "table": subject.table, "by": by}
    if approval is None:
        blocks: list[Block] = [Facts(tuple(rows)), Note("Nothing is written before it is approved.")]
        if command:
            blocks.append(Code(command, "Headless, this command approves it:"))
        return View("gate", "Gate", (Tag("closed", "warn"),), tuple(blocks), data)
    rows.append(("approved", f"{moment(approval.approved_at)} by {approval.how}"))
    if by:
        rows.append(("caller", by))
    if approval.how == "click":
        rows.append(("lasts until", moment(approval.approved_at + CLICK_LASTS)))
    return View("gate", "Gate", (Tag("open", "good"),), (Facts(tuple(rows)),), data | {"approval": approval.to_dict()})


def applied_card(done: Applied, conflicts: Sequence[Conflict] = ()) -> View:
    """Return what came of a plan's writes, with the conflicts: what was planned against, what was found."""
    counted = (
        ("applied", done.applied, "done"),
        ("already so", done.already, "same"),
        ("conflicts", done.conflicts, "modified"),
        ("failed", done.failed, "failed"),
        ("not sent", done.unsent, "inserted"),
    )
    bar = Bar(tuple(Segment(label, count, tone) for label, count, tone in counted if count or label == "applied"))
    took = (done.finished_at - done.started_at).total_seconds()
    rows: tuple[tuple[str, Cell], ...] = (
        ("took", f"{duration(took)}, {done.write_units:,.0f} write units"),
        ("before the first write", f"{moment(done.before_at)}: a restore to it takes everything back, the hard way"),
    )
    blocks: list[Block] = [bar, Facts(rows)]
    if done.failed or done.unsent:
        text = f"{things(done.failed + done.unsent, 'write')} to go. {done.why}".rstrip()
        blocks.append(Note(text, "bad", "Run this step again: it goes on with these and repeats nothing."))
    if done.conflicts:
        fix = "Look at each; 04 and 05 again include those that are damage."
        text = f"{things(done.conflicts, 'item was', 'items were')} changed by somebody meanwhile and left alone."
        blocks.append(Note(text, "warn", fix))
    if conflicts:
        blocks.append(conflict_samples(conflicts))
    tag = Tag("something is left", "warn") if done.conflicts or not done.complete else Tag("complete", "good")
    return View("applied", "Written", (tag,), tuple(blocks), done.to_dict())


def conflict_samples(conflicts: Sequence[Conflict]) -> Samples:
    """Return conflicts side by side, the first of them if there are many."""
    samples = tuple(
        sample(Tag("conflict, maybe ours before" if one.unsure else "conflict", "warn"), one.key, one.seen, one.found)
        for one in islice(conflicts, CONFLICTS_SHOWN)
    )
    many = f"the first {CONFLICTS_SHOWN} of {len(conflicts):,}" if len(conflicts) > CONFLICTS_SHOWN else ""
    return Samples(samples, "planned against", "found", f"Conflicts, {many}" if many else "Conflicts")


def verified_card(found: Verified) -> View:
    """Return what is true now of a plan's writes."""
    rows: list[tuple[str, Cell]] = [
        ("read again", f"{things(found.checked, 'item')}, strongly consistent"),
        ("as they should be", f"{found.checked - found.mismatches:,}"),
        ("not as they should be", Tag(f"{found.mismatches:,}", "bad") if found.mismatches else "0"),
    ]
    if found.conflicts:
        rows.append(("conflicts", Tag(f"{found.conflicts:,}", "warn")))
    if found.unwritten:
        rows.append(("not written", Tag(f"{found.unwritten:,}", "bad")))
    blocks: list[Block] = [Facts(tuple(rows))]
    if found.keys:
        listed = tuple((key_text(key),) for key in found.keys[:KEYS_SHOWN])
        many = f" (the first {len(listed)} of {found.mismatches:,})" if found.mismatches > len(listed) else ""
        blocks.append(Grid((f"items that do not hold{many}",), listed))
    if found.mismatches:
        fix = "Look at them; if they are damage still, compare (04) and plan (05) again."
        blocks.append(Note("Somebody may have written these after the copy.", "warn", fix))
    tag = Tag("as planned", "good") if found.ok else Tag("not as planned", "bad")
    return View("verified", "Verified", (tag,), tuple(blocks), found.to_dict())

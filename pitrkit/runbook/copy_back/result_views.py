"""Views of what came of a copy: what was written, what was left to its writers, what is true afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from pitrkit.aws.items import changed_attributes
from pitrkit.recovery.apply.conflicts import ours
from pitrkit.runbook.diff.views import sample
from pitrkit.ui.blocks import Bar, Block, Cell, Facts, Folded, Grid, Link, Links, Note, Samples, Segment, Tag
from pitrkit.ui.cards import note
from pitrkit.ui.text import count_text, duration, folded, key_text, moment, visible
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.recovery.apply.apply import Applied
    from pitrkit.recovery.apply.conflicts import Decision
    from pitrkit.recovery.apply.journal import Conflict
    from pitrkit.recovery.apply.verify import Verified


CONFLICTS_SHOWN = 20
KEYS_SHOWN = 20

NAMES_SHOWN = 4
NAME_LENGTH = 40
WORDS = {"": "-", "ours": "take ours", "theirs": "keep theirs"}
"""What a decision is called."""


def applied_card(
    done: Applied, conflicts: Sequence[Conflict] = (), links: Sequence[Link] = (), *, freeze: str = ""
) -> View:
    """Return what came of a plan's writes, with the conflicts: what was planned against, what was found.

    Args:
        done: What came of them.
        conflicts: Those to show here.
        links: Ways on, such as the undo.
        freeze: What became of holding other writers off; blank where nobody was.
    """
    blocks = _came_of(done)
    if freeze:
        blocks.append(Note(freeze))
    if done.failed or done.unsent:
        text = f"{count_text(done.failed + done.unsent, 'write')} to go. {done.why}".rstrip()
        blocks.append(Note(text, "bad", "Run this step again: it goes on with these and repeats nothing."))
    if done.conflicts:
        fix = "Decide each below, or leave them to their writers."
        text = f"{count_text(done.conflicts, 'item was', 'items were')} changed by somebody meanwhile and left alone."
        blocks.append(Note(text, "warn", fix))
    if conflicts:
        blocks.append(conflict_samples(conflicts))
    if links:
        blocks.append(Links(tuple(links)))
    tag = Tag("something is left", "warn") if done.conflicts or not done.complete else Tag("complete", "good")
    return View("applied", "Written", (tag,), tuple(blocks), done.to_dict())


def stopped_card(done: Applied | None, links: Sequence[Link] = ()) -> View:
    """Return that a copy was interrupted: that this is safe, what came of it so far, and how to go on.

    Args:
        done: What came of it; None where it had not begun.
        links: Ways on, such as the undo.
    """
    if done is None:
        blocks: list[Block] = [Note("It was stopped before the first write: no item was written or changed.", "good")]
    else:
        safe = "What was under way was waited for: each write has its outcome in the journal, and none is half done."
        blocks = [Note(safe, "good"), *_came_of(done)]
    to_go = f" with the {done.unsent + done.failed:,} to go" if done else ""
    blocks.append(Note(f"What to do: run this cell again to go on{to_go}. Nothing is written twice."))
    if links:
        blocks.append(Links(tuple(links), "Or"))
    data = {"interrupted": True, **(done.to_dict() if done else {})}
    return View("interrupted", "Interrupted, and safe", (Tag("stopped by you", "warn"),), tuple(blocks), data)


def _came_of(done: Applied) -> list[Block]:
    counted = (
        ("applied", done.applied, "done"),
        ("already correct", done.already, "same"),
        ("conflicts", done.conflicts, "modified"),
        ("failed", done.failed, "failed"),
        ("not sent", done.unsent, "inserted"),
    )
    bar = Bar(tuple(Segment(label, count, tone) for label, count, tone in counted if count or label == "applied"))
    took = (done.finished_at - done.started_at).total_seconds()
    rows: tuple[tuple[str, Cell], ...] = (
        ("took", f"{duration(took)}, {done.write_units:,.0f} write units"),
        (
            "before the first write",
            f"{moment(done.before_at)}. Fallback: a PITR restore to this time undoes the whole copy",
        ),
    )
    return [bar, Facts(rows)]


def conflict_samples(conflicts: Sequence[Conflict]) -> Samples:
    """Return conflicts side by side, the first of them if there are many."""
    samples = tuple(
        sample(
            Tag("conflict, maybe ours before" if conflict.unsure else "conflict", "warn"),
            conflict.key,
            conflict.seen,
            conflict.found,
        )
        for conflict in islice(conflicts, CONFLICTS_SHOWN)
    )
    many = f"the first {CONFLICTS_SHOWN} of {len(conflicts):,}" if len(conflicts) > CONFLICTS_SHOWN else ""
    return Samples(samples, "planned against", "found", f"Conflicts, {many}" if many else "Conflicts")


def group_of(conflict: Conflict) -> str:
    """Return what kind of conflict it is: who made it had the same in mind, most likely."""
    if conflict.found is None:
        return "gone meanwhile"
    if conflict.seen is None:
        return "there again"
    return f"written again: {_listed(changed_attributes(conflict.seen, conflict.found))}"


def conflicts_card(
    conflicts: Sequence[Conflict], decisions: Mapping[int, Decision] | None = None, *, digest: str = ""
) -> View:
    """Return the conflicts of a copy as a grid: the item, what happened to it, what the plan would have written.

    Args:
        conflicts: All of them.
        decisions: What was decided, by the number of the write.
        digest: Of the plan that met them.
    """
    if not conflicts:
        return note("No conflicts: nobody wrote an item of this plan meanwhile.", "good")
    decided = decisions or {}
    listed = conflicts[:CONFLICTS_SHOWN]
    rows = tuple(
        (key_text(conflict.key), group_of(conflict), outcome_text(conflict), WORDS[decided.get(conflict.number, "")])
        for conflict in listed
    )
    more = f"The first {len(listed)} of {len(conflicts):,}." if len(listed) < len(conflicts) else ""
    blocks: tuple[Block, ...] = (
        tally_of(conflicts, decided),
        Grid(("item", "found", "taking ours would", "decided"), rows, more),
        Note(
            "Keep theirs: the item stays as it was found. Take ours: a new plan, guarded by the item as found.", "muted"
        ),
        Folded("the items side by side", conflict_samples(conflicts)),
    )
    tag = Tag(count_text(len(conflicts), "conflict"), "warn")
    data = {"plan": digest, "conflicts": len(conflicts), **counted(conflicts, decided)}
    return View("conflicts", "Conflicts", (tag,), blocks, data)


def counted(conflicts: Sequence[Conflict], decisions: Mapping[int, Decision]) -> dict[str, int]:
    """Return how many conflicts are decided which way: `ours`, `theirs`, `open`."""
    outcomes = [decisions.get(conflict.number, "open") for conflict in conflicts]
    return {name: outcomes.count(name) for name in ("ours", "theirs", "open")}


def tally_of(conflicts: Sequence[Conflict], decisions: Mapping[int, Decision]) -> Bar:
    """Return how many conflicts are decided which way, as a bar."""
    counts = counted(conflicts, decisions)
    tones = (("open", "undecided", "modified"), ("theirs", "keep theirs", "same"), ("ours", "take ours", "done"))
    return Bar(tuple(Segment(label, counts[name], tone) for name, label, tone in tones))


def outcome_text(conflict: Conflict) -> str:
    """Return what taking ours would do to the item, in words."""
    goal = ours(conflict)
    if goal == conflict.found:
        return "change nothing: it is so by now"
    if goal is None:
        return "delete it"
    if conflict.found is None:
        return "put it back whole"
    if conflict.seen is None:
        return "put ours back whole, in the place of theirs"
    return f"put back {_listed(changed_attributes(conflict.found, goal))}, and keep the rest"


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(folded(visible(name), NAME_LENGTH) for name in names[:NAMES_SHOWN])
    return f"{text} and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else text


def conflict_card(conflict: Conflict) -> View:
    """Return one conflict, the item as found beside what taking ours would make of it."""
    text = f"{group_of(conflict)}; taking ours would {outcome_text(conflict)}"
    mark = Tag("conflict, maybe ours before" if conflict.unsure else "conflict", "warn")
    item_sample = sample(mark, conflict.key, conflict.found, ours(conflict))
    blocks = (Samples((item_sample,), "found (theirs)", "ours"), Note(text, "muted"))
    return View("conflict", blocks=blocks)


def verified_card(verified: Verified, links: Sequence[Link] = ()) -> View:
    """Return what is true now of a plan's writes.

    Args:
        verified: What was read.
        links: Ways on, such as the undo and the report.
    """
    rows: list[tuple[str, Cell]] = [
        ("read again", f"{count_text(verified.checked, 'item')}, strongly consistent"),
        ("match the plan", f"{verified.checked - verified.mismatches:,}"),
        ("do not match the plan", Tag(f"{verified.mismatches:,}", "bad") if verified.mismatches else "0"),
    ]
    if verified.conflicts:
        rows.append(("conflicts", Tag(f"{verified.conflicts:,}", "warn")))
    if verified.unwritten:
        rows.append(("not written", Tag(f"{verified.unwritten:,}", "bad")))
    blocks: list[Block] = [Facts(tuple(rows))]
    if verified.keys:
        listed = tuple((key_text(key),) for key in verified.keys[:KEYS_SHOWN])
        many = f" (the first {len(listed)} of {verified.mismatches:,})" if verified.mismatches > len(listed) else ""
        blocks.append(Grid((f"items that do not hold{many}",), listed))
    if verified.mismatches:
        fix = "Look at them; if they are damage still, compare (04) and plan (05) again."
        blocks.append(Note("Somebody may have written these after the copy.", "warn", fix))
    if links:
        blocks.append(Links(tuple(links)))
    tag = Tag("as planned", "good") if verified.ok else Tag("not as planned", "bad")
    return View("verified", "Verified", (tag,), tuple(blocks), verified.to_dict())

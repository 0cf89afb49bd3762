"""The verdict on an incident: recovered, partly, or not yet, in a sentence that its record bears out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pitrkit.incident.state import SHORTEST
from pitrkit.ui.text import count_text, duration

Tone = Literal["good", "warn", "bad", "open"]

ALL_VERIFIED = " Every one of them was read again and matches the plan."


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it stands.

    Attributes:
        tone: `good`: done; `warn`: done in part; `bad`: what was written does not hold; `open`: nothing written.
        title: In a word or two.
        words: In a sentence or two.
    """

    tone: Tone
    title: str
    words: str


def verdict_of(data: Mapping[str, Any]) -> Verdict:
    """Return the verdict on what `incident.json` says. Copies made before the present one are not forgotten."""
    if data.get("drill"):
        return _of_drill(data)
    verdict = _of_the_present(data)
    present = (data.get("plan") or {}).get("digest", "")[:SHORTEST]
    earlier = {
        name: copy.get("applied", 0)
        for name, copy in (data.get("copies") or {}).items()
        if name != present and not copy.get("slot")
    }
    undo_text = " ".join(
        f"An earlier copy of this incident, {name}, wrote {count_text(n, 'item')}." for name, n in earlier.items() if n
    )
    if not undo_text:
        return verdict
    text = verdict.words.replace("Nothing was written.", "Nothing of it was written.")
    return Verdict(verdict.tone, verdict.title, f"{text} {undo_text}")


def open_conflicts(state: Mapping[str, Any]) -> int:
    """Return how many conflicts of a copy nobody has decided to leave as they are.

    Args:
        state: What `incident.json` says of the copy.
    """
    count = int((state.get("apply") or {}).get("conflicts") or 0)
    decided = state.get("decided") or {}
    if decided.get("plan") != (state.get("plan") or {}).get("digest"):
        return count
    return max(0, count - int(decided.get("theirs") or 0))


def _of_the_present(data: Mapping[str, Any]) -> Verdict:
    undone = data.get("undo") or {}
    if (undone.get("apply") or {}).get("applied"):
        return _of_undo(undone)
    plan, done, verified = (data.get(name) or {} for name in ("plan", "apply", "verify"))
    planned = sum(plan.get(name, 0) for name in ("puts", "updates", "deletes"))
    if not plan:
        return _before_the_plan(data)
    person = plan.get("undecided", 0)
    undecided = f" {count_text(person, 'difference')} {_wait(person)} for a decision." if person else ""
    if not planned:
        text = "No write was planned: nothing in scope has to be restored."
        return Verdict("warn" if person else "good", "Nothing to write", text + undecided)
    if not done:
        text = f"Plan {plan.get('digest', '')[:SHORTEST]} ({count_text(planned, 'write')}) waits for its approval."
        return Verdict("open", "Not recovered yet", f"{text} Nothing was written.")
    if "applied" not in done:
        text = "Writing was interrupted. Run 05_copy_back again to resume."
        return Verdict("warn", "Partly recovered", text)
    written = done["applied"] + done.get("already", 0)
    text = f"{written:,} of {count_text(planned, 'planned write')} {'is' if written == 1 else 'are'} in the table."
    text += _conflicts(done.get("conflicts", 0), open_conflicts(data))
    open_ones = done.get("failed", 0) + done.get("unsent", 0)
    if open_ones:
        text += f" {count_text(open_ones, 'write')} failed or {'was' if open_ones == 1 else 'were'} not sent yet."
        return Verdict("warn", "Partly recovered", text + undecided)
    if not verified:
        return Verdict("warn", "Written, not verified", f"{text} They are not verified yet.{undecided}")
    if not verified.get("ok"):
        wrong = verified.get("mismatches", 0)
        verb = "does" if wrong == 1 else "do"
        text += f" Read again, {count_text(wrong, 'item')} {verb} not match the plan."
        return Verdict("bad", "Not as planned", text + undecided)
    text += ALL_VERIFIED
    unresolved = open_conflicts(data) or person
    return Verdict(
        "warn" if unresolved else "good", "Partly recovered" if unresolved else "Recovered", text + undecided
    )


def _of_drill(data: Mapping[str, Any]) -> Verdict:
    outcome = data["drill"].get("outcome")
    if not outcome:
        return Verdict("open", "Drill not finished", "It has not finished, or was stopped.")
    if not outcome.get("passed"):
        why = "; ".join(outcome.get("why") or ("it did not finish",))
        return Verdict("bad", "Drill failed", f"{why[:1].upper()}{why[1:]}.")
    took = data["drill"].get("recovery_seconds") or 0
    copied = count_text(int((data.get("plan") or {}).get("puts") or 0), "item")
    text = f"From the start of the restore to the verified copy: {duration(took)}. {copied} copied "
    return Verdict(
        "good",
        "Drill passed",
        f"{text}to a scratch table, verified and undone. The real table was only read.",
    )


def _of_undo(undone: Mapping[str, Any]) -> Verdict:
    done, verified = undone.get("apply") or {}, undone.get("verify") or {}
    conflicts = _conflicts(done.get("conflicts", 0), open_conflicts(undone))
    text = f"The copy was undone: {count_text(done['applied'], 'write')} reverted.{conflicts}"
    if not verified.get("ok"):
        return Verdict("warn", "Partly undone", f"{text} Not all of it is verified.")
    tone: Tone = "warn" if open_conflicts(undone) else "open"
    return Verdict(tone, "Undone", f"{text}{ALL_VERIFIED}")


def _before_the_plan(data: Mapping[str, Any]) -> Verdict:
    counts = data.get("diff") or {}
    if counts:
        count = sum(counts.get(kind, 0) for kind in ("removed", "modified", "inserted"))
        text = f"{count_text(count, 'difference')} found; there is no plan yet."
    elif data.get("restored_table"):
        text = f"The restored copy is {data['restored_table']}; it has not been compared yet."
    else:
        text = "No copy has been restored yet."
    return Verdict("open", "Not recovered yet", f"{text} Nothing was written.")


def _conflicts(count: int, undecided: int) -> str:
    if not count:
        return ""
    noun, verb = count_text(count, "item"), "was" if count == 1 else "were"
    decided_text = f"; {count - undecided:,} of them by your decision" if undecided < count else ""
    return f" {noun} {verb} written by others in the meantime and not changed{decided_text}."


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"

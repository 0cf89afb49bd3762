"""Where an incident stands, by its incident.json alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.runbook.session.status import CLASSIC, DELETED, WITHOUT_RESTORE, status_of

DONE = "2026-11-23T05:01:00Z"
PLAN = {"digest": "a", "puts": 3}


def steps(*names):
    return {"steps": dict.fromkeys(names, DONE)}


@pytest.mark.parametrize(
    ("data", "words", "notebook"),
    [
        ({}, "no table selected yet", "01_select_table"),
        (steps("select"), "recovery point not chosen yet", "02_pick_timestamp"),
        (steps("select", "pick"), "next step: restore", "03_restore"),
        ({**steps("select", "pick"), "restored_table": "x"}, "restore in progress: wait for it", "03_restore"),
        ({**steps("select"), "restored_table": "x", "restored_by": "given"}, "wait for it", "03_restore"),
        ({**steps("select", "restore"), "restored_table": "x", "restored_by": "given"}, "next step: diff", "04_diff"),
        (steps("select", "pick", "restore"), "next step: diff", "04_diff"),
        (steps("select", "pick", "restore", "diff"), "next step: write back", "05_copy_back"),
        ({**steps("select", "pick", "restore", "diff"), "plan": PLAN}, "waiting for approval", "05_copy_back"),
        ({"plan": PLAN, "approval": {"by": "x"}}, "approved: ready to write", "05_copy_back"),
        ({"plan": PLAN, "approval": {"by": "x"}, "apply": {}}, "copy interrupted: run it again", "05_copy_back"),
        ({"plan": PLAN, "apply": {"applied": 2, "conflicts": 1}}, "written, with 1 conflict", "05_copy_back"),
        ({"plan": PLAN, "apply": {"applied": 3}}, "written: verify it", "05_copy_back"),
        ({"plan": PLAN, "apply": {"applied": 3}, "verify": {"ok": False}}, "verification failed", "05_copy_back"),
        (
            {**steps("select", "pick", "restore", "diff", "copy"), "plan": PLAN, "apply": {"applied": 3},
             "verify": {"ok": True}},
            "verified: write the report",
            "06_report",
        ),
        ({**steps(*(stage.step for stage in CLASSIC)), "verify": {"ok": True}}, "finished", "06_report"),
        ({"route": "stream", **steps("select")}, "next step: read changes", "10_rollback_without_restore"),
        ({"route": "export", "plan": PLAN}, "waiting for approval", "10_rollback_without_restore"),
        ({"backup": "arn"}, "next step: restore deleted table", "11_deleted_table"),
        ({"backup": "arn", **steps("restore", "report")}, "finished", "06_report"),
        ({**steps("copy"), "undo": {"verify": {"ok": True}}}, "undone", "06_report"),
        ({**steps("copy"), "undo": {"apply": {}}}, "undo interrupted", "12_undo"),
    ],
)  # fmt: skip
def test_it_says_what_the_incident_waits_for_and_where(data, words, notebook):
    found = status_of(data)
    assert words in found.words
    assert found.notebook == notebook


@given(
    st.sets(st.sampled_from([stage.step for stage in (*CLASSIC, *WITHOUT_RESTORE, *DELETED)])),
    st.sampled_from(["", "stream", "export"]),
    st.sampled_from([None, {}, PLAN]),
    st.sampled_from([None, {}, {"applied": 1, "failed": 2, "unsent": 3}]),
    st.sampled_from([None, {"ok": True}, {"ok": False}]),
)
def test_every_state_has_words_a_notebook_of_the_runbook_and_a_next_step_that_is_not_done(done, route, plan, apply, ok):
    data = {"route": route, "plan": plan, "apply": apply, "verify": ok, **steps(*done)}
    found = status_of(data)
    assert found.words
    assert found.notebook in {stage.notebook for stage in found.stages} | {"06_report"}
    assert found.next is None or found.next.step not in done
    assert found.done <= len(found.stages)

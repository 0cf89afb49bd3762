"""The front runs notebooks as steps of an incident, says how they ended, and lets nothing pass that papermill would."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from pitrkit import __version__
from pitrkit.errors import BadInput, Exit
from pitrkit.incident.incident import Incident
from pitrkit.record import audit as auditing
from pitrkit.record import seal as sealing
from pitrkit.runner import notebook_run

CHECKOUT = Path(notebook_run.__file__).resolve().parents[2]

pytestmark = [pytest.mark.takes(30), pytest.mark.cold_kernels]

CHECKOUT = Path(notebook_run.__file__).resolve().parents[2]
PARAMETERS = 'incident: str = ""  # incident id\nat: str = ""  # when\ncount: int = 1  # how many\nfast: bool = False'


@pytest.fixture
def notebook(tmp_path):
    def make(*cells: str, parameters: str = PARAMETERS, name: str = "05_step") -> Path:
        made = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
        )
        made.cells = [
            nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *[nbformat.v4.new_code_cell(cell) for cell in cells],
        ]
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(made, path)
        return path

    return make


def run(notebook, parameters=None, **more):
    echo = io.StringIO()
    result = notebook_run.run(notebook, parameters or {}, echo=echo, **more)
    return result, echo.getvalue()


def outputs(path: Path) -> str:
    cells = json.loads(path.read_text())["cells"]
    return "".join("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", ()))


def stamp(path: Path) -> dict:
    return json.loads(path.read_text())["metadata"]["pitrkit"]


def test_a_string_stays_the_string_that_was_given_and_other_types_are_read_strictly(notebook, tmp_path):
    hostile = 'O\'Brien "x" \\n {at} \u202e é\n'
    source = notebook("import sys; print([at, count, fast, sys.executable])")
    result, _ = run(source, {"at": "1e5", "count": "12", "fast": "yes"}, root=tmp_path / "i")
    assert outputs(result.path) == f"{['1e5', 12, True, sys.executable]}\n"
    result, _ = run(notebook("print(ascii(at))"), {"at": hostile}, root=tmp_path / "i")
    assert outputs(result.path) == f"{hostile!a}\n"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"att": "now"}, r"no parameter att\n-> Its parameters are:\n +incident: str = \"\"  # incident id\n +at: str"),
        ({"count": "1e5"}, "count is '1e5'\n-> Give a whole number"),
        ({"fast": "perhaps"}, "fast is 'perhaps'\n-> Give true or false"),
        ({"incident": "../x"}, "not a valid incident ID"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(notebook, tmp_path, parameters, message):
    with pytest.raises(BadInput, match=message):
        run(notebook("print(1)"), parameters, root=tmp_path / "i")
    assert not (tmp_path / "i").exists()


def test_two_different_incidents_are_refused(notebook, tmp_path):
    with pytest.raises(BadInput, match="two incidents"):
        run(notebook("1"), {"incident": "a"}, incident="b", root=tmp_path)


@pytest.mark.parametrize(
    ("cell", "code", "said"),
    [
        ("1 + 1", Exit.DONE, "05_step: done after"),
        (
            'from pitrkit.errors import GateClosed\nraise GateClosed("closed", digest="ab", fix="pitrkit run x")',
            Exit.GATE_CLOSED,
            "\nclosed\n-> pitrkit run x\n",
        ),
        (
            'from pitrkit.errors import InputNeeded\nraise InputNeeded("at", fix="Say when.")',
            Exit.INPUT_NEEDED,
            "\ninput needed: at\n-> Say when.\n",
        ),
        ('from pitrkit.errors import BadInput\nraise BadInput("no")', Exit.ERROR, "\nno\n"),
        (
            'from pitrkit.errors import BadInput\nclass Odd(BadInput): pass\nraise Odd("odd \\x1b[2J")',
            Exit.ERROR,
            "\nodd ?[2J\n",
        ),
        ("{}['k']", Exit.ERROR, "unexpected error, with its traceback in the notebook\nKeyError: 'k'"),
        ("import os; os._exit(3)", Exit.ERROR, "DeadKernelError"),
        ("raise SystemExit(0)", Exit.ERROR, "ended itself before its last cell"),
    ],
)
def test_the_exit_code_tells_how_the_notebook_ended(notebook, tmp_path, cell, code, said):
    result, echoed = run(notebook(cell, "print('the last cell')"), root=tmp_path / "i")
    assert result.exit_code is code
    assert said in echoed
    assert "Traceback" not in echoed
    assert str(result.path) in echoed
    assert ("the last cell" in outputs(result.path)) == (code is Exit.DONE)
    assert stamp(result.path)["exit_code"] == code
    ended = {Exit.DONE: "done", Exit.GATE_CLOSED: "gate closed", Exit.INPUT_NEEDED: "input needed"}
    assert stamp(result.path)["ended"] == ended.get(code, "failed")


def test_cells_that_never_ran_are_not_called_completed(notebook, tmp_path):
    result, _ = run(notebook("raise ValueError", "print(2)"), root=tmp_path / "i")
    cells = [cell for cell in json.loads(result.path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["metadata"]["papermill"]["status"] for cell in cells] == ["completed", "failed", "pending"]


def test_runs_of_an_incident_are_kept_in_its_folder_and_told_in_its_events(notebook, tmp_path):
    incident = Incident.open("inc-1", root=tmp_path / "i", create=True)
    source = notebook("print(incident)")
    first, _ = run(source, {"at": "90m"}, incident="inc-1", root=tmp_path / "i")
    second, _ = run(source, {"incident": "inc-1"}, root=tmp_path / "i")
    assert first.path == incident.folder / "notebooks" / "05_step.ipynb"
    assert second.path == incident.folder / "notebooks" / "05_step-2.ipynb"
    assert outputs(first.path) == outputs(second.path) == "inc-1\n"
    told = [(event.event, event.data) for event in incident.events()][1:3]
    began = {
        "notebook": "05_step",
        "parameters": {"incident": "inc-1", "at": "90m"},
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "kit": __version__,
        "running": "notebooks/05_step.running.ipynb",
    }
    ended = {"notebook": "notebooks/05_step.ipynb", "running": began["running"], "ended": "done"}
    assert told == [("notebook_started", began), ("notebook_ended", {**ended, "exit_code": 0, "error": ""})]
    stamped = stamp(first.path)
    assert stamped["started_at"] <= stamped["ended_at"]
    assert {name: stamped[name] for name in ("kit", "notebook", "sha256", "ended", "cells", "ran")} == {
        **{name: began[name] for name in ("kit", "notebook", "sha256")},
        "ended": "done",
        "cells": 3,
        "ran": 3,  # papermill adds the cell of what was given
    }
    assert sorted(path.name for path in (incident.folder / "notebooks").iterdir()) == [
        "05_step-2.ipynb",
        "05_step.ipynb",
    ]


def test_a_mistyped_incident_leaves_no_folder_behind(notebook, tmp_path):
    result, _ = run(notebook("1"), incident="typo", root=tmp_path / "i")
    assert [path.name for path in (tmp_path / "i").iterdir()] == ["_runs"]
    assert result.path.parent.name == "_runs"


def test_a_notebook_that_opens_its_incident_ends_up_in_it(notebook, tmp_path):
    source = notebook(
        "from pitrkit.incident.incident import Incident\nIncident.open(incident, create=True, table='Orders')"
    )
    result, _ = run(source, incident="fresh", root=tmp_path / "i")
    opened = Incident.open("fresh", root=tmp_path / "i")
    assert result.path == opened.folder / "notebooks" / "05_step.ipynb"
    assert opened.events()[-1].event == "notebook_ended"
    assert not list((tmp_path / "i" / "_runs").iterdir())


def test_a_sealed_incident_is_sealed_again_after_a_run(notebook, tmp_path):
    incident = Incident.open("inc-1", root=tmp_path / "i", create=True)
    cells = "from pitrkit.record import seal\nfrom pitrkit.incident.incident import Incident"
    source = notebook(f"{cells}\nseal.seal(Incident.open(incident))")
    run(source, incident="inc-1", root=tmp_path / "i")
    audit = auditing.audit(incident.folder)
    assert audit.ok, str(audit)
    assert audit.seals == 2
    assert not audit.findings


def test_an_unwritable_place_is_bad_input(notebook, tmp_path):
    (tmp_path / "i").write_text("a file, where a folder belongs")
    with pytest.raises(BadInput, match="cannot be written"):
        run(notebook("1"), root=tmp_path / "i")


def test_a_file_that_is_no_notebook_is_bad_input(tmp_path):
    (tmp_path / "x.ipynb").write_text("{")
    with pytest.raises(BadInput, match="cannot be read as a notebook"):
        run(tmp_path / "x.ipynb", root=tmp_path)


def test_notebooks_are_found_by_name_and_number(tmp_path, monkeypatch):
    for name in ("04_diff", "05_copy_back", "10_a", "10_b"):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    monkeypatch.setattr(notebook_run, "notebooks_folder", lambda: tmp_path)
    assert notebook_run.find("05") == notebook_run.find("05_copy_back") == tmp_path / "05_copy_back.ipynb"
    assert notebook_run.find("04_diff.ipynb") == tmp_path / "04_diff.ipynb"
    assert notebook_run.find(tmp_path / "04_diff.ipynb") == tmp_path / "04_diff.ipynb"
    with pytest.raises(BadInput, match=r"more than one notebook is called '10'\n-> Name one of: 10_a, 10_b"):
        notebook_run.find("10")
    for name in ("", "0", "5", "99", "copy", "elsewhere/05", "../05_copy_back.ipynb"):
        with pytest.raises(BadInput, match="Name one of: 04_diff, 05_copy_back, 10_a, 10_b"):
            notebook_run.find(name)


def test_progress_in_the_kernel_is_shown_by_the_front_and_stays_in_the_notebook(notebook, tmp_path):
    cell = "from pitrkit.ui.progress import ProgressBar\nwith ProgressBar('Reading Orders', 50) as p:\n    p(50)"
    result, echoed = run(notebook(cell), root=tmp_path / "i")
    assert "  Reading Orders: done: 50 items" in echoed
    shown = [
        output["data"]["text/plain"]
        for item in json.loads(result.path.read_text())["cells"]
        for output in item.get("outputs", ())
        if output["output_type"] == "display_data"
    ]
    assert len(shown) == 1
    assert "".join(shown[0]).startswith("Reading Orders: done: 50 items")


def test_the_kernel_needs_nothing_of_the_home_folder_and_sees_the_incidents(notebook, tmp_path, monkeypatch):
    bad = tmp_path / "home" / ".local" / "share" / "jupyter" / "kernels" / "python3"
    bad.mkdir(parents=True)
    (bad / "kernel.json").write_text(json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, "/dev/null/unwritable")
    cell = "import os; print(os.environ['PITRKIT_INCIDENTS'], os.getcwd())"
    result, echoed = run(notebook(cell), root=tmp_path / "i")
    assert outputs(result.path) == f"{tmp_path / 'i'} {Path.cwd()}\n", echoed


class Started:
    """A front in a process of its own, running a notebook whose cell says when it runs; signals may be *ignored*."""

    def __init__(self, source: Path, folder: Path, *, opened: bool = True, ignored: tuple[int, ...] = ()) -> None:
        code = (
            "import signal, sys\n"
            "for number in sys.argv[4:]:\n    signal.signal(int(number), signal.SIG_IGN)\n"
            "from pitrkit.runner import notebook_run\n"
            "result = notebook_run.run(sys.argv[1], {'at': sys.argv[2]}, incident='inc-1', root=sys.argv[3])\n"
            "sys.exit(int(result.exit_code))"
        )
        self.incident = Incident("inc-1", folder / "i" / "inc-1")
        if opened:
            Incident.open("inc-1", root=folder / "i", create=True)
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, source, folder, folder / "i", *map(str, map(int, ignored))],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def wait_for(self, name: str) -> Path:
        while not (self.folder / name).exists() and self.process.poll() is None:
            time.sleep(0.05)
        return self.folder / name

    def stopped(self) -> tuple[int, str, str]:
        said, complained = self.process.communicate(timeout=60)
        return self.process.returncode, said, complained


SLOW = """
import pathlib, time
pathlib.Path(at, "running").touch()
try:
    time.sleep(60)
finally:
    pathlib.Path(at, "unwound").touch()
"""

SWALLOWS = """
import pathlib, time
pathlib.Path(at, "running").touch()
try:
    time.sleep(60)
except KeyboardInterrupt:
    pass
"""

WAITS = """
import pathlib, time
pathlib.Path(at, "running").touch()
while not pathlib.Path(at, "enough").exists():
    time.sleep(0.02)
"""

STUBBORN = """
import os, pathlib, time
pathlib.Path(at, "pid").write_text(str(os.getpid()))
pathlib.Path(at, "running").touch()
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pathlib.Path(at, "ignored").touch()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_unwinds_the_cell_and_the_record_says_interrupted(notebook, tmp_path, number):
    with Started(notebook(SLOW, "print('never')"), tmp_path) as started:
        started.wait_for("running")
        started.process.send_signal(number)
        code, said, complained = started.stopped()
    assert code == 130, complained
    assert "interrupted; what was done is recorded" in said
    assert not complained
    assert (tmp_path / "unwound").exists()
    executed = started.incident.folder / "notebooks" / "05_step.ipynb"
    stamped = stamp(executed)
    assert {name: stamped[name] for name in ("ended", "exit_code", "error", "cells", "ran")} == {
        "ended": "interrupted",
        "exit_code": 130,
        "error": "KeyboardInterrupt",
        "cells": 4,
        "ran": 3,
    }
    cells = [cell for cell in json.loads(executed.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["metadata"]["papermill"]["status"] for cell in cells][-2:] == ["failed", "pending"]
    assert started.incident.events()[-1].data["ended"] == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_started_in_the_background_it_is_stopped_as_well(notebook, tmp_path, number):
    with Started(notebook(SLOW), tmp_path, ignored=(signal.SIGINT, signal.SIGHUP)) as started:
        started.wait_for("running")
        started.process.send_signal(number)
        code, said, complained = started.stopped()
    assert code == 130, complained
    assert "interrupted; what was done is recorded" in said
    assert (tmp_path / "unwound").exists()


def test_under_nohup_it_goes_on_without_its_terminal(notebook, tmp_path):
    with Started(notebook(WAITS), tmp_path, ignored=(signal.SIGHUP,)) as started:
        started.wait_for("running")
        started.process.send_signal(signal.SIGHUP)
        (tmp_path / "enough").touch()
        code, said, complained = started.stopped()
    assert (code, complained) == (0, "")
    assert "05_step: done" in said


def test_a_cell_that_swallows_the_interrupt_is_the_last_one_to_run(notebook, tmp_path):
    with Started(notebook(SWALLOWS, "print('never')"), tmp_path) as started:
        started.wait_for("running")
        started.process.send_signal(signal.SIGTERM)
        code, _, complained = started.stopped()
    assert code == 130, complained
    executed = started.incident.folder / "notebooks" / "05_step.ipynb"
    assert stamp(executed)["ended"] == "interrupted"
    assert outputs(executed) == ""
    cells = [cell for cell in json.loads(executed.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["metadata"]["papermill"]["status"] for cell in cells][-2:] == ["completed", "pending"]


def test_a_second_stop_signal_ends_a_stubborn_cell_and_its_kernel(notebook, tmp_path):
    with Started(notebook(STUBBORN, "print('never')"), tmp_path) as started:
        started.wait_for("running")
        started.process.send_signal(signal.SIGTERM)
        started.wait_for("ignored")
        started.process.send_signal(signal.SIGTERM)
        code, _, complained = started.stopped()
    assert code == 130, complained
    assert stamp(started.incident.folder / "notebooks" / "05_step.ipynb")["ended"] == "interrupted"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_killed_run_is_told_by_the_audit_and_recorded_by_the_next_step(notebook, tmp_path):
    with Started(notebook(SLOW, "print('never')"), tmp_path) as started:
        started.wait_for("running")
        folder = started.incident.folder
        running = folder / "notebooks" / "05_step.running.ipynb"
        assert not [one for one in auditing.audit(folder).findings if one.what == "killed"], "it lives"
        started.process.kill()
        started.process.wait()
    found = [(one.what, one.name) for one in auditing.audit(folder).findings]
    lock = "notebooks/05_step.running.lock"
    assert found == [("manifest", "manifest.json"), ("killed", "notebooks/05_step.running.ipynb"), ("killed", lock)]
    result, _ = run(notebook("print(1)"), incident="inc-1", root=tmp_path / "i")
    assert result.path.name == "05_step-2.ipynb"
    assert not running.exists()
    told = [event.data for event in started.incident.events() if event.event == "notebook_ended"]
    assert [(one["notebook"], one["ended"], one["exit_code"]) for one in told] == [
        ("notebooks/05_step.ipynb", "killed", None),
        ("notebooks/05_step-2.ipynb", "done", 0),
    ]
    assert told[0]["last_wrote_at"] >= told[0]["started_at"]
    executed = folder / "notebooks" / "05_step.ipynb"
    assert stamp(executed)["ended"] == "killed"
    cells = [cell for cell in json.loads(executed.read_text())["cells"] if cell["cell_type"] == "code"]
    assert "completed" not in [cell["metadata"]["papermill"]["status"] for cell in cells][-1:]
    sealing.seal(started.incident)
    audit = auditing.audit(folder)
    assert audit.ok, str(audit)
    assert [one["ended"] for one in audit.summary.runs] == ["killed", "done"]


OPENS = "from pitrkit.incident.incident import Incident\nIncident.open(incident, create=True)\n"


def test_a_run_killed_before_its_notebook_went_to_its_incident_goes_there_with_the_next_step(notebook, tmp_path):
    with Started(notebook(OPENS + SLOW), tmp_path, opened=False) as started:
        started.wait_for("running")
        assert [path.name[-30:] for path in (tmp_path / "i" / "_runs").glob("*.ipynb")]
        started.process.kill()
        started.process.wait()
    run(notebook("print(1)"), incident="inc-1", root=tmp_path / "i")
    ended = [event.data for event in started.incident.events() if event.event == "notebook_ended"]
    assert [(one["notebook"], one["ended"]) for one in ended] == [
        ("notebooks/05_step.ipynb", "killed"),
        ("notebooks/05_step-2.ipynb", "done"),
    ]
    assert ended[0]["parameters"] == {"incident": "inc-1", "at": str(tmp_path)}
    assert not list((tmp_path / "i" / "_runs").iterdir())


def test_what_a_run_leaves_is_its_owners_alone_whatever_the_umask(notebook, tmp_path):
    cells = (
        "from pitrkit.record import seal\nfrom pitrkit.incident.incident import Incident\n"
        "made = Incident.open(incident, create=True)\nmade.path('plan').mkdir()\n"
        "made.path('plan', 'x.json').write_text('{}')\nseal.seal(made)"
    )
    before = os.umask(0o022)
    try:
        run(notebook("print(1)"), root=tmp_path / "i")
        result, _ = run(notebook(cells), incident="inc-1", root=tmp_path / "i")
    finally:
        assert os.umask(before) == 0o022, "the caller's own umask is not touched"
    assert result.exit_code is Exit.DONE
    left = sorted((tmp_path / "i").rglob("*"))
    assert {"manifest.json", "x.json", "05_step.ipynb"} <= {path.name for path in left}
    wrong = [path for path in left if path.stat().st_mode & 0o777 != (0o700 if path.is_dir() else 0o600)]
    assert not wrong

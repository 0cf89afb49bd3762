"""The classic route headless, through the command line and real kernels, from the damage to the undo and back."""

import re
import subprocess
import sys

import pytest

from pitrkit.aws.items import canonical
from pitrkit.incident.working_copy import notebooks_folder
from pitrkit.times import iso

pytestmark = [pytest.mark.xdist_group("route"), pytest.mark.takes(25), pytest.mark.cold_kernels]


@pytest.fixture(scope="module", autouse=True)
def least(shop):
    """All of it with the least policy that the kit prints for it."""
    with shop.permitted("--route", "restore", "--steps", "restore,diff,copy,undo,cleanup,details"):
        yield


@pytest.fixture(scope="module")
def damaged(shop):
    return shop.items()


@pytest.fixture(scope="module")
def stopped(shop, damaged):
    """A recovery that stands before its gate."""
    code, said = shop.pitrkit(
        "recover", "Orders", "--at", iso(shop.truth.good_at), "--incident", "night",
        "--where", shop.truth.where, "--modified", "revert", "--attributes", ",".join(shop.truth.attributes),
        "--guard", "attributes", "--expired", "put",
    )  # fmt: skip
    return code, said


@pytest.fixture(scope="module")
def recovered(shop, stopped):
    command = re.search(r"pitrkit (recover Orders .*--approve [0-9a-f]{64})", stopped[1])
    return shop.pitrkit(*command[1].split())


def test_it_stops_at_the_gate_with_one_command_and_nothing_written(shop, damaged, stopped):
    code, said = stopped
    assert code == 3
    assert len(re.findall(r"pitrkit recover Orders .*--approve [0-9a-f]{64}", said)) == 1
    assert shop.items() == damaged
    assert not list((shop.folder / "night" / "journal").glob("*"))


def test_each_step_says_what_it_takes_and_costs_before_it_is_taken(stopped):
    said = stopped[1]
    for step in (r"restore Orders-pitr-\w+", "keep it, each day", r"scan Orders-pitr-\w+", "scan Orders"):
        assert re.search(rf"  {step}: .*; costs under USD 0.01 \(.* x 0\.\d+.* = .*prices of", said), step
    assert said.index("restore Orders-pitr") < said.index("Restoring Orders-pitr")
    assert said.index("scan Orders-pitr") < said.index("Reading Orders-pitr")
    assert re.search(r"takes .*, costs under USD 0.01 \([\d,]+ write units x 0.625 a million = ", said)


def test_a_wrong_digest_opens_nothing(shop, damaged, stopped):
    code, said = shop.pitrkit("recover", "Orders", "--incident", "night", "--approve", "0" * 64)
    assert code == 2
    assert "approve" in said
    assert shop.items() == damaged


def test_the_command_goes_on_behind_the_gate_and_the_table_is_right(shop, recovered):
    code, said = recovered
    assert code == 0, said
    assert "01_select_table" not in said
    assert shop.items() == sorted(canonical(item) for item in shop.truth.expected)


def test_what_could_do_harm_is_named_and_its_acknowledgement_is_in_the_record(shop, stopped, recovered):
    assert "has risks that must be acknowledged first: ttl" in stopped[1]
    assert "blocking: ttl: items expire by 'expires_at'" in stopped[1]
    assert "--accept ttl --approve" in stopped[1]
    (accepted,) = shop.incident("night")["accepted"]
    assert (accepted["name"], accepted["how"]) == ("ttl", "parameter")
    assert accepted["by"] == shop.incident("night")["caller"]
    assert "Acknowledged" in (shop.folder / "night" / "report.html").read_text()


def test_the_incident_says_for_programs_what_was_done(shop, recovered):
    data = shop.incident("night")
    truth = shop.truth
    assert data["table"] == "Orders"
    assert data["restore_at"] == data["at_asked"] == iso(truth.good_at)
    assert data["restored_table"] in shop.tables()
    assert (data["plan"]["policy"]["guard"], data["plan"]["policy"]["expired"]) == ("attributes", "put")
    assert data["plan"]["puts"] == len(truth.deleted)
    assert data["plan"]["updates"] == len(truth.mangled)
    assert data["apply"]["applied"] == len(truth.deleted) + len(truth.mangled)
    assert data["apply"]["conflicts"] == data["apply"]["failed"] == 0
    assert data["verify"]["ok"] is True
    assert {"same", "removed", "modified", "inserted"} <= data["diff"].keys()
    assert data["approval"]["by"].startswith("arn:aws:")


def test_the_record_passes_its_audit_until_a_byte_changes(shop, recovered):
    code, said = shop.pitrkit("audit", "night")
    assert code == 0, said
    report = shop.folder / "night" / "report.html"
    kept = report.read_bytes()
    report.write_bytes(kept.replace(b"Orders", b"Ordexs", 1))
    code, said = shop.pitrkit("audit", "night")
    report.write_bytes(kept)
    assert code == 1
    assert "report.html" in said


def test_the_report_loads_nothing_from_anywhere(shop, recovered):
    html = (shop.folder / "night" / "report.html").read_text()
    assert "<script" not in html
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", html)
    assert "url(" not in html


def test_the_executed_notebooks_are_kept_and_show_what_was_done(shop, recovered):
    kept = {path.stem for path in (shop.folder / "night" / "notebooks").glob("*.ipynb")}
    assert {"01_select_table", "02_pick_timestamp", "03_restore", "04_diff", "05_copy_back", "06_report"} <= kept


def test_a_finished_recovery_run_again_finds_nothing_to_write(shop, recovered):
    before = shop.items()
    code, said = shop.pitrkit("run", "05_copy_back", "-p", "incident", "night", "-p", "modified", "revert",
                              "-p", "attributes", ",".join(shop.truth.attributes))  # fmt: skip
    assert code == 0, said
    assert shop.items() == before
    assert shop.incident("night")["plan"]["puts"] == len(shop.truth.deleted), "what was done is still what was done"
    assert shop.incident("night")["apply"]["applied"] == len(shop.truth.deleted) + len(shop.truth.mangled)


def test_undo_waits_at_its_gate_too_and_then_gives_back_the_table_as_it_was(shop, damaged, recovered):
    code, said = shop.pitrkit("run", "12_undo", "-p", "incident", "night")
    assert code == 3
    command = re.search(r"pitrkit (run 12_undo .*)", said)[1].split()
    code, said = shop.pitrkit(*command)
    assert code == 0, said
    assert shop.items() == damaged
    assert shop.incident("night")["undo"]["plan"]["policy"]["guard"] == "attributes"


def test_clean_up_deletes_only_the_copy_and_only_when_approved(shop, recovered):
    copy = shop.incident("night")["restored_table"]
    code, said = shop.pitrkit("run", "14", "-p", "incident", "night")
    assert code == 3
    assert copy in shop.tables()
    code, said = shop.pitrkit(*re.search(r"pitrkit (run 14_clean_up .*)", said)[1].split())
    assert code == 0, said
    assert copy not in shop.tables()
    assert "Orders" in shop.tables()


def test_plain_papermill_runs_a_notebook_too(shop, tmp_path):
    notebook = notebooks_folder() / "01_select_table.ipynb"
    ran = subprocess.run(
        [sys.executable, "-m", "papermill", notebook, tmp_path / "o.ipynb", "-r", "table", "Orders", "-r", "incident",
         "plain", "--cwd", tmp_path],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert shop.incident("plain")["table"] == "Orders"

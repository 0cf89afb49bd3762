"""Every notebook runs cell by cell under nbval, each with the parameters of its place in one recovery."""

import os
import subprocess
import sys

import nbformat
import pytest
from papermill.parameterize import parameterize_notebook

from pitrkit.incident.working_copy import notebooks_folder
from pitrkit.times import iso

pytestmark = pytest.mark.takes(50)


def nbval(shop, folder, name, **parameters):
    """Run one notebook with parameters under `pytest --nbval-lax`."""
    notebook = nbformat.read(notebooks_folder() / f"{name}.ipynb", as_version=4)
    notebook.metadata["papermill"] = {}
    for cell in notebook.cells:
        cell.metadata.setdefault("papermill", {})
        cell.metadata.setdefault("tags", [])
    path = folder / f"{name}.ipynb"
    nbformat.write(parameterize_notebook(notebook, parameters), path)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", path],
        cwd=folder,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, f"{name}\n{ran.stdout[-4000:]}{ran.stderr[-2000:]}"


def test_all_notebooks_run_under_nbval_in_the_order_of_a_recovery(shop, tmp_path):
    damaged = shop.items()
    client = shop.sandbox.client("dynamodb")
    nbval(shop, tmp_path, "00_start_here")
    nbval(shop, tmp_path, "01_select_table", table="Orders", incident="val")
    nbval(shop, tmp_path, "02_pick_timestamp", incident="val", at=iso(shop.truth.good_at))
    nbval(shop, tmp_path, "03_restore", incident="val", target="Orders-val")
    nbval(shop, tmp_path, "04_diff", incident="val", where=shop.truth.where)
    assert shop.pitrkit("run", "05_copy_back", "-p", "incident", "val", "-p", "modified", "revert")[0] == 3
    nbval(shop, tmp_path, "05_copy_back", incident="val", approve=shop.incident("val")["plan"]["digest"])
    assert shop.incident("val")["verify"]["ok"] is True
    nbval(shop, tmp_path, "06_report", incident="val")
    assert shop.pitrkit("run", "12_undo", "-p", "incident", "val")[0] == 3
    nbval(shop, tmp_path, "12_undo", incident="val", approve=shop.incident("val")["undo"]["plan"]["digest"])
    assert shop.items() == damaged
    code, said = shop.pitrkit("run", "14_clean_up", "-p", "incident", "val")
    assert code == 3
    nbval(shop, tmp_path, "14_clean_up", incident="val", approve=said.split("approve ")[1].split()[0])
    assert "Orders-val" not in shop.tables()
    client.delete_table(TableName="Orders")
    code, said = shop.pitrkit("run", "11_deleted_table", "-p", "incident", "back", "-p", "table", "Orders")
    assert code == 3
    digest = said.split("approve ")[1].split()[0]
    nbval(shop, tmp_path, "11_deleted_table", incident="back", table="Orders", approve=digest)
    assert shop.items() == damaged

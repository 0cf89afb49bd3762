"""The settings hold the kit to accounts, Regions and tables, by hand and headless, before anything is written."""

import json

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.errors import BadInput
from pitrkit.runbook.session import session
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start import protect, select_table
from pitrkit.runner import notebook_run

HERE, ELSEWHERE = "123456789012", "210987654321"


@pytest.fixture
def held(plain, tmp_path, monkeypatch):
    """Return what holds the kit to something, by the text of its settings."""

    def hold(text):
        path = tmp_path / "pitrkit.toml"
        path.write_text(text)
        monkeypatch.setenv("PITRKIT_SETTINGS", str(path))
        return path

    before = sorted(plain.folder.glob("*/incident.json")), plain.tables()
    yield hold
    assert (sorted(plain.folder.glob("*/incident.json")), plain.tables()) == before


WRONG = [
    (f'[guard]\naccounts = ["{ELSEWHERE}"]', (HERE, ELSEWHERE, "accounts")),
    (
        f'[guard]\naccounts = ["{ELSEWHERE}"]\n[accounts.{ELSEWHERE}]\nname = "the test shop"',
        (f"{ELSEWHERE} (the test shop)",),
    ),
    ('[guard]\nregions = ["eu-central-1", "eu-west-1"]', ("us-east-1", "eu-central-1, eu-west-1", "regions")),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_it_does_not_even_connect_elsewhere_and_says_what_was_expected_what_is_and_which_file_says_so(
    held, text, words
):
    path = held(text)
    with pytest.raises(BadInput) as caught:
        session.connect()
    assert all(word in caught.value.what for word in (*words, str(path)))
    assert "PITRKIT_SETTINGS" in caught.value.fix, "this is a sandbox, and its settings may be others"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("01", ("-p", "table", "Orders", "-p", "incident", "elsewhere")),
        ("00", ("-p", "protect", "Orders")),
    ],
)
def test_a_notebook_in_another_account_ends_before_an_incident_exists(plain, held, name, words):
    path = held(f'[guard]\naccounts = ["{ELSEWHERE}"]')
    code, said = plain.pitrkit("run", name, *words)
    assert code == 2, said
    assert ELSEWHERE in said
    assert str(path) in said
    assert "Traceback" not in said


def test_recover_refuses_a_table_outside_before_any_notebook_runs(plain, held):
    path = held('[guard]\ntables = ["Orders*", "Invoices"]')
    code, said = plain.pitrkit("recover", "Carts", "--at", "5m")
    assert code == 2
    assert all(word in said for word in ("Carts", "Orders*, Invoices", str(path)))
    assert "01_select_table" not in said


def test_by_hand_a_table_outside_is_refused_and_one_inside_is_not(plain, held, monkeypatch):
    held('[guard]\ntables = ["Orders*"]')
    with pytest.raises(BadInput, match=r"Carts is none of those.*Orders\*"):
        select_table.select(Aws.connect(), "Carts", incident="outside")
    with pytest.raises(BadInput, match="Carts"):
        protect.protect(Aws.connect(), "Orders,Carts")
    assert protect.protect(Aws.connect(), "all").tables == ("Orders",)
    assert protect.choose(Aws.connect()).list.options == ("Orders",)
    monkeypatch.setenv("PITRKIT_INCIDENTS", str(plain.folder / "inside"))
    assert select_table.select(Aws.connect(), "Orders", incident="inside").data["table"] == "Orders"


@pytest.mark.parametrize("text", [f'[guard]\naccounts = ["{ELSEWHERE}"]', '[guard]\ntables = ["Carts"]'])
def test_an_incident_that_exists_does_not_go_on_outside(plain, held, monkeypatch, tmp_path, text):
    monkeypatch.setenv("PITRKIT_INCIDENTS", str(tmp_path))
    aws = Aws.connect()
    select_table.select(aws, "Orders", incident="begun")
    before = json.loads((tmp_path / "begun" / "incident.json").read_text())
    held(text)
    with pytest.raises(BadInput, match=r"pitrkit\.toml"):
        Session.open("begun")
    with pytest.raises(BadInput, match=r"pitrkit\.toml"):
        Session.open("begun", aws=aws)
    assert json.loads((tmp_path / "begun" / "incident.json").read_text()) == before


def test_a_misspelt_guard_is_no_open_one(plain, held):
    held(f'[guard]\nacounts = ["{ELSEWHERE}"]')
    with pytest.raises(BadInput, match="acounts"):
        session.connect()


def test_the_front_page_says_what_the_kit_is_held_to_and_where_that_is_written(plain, held):
    assert "No guardrails set" in str(session.show_account(session.connect()))
    path = held(f'[guard]\naccounts = ["{HERE}"]\nregions = ["us-east-1"]\ntables = ["Orders*"]')
    said = str(session.show_account(session.connect()))
    assert f"accounts {HERE}; regions us-east-1; tables Orders*" in said
    assert str(path) in said
    ran = notebook_run.run("01", {"table": "Orders", "incident": "let-in"}, root=plain.folder.parent / "let-in")
    assert ran.exit_code == 0

"""What a whole headless recovery leaves behind holds no credential, and nothing that was named sensitive."""

import base64
import contextlib
import json
import os
import re
import stat
from html import escape
from urllib.parse import quote

import pytest

from pitrkit.sandbox import FaultRule, Sandbox
from tests.notebooks.conftest import place_of
from tests.notebooks.listening import listening

pytestmark = [pytest.mark.xdist_group("secrets"), pytest.mark.takes(20)]

DATA = ("snapshots", "logs", "changes", "plan", "journal", "given")
"""Folders of an incident that hold items by nature."""

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYKEYCANARY1",
    "AWS_SECRET_ACCESS_KEY": "canary/secret+key/of=the+operator0000001",
    "AWS_SESSION_TOKEN": "canary+session/token==of-the-operator-00002",
}
PROFILE = ("AKIACANARYPROFILE002", "canary/profile+secret/of=the+operator002", "canary+profile/token==00003")
HOOK = "canary-of-the-webhooks-address"
SENSITIVE = ("email", "card.number", "contacts.phone", "owner")

KEYED = {
    "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "owner", "AttributeType": "S"},
        {"AttributeName": "id", "AttributeType": "N"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
ITEMS = 8


def item(number, when, status):
    """An item whose every sensitive value is a canary with quotes, a slash and a letter beyond ASCII."""
    mark = f'canary "{when}"/{number} ö'
    return {
        "owner": {"S": f"owner {number} canary-key/ö"},
        "id": {"N": str(number)},
        "status": {"S": status},
        "email": {"S": f"email {mark}"},
        "card": {"M": {"number": {"S": f"card {mark}"}, "brand": {"S": "Visa"}}},
        "contacts": {"L": [{"M": {"phone": {"S": f"phone {mark}"}, "name": {"S": "Ann"}}}]},
    }


def forms(secret):
    """Return a secret as it may be written: as it is, escaped for JSON, HTML and URLs, and in base64 at any place."""
    found = {secret, escape(secret), quote(secret), quote(secret, safe=""), repr(secret)[1:-1]}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    found |= {json.dumps(one)[1:-1] for one in list(found)}
    found.add(secret.encode().hex())
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + secret.encode()).decode().rstrip("=")
        found |= {coded[4 * (shift > 0) : -2], coded[4 * (shift > 0) : -2].replace("+", "-").replace("/", "_")}
    return found


@contextlib.contextmanager
def by_profile(place):
    """Take credentials from a profile instead of the environment."""
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    config = place.folder.parent / "aws-config"
    lines = [f"{name} = {value}" for name, value in zip(names, PROFILE, strict=True)]
    config.write_text("\n".join(["[profile ops]", *lines]))
    before = dict(os.environ)
    for name in CREDENTIALS:
        del os.environ[name]
    os.environ.update({"AWS_PROFILE": "ops", "AWS_CONFIG_FILE": str(config)})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def secretive(tmp_path_factory):
    """An operator's folder with settings that name what is sensitive, and a webhook that is told."""
    home = tmp_path_factory.mktemp("operator")
    with Sandbox() as sandbox, listening() as (url, told), place_of(sandbox, home / "incidents") as place:
        settings = home / "pitrkit.toml"
        sensitive = ", ".join(f'"{path}"' for path in SENSITIVE)
        settings.write_text(f'[record]\nsensitive = [{sensitive}]\n[notify]\nwebhook = "{url}/{HOOK}"\n')
        os.environ.update({**CREDENTIALS, "PITRKIT_SETTINGS": str(settings)})
        yield place, told


@pytest.fixture(scope="module")
def night(secretive):
    """A recovery with a conflict, a failure, an undo and several refusals; all that was printed and told meanwhile."""
    place, told = secretive
    client = place.sandbox.client("dynamodb")
    for name in ("People", "Past"):
        client.create_table(TableName=name, **KEYED)
    for number in range(ITEMS):
        client.put_item(TableName="Past", Item=item(number, "then", "good"))
        if number % 2:
            client.put_item(TableName="People", Item=item(number, "now", "mangled"))
    said = []

    def pitrkit(*words, code):
        ended, text = place.pitrkit(*words)
        said.append(text)
        assert ended == code, text
        return text

    asked = ("recover", "People", "--restored", "Past", "--accept", "no-pitr", "--modified", "revert")
    log = ("--incident", "night", "--log-file", place.folder.parent / "run.log")
    known = item(1, "now", "mangled")
    pitrkit(*asked, "--where", f"before.email == {known['email']['S']}", *log, code=2)
    keys = [{"owner": item(n, "", "")["owner"]["S"], "id": n} for n in range(ITEMS - 1)]
    where = "before.card.number != 'card canary 4111'"
    where_it_fails = f"before.email > `5` || after.email == '{known['email']['S']}'"
    text = pitrkit(*asked, "--keys", json.dumps(keys), "--where", where, *log, code=3)
    (command,) = re.findall(r"pitrkit (recover .*--approve [0-9a-f]{64})", text)
    pitrkit("run", "04_diff", "-p", "incident", "night", "-p", "where", where_it_fails, code=2)
    client.put_item(TableName="People", Item=item(1, "meanwhile", "written again"))
    with by_profile(place):
        place.sandbox.faults.add(FaultRule(kind="refused", operations=("BatchExecuteStatement",), count=1))
        place.sandbox.faults.add(FaultRule(kind="refused", operations=("PutItem", "UpdateItem"), count=1))
        pitrkit(*command.split(), *log[2:], code=1)
        failed = place.incident("night")["apply"]
        place.sandbox.faults.clear()
        pitrkit(*command.split(), *log[2:], "--log", "json", code=1)
    done = place.incident("night")["apply"]
    text = pitrkit("run", "12_undo", "-p", "incident", "night", "-p", "accept", "no-pitr", code=3)
    (command,) = re.findall(r"pitrkit (run 12_undo .*approve [0-9a-f]{64})", text)
    pitrkit(*command.split(), code=0)
    pitrkit("audit", "night", code=0)
    return {"place": place, "said": said, "told": told, "failed": failed, "done": done}


def canaries():
    """All that was planted: credentials first."""
    planted = [*CREDENTIALS.values(), *PROFILE, HOOK]
    sensitive = ["card canary 4111"]
    for number in range(ITEMS):
        for when in ("then", "now", "meanwhile"):
            one = item(number, when, "")
            sensitive += [one["email"]["S"], one["card"]["M"]["number"]["S"]]
            sensitive += [one["contacts"]["L"][0]["M"]["phone"]["S"], one["owner"]["S"]]
    return planted, list(dict.fromkeys(sensitive))


def left_behind(place, *, data):
    """Yield what is in each file that is left, of the data folders or outside of them."""
    for path in sorted(place.folder.parent.rglob("*")):
        parts = path.relative_to(place.folder.parent).parts
        is_data = len(parts) > 2 and parts[2] in DATA
        if path.is_file() and is_data == data and path.name not in {"pitrkit.toml", "_mask.key", "aws-config"}:
            yield path, path.read_bytes().decode("utf-8", "replace")


def test_the_night_had_a_conflict_a_failure_and_an_undo(night):
    assert night["failed"]["failed"] > 0
    assert night["done"]["conflicts"] == 1
    assert night["done"]["failed"] == 0
    assert night["place"].incident("night")["undo"]["verify"]["ok"]


def test_nothing_outside_the_data_folders_holds_a_credential_or_a_sensitive_value(night):
    credentials, sensitive = canaries()
    wanted = {form: one for one in (*credentials, *sensitive) for form in forms(one)}
    texts = list(left_behind(night["place"], data=False))
    assert {path.name for path, _ in texts} >= {"report.html", "events.jsonl", "incident.json", "run.log"}
    assert sum(path.suffix == ".ipynb" for path, _ in texts) >= 8
    texts += [("printed", text) for text in night["said"]] + [("told", text) for text in night["told"]]
    for path, text in texts:
        for form, one in wanted.items():
            assert form not in text, f"{path} holds {one!r}, as {form!r}"
        assert "canary" not in text.lower(), f"{path}: {text[max(0, text.lower().index('canary') - 80) :][:200]}"


def test_the_masks_say_what_they_hide_and_keys_stay_apart(night):
    report = re.sub(r"<[^>]*>", "", (night["place"].folder / "night" / "report.html").read_text())
    assert "••• (text, " in report
    assert "another value, masked)" in report
    assert len(set(re.findall(r"owner = ••• ([0-9a-f]{8}) ", report))) >= 3
    assert "mangled" in report


def test_the_data_holds_items_for_its_owner_only_and_never_a_credential(night):
    credentials, _ = canaries()
    held = list(left_behind(night["place"], data=True))
    assert any("canary" in text for _, text in held)
    for path, text in held:
        for one in (*credentials, *CREDENTIALS.values()):
            assert not any(form in text for form in forms(one)), path
    folder = night["place"].folder / "night"
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path

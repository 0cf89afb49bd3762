"""pitrkit.toml is read as it stands, and what is not known in it is refused."""

import tomllib
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.config import team_settings
from pitrkit.config.team_settings import Account
from pitrkit.errors import BadInput


def written(folder, text):
    path = folder / "pitrkit.toml"
    path.write_text(text)
    return path


def test_accounts_have_a_name_and_say_whether_they_are_production(tmp_path):
    path = written(tmp_path, '[accounts.012345678901]\nname = "shop"\nproduction = true\n[accounts.2]\nname = "x"\n')
    with pytest.raises(BadInput, match="twelve digits"):
        team_settings.read(path)
    path = written(tmp_path, '[accounts.012345678901]\nname = " shop "\nproduction = true\n')
    assert team_settings.read(path).accounts == {"012345678901": Account("012345678901", "shop", production=True)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[accounts", "cannot be read"),
        ('[account.123456789012]\nname = "x"', "unknown keys: account"),
        ('[accounts.123456789012]\nname = "x"\nprodution = true', "unknown keys: prodution"),
        ('[accounts.123456789012]\nname = "x"\nproduction = "yes"', "production is 'yes'"),
        ("[accounts.123456789012]\nproduction = true", "has no name"),
        ("[accounts.123456789012]\nname = 7", "name is 7"),
        ('[accounts.123456789012]\nname = "x"\nid = "1"', "unknown keys: id"),
        ("[accounts]\n123456789012 = 'shop'", "is no table"),
        ("accounts = 1", "is no table"),
        ('[guard]\nacounts = ["123456789012"]', "unknown keys: acounts"),
        ('[guard]\naccounts = "123456789012"', r"\[guard\] accounts is '123456789012'"),
        ("[guard]\naccounts = [123456789012]", r"accounts is \[123456789012\]"),
        ('[guard]\naccounts = ["12345678901"]', "accounts names '12345678901'"),
        ('[guard]\nregions = ["Frankfurt"]', "regions names 'Frankfurt'"),
        ('[guard]\ntables = ["Orders *"]', r"tables names 'Orders \*'"),
        ('[record]\nsensitive = [""]', "sensitive names ''"),
        ('[record]\nupload = "bucket/prefix"', "upload is 'bucket/prefix'"),
        ('[record]\nupload_kms_key = "x"', "is for what is uploaded"),
        ("[record]\nobject_lock_days = -1", "object_lock_days is -1"),
        ('[record]\nobject_lock_days = "30"', "object_lock_days is '30'"),
        ("[record]\nobject_lock_days = 30", "go together"),
        ('[record]\nobject_lock_mode = "none"', "object_lock_mode is 'none'"),
        ('[record]\nsign = "/root/.ssh/id"', "sign is '/root/.ssh/id'"),
        ('[notify]\nwebhook = "http://example.com/"', "webhook is no https URL"),
        ('[notify]\ntopic = "alerts"', "topic is 'alerts'"),
        ('[drill]\nrecovery_time = "soon"', "recovery_time is 'soon'"),
        ("[drill]\nrecovery_time = 7200", "recovery_time is 7200"),
        ("[prices]\nrestore_gigabyte = 1", "unknown keys: restore_gigabyte"),
        ('[prices]\nrestore_gb = "1"', "restore_gb is '1'"),
        ("[prices]\nrestore_gb = -0.1", "restore_gb is -0.1"),
        ("[prices]\nrestore_gb = nan", "restore_gb is nan"),
        ('[prices]\nas_of = "today"', "as_of is 'today'"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_file_and_what_to_write(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(BadInput, match=words) as caught:
        team_settings.read(path)
    assert str(path) in caught.value.what
    assert caught.value.fix


ALL = """
[accounts.123456789012]
name = "shop production"
production = true
[guard]
accounts = ["123456789012"]
regions = ["eu-central-1", "us-gov-west-1"]
tables = ["Orders*", "Carts"]
[record]
sensitive = ["email", "card.number"]
upload = "s3://audit-bucket/recoveries"
upload_kms_key = "alias/audit"
object_lock_days = 400
object_lock_mode = "governance"
sign = "ssh:keys/id_ed25519"
allowed_signers = "allowed_signers"
[notify]
webhook = "https://hooks.example.com/x"
topic = "arn:aws:sns:eu-central-1:123456789012:alerts"
[drill]
recovery_time = "2h"
recovery_point = "10m"
[prices]
restore_gb = 0.18
as_of = 2026-11-01
"""


def test_all_keys_are_read_as_what_they_are_and_paths_begin_at_the_file(tmp_path):
    found = team_settings.read(written(tmp_path, ALL))
    assert found.guard == team_settings.Guard(
        ("123456789012",), ("eu-central-1", "us-gov-west-1"), ("Orders*", "Carts")
    )
    assert found.record.sensitive == ("email", "card.number")
    assert (found.record.object_lock_days, found.record.object_lock_mode) == (400, "governance")
    assert found.beside(found.record.allowed_signers) == tmp_path / "allowed_signers"
    assert found.drill == team_settings.DrillSettings("2h", "10m")
    assert found.prices == team_settings.PriceSettings(date(2026, 11, 1), {"restore_gb": 0.18})
    assert set(tomllib.loads(ALL)) == {"accounts", *team_settings.SECTIONS, "prices"}
    for section, kind in team_settings.SECTIONS.items():
        assert set(tomllib.loads(ALL)[section]) == set(kind.__struct_fields__)


def test_a_webhook_may_be_unencrypted_on_this_machine_alone(tmp_path):
    local = written(tmp_path, '[notify]\nwebhook = "http://127.0.0.1:8080/x"')
    assert team_settings.read(local).notify.webhook == "http://127.0.0.1:8080/x"


def test_a_misspelt_key_is_answered_with_the_one_that_was_meant(tmp_path):
    with pytest.raises(BadInput) as caught:
        team_settings.read(written(tmp_path, '[guard]\nacounts = ["123456789012"]'))
    assert "Did you mean accounts?" in caught.value.fix


def test_the_nearest_file_upwards_counts_unless_another_one_is_named(tmp_path, monkeypatch):
    deep = tmp_path / "runbook" / "Orders-1"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert team_settings.find(deep) is None or not team_settings.find(deep).is_relative_to(tmp_path)
    far = written(tmp_path, "")
    assert team_settings.find() == far
    near = written(tmp_path / "runbook", "")
    assert team_settings.find() == near
    monkeypatch.setenv("PITRKIT_SETTINGS", str(far))
    assert team_settings.find() == far


def test_a_named_file_that_is_not_there_is_not_taken_for_no_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("PITRKIT_SETTINGS", str(tmp_path / "gone.toml"))
    with pytest.raises(BadInput, match=r"gone\.toml cannot be read"):
        team_settings.read()


@given(st.text(max_size=60))
def test_any_text_is_settings_or_is_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("s") / "pitrkit.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with suppress(BadInput):
        assert team_settings.read(path).path == path

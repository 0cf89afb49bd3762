"""pitrkit.toml is read as it stands, and what is not known in it is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.errors import BadInput
from pitrkit.runbook import settings
from pitrkit.runbook.settings import Account


def written(folder, text):
    path = folder / "pitrkit.toml"
    path.write_text(text)
    return path


def test_accounts_have_a_name_and_say_whether_they_are_production(tmp_path):
    path = written(tmp_path, '[accounts.012345678901]\nname = "shop"\nproduction = true\n[accounts.2]\nname = "x"\n')
    with pytest.raises(BadInput, match="twelve digits"):
        settings.read(path)
    path = written(tmp_path, '[accounts.012345678901]\nname = " shop "\nproduction = true\n')
    assert settings.read(path).accounts == {"012345678901": Account("012345678901", "shop", production=True)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[accounts", "cannot be read"),
        ('[account.123456789012]\nname = "x"', "unknown keys: account"),
        ('[accounts.123456789012]\nname = "x"\nprodution = true', "unknown keys: prodution"),
        ('[accounts.123456789012]\nname = "x"\nproduction = "yes"', "production is 'yes'"),
        ("[accounts.123456789012]\nproduction = true", "has no name"),
        ("[accounts.123456789012]\nname = 7", "has no name"),
        ("[accounts]\n123456789012 = 'shop'", "is no table"),
        ("accounts = 1", "is no table"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_file_and_what_to_write(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(BadInput, match=words) as caught:
        settings.read(path)
    assert str(path) in caught.value.what
    assert caught.value.fix


def test_the_nearest_file_upwards_counts_unless_another_one_is_named(tmp_path, monkeypatch):
    deep = tmp_path / "runbook" / "Orders-1"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert settings.find(deep) is None or not settings.find(deep).is_relative_to(tmp_path)
    far = written(tmp_path, "")
    assert settings.find() == far
    near = written(tmp_path / "runbook", "")
    assert settings.find() == near
    monkeypatch.setenv("PITRKIT_SETTINGS", str(far))
    assert settings.find() == far


def test_a_named_file_that_is_not_there_is_not_taken_for_no_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("PITRKIT_SETTINGS", str(tmp_path / "gone.toml"))
    with pytest.raises(BadInput, match=r"gone\.toml cannot be read"):
        settings.read()


@given(st.text(max_size=60))
def test_any_text_is_settings_or_is_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("s") / "pitrkit.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with suppress(BadInput):
        assert settings.read(path).path == path

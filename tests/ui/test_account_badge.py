"""The account's sign: no two accounts that a team has named look alike, and production looks like nothing else."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.client.client import Caller
from pitrkit.config.team_settings import Account, Settings
from pitrkit.runbook.session import views as session_views
from pitrkit.ui import account_badge

ids = st.text("0123456789", min_size=12, max_size=12)


def caller(account):
    return Caller(account, f"arn:aws:sts::{account}:assumed-role/oncall/kim", "eu-west-1")


@given(st.lists(ids, min_size=2, max_size=12, unique=True))
def test_named_accounts_have_colours_of_their_own_far_from_productions_red(accounts):
    known = Settings({one: Account(one, f"n{one}") for one in accounts})
    hues = sorted(account_badge.sign(caller(one), "", known).hue for one in accounts)
    assert min(right - left for left, right in itertools.pairwise(hues)) >= 22
    assert all(45 <= hue < 320 for hue in hues)


@given(ids)
def test_an_account_without_a_name_keeps_its_colour_and_is_only_outlined(account):
    sign = account_badge.sign(caller(account), "", Settings())
    assert sign == account_badge.sign(caller(account), "", Settings())
    assert sign.kind == "unnamed"
    assert 45 <= sign.hue < 320
    assert f"[accounts.{account}]" in str(session_views.caller_strip(sign))


def test_production_says_so_in_words_and_by_its_class():
    known = Settings({"111111111111": Account("111111111111", "the shop", production=True)})
    view = session_views.caller_strip(account_badge.sign(caller("111111111111"), "", known))
    assert "[PRODUCTION]  the shop  account 1111 1111 1111  region eu-west-1" in str(view)
    assert "pk-at-production" in view._repr_html_()


def test_the_sandbox_is_never_taken_for_production_even_if_its_account_is():
    known = Settings({"111111111111": Account("111111111111", "the shop", production=True)})
    assert account_badge.sign(caller("111111111111"), "http://127.0.0.1:1", known).kind == "sandbox"


def test_who_it_is_is_told_in_short_and_whole():
    lines = str(session_views.caller_strip(account_badge.sign(caller("111111111111"), "", Settings())))
    assert "oncall / kim  arn:aws:sts::111111111111:assumed-role/oncall/kim" in lines

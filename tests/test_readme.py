"""What the README says of the routes is what the kit says of them."""

import re
from pathlib import Path

import pytest

from pitrkit.cli import parser
from pitrkit.recovery.routes import routes
from pitrkit.runbook.log_views import cost_text

README = (Path(__file__).parents[1] / "README.md").read_text()
GB = 1024**3


@pytest.mark.parametrize("place", range(5))
def test_its_table_of_routes_says_what_each_takes_and_costs(place):
    small, large = routes(GB)[place], routes(1024 * GB)[place]
    command = f"`{small.command}`" if small.command else ""
    cells = [small.name, command, small.when, *(f"{one.time}; {cost_text(one.cost)}" for one in (small, large))]
    assert "| " + " | ".join(cells).replace("|  |", "| |") + " |" in README


def test_each_option_of_recover_that_it_names_exists():
    (recover,) = [
        one.choices["recover"]
        for one in parser()._actions
        if getattr(one, "choices", None) and "recover" in one.choices
    ]
    known = {option for action in recover._actions for option in action.option_strings}
    named = {word for line in re.findall(r"`(--[^`]+)`", README) for word in line.split() if word.startswith("--")}
    of_others = {"--live", "--empty", "--load", "--table", "--keys"}
    assert named - of_others <= known

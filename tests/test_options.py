"""Each option is declared once: commands, notebooks and their checks have nothing that the table has not."""

import argparse
from dataclasses import fields

import pytest

from pitrkit import options
from pitrkit.cli.commands import COMMANDS, parser
from pitrkit.errors import BadInput
from pitrkit.options import OPTIONS
from pitrkit.runner.parameters import parameters_of
from pitrkit.runner.recover_request import RecoverRequest
from pitrkit.runner.service import Service
from tests.option_tables import NOTEBOOKS, cell, with_cell

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
RUNS = {"log", "log_file", "dry_run", "take_over"}


def parsers() -> dict[str, argparse.ArgumentParser]:
    (commands,) = [action.choices for action in parser()._actions if isinstance(action.choices, dict)]
    return commands


@pytest.mark.parametrize("notebook", PATHS, ids=lambda path: path.stem)
def test_a_notebooks_parameters_are_the_tables(notebook):
    assert notebook.read_text() == with_cell(notebook), "run: python -m tests.option_tables"


@pytest.mark.parametrize("notebook", PATHS, ids=lambda path: path.stem)
def test_papermill_reads_them_as_they_are_meant(notebook):
    declared = parameters_of(notebook)
    wanted = {option.parameter_of(notebook.stem[:2]): option for option in options.of_notebook(notebook.stem[:2])}
    assert declared.keys() == wanted.keys()
    for name, parameter in declared.items():
        assert (parameter.kind, parameter.help) == (wanted[name].kind, wanted[name].help)
    assert len(cell(notebook).splitlines()) == len(wanted), "no parameter has two options"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_the_tables_options_and_no_others(command):
    taken = {action.dest: action for action in parsers()[command]._actions if action.dest != "help"}
    wanted = {option.name: option for option in options.of_command(command)}
    assert taken.keys() == wanted.keys()
    for name, action in taken.items():
        assert action.help == wanted[name].help
        assert tuple(action.choices or ()) == wanted[name].choices


def test_recover_asks_for_what_the_table_says():
    assert {field.name for field in fields(RecoverRequest)} | RUNS == {
        option.name for option in options.of_command("recover")
    }
    assert {field.name for field in fields(Service)} == RUNS


def test_every_option_is_taken_by_somebody_that_exists():
    numbers = {path.stem[:2] for path in PATHS}
    for option in OPTIONS:
        assert option.notebooks or option.commands
        assert {taker.partition(":")[0] for taker in option.notebooks} <= numbers
        assert set(option.commands) <= set(COMMANDS)


def test_options_of_one_name_agree_on_their_choices_where_notebooks_check_them():
    for option in OPTIONS:
        if option.choices and option.notebooks:
            assert option.choices == options.choices(option.name)


@pytest.mark.parametrize("name", sorted({option.name for option in OPTIONS if option.choices and option.notebooks}))
def test_what_is_no_choice_is_refused_with_those_there_are(name):
    for value in ("", *options.choices(name)):
        assert options.choose(name, value) == value
    with pytest.raises(BadInput, match=f"{name}='nonsense' is not a valid value") as refused:
        options.choose(name, "nonsense")
    for value in options.choices(name):
        assert value in refused.value.fix
    assert options.choose(name, "more", "more") == "more"


@pytest.mark.parametrize("name", [option.name for option in options.of_command("recover") if option.choices])
def test_recover_refuses_it_as_well_before_anything_is_done(name):
    if name in RUNS:
        return
    with pytest.raises(BadInput, match="is not a valid value"):
        RecoverRequest(table="Orders", **{name: "nonsense"}).check({})


@pytest.mark.parametrize("name", ["write_units", "read_units", "ceiling"])
def test_recover_wants_numbers_where_the_table_says_so(name):
    with pytest.raises(BadInput, match=f"{name} is 'many'"):
        RecoverRequest(table="Orders", **{name: "many"}).check({})


def test_a_step_of_a_route_is_given_what_its_notebook_takes():
    everything = {
        option.name: f"v-{option.name}" for option in options.of_command("recover") if option.name not in RUNS
    }
    request = RecoverRequest(**everything)
    for path in PATHS:
        given = request.parameters_for(path.stem[:2])
        assert given.keys() <= parameters_of(path).keys()
    assert request.parameters_for("03")["role"] == "v-backup_role"
    assert request.parameters_for("05")["approve"] == "v-approve"


def test_an_option_cannot_be_written_in_a_way_that_papermill_cuts():
    for option in OPTIONS:
        if option.notebooks:
            assert not set(option.help) & set("#=\n"), option.name
            assert not set(str(option.default)) & set("#=\"'"), option.name

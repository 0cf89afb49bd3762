"""The guide's pages: what they tell to run exists, what they quote is said, and what they give AWS is of its form."""

import ast
import json
import re
import shlex
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator

from pitrkit.cli.commands import parser
from pitrkit.runner.notebook_run import find
from pitrkit.runner.parameters import parameters_of, typed

ROOT = Path(__file__).parents[1]

PAGES = sorted((ROOT / "notebooks" / "guide").glob("*.md"))

ROUTES = ("restore", "threeway", "export", "stream")

DIGEST = "4f0c" * 16


def blocks(page, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page):
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]


def headings(page):
    return re.findall(r"^## (.*)", page.read_text(), re.MULTILINE)


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def page(request):
    return request.param


def test_there_is_one_page_for_each_route_and_each_answers_the_same_questions():
    assert {path.stem for path in PAGES} == {*ROUTES, "drill", "permissions", "team"}
    asked = [headings(ROOT / "notebooks" / "guide" / f"{name}.md") for name in ROUTES]
    assert all(one == asked[0] for one in asked)
    assert len(asked[0]) == 8


def test_each_command_it_gives_is_one_that_the_command_line_takes(page):
    given = commands(page)
    assert given
    for line in given:
        program, *words = shlex.split(line.replace("DIGEST", DIGEST))
        if program == "papermill":
            name, _, *rest = words
            notebook, pairs = find(Path(name).stem), rest
            parameters = {pairs[at + 1]: pairs[at + 2] for at in range(0, len(pairs), 3)}
            typed(parameters, parameters_of(notebook), notebook.stem)
            continue
        assert program == "pitrkit", line
        if words[0] == "lab":
            parser().parse_known_args(words)
            continue
        arguments = parser().parse_args(words)
        if words[0] == "run":
            notebook = find(arguments.notebook)
            typed(dict(arguments.parameters), parameters_of(notebook), notebook.stem)


def said():
    """Return all texts of the kit's code, with what is filled in as dots."""
    texts = []
    for path in sorted((ROOT / "pitrkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_what_it_says_that_the_kit_says_the_kit_says(page):
    text = said()
    for table in re.findall(r"^\| it says \|.*?\n\n", page.read_text() + "\n\n", re.DOTALL | re.MULTILINE):
        for row in table.strip().splitlines()[2:]:
            for quoted in re.findall(r"`([^`]+)`", row.split("|")[1]):
                parts = [part.strip() for part in quoted.split("...") if part.strip()]
                assert all(part in text for part in parts), quoted


def test_its_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        name, _, place = target.partition("#")
        linked = page.with_name(name) if name else page
        assert linked.exists(), target
        assert not place or place in [one.lower().replace(" ", "-") for one in headings(linked)]


def fits(service, operation, given):
    """Return what botocore finds wrong with the input of an operation."""
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    return ParamValidator().validate(given, shape).generate_report()


def test_the_state_machine_and_the_schedule_are_of_the_services_form():
    page = ROOT / "notebooks" / "guide" / "drill.md"
    policy, machine, schedule = map(json.loads, blocks(page, "json"))
    assert fits("scheduler", "CreateSchedule", schedule) == ""
    given = json.loads(schedule["Target"]["Input"])
    states = machine["States"]
    job = dict(states["Drill"]["Parameters"])
    job["ProcessingJobName"] = job.pop("ProcessingJobName.$")
    specification = dict(job["AppSpecification"])
    chosen = re.findall(r"\$\.(\w+)", specification.pop("ContainerArguments.$"))
    job["AppSpecification"] = specification | {"ContainerArguments": [given[name] for name in chosen]}
    assert fits("sagemaker", "CreateProcessingJob", job) == ""
    known = {state.get("Next") for state in states.values()}
    known |= {caught["Next"] for state in states.values() for caught in state.get("Catch", [])}
    assert known - {None} <= states.keys()
    assert machine["StartAt"] in states
    allowed = {action for one in policy["Statement"] for action in one["Action"] if "drill-" not in one["Resource"]}
    assert not [action for action in allowed if re.search("Put|Update|Delete|Write|Create|PartiQL", action)]


def test_the_python_of_a_notebook_job_names_parameters_of_the_notebook():
    (block,) = blocks(ROOT / "notebooks" / "guide" / "drill.md", "python")
    (call,) = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    notebook = find("15_drill")
    assert ast.literal_eval(given["parameters"]).keys() <= parameters_of(notebook).keys()
    assert ast.literal_eval(given["input_notebook"]) == notebook.name


def test_the_settings_it_shows_are_settings(page, tmp_path):
    from pitrkit.config import team_settings

    for block in blocks(page, "toml"):
        (tmp_path / "pitrkit.toml").write_text(block)
        team_settings.read(tmp_path / "pitrkit.toml")


def test_the_readme_leads_to_every_page():
    readme = (ROOT / "README.md").read_text()
    assert not [path.name for path in PAGES if f"(notebooks/guide/{path.name})" not in readme]

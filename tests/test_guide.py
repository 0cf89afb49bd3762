"""The guide's pages and the README: what they tell to run exists, what they name and quote is in the code, links lead
somewhere, and what they give AWS is of its form."""

import ast
import json
import re
import shlex
import urllib.request
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator

from pitrkit.cli import parser
from pitrkit.cli.commands import COMMANDS
from pitrkit.cli.lab import lay_out
from pitrkit.errors import Exit
from pitrkit.options import OPTIONS
from pitrkit.runner.notebook_run import find
from pitrkit.runner.parameters import parameters_of, typed
from pitrkit.sandbox import Sandbox
from tests.option_tables import PAGE as HEADLESS
from tests.option_tables import filled

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
GUIDE = ROOT / "notebooks" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
ROUTES = ("restore", "threeway", "export", "stream")
DIGEST = "4f0c" * 16


def blocks(page, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page):
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]


def headings(page):
    return re.findall(r"^## (.*)", page.read_text(), re.MULTILINE)


def anchors(page):
    """Return what a link to a heading of a page may end in, as GitHub makes it of the heading."""
    titles = re.findall(
        r"^#+ (.*)", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture(params=[*PAGES, README], ids=lambda path: path.stem)
def page(request):
    return request.param


def test_there_is_one_page_for_each_route_and_each_answers_the_same_questions():
    others = {"architecture", "drill", "headless", "permissions", "record", "sandbox", "settings", "team"}
    assert {path.stem for path in PAGES} == {*ROUTES, *others}
    asked = [headings(ROOT / "notebooks" / "guide" / f"{name}.md") for name in ROUTES]
    assert all(one == asked[0] for one in asked)
    assert len(asked[0]) == 8


def test_each_command_it_gives_is_one_that_the_command_line_takes(page):
    given = commands(page)
    assert given
    for line in given:
        program, *words = shlex.split(line.replace("DIGEST", DIGEST), comments=True)
        if program == "make":
            assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
            continue
        if program in {".", "curl"}:  # curl's are sent below
            continue
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


def links(page):
    return [target for target in re.findall(r"\]\(([^)]+)\)", page.read_text()) if not target.startswith("https://")]


def test_its_links_lead_somewhere(page):
    for target in links(page):
        name, _, place = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        assert not place or place in anchors(linked), target


def test_the_links_of_the_guide_lead_somewhere_where_lab_lays_it_out(tmp_path):
    guide = lay_out(tmp_path) / "guide"
    assert sorted(path.name for path in guide.iterdir()) == [path.name for path in PAGES]
    for page in guide.iterdir():
        assert [name for name in links(page) if name[0] != "#" and not (guide / name.split("#")[0]).exists()] == []


def test_each_option_it_names_is_one_of_a_command(page):
    known = {option.flag for option in OPTIONS} | {"--help", "--version"}
    quoted = [code for code in re.findall(r"`([^`\n]+)`", page.read_text()) if not code.startswith(("aws ", "pip "))]
    named = {word for code in quoted for word in re.findall(r"(?<![\w-])--[\w-]+", code)}
    assert named - {"--no-browser"} - known == set()  # that one is of jupyter lab


def test_its_tables_of_options_are_those_of_the_command_line():
    text = HEADLESS.read_text()
    assert set(re.findall(r"<!-- options: (\w+) -->", text)) == COMMANDS.keys()
    assert text == filled(text), "run: python -m tests.option_tables"


def test_its_exit_codes_are_the_contract():
    rows = dict(re.findall(r"^\| (\d+) \| (\w+)", HEADLESS.read_text(), re.MULTILINE))
    starts = {"DONE": "done", "LEFT": "differences", "ERROR": "error", "GATE_CLOSED": "gate", "INPUT_NEEDED": "input",
              "INTERRUPTED": "interrupted"}  # fmt: skip
    assert rows == {str(int(code)): starts[code.name] for code in Exit}


def test_the_risks_it_names_are_those_that_can_be_acknowledged():
    from pitrkit.recovery.plan import preflight

    (rows,) = re.findall(r"^\| name \| means \|\n.*?\n\n", HEADLESS.read_text(), re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"^\| `([\w-]+)`", rows, re.MULTILINE)) == preflight.ACCEPTABLE.keys()


def literals():
    """Return all texts of the kit's code that stand in quotes, each for itself."""
    trees = [ast.parse(path.read_text()) for path in sorted((ROOT / "pitrkit").rglob("*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {node.value for node in nodes if isinstance(node.value, str)}


def test_the_environment_variables_it_names_are_those_of_the_kit(page):
    of_the_kit = {text for text in literals() if re.fullmatch(r"PITRKIT_[A-Z_]+", text)}
    named = set(re.findall(r"\bPITRKIT_[A-Z_]+", page.read_text()))
    assert named <= of_the_kit
    assert page.stem != "settings" or named == of_the_kit


def test_the_events_it_names_are_events_of_the_kit():
    text = HEADLESS.read_text()
    tables = re.findall(r"^\| event \|.*?\n\n", text, re.DOTALL | re.MULTILINE)
    named = {name for table in tables for name in re.findall(r"`(\w+)`", table)}
    (events,) = re.findall(
        r"^Events that a program.*?\.\s+A line", (GUIDE / "record.md").read_text(), re.DOTALL | re.MULTILINE
    )
    named |= set(re.findall(r"`(\w+)`", events))
    assert len(named) > 20
    assert named - literals() == set()


def test_what_it_sends_to_the_sandbox_is_answered():
    lines = [line for line in commands(GUIDE / "sandbox.md") if line.startswith("curl ")]
    bodies = " ".join(lines)
    with Sandbox() as sandbox:
        sandbox.truth = dict
        for line in lines:
            _, *words = shlex.split(line)
            method = words[words.index("-X") + 1] if "-X" in words else "GET"
            body = words[words.index("-d") + 1].encode() if "-d" in words else b""
            (address,) = [word for word in words if word.startswith("$AWS_ENDPOINT_URL/")]
            path = address.removeprefix("$AWS_ENDPOINT_URL")
            sent = urllib.request.Request(sandbox.url + path, data=body or None, method=method)
            with urllib.request.urlopen(sent) as reply:
                assert reply.status == 200, line
    assert {"faults", "callers", "clock", "expire", "exports", "truth"} <= set(re.findall(r"/_sandbox/(\w+)", bodies))


def test_the_kinds_of_faults_it_names_are_all_there_are():
    from pitrkit.sandbox.exports.export_faults import ExportFault
    from pitrkit.sandbox.protocol.faults import FaultRule

    page = (GUIDE / "sandbox.md").read_text()
    (rows,) = re.findall(r"^\| kinds \|.*?\n\n", page, re.DOTALL | re.MULTILINE)
    kinds = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in rows.strip().splitlines()[2:]]
    assert kinds == [list(FaultRule.KINDS), list(ExportFault.KINDS)]


def test_what_the_architecture_names_in_a_module_is_there():
    page = (GUIDE / "architecture.md").read_text()
    named = re.findall(r"`([\w.]+)` of `(?:pitrkit/)?([a-z_/]+\.py)`", page)
    assert len(named) > 15
    for name, path in named:
        of_class, _, member = name.rpartition(".")
        source = (ROOT / "pitrkit" / path).read_text()
        assert re.search(rf"^(class|def) {of_class or member}\b", source, re.MULTILINE), (name, path)
        assert not of_class or re.search(rf"^    def {member}\b", source, re.MULTILINE), (name, path)


def test_the_paths_of_the_architecture_are_there_and_no_room_is_missing():
    page = (GUIDE / "architecture.md").read_text()
    rooms = set(re.findall(r"^\| `pitrkit/([\w/]+)/` \|", page, re.MULTILINE))
    named = {name.removeprefix("pitrkit/") for name in re.findall(r"`([a-z_/]+/[a-z_]+\.py)`", page)} - {
        "tests/test_layers.py"
    }
    assert len(named) > 50
    assert [name for name in sorted(named) if not (ROOT / "pitrkit" / name).is_file()] == []
    there = {path.parent for path in (ROOT / "pitrkit").rglob("*.py") if path.name != "__init__.py"}
    assert rooms == {str(folder.relative_to(ROOT / "pitrkit")) for folder in there} - {"."}


def test_the_notebooks_of_the_architecture_are_all_there_are():
    named = re.findall(r"^\| `(\d\d_\w+)` \|", (GUIDE / "architecture.md").read_text(), re.MULTILINE)
    assert named == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


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
    readme = README.read_text()
    assert not [path.name for path in PAGES if f"(notebooks/guide/{path.name})" not in readme]

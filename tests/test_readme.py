"""What the README and the guide say of routes, options, settings and permissions is what the kit says of them."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from pitrkit.aws.tables import item_calls
from pitrkit.cli import parser
from pitrkit.config import team_settings
from pitrkit.recovery.advice import permission_catalogue
from pitrkit.recovery.advice.cost import routes
from pitrkit.runbook.change_log.views import cost_text

DRILL = (Path(__file__).parents[1] / "notebooks" / "guide" / "drill.md").read_text()
PERMISSIONS = (Path(__file__).parents[1] / "notebooks" / "guide" / "permissions.md").read_text()
README = (Path(__file__).parents[1] / "README.md").read_text()
SETTINGS = (Path(__file__).parents[1] / "notebooks" / "guide" / "settings.md").read_text()
GB = 1024**3


@pytest.mark.parametrize("place", range(5))
def test_its_table_of_routes_says_what_each_takes_and_costs(place):
    small, large = routes(GB)[place], routes(1024 * GB)[place]
    command = f"`{small.command}`" if small.command else ""
    cells = [small.name, command, small.when, *(f"{one.time}; {cost_text(one.cost)}" for one in (small, large))]
    assert "| " + " | ".join(cells).replace("|  |", "| |") + " |" in README


def test_the_table_of_settings_names_every_section_and_key():
    rows = dict(re.findall(r"^\| `\[([a-z]+)[^\]]*\]` \| (.*) \|$", SETTINGS, re.MULTILINE))
    keys = {name: set(kind.__struct_fields__) for name, kind in team_settings.SECTIONS.items()}
    keys |= {"accounts": {"name", "production"}, "prices": {"as_of", *team_settings.price_names()}}
    assert rows.keys() == keys.keys()
    for section, names in keys.items():
        assert names <= set(re.findall(r"`(\w+)`", rows[section])), section


def called():
    """Return the IAM actions of all operations that the kit's code names where it calls them."""
    kit = Path(__file__).parents[1] / "pitrkit"
    source = "\n".join(
        path.read_text()
        for part in ("aws", "recovery", "runbook", "record", "runner", "config", "incident")
        for path in sorted((kit / part).rglob("*.py"))
    )
    services = {"dynamodbstreams": "dynamodb"}
    by_boto = re.findall(r'\.(?:call|paginate)\(\s*"([\w-]+)",\s*"(\w+)"', source)
    by_boto += [("dynamodb", name) for name in re.findall(r'"(get_records|get_shard_iterator)"', source)]
    found = {
        f"{services.get(service, service)}:{''.join(word.capitalize() for word in operation.split('_'))}"
        for service, operation in by_boto
    }
    wired = {*item_calls.OPERATIONS.values(), item_calls.SCAN, item_calls.BATCH_READ}
    return found | {f"dynamodb:{name}" for name in wired}


def test_the_operations_of_the_fast_transport_are_named_in_one_module():
    kit = Path(__file__).parents[1] / "pitrkit"
    senders = [
        path.relative_to(kit).as_posix()
        for path in (kit / "aws").rglob("*.py")
        if re.search(r"\bwire\.(?:call|send|send_all)\(", path.read_text())
    ]
    assert senders == ["aws/tables/item_calls.py"]
    named = re.findall(r"\bwire\.call\((\w+)", (kit / senders[0]).read_text())
    assert sorted(named) == ["BATCH_READ", "SCAN"]


IAM_NAMES = {
    "dynamodb:BatchExecuteStatement": "dynamodb:PartiQLInsert",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    **dict.fromkeys(("s3:CreateMultipartUpload", "s3:UploadPart", "s3:CompleteMultipartUpload"), "s3:PutObject"),
}
WITHOUT_PERMISSION = {"sts:GetCallerIdentity"}
FOR_THE_SERVICE = {
    "iam:PassRole",  # what AWS Backup's StartRestoreJob asks for on its role
    *("dynamodb:Query", "dynamodb:BatchWriteItem"),  # what it asks for on a copy before it restores
    "s3:PutObjectAcl",  # what it does for an export
    *("s3:PutObjectRetention", "kms:GenerateDataKey", "kms:Decrypt"),  # what an upload asks for by its parameters
}
"""Actions of the policy that no call of ours is named after."""


def test_the_catalogue_of_permissions_has_those_of_the_operations_that_the_code_calls():
    granted = {action for step, _ in permission_catalogue.every_step().values() for action in step.actions}
    wanted = {IAM_NAMES.get(action, action) for action in called()} - WITHOUT_PERMISSION
    assert len(wanted) > 20
    assert wanted - granted == set()
    assert granted - wanted == FOR_THE_SERVICE


@pytest.mark.parametrize("page", [PERMISSIONS, DRILL], ids=["permissions", "drill"])
def test_a_policy_in_the_guide_is_the_one_that_the_kit_prints(page):
    (shown,) = re.findall(r"For `pitrkit (policy [^`]*)`.*?```json\n(.*?)```", page, re.DOTALL)
    arguments = parser().parse_args(shown[0].split())
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        arguments.command(arguments)
    assert shown[1] == said.getvalue()


def test_its_table_of_steps_is_the_catalogue_of_permissions():
    for step, of in permission_catalogue.every_step().values():
        on = "all" if set(permission_catalogue.WAYS_BACK) <= set(of) else ", ".join(of)
        words = f"{step.words}{' (optional)' if step.optional else ''}"
        actions = ", ".join(f"`{action}`" for action in step.actions)
        assert f"| `{step.name}` | {words} | {on} | {actions} |" in PERMISSIONS

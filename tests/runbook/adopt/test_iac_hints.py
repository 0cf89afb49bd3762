"""Fragments for infrastructure code say what the table is, and nothing in a name or tag becomes code."""

import json
import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.settings import kinds
from pitrkit.aws.settings.settings import TableSettings
from pitrkit.runbook.adopt import iac_hints

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(
    ['${file("/etc/passwd")}', "%{ if true }", '"', "\\", "$${x}", "a\nb"]
)
NAMES = st.from_regex(r"[A-Za-z0-9_.-]{3,20}", fullmatch=True)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def described(table):
    return {
        "TableName": table,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }


def with_tags(table, tags):
    found = (kinds.Capacity("PAY_PER_REQUEST"), kinds.Tags(tags))
    return TableSettings(table, f"arn:aws:dynamodb:us-east-1:1:table/{table}", datetime.now(UTC), found)


def _pair(found):
    return json.dumps(chr(int(found[1], 16)))[1:-1]


@given(NAMES, st.dictionaries(TEXT, TEXT, min_size=1, max_size=3))
def test_terraform_takes_texts_as_they_are_and_labels_are_labels(table, tags):
    told = iac_hints.terraform(described(table), with_tags(table, tags), table)
    strings = STRING.findall(told)
    code = STRING.sub('""', told)
    assert not re.search(r"[$%]\{", told), "nothing begins a template"
    plain = {json.loads(re.sub(r"\\U([0-9a-f]{8})", _pair, one)) for one in strings}
    assert plain >= tags.keys() | set(tags.values()) | {table}
    assert '"' not in code.replace('""', "")
    assert re.search(r"^  to = aws_dynamodb_table\.[a-z_][a-z0-9_]*$", told, re.MULTILINE)


@given(NAMES, st.dictionaries(TEXT, TEXT, max_size=3))
def test_cloudformation_names_the_table_and_keeps_it_if_the_stack_goes(table, tags):
    logical = iac_hints.logical_id(table, {})
    assert re.fullmatch(r"[A-Za-z0-9]+", logical)
    resource = iac_hints.template(described(table), with_tags(table, tags), logical)["Resources"][logical]
    assert (resource["DeletionPolicy"], resource["Properties"]["TableName"]) == ("Retain", table)
    (listed,) = iac_hints.import_list(table, logical)
    assert listed["ResourceIdentifier"] == {"TableName": table}


def test_the_original_keeps_its_place_in_its_stack():
    assert iac_hints.logical_id("Orders", {"aws:cloudformation:logical-id": "OrdersDb"}) == "OrdersDb"

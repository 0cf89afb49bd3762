"""Hints for infrastructure code that is to own the copy: import statements and fragments made from the real table.

They name what is there, so that an import finds no drift; they are for a person to read and to put into code.
CloudFormation: a stack takes a table over by a change set of type IMPORT. Terraform: by an `import` block.
Sources: AWS CloudFormation User Guide, "Import AWS resources into a CloudFormation stack"; the AWS provider's pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pitrkit.aws.settings import kinds
from pitrkit.aws.settings import kinds as services
from pitrkit.aws.settings.settings import TableSettings

_SHORT_ESCAPE = 0xFFFF
_PROJECTION = {"ProjectionType": "projection_type", "NonKeyAttributes": "non_key_attributes"}


def logical_id(table: str, tags: Mapping[str, str]) -> str:
    """Return the logical id that the original has in its stack, or one made of the table's name."""
    recorded_id = tags.get("aws:cloudformation:logical-id", "")
    derived = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", table))
    return recorded_id or f"{derived or 'Table'}Table"


def import_list(table: str, logical: str) -> list[dict[str, Any]]:
    """Return CloudFormation's resources to import."""
    identifier = {"TableName": table}
    return [{"ResourceType": "AWS::DynamoDB::Table", "LogicalResourceId": logical, "ResourceIdentifier": identifier}]


def template(described: Mapping[str, Any], settings: TableSettings, logical: str) -> dict[str, Any]:
    """Return the resource of a template for a table as it is: DescribeTable's answer and its settings."""
    properties: dict[str, Any] = {
        "TableName": described["TableName"],
        "KeySchema": described["KeySchema"],
        "AttributeDefinitions": described["AttributeDefinitions"],
        **dict(_properties(settings)),
    }
    if local := [_plain_index(index) for index in described.get("LocalSecondaryIndexes") or ()]:
        properties["LocalSecondaryIndexes"] = local
    resource = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    return {"Resources": {logical: {**resource, "Properties": properties}}}


def _plain_index(index: Mapping[str, Any]) -> dict[str, Any]:
    return {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}


def _properties(settings: TableSettings) -> Iterator[tuple[str, Any]]:
    indexes = []
    for setting in settings.found:
        match setting:
            case kinds.Capacity(mode=mode, units=units):
                yield "BillingMode", mode
                if units is not None:
                    yield "ProvisionedThroughput", units.throughput()
            case kinds.TableClass(name_of_class=name):
                yield "TableClass", name
            case kinds.OnDemandLimits(limits=most):
                yield "OnDemandThroughput", {"MaxReadRequestUnits": most.read, "MaxWriteRequestUnits": most.write}
            case kinds.GlobalIndex(index=index, key_schema=keys, projection=projection, units=units):
                throughput = {} if units is None else {"ProvisionedThroughput": units.throughput()}
                indexes.append({"IndexName": index, "KeySchema": keys, "Projection": projection, **throughput})
            case _:
                yield from _more_properties(setting)
    if indexes:
        yield "GlobalSecondaryIndexes", indexes


def _more_properties(setting: Any) -> Iterator[tuple[str, Any]]:
    match setting:
        case kinds.Encryption(key_arn=key):
            yield "SSESpecification", {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
        case kinds.Recovery(period_days=days):
            on = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": days}
            yield "PointInTimeRecoverySpecification", on
        case kinds.DeletionProtection():
            yield "DeletionProtectionEnabled", True
        case kinds.Tags(pairs=pairs):
            yield "Tags", [{"Key": key, "Value": value} for key, value in sorted(pairs.items())]
        case kinds.Ttl(attribute=attribute):
            yield "TimeToLiveSpecification", {"AttributeName": attribute, "Enabled": True}
        case kinds.StreamSetting(view=view):
            yield "StreamSpecification", {"StreamViewType": view}
        case kinds.ResourcePolicy(document=document):
            yield "ResourcePolicy", {"PolicyDocument": json.loads(document)}
        case services.KinesisDestination(stream_arn=arn):
            yield "KinesisStreamSpecification", {"StreamArn": arn}
        case services.ContributorInsights(index=""):
            yield "ContributorInsightsSpecification", {"Enabled": True}


def terraform(described: Mapping[str, Any], settings: TableSettings, original: str) -> str:
    """Return Terraform's `import` blocks and the table's resource."""
    name = described["TableName"]
    label = re.sub(r"[^a-z0-9_]", "_", original.lower()) or "table"
    label = label if re.match(r"[a-z_]", label) else f"_{label}"
    resource = f"aws_dynamodb_table.{label}"
    imports = [_import(resource, name)]
    for setting in settings.found:
        imports += [_import(*pair) for pair in _imports(setting, settings, label)]
    return "\n".join(
        [*imports, _block(f'resource "aws_dynamodb_table" {_text(label)}', _attributes(described, settings))]
    )


def _import(to: str, which: str) -> str:
    return f"import {{\n  to = {to}\n  id = {_text(which)}\n}}\n"


def _imports(setting: Any, settings: TableSettings, label: str) -> Iterator[tuple[str, str]]:
    match setting:
        case (
            services.ScalingTarget(index=index, dimension=dimension)
            | services.ScalingPolicy(index=index, dimension=dimension)
        ):
            resource = f"table/{settings.table}" + (f"/index/{index}" if index else "")
            which = "_".join(filter(None, (label, re.sub(r"\W", "_", index), dimension.rpartition(":")[2].lower())))
            if isinstance(setting, services.ScalingPolicy):
                yield f"aws_appautoscaling_policy.{which}", f"dynamodb/{resource}/{dimension}/{setting.policy}"
            else:
                yield f"aws_appautoscaling_target.{which}", f"dynamodb/{resource}/{dimension}"
        case kinds.ResourcePolicy():
            yield f"aws_dynamodb_resource_policy.{label}", settings.arn
        case services.KinesisDestination(stream_arn=arn):
            yield f"aws_dynamodb_kinesis_streaming_destination.{label}", f"{settings.table},{arn}"


def _attributes(described: Mapping[str, Any], settings: TableSettings) -> list[str]:
    keys = {key["KeyType"]: key["AttributeName"] for key in described["KeySchema"]}
    lines = [f"name = {_text(described['TableName'])}", f"hash_key = {_text(keys['HASH'])}"]
    lines += [f"range_key = {_text(keys['RANGE'])}"] if "RANGE" in keys else []
    for definition in described["AttributeDefinitions"]:
        attribute = [f"name = {_text(definition['AttributeName'])}", f"type = {_text(definition['AttributeType'])}"]
        lines.append(_block("attribute", attribute))
    for index in described.get("LocalSecondaryIndexes") or ():
        lines.append(_block("local_secondary_index", _index(index, hashed=False)))
    for setting in settings.found:
        lines += _settings(setting)
    return lines


def _settings(setting: Any) -> list[str]:
    match setting:
        case kinds.Capacity(mode=mode, units=units):
            return [f"billing_mode = {_text(mode)}", *_units(units)]
        case kinds.TableClass(name_of_class=name):
            return [f"table_class = {_text(name)}"]
        case kinds.GlobalIndex(index=name, key_schema=keys, projection=projection, units=units):
            index = {"IndexName": name, "KeySchema": keys, "Projection": projection}
            return [_block("global_secondary_index", [*_index(index, hashed=True), *_units(units)])]
        case kinds.Recovery(period_days=days):
            return [_block("point_in_time_recovery", ["enabled = true", f"recovery_period_in_days = {days}"])]
        case kinds.DeletionProtection():
            return ["deletion_protection_enabled = true"]
        case kinds.Ttl(attribute=attribute):
            return [_block("ttl", ["enabled = true", f"attribute_name = {_text(attribute)}"])]
        case kinds.StreamSetting(view=view):
            return ["stream_enabled = true", f"stream_view_type = {_text(view)}"]
        case _:
            return _blocks(setting)


def _blocks(setting: Any) -> list[str]:
    match setting:
        case kinds.Encryption(key_arn=key):
            return [_block("server_side_encryption", ["enabled = true", f"kms_key_arn = {_text(key)}"])]
        case kinds.OnDemandLimits(limits=most):
            limits = [f"max_read_request_units = {most.read or -1}", f"max_write_request_units = {most.write or -1}"]
            return [_block("on_demand_throughput", limits)]
        case kinds.Tags(pairs=pairs):
            return [_block("tags =", [f"{_text(key)} = {_text(value)}" for key, value in sorted(pairs.items())])]
    return []


def _index(index: Mapping[str, Any], *, hashed: bool) -> list[str]:
    keys = {key["KeyType"]: key["AttributeName"] for key in index["KeySchema"]}
    lines = [f"name = {_text(index['IndexName'])}"]
    lines += [f"hash_key = {_text(keys['HASH'])}"] if hashed else []
    lines += [f"range_key = {_text(keys['RANGE'])}"] if "RANGE" in keys else []
    for name, spelt in _PROJECTION.items():
        if value := index["Projection"].get(name):
            hcl_value = _text(value) if isinstance(value, str) else f"[{', '.join(map(_text, value))}]"
            lines.append(f"{spelt} = {hcl_value}")
    return lines


def _units(units: Any) -> list[str]:
    return [] if units is None else [f"read_capacity = {units.read}", f"write_capacity = {units.write}"]


def _block(head: str, lines: list[str]) -> str:
    inner = "\n".join(f"  {row}" for line in lines for row in line.split("\n"))
    return f"{head} {{\n{inner}\n}}"


def _text(value: str) -> str:
    """Return a string of HCL. What would begin a template in it is told by number, and so is what does not print."""
    escaped = re.sub(r"[$%](?=\{)", lambda match: _numbered(match[0]), value.replace("\\", "\\\\").replace('"', '\\"'))
    return '"' + "".join(char if char.isprintable() else _numbered(char) for char in escaped) + '"'


def _numbered(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= _SHORT_ESCAPE else f"\\U{ord(char):08x}"

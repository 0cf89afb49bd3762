"""What a restored table is like where it is not to be like its source: Region, indexes, key, billing mode, capacity.

Table class, tags, streams, TTL, deletion protection and resource policy cannot be chosen in a restore: it leaves all of
them behind. What is chosen is checked here before anything is made, as far as it can be; the service has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from pitrkit.aws import arns
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables.tables import AWS_OWNED, MANAGED, OWNED, check_key, key_of, usable_key
from pitrkit.errors import BadInput

BILLING = {"on-demand": "PAY_PER_REQUEST", "provisioned": "PROVISIONED"}
_THROUGHPUT = re.compile(r"([1-9]\d{0,11})/([1-9]\d{0,11})")


@dataclass(frozen=True, slots=True)
class Options:
    """What was chosen for a restore, as text; blank is the source's.

    Attributes:
        region: Region to restore in.
        indexes: `none`, `all`, or names of indexes with commas between; blank is `all`.
        kms_key: `aws-owned`, `aws-managed`, or ARN, id or alias of a customer key of that Region.
        billing: `on-demand` or `provisioned`.
        throughput: `READ/WRITE` units: capacity of a provisioned table, the most of an on-demand one.
    """

    region: str = ""
    indexes: str = ""
    kms_key: str = ""
    billing: str = ""
    throughput: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be read.

        Raises:
            BadInput: An option is not of the form above.
        """
        if self.region:
            arns.region(self.region)
        if self.billing and self.billing not in BILLING:
            raise BadInput(
                f"billing={self.billing!r} is not a valid value", fix=f"Set billing to one of {', '.join(BILLING)}."
            )
        if self.throughput and not _THROUGHPUT.fullmatch(self.throughput):
            raise BadInput(
                f"throughput={self.throughput!r} is not in the form READ/WRITE",
                fix="Write two whole numbers, for example 100/50.",
            )
        check_key(self.kms_key)
        if self.indexes and not all(_named(self.indexes)):
            raise BadInput(
                f"indexes={self.indexes!r} has a blank name", fix="Write none, all, or names: by-day,by-total."
            )

    def to_dict(self) -> dict[str, str]:
        """Return what was chosen, without blanks."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def units(self) -> tuple[int, int] | None:
        """Read and write units, None where they were not chosen."""
        match = _THROUGHPUT.fullmatch(self.throughput)
        return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True, slots=True)
class RestoreDesign:
    """The part of a source's description that options choose from.

    Attributes:
        region: Where the source is.
        kms_key: ARN of its key; empty for the one that DynamoDB owns.
        indexes: Global, local and vector indexes, as the service describes them, by the name of their override.
        units: Its read and write units, where provisioned.
    """

    table: str
    region: str
    billing_mode: str
    kms_key: str
    indexes: Mapping[str, list[dict[str, Any]]]
    units: tuple[int, int]

    @classmethod
    def of_table(cls, description: Mapping[str, Any]) -> Self:
        """Return the design in DescribeTable's answer."""
        mode = description.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
        return cls._of(description, description, mode, description)

    @classmethod
    def of_backup(cls, description: Mapping[str, Any]) -> Self:
        """Return the design in DescribeBackup's answer."""
        source = description.get("SourceTableDetails") or {}
        features = description.get("SourceTableFeatureDetails") or {}
        mode = source.get("BillingMode", "PROVISIONED")
        return cls._of(source, features, mode, source)

    @classmethod
    def _of(
        cls, source: Mapping[str, Any], features: Mapping[str, Any], mode: str, capacity: Mapping[str, Any]
    ) -> Self:
        units = capacity.get("ProvisionedThroughput") or {}
        return cls(
            table=source["TableName"],
            region=str(source["TableArn"]).split(":")[3],
            billing_mode=mode,
            kms_key=key_of(features),
            indexes={name: list(features.get(field) or ()) for name, field in _INDEXES.items()},
            units=(int(units.get("ReadCapacityUnits", 0)), int(units.get("WriteCapacityUnits", 0))),
        )

    def names(self) -> list[str]:
        """Return the names of its indexes."""
        return [str(index["IndexName"]) for rows in self.indexes.values() for index in rows]


_INDEXES = {
    "GlobalSecondaryIndexOverride": "GlobalSecondaryIndexes",
    "LocalSecondaryIndexOverride": "LocalSecondaryIndexes",
    "VectorIndexOverride": "VectorIndexes",
}
_FIELDS = {
    "GlobalSecondaryIndexOverride": ("IndexName", "KeySchema", "Projection", "OnDemandThroughput"),
    "LocalSecondaryIndexOverride": ("IndexName", "KeySchema", "Projection"),
    "VectorIndexOverride": (
        "IndexName", "VectorAttribute", "SearchSchema", "Projection", "Dimensions", "DistanceFunction",
    ),
}  # fmt: skip
"""What an override may repeat of a description: WarmThroughput, status and sizes are refused."""


def overrides(copy_aws: Aws, design: RestoreDesign, options: Options) -> dict[str, Any]:
    """Return the parameters of a restore that make the chosen of the source.

    Args:
        copy_aws: The account in the Region to restore in.
        design: The source's.
        options: What was chosen.

    Raises:
        BadInput: An option does not go with the source, or its key cannot be used.
    """
    mode = BILLING.get(options.billing, design.billing_mode)
    parameters: dict[str, Any] = {"BillingModeOverride": mode} if options.billing else {}
    units = options.units
    if mode == "PROVISIONED":
        units = units or (design.units if all(design.units) else None)
        if units is None:
            raise BadInput(
                "a provisioned table needs capacity, and the source has no provisioned capacity to copy",
                table=design.table,
                fix="Set throughput to READ/WRITE units, for example 100/50.",
            )
        if options.billing or options.units:
            parameters["ProvisionedThroughputOverride"] = _provisioned(units)
    elif units:
        parameters["OnDemandThroughputOverride"] = {"MaxReadRequestUnits": units[0], "MaxWriteRequestUnits": units[1]}
    parameters |= _indexes(copy_aws, design, options, mode, units)
    if (encryption := _encryption(copy_aws, design, options)) is not None:
        parameters["SSESpecificationOverride"] = encryption
    return parameters


def _indexes(
    copy_aws: Aws, design: RestoreDesign, options: Options, mode: str, units: tuple[int, int] | None
) -> dict[str, list[dict[str, Any]]]:
    selected_names = chosen_indexes(design, options)
    changed = mode != design.billing_mode or options.units is not None
    if selected_names is None and not changed:
        return {}  # all of them as they are
    index_names = set(design.names()) if selected_names is None else selected_names
    index_overrides = {}
    for override, rows in design.indexes.items():
        # An SDK that does not know a kind of index cannot leave it out; with no such index there is nothing to leave.
        if not rows and override == "VectorIndexOverride":
            continue
        if override == "VectorIndexOverride" and not copy_aws.offers("dynamodb", "RestoreTableToPointInTime", override):
            raise BadInput(
                "the installed boto3 does not support vector indexes", table=design.table, fix="Update boto3."
            )
        kept_rows = [row for row in rows if row["IndexName"] in index_names]
        index_overrides[override] = [
            _repeated(override, row, design, mode, options.units and units) for row in kept_rows
        ]
    return index_overrides


def _repeated(
    override: str, row: Mapping[str, Any], design: RestoreDesign, mode: str, units: tuple[int, int] | None
) -> dict[str, Any]:
    index = {field: row[field] for field in _FIELDS[override] if field in row}
    if override != "GlobalSecondaryIndexOverride":
        return index
    if mode != "PROVISIONED":
        return index
    index.pop("OnDemandThroughput", None)
    own = row.get("ProvisionedThroughput") or {}
    read, write = int(own.get("ReadCapacityUnits", 0)), int(own.get("WriteCapacityUnits", 0))
    capacity = units or ((read, write) if read and write else design.units)
    return {**index, "ProvisionedThroughput": _provisioned(capacity)}


def _provisioned(units: tuple[int, int]) -> dict[str, int]:
    return {"ReadCapacityUnits": units[0], "WriteCapacityUnits": units[1]}


def chosen_indexes(design: RestoreDesign, options: Options) -> set[str] | None:
    """Return the names of the indexes that were chosen, None for all of them.

    Raises:
        BadInput: The source has no index of a chosen name.
    """
    if options.indexes in ("", "all"):
        return None
    names = set() if options.indexes == "none" else set(_named(options.indexes))
    if unknown := sorted(names - set(design.names())):
        there_are = ", ".join(design.names()) or "none"
        raise BadInput(
            f"the source has no index {', '.join(unknown)}",
            table=design.table,
            fix=f"Set indexes to none, all, or some of: {there_are}.",
        )
    return names


def _named(indexes: str) -> list[str]:
    return [name.strip() for name in indexes.split(",")]


def _encryption(copy_aws: Aws, design: RestoreDesign, options: Options) -> dict[str, Any] | None:
    if not options.kms_key:
        if copy_aws.region == design.region:
            return None
        if design.kms_key:
            raise BadInput(
                f"the source is encrypted with {design.kms_key}, which does not work in {copy_aws.region}",
                table=design.table,
                fix=f"Choose the encryption of the copy: kms_key={OWNED}, {MANAGED}, or a key in {copy_aws.region}.",
            )
        return {"Enabled": False}  # a restore into another Region has to say so
    if options.kms_key == OWNED:
        return {"Enabled": False}
    if options.kms_key == MANAGED:
        return {"Enabled": True, "SSEType": "KMS"}
    return {
        "Enabled": True,
        "SSEType": "KMS",
        "KMSMasterKeyId": usable_key(copy_aws, options.kms_key) or options.kms_key,
    }


def difference(copy_aws: Aws, design: RestoreDesign, description: Mapping[str, Any], options: Options) -> str:
    """Return in words what a table that is there is otherwise than a restore would make it; empty if nothing is.

    Blank options are of no account: whoever does not choose takes what is there.

    Args:
        copy_aws: The account in the table's Region.
        design: Of what it was restored from.
        description: The table, as DescribeTable's answer has it.
        options: What was chosen.
    """
    present = RestoreDesign.of_table(description)
    if options.indexes:
        selected_names, names = chosen_indexes(design, options), set(present.names())
        if names != (set(design.names()) if selected_names is None else selected_names):
            return f"it has the indexes {', '.join(sorted(names)) or 'none'}"
    if options.billing and BILLING[options.billing] != present.billing_mode:
        return f"its billing mode is {present.billing_mode}"
    if options.units:
        limits = description.get("OnDemandThroughput") or {}
        most = (limits.get("MaxReadRequestUnits"), limits.get("MaxWriteRequestUnits"))
        has = present.units if present.billing_mode == "PROVISIONED" else most
        if has != options.units:
            return f"its throughput is {'/'.join(str(units or '-') for units in has)}"
    return _other_key(copy_aws, present.kms_key, options.kms_key)


def _other_key(copy_aws: Aws, present: str, requested_key: str) -> str:
    key_difference = f"its key is {present or f'the {AWS_OWNED}'}"
    if not requested_key:
        return ""
    if requested_key == OWNED:
        return key_difference if present else ""
    if requested_key == MANAGED:
        return "" if present else key_difference  # which key that is, only KMS tells
    key_arn = usable_key(copy_aws, requested_key) or requested_key
    return "" if present in (key_arn, requested_key) or present.endswith(f"key/{requested_key}") else key_difference

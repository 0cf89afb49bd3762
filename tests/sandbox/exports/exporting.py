"""A table to export, and an export read from its bucket: as a careful client would, with boto3 alone."""

import base64
import gzip
import hashlib
import json
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import EXPORTS_BUCKET

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
_names = count()


def minutes(number):
    """So many minutes after noon."""
    return NOON + timedelta(minutes=number)


def code_of(call, *args, **kwargs):
    with pytest.raises(ClientError) as failed:
        call(*args, **kwargs)
    return failed.value.response["Error"]["Code"]


class Read:
    """What a finished export left: its summary, the lines of its list, its items or records."""

    def __init__(self, s3, described):
        self.bucket, self.s3 = described["S3Bucket"], s3
        self.summary = json.loads(self.get(described["ExportManifest"]))
        self.files = [json.loads(line) for line in self.get(self.summary["manifestFilesS3Key"]).splitlines()]
        self.lines = [json.loads(line) for file in self.files for line in self.data(file).splitlines()]

    def get(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def data(self, file):
        got = self.s3.get_object(Bucket=self.bucket, Key=file["dataFileS3Key"])
        content = got["Body"].read()
        assert base64.b64encode(hashlib.md5(content).digest()).decode() == file["md5Checksum"]
        assert got["ETag"] == f'"{file["etag"]}"'
        lines = gzip.decompress(content)
        assert lines.count(b"\n") == file["itemCount"]
        return lines


class Shop:
    """A protected table of its own on a sandbox, to write to, export and read back."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.dynamodb, self.s3 = sandbox.client("dynamodb"), sandbox.client("s3")
        self.name = f"Shop{next(_names)}"
        self.arn = self.dynamodb.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "N"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )["TableDescription"]["TableArn"]
        self.protect()

    def protect(self, on=True):
        self.dynamodb.update_continuous_backups(
            TableName=self.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
        )

    def put(self, pk, sk=1, **attributes):
        self.dynamodb.put_item(TableName=self.name, Item=item(pk, sk, **attributes))

    def delete(self, pk, sk=1):
        self.dynamodb.delete_item(TableName=self.name, Key=item(pk, sk))

    def start(self, **parameters):
        parameters = {"TableArn": self.arn, "S3Bucket": EXPORTS_BUCKET, **parameters}
        return self.dynamodb.export_table_to_point_in_time(**parameters)["ExportDescription"]

    def start_window(self, begin, end=None, *, view=None, **parameters):
        window = {"ExportFromTime": begin, "ExportToTime": end, "ExportViewType": view}
        window = {name: value for name, value in window.items() if value is not None}
        return self.start(ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification=window, **parameters)

    def described(self, started):
        return self.dynamodb.describe_export(ExportArn=started["ExportArn"])["ExportDescription"]

    def read(self, started):
        described = self.described(started)
        assert described["ExportStatus"] == "COMPLETED"
        return Read(self.s3, described)


def item(pk, sk=1, **attributes):
    return {"pk": {"S": pk}, "sk": {"N": str(sk)}, **attributes}

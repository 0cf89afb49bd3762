"""A table on the sandbox, or on DynamoDB Local, with what tests of planning and writing need around it."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import canonical, key_of, to_boto
from pitrkit.aws.tables import tables
from pitrkit.errors import PitrkitError
from pitrkit.recovery.apply.apply import Applied, apply
from pitrkit.recovery.apply.journal import journal_changes, journal_path
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import ChangeSet, from_changes
from pitrkit.recovery.plan.plan import Plan, build
from pitrkit.recovery.plan.policy import Policy
from pitrkit.recovery.token_bucket import OneProcess, Pace
from pitrkit.sandbox import Sandbox
from tests.engine.conftest import local_url

__all__ = ["local_url"]

WRITES = ("put_item", "update_item", "delete_item", "batch_execute_statement")
SAMPLE = {"test_apply", "test_undo"}
"""Files whose tests run on DynamoDB Local as well, wherever it is."""
DATA_PATH = SAMPLE | {
    *("test_admission", "test_attributes", "test_brakes", "test_guard", "test_inserts"),
    *("test_journal", "test_plan", "test_property", "test_race", "test_verify"),
}
"""The same, when all is proved (PITRKIT_PROVE)."""
_numbers = count()


class Meddler:
    """The real wire, but each write goes through *meddle(operation, parameters, send)*; reads, too, if asked for.

    Operations are named as boto3 has them: put_item, update_item, delete_item, batch_execute_statement.
    """

    def __init__(
        self, aws: Aws, meddle: Callable[[str, dict[str, Any], Callable[[], Any]], Any], *, reads: bool = False
    ) -> None:
        self._wire = Wire.of(aws)
        self._meddle = meddle
        self._reads = reads

    def send(self, operation: str, body: bytes, *, table: str = "") -> Any:
        def send() -> Any:
            return self._wire.send(operation, body, table=table)

        name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
        return self._meddle(name, orjson.loads(body), send) if name in WRITES or self._reads else send()

    def send_all(self, requests: Sequence[tuple[str, bytes]], *, table: str = "") -> list[Any]:
        answers: list[Any] = []
        for operation, body in requests:
            try:
                answers.append(self.send(operation, body, table=table))
            except PitrkitError as error:
                answers.append(error)
        return answers


class Bench:
    """One table, keyed by pk (S) and sk (N), and a folder."""

    def __init__(self, aws: Aws, folder: Path, *, existing: str = "", **options: Any) -> None:
        self.aws = aws
        self.folder = folder
        self.name = existing or f"Orders-{next(_numbers)}"
        if existing:
            self.table = tables.describe(aws, existing)
        else:
            self.create(**options)

    def create(self, **options: Any) -> None:
        keys = [("pk", "S", "HASH"), ("sk", "N", "RANGE")]
        attributes = [{"AttributeName": name, "AttributeType": kind} for name, kind, _ in keys]
        self.aws.call(
            "dynamodb",
            "create_table",
            TableName=self.name,
            KeySchema=[{"AttributeName": name, "KeyType": role} for name, _, role in keys],
            AttributeDefinitions=attributes + options.pop("AttributeDefinitions", []),
            BillingMode="PAY_PER_REQUEST",
            **options,
        )
        self.table = tables.describe(self.aws, self.name)

    def path(self, what: str) -> Path:
        return self.folder / f"{what}-{next(_numbers)}"

    def put(self, image: str, **condition: Any) -> None:
        self.aws.call("dynamodb", "put_item", TableName=self.name, Item=to_boto(image), **condition)

    def delete(self, image: str) -> None:
        self.aws.call("dynamodb", "delete_item", TableName=self.name, Key=to_boto(self.key(image)))

    def set(self, image: str, name: str, value: Mapping[str, Any]) -> None:
        """Set one attribute of an item that exists, as some other program does."""
        self.aws.call(
            "dynamodb",
            "update_item",
            TableName=self.name,
            Key=to_boto(self.key(image)),
            UpdateExpression="SET #a = :v",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={"#a": name},
            ExpressionAttributeValues={":v": value},
        )

    def key(self, image: str) -> str:
        return key_of(to_boto(image), self.table.key_schema.names)

    def get(self, image: str) -> str | None:
        answer = self.aws.call(
            "dynamodb", "get_item", TableName=self.name, Key=to_boto(self.key(image)), ConsistentRead=True
        )
        return canonical(answer["Item"]) if answer.get("Item") else None

    def state(self) -> dict[str, str]:
        """Everything in the table: key to image."""
        items = self.aws.paginate("dynamodb", "scan", "Items", TableName=self.name, ConsistentRead=True)
        return {self.key(image): image for image in map(canonical, items)}

    def clear(self) -> None:
        for image in self.state().values():
            self.delete(image)

    def change(self, before: str | None, after: str | None) -> Change:
        """A change that has really happened: the table is brought to *after*."""
        if after is None:
            assert before is not None
            self.delete(before)
            return Change(self.key(before), "removed", before, None)
        self.put(after)
        return Change(self.key(after), "modified" if before else "inserted", before, after)

    def change_set(self, changes: Iterable[Change]) -> ChangeSet:
        return from_changes(
            changes,
            self.path("changes"),
            table=self.name,
            key_schema=self.table.key_schema,
            source="test",
            before_at="then",
            after_at="now",
        )

    def plan(self, changes: Iterable[Change] | ChangeSet, policy: Policy = Policy.UNDO) -> Plan:
        change_set = changes if isinstance(changes, ChangeSet) else self.change_set(changes)
        return build(self.aws, self.table, change_set, policy, self.path("plan"), scope={})

    def journal(self, plan: Plan) -> Path:
        return journal_path(self.folder / "journal", plan)

    def apply(self, plan: Plan, aws: Any = None, *, pace: float = 1e6, **options: Any) -> Applied:
        options.setdefault("pause", lambda _: 0.0)
        options.setdefault("timeline", OneProcess())
        return apply(aws or self.aws, self.table, plan, self.journal(plan), pace=Pace(pace), **options)

    def meddled(
        self,
        plan: Plan,
        meddle: Callable[[str, dict[str, Any], Callable[[], Any]], Any],
        *,
        reads: bool = False,
        **options: Any,
    ) -> Applied:
        """Apply with somebody meddling. Each write is a request of its own unless *options* say otherwise."""
        options.setdefault("inserts_per_call", 1)
        options.setdefault("workers", 8)
        return self.apply(plan, wire=Meddler(self.aws, meddle, reads=reads), **options)

    def undo(self, plan: Plan) -> Plan:
        """Take *plan* back as far as it was applied, and return the plan that did it."""
        back = self.plan(journal_changes(plan, self.journal(plan), self.path("undo")))
        self.apply(back)
        return back


def order(number: int, **attributes: Any) -> str:
    """An order with an attribute of each type; *attributes* replace or, when None, remove some."""
    item = {
        "pk": {"S": f"customer-{number % 7}"},
        "sk": {"N": str(number)},
        "status": {"S": "paid"},
        "total": {"N": "129.95"},
        "lines": {"L": [{"M": {"sku": {"S": "A-1"}, "count": {"N": "2"}}}, {"NULL": True}]},
        "tags": {"SS": ["gift", "express"]},
        "sizes": {"NS": ["38", "4.5"]},
        "proof": {"B": b"\x00\xff\xfe"},
        "proofs": {"BS": [b"\x00", b"\xff"]},
        "note": {"S": ""},
        "paid": {"BOOL": True},
        "coupon": {"NULL": True},
    } | attributes
    return canonical({name: value for name, value in item.items() if value is not None})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the tests of the data path each engine; DynamoDB Local as far as it is to be proved, a sample otherwise."""
    files = DATA_PATH if os.environ.get("PITRKIT_PROVE") else SAMPLE
    if "engine" not in metafunc.fixturenames or metafunc.module.__name__.rpartition(".")[2] not in files:
        return
    alone = metafunc.definition.get_closest_marker("sandbox_alone")
    engines = ["sandbox"] if alone else ["sandbox", "DynamoDB-Local"]
    metafunc.parametrize("engine", engines, indirect=True, scope="module")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, Sandbox() as running:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def engine(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[str]:
    """The DynamoDB that the tests are about: the sandbox's or DynamoDB Local. All else is the sandbox's."""
    name = getattr(request, "param", "sandbox")
    with pytest.MonkeyPatch.context() as patch:
        if name != "sandbox":
            patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", request.getfixturevalue("local_url"))
        yield name


@pytest.fixture(scope="module")
def aws(engine: str) -> Aws:
    return Aws.connect()


@pytest.fixture
def bench(aws: Aws, tmp_path: Path) -> Bench:
    return Bench(aws, tmp_path)


@pytest.fixture(scope="session")
def make_order() -> Callable[..., str]:
    return order


@pytest.fixture(scope="session")
def make_bench() -> Callable[..., Bench]:
    return Bench

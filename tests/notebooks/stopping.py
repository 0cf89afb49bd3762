"""A headless recovery as a process of its own that is stopped by a signal, and what has to be true then."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta

from pitrkit.aws.items import attributes, canonical
from pitrkit.runner.table_marker import TAG
from pitrkit.sandbox import PastWrite
from pitrkit.times import iso

ITEMS = 40
PACE = 20.0
"""Write units a second, so that the writing takes two seconds."""

GENTLE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stoppable:
    """Incidents of a table whose items are gone, recovered by its stream; a table for each."""

    def __init__(self, place):
        self.place = place
        self.client = place.sandbox.client("dynamodb")

    def table(self, name):
        """Make a table whose items were removed; return the second before that, and the items."""
        created = {
            "TableName": name,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        }
        good_at = self.place.sandbox.clock.now().replace(microsecond=0) - timedelta(minutes=20)
        items = [canonical({"id": {"N": str(number)}, "text": {"S": f"item {number}"}}) for number in range(ITEMS)]
        keys = [canonical({"id": {"N": str(number)}}) for number in range(ITEMS)]
        past = [
            PastWrite(good_at - timedelta(minutes=9), attributes(key), attributes(item))
            for key, item in zip(keys, items, strict=True)
        ]
        past += [PastWrite(good_at + timedelta(seconds=30), attributes(key), None) for key in keys]
        self.place.sandbox.seed(created, past, created_at=good_at - timedelta(minutes=10))
        return iso(good_at), sorted(items)

    def start(self, *words):
        """Start a command as a shell would; it leads a process group of its own."""
        program = "import sys; from pitrkit.cli import main; sys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", program, *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def stopped(self, number, after, *words):
        """Run a command and send it a signal after so many seconds; return its exit code and what it printed."""
        process = self.start(*words)
        deadline = time.monotonic() + after
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            os.kill(process.pid, number)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def gate(self, name, at):
        """Run a recovery up to its gate; return the words of the command that goes on."""
        asked = ("recover", name, "--at", at, "--route", "stream", "--kinds", "removed", "--write-units", str(PACE))
        code, said = self.place.pitrkit(*asked, "--incident", f"of-{name}")
        assert code == 3, said
        return re.search(r"pitrkit (recover .*--approve [0-9a-f]{64})", said)[1].split()

    def mark(self, name):
        arn = self.client.describe_table(TableName=name)["Table"]["TableArn"]
        tags = self.client.list_tags_of_resource(ResourceArn=arn)["Tags"]
        return {one["Key"]: one["Value"] for one in tags}.get(TAG)

    def events(self, name):
        path = self.place.folder / f"of-{name}" / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def tells_the_truth(self, name, number, code, *, killed=False):
        """Make sure that the record says how it ended, and that its audit neither accuses nor vouches wrongly.

        The mark of a run that was *killed* stays until one is begun that gets as far as setting its own.
        """
        audited, said = self.place.pitrkit("audit", f"of-{name}")
        assert "NOT" not in said, said
        assert "altered" not in said, said
        assert audited in {0, 1}
        if number in GENTLE:
            # A process that is not up yet, or is done, is ended by the signal itself: no notebook is under way then.
            assert code in {0, 130, -number}, code
            assert killed or self.mark(name) is None
            events = self.events(name)
            started = [one for one in events if one["event"] == "notebook_started"]
            ended = [one for one in events if one["event"] == "notebook_ended"]
            assert len(started) <= len(ended)
            folder = self.place.folder / f"of-{name}" / "notebooks"
            assert not list(folder.glob("*.running.ipynb"))
            for path in folder.glob("*.ipynb"):
                if path.stat().st_size:
                    stamp = json.loads(path.read_text())["metadata"]["pitrkit"]
                    assert stamp["ended"] in {"done", "gate closed", "failed", "interrupted", "killed"}

    def finishes(self, name, command, items):
        """Run the same command again: it goes on, and the table is right."""
        code, said = self.place.pitrkit(*command)
        assert code == 0, said
        assert self.place.items(name) == items
        assert self.place.incident(f"of-{name}")["apply"]["applied"] == ITEMS
        assert self.mark(name) is None
        code, said = self.place.pitrkit("audit", f"of-{name}")
        assert code == 0, said

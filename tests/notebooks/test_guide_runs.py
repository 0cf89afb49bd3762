"""The guide's routes as a reader of it runs them: the first command of each page, word by word, up to the gate.

That of the page on one copy is run by `test_route`, to its end and back.
"""

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pitrkit.sandbox import EXPORTS_BUCKET, Sandbox
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.times import iso

pytestmark = [pytest.mark.xdist_group("guide"), pytest.mark.takes(20)]
GUIDE = Path(__file__).parents[2] / "notebooks" / "guide"


@pytest.fixture(scope="module")
def shop(tmp_path_factory, placed):
    scenario = orders(7, now=datetime.now(UTC), orders=120)
    with Sandbox(restore_seconds=0.2, export_seconds=0.2) as sandbox:
        scenario.lay_into(sandbox)
        with placed(sandbox, tmp_path_factory.mktemp("incidents"), scenario.truth) as place:
            yield place


@pytest.mark.parametrize("route", ["threeway", "export", "stream"])
def test_the_first_command_of_its_page_leads_to_the_gate_and_its_next_one_is_the_one_printed(shop, route):
    page = (GUIDE / f"{route}.md").read_text()
    first, second = re.findall(r"^pitrkit (recover Orders .*)$", page, re.MULTILINE)[:2]
    real = {
        "2026-11-23T02:14:05Z": iso(shop.truth.good_at),
        "2026-11-23T02:40:00Z": iso(shop.truth.damage_ended_at + timedelta(seconds=1)),
        "my-exports": EXPORTS_BUCKET,
        "--incident night": f"--incident {route}",
    }
    for written, here in real.items():
        first, second = first.replace(written, here), second.replace(written, here)
    before = shop.items()
    code, said = shop.pitrkit(*shlex.split(first))
    assert code == 3, said
    digest = shop.incident(route)["plan"]["digest"]
    printed = re.search(r"pitrkit (recover Orders .*--approve [0-9a-f]{64})", said)[1]
    assert printed.endswith(digest)
    options = dict.fromkeys(word for word in shlex.split(second) if word.startswith("--"))
    assert options.keys() - {"--route"} <= dict.fromkeys(shlex.split(printed)).keys()
    assert shop.items() == before

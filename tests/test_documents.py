"""JSON documents: what is written is read again as the same kind, and a damaged file is named with what to do."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.documents import from_json, pretty, read, to_json
from pitrkit.errors import RecordAltered

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@dataclass
class Holder:
    pid: int
    host: str = ""

    def to_dict(self):
        return {"pid": self.pid, "host": self.host}


@given(st.dictionaries(st.text(), PLAIN, max_size=4))
def test_what_is_written_either_way_is_read_again(document):
    assert from_json(to_json(document), dict[str, Any]) == document
    assert from_json(pretty(document).encode(), dict[str, Any]) == document
    assert to_json(document).isascii()


def test_half_a_character_which_a_file_name_may_hold_survives():
    assert from_json(to_json({"name": "\ud800"}), dict[str, Any]) == {"name": "\ud800"}


def test_what_is_no_json_by_itself_is_written_as_what_it_says():
    at = datetime(2026, 11, 23, 2, tzinfo=timezone(timedelta(hours=1)))
    told = to_json(
        {"at": at, "path": Path("a/b"), "n": Decimal("1.50"), "whole": Decimal(2), "set": {"b", "a"}, "it": Holder(7)}
    )
    assert told == (
        '{"at":"2026-11-23T01:00:00+00:00","path":"a/b","n":"1.50","whole":2,"set":["a","b"],"it":{"pid":7,"host":""}}'
    )
    assert pretty(Holder(7), indent=2) == json.dumps({"pid": 7, "host": ""}, indent=2) + "\n"
    for wrong in (object(), float("nan")):
        with pytest.raises((TypeError, ValueError)):
            to_json(wrong)


@pytest.mark.parametrize("raw", [b"", b"[1]", b'{"pid":"7"}', b'{"host":"a"}', b'{"pid":7', b"\xff"])
def test_what_is_not_of_the_kind_is_an_error(raw):
    with pytest.raises(ValueError, match=r".+"):
        from_json(raw, Holder)
    assert from_json(b'{"pid":7,"later":1}', Holder) == Holder(7)


def test_a_damaged_file_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "holder.json"
    with pytest.raises(RecordAltered, match="cannot be read") as missing:
        read(path, Holder, fix="Begin again.")
    assert (str(path) in missing.value.what, missing.value.fix) == (True, "Begin again.")
    path.write_text('{"pid":')
    with pytest.raises(RecordAltered, match="cannot be read"):
        read(path, Holder, fix="Begin again.")
    path.write_text(pretty(Holder(7, "here")))
    assert read(path, Holder, fix="") == Holder(7, "here")

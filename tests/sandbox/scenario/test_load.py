"""Rehearsing on one's own data: what can be loaded, and what is refused with what advice."""

import base64
import gzip
import hashlib
import json
from datetime import UTC, datetime

import orjson
import pytest

from pitrkit.sandbox.scenario.dump import LoadError
from pitrkit.sandbox.scenario.load import load

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SECRET = "s3cr3t-content"


def film(number, **more):
    return {"year": {"N": str(1900 + number % 90)}, "title": {"S": f"Film {number}"}, "info": {"M": {}}, **more}


FILMS = [film(number, info={"M": {"rank": {"N": str(number)}}}) for number in range(60)]


def written(path, items, *, wrap=True):
    lines = "".join(json.dumps({"Item": item} if wrap else item) + "\n" for item in items).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def films(source, **more):
    return load(source, **{"table": "Films", "keys": "year:N,title:S", "now": NOW, **more})


def told(scenario):
    return orjson.dumps([[tuple(write) for write in scenario.writes], scenario.truth.to_dict()])


def first_images(scenario):
    """The items as they were loaded."""
    return [write.item for write in scenario.writes[: len(FILMS)]]


def export(folder, parts, *, checksum="md5Checksum", prefix="some/prefix/"):
    """A full export in the service's layout."""
    manifest = []
    for number, items in enumerate(parts):
        file = written(folder / "data" / f"part{number}.json.gz", items)
        digest = base64.b64encode(hashlib.md5(file.read_bytes()).digest()).decode()
        key = f"{prefix}AWSDynamoDB/{folder.name}/data/{file.name}"
        manifest.append({"itemCount": len(items), checksum: digest, "dataFileS3Key": key})
    (folder / "manifest-files.json").write_text("".join(json.dumps(entry) + "\n" for entry in manifest))
    (folder / "manifest-summary.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", ["films.json", "films.json.gz", "films.gz"])
@pytest.mark.parametrize("wrap", [True, False])
def test_lines_are_loaded_plain_or_zipped_wrapped_or_bare(tmp_path, name, wrap):
    scenario = films(written(tmp_path / name, FILMS, wrap=wrap))
    assert first_images(scenario) == FILMS


def test_a_zipped_file_is_known_by_its_content_not_its_name(tmp_path):
    file = written(tmp_path / "films.gz", FILMS)
    assert first_images(films(file.rename(tmp_path / "films"))) == FILMS


def test_blank_lines_are_passed_over(tmp_path):
    file = tmp_path / "films.json"
    file.write_text("\n\n".join(json.dumps(item) for item in FILMS) + "\n \n")
    assert first_images(films(file)) == FILMS


@pytest.mark.parametrize("inside", ["", "AWSDynamoDB/01234-abc", "bucket/AWSDynamoDB/01234-abc"])
@pytest.mark.parametrize("prefix", ["", "some/prefix/"])
def test_the_folder_of_a_full_export_is_found_and_its_manifest_followed(tmp_path, inside, prefix):
    folder = export(tmp_path / inside, [FILMS[:20], [], FILMS[20:]], prefix=prefix)
    written(folder / "data" / "not-listed.json.gz", [film(999)])
    assert first_images(films(tmp_path)) == FILMS


def test_the_data_files_of_an_export_do_without_a_manifest(tmp_path):
    written(tmp_path / "data" / "a.json.gz", FILMS[:20])
    written(tmp_path / "data" / "b.json.gz", FILMS[20:])
    assert first_images(films(tmp_path)) == first_images(films(tmp_path / "data")) == FILMS


def test_the_same_load_tells_the_same_story_and_another_seed_another(tmp_path):
    file = written(tmp_path / "films.json", FILMS)
    assert told(films(file)) == told(films(file))
    assert told(films(file)) != told(films(file, seed=8))


def test_the_items_are_laid_over_the_first_hours_in_batches_before_the_damage(tmp_path):
    scenario = films(written(tmp_path / "films.json", FILMS))
    moments = [write.at for write in scenario.writes[: len(FILMS)]]
    assert len(set(moments)) == 3
    assert max(moments) < scenario.truth.good_at
    assert [write.at for write in scenario.writes] == sorted(write.at for write in scenario.writes)
    assert scenario.writes[-1].at < NOW


def test_the_incident_is_of_the_shops_kind(tmp_path):
    counts = films(written(tmp_path / "films.json", [film(n, info={"S": "x"}) for n in range(1000)])).truth.counts
    assert counts["deleted"] == 80
    assert counts["mangled"] == 60
    assert counts["mangled_and_updated"] == 20
    assert counts["new"] == 83
    assert counts["cancelled"] == 3
    assert counts["updated"] == 120


def test_the_commonest_attributes_are_the_ones_mangled(tmp_path):
    items = [{**item, "often": {"S": "x"}} for item in FILMS[:50]] + FILMS[50:]
    items[0] = {**items[0], "rare": {"S": "x"}}
    assert films(written(tmp_path / "films.json", items)).truth.attributes == ("info", "often")


def test_a_table_of_keys_alone_suffers_deletions_only(tmp_path):
    scenario = load(
        written(tmp_path / "keys.json", [{"id": {"B": base64.b64encode(bytes([n])).decode()}} for n in range(50)]),
        table="Keys",
        keys="id:B",
        now=NOW,
    )
    assert scenario.truth.attributes == ()
    assert scenario.truth.counts["mangled"] == 0
    assert scenario.truth.counts["deleted"] == 4


def test_the_table_has_the_keys_that_were_named(tmp_path):
    created = films(written(tmp_path / "films.json", FILMS)).create_table
    assert created["TableName"] == "Films"
    assert created["KeySchema"] == [
        {"AttributeName": "year", "KeyType": "HASH"},
        {"AttributeName": "title", "KeyType": "RANGE"},
    ]
    assert created["AttributeDefinitions"] == [
        {"AttributeName": "year", "AttributeType": "N"},
        {"AttributeName": "title", "AttributeType": "S"},
    ]


def test_values_are_loaded_as_the_service_would_return_them(tmp_path):
    odd = film(1, price={"N": "12.50"}, large={"N": "1E3"}, set={"NS": ["2", "1.0"]})
    item = films(written(tmp_path / "films.json", [odd])).writes[0].item
    assert (item["price"], item["large"], item["set"]) == ({"N": "12.5"}, {"N": "1000"}, {"NS": ["1", "2"]})


def test_what_a_global_table_keeps_for_itself_is_left_out(tmp_path):
    item = film(1, **{"aws:rep:updatetime": {"N": "1"}, "aws:rep:deleting": {"BOOL": False}})
    assert films(written(tmp_path / "films.json", [item])).writes[0].item == film(1)


@pytest.mark.parametrize("wrap", [True, False])
def test_a_key_called_item_is_told_from_a_wrapped_item(tmp_path, wrap):
    items = [{"Item": {"S": str(number)}} for number in range(5)]
    scenario = load(written(tmp_path / "x.json", items, wrap=wrap), table="Things", keys="Item:S", now=NOW)
    assert [write.item for write in scenario.writes[:5]] == items


MALFORMED = {
    "not JSON": (b'{"Item": {"year": ' + SECRET.encode(), "line 2 is not JSON"),
    "pretty printed": (b"{", "line 2 is not JSON"),
    "not text": (b"\xff\xfe", "line 2 is not JSON"),
    "not an object": (b'["' + SECRET.encode() + b'"]', "line 2 is not an item"),
    "plain values": (b'{"year": 2013, "title": "' + SECRET.encode() + b'"}', "line 2 is not DynamoDB JSON"),
    "two types": (b'{"year": {"N": "1", "S": "' + SECRET.encode() + b'"}}', "line 2 is not DynamoDB JSON"),
    "unknown type": (b'{"year": {"' + SECRET.encode() + b'": "1"}}', "line 2 is not DynamoDB JSON"),
    "number as number": (b'{"year": {"N": 2013}, "title": {"S": "x"}}', "line 2 is not DynamoDB JSON"),
    "empty set": (b'{"year": {"N": "1"}, "title": {"S": "x"}, "a": {"SS": []}}', "line 2 is not DynamoDB JSON"),
    "too deep": (
        b'{"a": ' + b'{"L": [' * 40 + b'{"NULL": true}' + b"]}" * 40 + b"}",
        "line 2 is not DynamoDB JSON: values are nested deeper than 32 levels",
    ),
    "no number": (
        b'{"year": {"N": "' + SECRET.encode() + b'"}, "title": {"S": "x"}}',
        "line 2 holds a value that DynamoDB refuses",
    ),
    "repeated member": (
        b'{"year": {"N": "1"}, "title": {"S": "x"}, "a": {"SS": ["b", "b"]}}',
        "line 2 holds a value that DynamoDB refuses",
    ),
    "no base64": (
        b'{"year": {"N": "1"}, "title": {"S": "x"}, "a": {"B": "' + SECRET.encode() + b'"}}',
        "line 2 holds a value that DynamoDB refuses",
    ),
    "too large": (
        b'{"year": {"N": "1"}, "title": {"S": "' + SECRET.encode() * 40_000 + b'"}}',
        "line 2 is larger than an item may be",
    ),
    "no sort key": (b'{"Item": {"year": {"N": "2013"}}}', "line 2 lacks the key 'title'"),
    "wrong key type": (
        b'{"year": {"S": "' + SECRET.encode() + b'"}, "title": {"S": "x"}}',
        "line 2 has the key 'year' of type S, not N",
    ),
    "empty key": (b'{"year": {"N": "1"}, "title": {"S": ""}}', "line 2 has an empty key 'title'"),
    "repeated key": (b'{"year": {"N": "1900.0"}, "title": {"S": "Film 0"}}', "line 2 repeats the key of"),
    "incremental export": (
        b'{"Metadata": {"WriteTimestampMicros": "1"}, "Keys": {"year": {"N": "1"}}}',
        "line 2 is of an incremental export",
    ),
    "ion": (b"$ion_1_0 {Item:{year:2013.}}", "line 2 is Amazon Ion"),
}


@pytest.mark.parametrize(("line", "said"), MALFORMED.values(), ids=MALFORMED)
def test_a_line_that_is_no_item_is_named_by_number_and_never_quoted(tmp_path, line, said):
    file = tmp_path / "films.json"
    file.write_bytes(json.dumps(FILMS[0]).encode() + b"\n" + line + b"\n")
    with pytest.raises(LoadError) as caught:
        films(file)
    assert f"films.json, {said}" in str(caught.value)
    assert caught.value.fix in str(caught.value)
    assert SECRET not in str(caught.value)


def test_line_numbers_count_blank_lines(tmp_path):
    file = tmp_path / "films.json"
    file.write_text(f"\n{json.dumps(FILMS[0])}\n\n[]\n")
    with pytest.raises(LoadError, match=r"films.json, line 4 is not an item"):
        films(file)


def test_a_key_repeated_across_files_names_both_places(tmp_path):
    export(tmp_path, [FILMS, [FILMS[7]]])
    with pytest.raises(LoadError, match=r"part1.json.gz, line 1 repeats the key of part0.json.gz, line 8\n-> keep one"):
        films(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(tmp_path, content):
    file = tmp_path / "films.json"
    file.write_bytes(content)
    with pytest.raises(LoadError, match="holds no items"):
        films(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LoadError, match=r"nowhere.json does not exist\n-> give a file"):
        films(tmp_path / "nowhere.json")


def test_a_truncated_zip_is_refused(tmp_path):
    file = written(tmp_path / "films.gz", FILMS)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(LoadError, match=r"films.gz cannot be read"):
        films(file)


def test_a_zip_with_damaged_bytes_is_refused(tmp_path):
    file = written(tmp_path / "films.gz", FILMS)
    content = bytearray(file.read_bytes())
    content[30:60] = bytes(30)
    file.write_bytes(content)
    with pytest.raises(LoadError, match=r"films.gz"):
        films(file)


def test_a_folder_without_an_export_is_refused(tmp_path):
    with pytest.raises(LoadError, match=r"not the folder of a full export.*\n-> point at the folder"):
        films(tmp_path)


def test_several_exports_in_one_folder_are_refused(tmp_path):
    export(tmp_path / "AWSDynamoDB" / "01", [FILMS])
    export(tmp_path / "AWSDynamoDB" / "02", [FILMS])
    with pytest.raises(LoadError, match=r"holds 2 exports\n-> point at one of them, e.g. .*01"):
        films(tmp_path)


def test_an_export_that_lacks_a_file_is_refused(tmp_path):
    export(tmp_path, [FILMS, []])
    (tmp_path / "data" / "part1.json.gz").unlink()
    with pytest.raises(LoadError, match=r"lists part1.json.gz, which is not in"):
        films(tmp_path)


def test_an_export_with_an_altered_file_is_refused(tmp_path):
    export(tmp_path, [FILMS])
    written(tmp_path / "data" / "part0.json.gz", FILMS[1:])
    with pytest.raises(LoadError, match="the checksum differs"):
        films(tmp_path)


@pytest.mark.parametrize("line", ["{", "[]", '{"itemCount": 1}', '{"dataFileS3Key": ".."}', '{"dataFileS3Key": null}'])
def test_a_broken_manifest_is_refused(tmp_path, line):
    export(tmp_path, [FILMS])
    (tmp_path / "manifest-files.json").write_text(line)
    with pytest.raises(LoadError, match=r"manifest-files.json"):
        films(tmp_path)


@pytest.mark.parametrize("keys", ["", "year", "year:X", ":N", "year:N,", "a:S,b:S,c:S", "a:S,a:S", "year:n"])
def test_keys_that_name_no_schema_are_refused(tmp_path, keys):
    with pytest.raises(LoadError, match=r"-> give name:type"):
        films(written(tmp_path / "films.json", FILMS), keys=keys)


@pytest.mark.parametrize("table", ["", "ab", "a b c", "x" * 256, "../etc"])
def test_a_table_name_that_the_service_refuses_is_refused(tmp_path, table):
    with pytest.raises(LoadError, match="is no table name"):
        films(written(tmp_path / "films.json", FILMS), table=table)

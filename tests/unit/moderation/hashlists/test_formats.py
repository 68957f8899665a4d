"""Reading and writing lists: what the field writes is understood, and a bad line is named and nothing taken."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.errors import Unprocessable
from moderation.hashlists.formats import Entry, Format, Kind, Report, read_entries, sniff, write_entries

ONE, TWO = "ab" * 32, "0c" * 32


def read(text, form, **options):
    return list(read_entries(io.StringIO(text), form, **options))


def faults(text, form):
    with pytest.raises(Unprocessable) as refused:
        read(text, form)
    return [fault["pointer"] for fault in refused.value.params["errors"]]


def test_plain_lines_are_a_hash_and_perhaps_quality_and_name():
    text = f"# a comment\n{ONE}\n\n{TWO.upper()}, 77 , beach.jpg  # noted\n"
    assert read(text, Format.LINES) == [
        Entry(kind=Kind.PDQ, hash=bytes.fromhex(ONE)),
        Entry(kind=Kind.PDQ, hash=bytes.fromhex(TWO), quality=77, item="beach.jpg"),
    ]
    assert read(ONE, Format.LINES, kind=Kind.SHA256)[0].kind is Kind.SHA256


def test_columns_and_types_of_threatexchange_are_understood_and_other_kinds_counted():
    report = Report()
    text = f"\ufeffindicator,type,id\n{ONE},HASH_PDQ,17\n{'0' * 32},HASH_MD5,18\n{TWO},HASH_SHA256,\n"
    assert read(text, Format.CSV, report=report) == [
        Entry(kind=Kind.PDQ, hash=bytes.fromhex(ONE), item="17"),
        Entry(kind=Kind.SHA256, hash=bytes.fromhex(TWO)),
    ]
    assert (report.entries, dict(report.skipped)) == (2, {"md5": 1})


def test_descriptors_and_entries_with_fingerprints_are_understood():
    nested = {"id": "9", "indicator": {"indicator": ONE, "type": "HASH_PDQ"}, "status": "ACTIVE"}
    several = {"id": "v1", "fingerprints": {"md5": "0" * 32, "pdq": ONE, "sha256": TWO}}
    report = Report()
    found = read(json.dumps({"data": [nested, several]}), Format.JSON, report=report)
    assert [(entry.kind, entry.item) for entry in found] == [("pdq", "9"), ("pdq", "v1"), ("sha256", "v1")]
    assert dict(report.skipped) == {"md5": 1}
    assert read(json.dumps(several) + "\n\n" + json.dumps({"hash": TWO}), Format.JSONL)[-1].hash.hex() == TWO


@pytest.mark.parametrize(
    ("text", "form", "where"),
    [
        (f"{ONE}\nxyz\n{ONE},101\n{ONE[:-1]}\n", Format.LINES, ["line 2", "line 3", "line 4"]),
        (f"hash,quality\n{ONE},9\n{ONE},-1\n{ONE},1,2\n", Format.CSV, ["line 3", "line 4"]),
        (f"colour,quality\n{ONE},9\n", Format.CSV, ["line 1"]),
        (f"hash,type\n{ONE},rot13\n", Format.CSV, ["line 2"]),
        (f'{{"hash": "{ONE}"}}\n{{"hash": 5}}\n[]\nnot json\n', Format.JSONL, ["line 2", "line 3", "line 4"]),
        ('[{"hash": "zz"}, 7]', Format.JSON, ["entry 1", "entry 2"]),
        ('{"data": 5}', Format.JSON, ["line 1"]),
        ('{"data": [\n}', Format.JSON, ["line 2"]),
        ("[" * 100_000, Format.JSON, ["line 1"]),
        (f"{ONE},50,{'x' * 201}\n", Format.LINES, ["line 1"]),
    ],
)
def test_bad_lines_are_named_by_number(text, form, where):
    assert faults(text, form) == where


def test_only_the_first_bad_lines_are_listed():
    assert len(faults("no\n" * 1000, Format.LINES)) == 20


entries = st.builds(
    Entry,
    kind=st.sampled_from(Kind),
    hash=st.binary(min_size=32, max_size=32),
    quality=st.integers(0, 100),
    item=st.none() | st.text("ab c,\"'#é", min_size=1).map(str.strip).filter(bool),
)


@given(st.lists(entries, max_size=5), st.sampled_from([Format.CSV, Format.JSON, Format.JSONL]))
def test_what_is_written_is_read_again(wanted, form):
    out = io.StringIO(newline="")
    assert write_entries(wanted, form, out) == len(wanted)
    assert read(out.getvalue(), form) == wanted


def test_plain_lines_lose_nothing_in_silence():
    out = io.StringIO()
    write_entries([Entry(kind=Kind.PDQ, hash=bytes(32), quality=51)], Format.LINES, out)
    assert read(out.getvalue(), Format.LINES)[0].quality == 51
    with pytest.raises(Unprocessable):
        write_entries([Entry(kind=Kind.SHA256, hash=bytes(32))], Format.LINES, out)


def test_the_format_is_told_by_the_files_name():
    names = ("feed.csv", "feed.JSON", "feed.ndjson", "feed.txt", "feed")
    assert [sniff(name) for name in names] == ["csv", "json", "jsonl", "lines", "lines"]

"""Boxes are found by their lengths and nothing else, and no bytes break the search."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watermark.jumbf import MANIFEST_BOX, BoxesBroken, StoreTooLarge, active_only, find_store

MOST = 10_000
FTYP = b"\0\0\0\x10ftypisom\0\0\0\0"


def box(kind: bytes, content: bytes, *, wide: bool = False, open_end: bool = False) -> bytes:
    if wide:
        return b"\0\0\0\x01" + kind + (len(content) + 16).to_bytes(8) + content
    return (0 if open_end else len(content) + 8).to_bytes(4) + kind + content


def store_of(*manifests: bytes) -> bytes:
    parts = (box(b"jumb", manifest) for manifest in manifests)
    return box(b"jumb", box(b"jumd", b"c2pa") + b"".join(parts))


def embedded(store: bytes, purpose: bytes = b"manifest\0") -> bytes:
    return MANIFEST_BOX + bytes(4) + purpose + bytes(8) + store


def write(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("how", [{}, {"wide": True}, {"open_end": True}])
def test_a_store_is_found_however_its_box_is_measured(how, tmp_path: Path):
    store = store_of(b"one", b"two")
    path = write(tmp_path / "x", FTYP, box(b"free", bytes(9)), box(b"uuid", embedded(store) + bytes(5), **how))
    assert find_store(path, most=MOST) == store


def test_only_a_manifest_s_box_of_a_file_of_this_family_counts(tmp_path: Path):
    store = store_of(b"one")
    inside = box(b"moov", box(b"uuid", embedded(store)))
    for parts in (
        (box(b"uuid", embedded(store)),),
        (FTYP, inside),
        (FTYP, box(b"uuid", embedded(store, b"merkle\0\0\0"))),
        (FTYP, box(b"uuid", MANIFEST_BOX)),
        (FTYP, box(b"uuid", embedded(store))[:-1]),
        (FTYP, b"\0\0\0\x04free", box(b"uuid", embedded(store))),
    ):
        assert find_store(write(tmp_path / "x", *parts), most=MOST) is None


def test_a_store_that_is_too_large_or_cut_off_is_told_apart(tmp_path: Path):
    store = store_of(bytes(100))
    path = write(tmp_path / "x", FTYP, box(b"uuid", embedded(store)))
    with pytest.raises(StoreTooLarge):
        find_store(path, most=len(store) - 1)
    for broken in (store[:-1], b"", b"\0\0\0\x04jumb", b"\0\0\0\x08uuid"):
        with pytest.raises(BoxesBroken):
            find_store(write(path, FTYP, box(b"uuid", embedded(broken))), most=MOST)


def test_the_last_manifest_is_the_active_one():
    assert active_only(store_of(b"first", b"second", b"last")) == store_of(b"last")
    assert active_only(store_of(b"only")) == store_of(b"only")
    lying = bytearray(store_of(b"first", b"last"))
    lying[20:24] = b"\0\0\0\xff"
    for broken in (store_of(), b"", b"jumb", store_of(b"a")[:-1], bytes(lying)):
        with pytest.raises(BoxesBroken):
            active_only(broken)


@given(content=st.binary(max_size=300), prefixed=st.booleans())
def test_no_bytes_break_the_search(tmp_path_factory, *, content: bytes, prefixed: bool):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(FTYP + box(b"uuid", embedded(content)) if prefixed else FTYP + content)
    try:
        found = find_store(path, most=MOST)
    except (BoxesBroken, StoreTooLarge):
        return
    assert found is None or found in path.read_bytes()

"""Any single changed byte of a signed file is noticed by verify: what C2PA leaves unbound, the stored hash binds."""

import json
import random
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from moderation import canary
from moderation.marking import manifest_of
from moderation.samples.drawing import draw_clip
from moderation.services import Services
from moderation.store import hash_file
from moderation.verification import is_altered, name_clip, verify_file
from watermark import credentials
from watermark.jumbf import find_store
from watermark.payload import Payload
from watermark.reading import MarksReading


@pytest.fixture
def signed(service, drawn, dsn, tmp_path) -> Path:
    """A small signed file that the service knows as a clip's marked rendition; its pictures carry no marks."""
    services: Services = service.services
    clip_id = service.client.post("/v1/clips", files={"file": drawn.read_bytes()}).json()["id"]
    draw_clip(tmp_path / "small.mp4", seconds=1, width=160, height=96, fps=5)
    with psycopg.connect(dsn, autocommit=True) as connection:
        clip = replace(canary.stand_in(services.clock.now()), clip_id=clip_id)
        (payload,) = connection.execute("select payload from moderation.mark_payloads").fetchone()
        spec = manifest_of(services, clip, Payload(mark_id=int(payload, 16), key_version=1))
        credentials.sign(tmp_path / "small.mp4", tmp_path / "signed.mp4", spec, services.signer)
        sha256, size = hash_file(tmp_path / "signed.mp4")
        row = [clip_id, sha256, sha256, size, json.dumps({})]
        query = "insert into moderation.renditions values ('default', %s, 'marked', %s, %s, %s, %s, now())"
        connection.execute(query, row)
    return tmp_path / "signed.mp4"


def believed(services: Services, path: Path) -> bool:
    """Whether verify takes the file's manifest for ours; without the search for marks in its pictures."""
    found = MarksReading(layers={}, credentials=credentials.read(path, services.trust))
    if found.credentials is None or not found.credentials.ours:
        return False
    clip = name_clip(services, found)
    return clip is not None and not is_altered(services, path, found, clip)


def test_any_single_changed_byte_is_noticed(service, signed, tmp_path):
    services, whole, chance = service.services, signed.read_bytes(), random.Random(11)
    assert believed(services, signed)
    store = whole.index(find_store(signed, most=1 << 20))
    frame = {
        "file type": range(8, 32),
        "store": range(32, store + 3300),
        "padding": range(store + 4000, store + 12_000),
    }
    places = [*range(8, 32, 5), *range(32, store + 40, 7)]
    places += [chance.choice(within) for within in (*frame.values(), range(len(whole))) for _ in range(30)]
    unbound = 0
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        (tmp_path / "changed.mp4").write_bytes(changed)
        unbound += credentials.read(tmp_path / "changed.mp4", services.trust).ours
        assert not believed(services, tmp_path / "changed.mp4"), f"byte {place}"
    assert unbound > 25, "C2PA alone is thought to leave the padding unbound; else the hash is not needed"


def test_verify_says_damaged_of_a_file_whose_unbound_bytes_changed(service, signed, tmp_path):
    known = verify_file(service.services, signed)
    assert (known["origin"], known["layers"]["c2pa"]["state"]) == ("ours", "found")
    changed = bytearray(signed.read_bytes())
    changed[10] ^= 1
    (tmp_path / "changed.mp4").write_bytes(changed)
    answer = verify_file(service.services, tmp_path / "changed.mp4")
    assert (answer["origin"], answer["confidence"]) == ("unknown", 0.0)
    assert answer["layers"]["c2pa"]["state"] == "damaged"
    assert answer["layers"]["c2pa"]["failures"] == ["org.countersign.file.altered"]
    assert answer["layers"]["c2pa"]["ours"] is False

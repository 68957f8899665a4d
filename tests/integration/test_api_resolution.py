"""A copy that lost its manifest gets it back over the C2PA Soft Binding Resolution API, and nothing else does."""

import base64
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import av
import c2pa
import psycopg
import pytest

from detectors.rehearsal import RehearsalDetector
from moderation import canary, release
from moderation.checking import check_file
from moderation.clips import Submission
from moderation.db.clips import mark_of, read_clip
from moderation.lineage import UPLOAD, parents_of
from moderation.marking import consent_reference, manifest_of, order_for
from moderation.samples.drawing import draw_clip
from moderation.services import Services
from watermark.authority import open_authority
from watermark.credentials import Signer, sign
from watermark.manifest import ManifestSpec
from watermark.payload import Payload

ORG = "default"
C2PA = "/v1/c2pa"
VIDEO = {"content-type": "video/mp4"}


def re_encode(source: Path, target: Path) -> Path:
    """What a platform does: other bytes, no manifest."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        picture = old.streams.video[0]
        stream = new.add_stream("libx264", rate=picture.average_rate, options={"crf": "25", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
        for frame in old.decode(video=0):
            frame.pict_type = av.video.frame.PictureType.NONE
            new.mux(stream.encode(frame))
        new.mux(stream.encode(None))
    return target


def manifest_ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [match["manifestId"] for match in answer.json()["matches"]]


def binding(nobody, payload: str) -> dict[str, str]:
    (algorithm,) = nobody.get(f"{C2PA}/services/supportedAlgorithms").json()["watermarks"]
    return {"alg": algorithm["alg"], "value": base64.b64encode(payload.encode()).decode()}


def sign_by_another(source: Path, target: Path) -> None:
    """A generator that signs what it makes."""
    now = datetime.now(UTC)
    other = open_authority(target.parent / "other", now=now)
    said = {"soft_binding": "org.example.none", "provider": "Other", "system": "Other", "version": "1"}
    spec = ManifestSpec(clip_id="theirs-1", mark_id=1, created_at=now, **said)
    sign(source, target, spec, Signer(sign=other.sign, chain_pem=other.chain_pem))


def check_pseudonyms(services: Services, clip: str) -> None:
    """A person in a clip is named by a word that is another in the next clip and says nothing of them."""
    person = "per_0193b0c2a6f17d0e8f4a6a1a2b3c4d5e"
    stand_in = replace(canary.stand_in(services.clock.now()), cameos=[person, person])
    payload = Payload(mark_id=1, key_version=1)
    here, there = (
        manifest_of(services, replace(stand_in, clip_id=each), payload).consents for each in (clip, "clip_2")
    )
    assert here == (consent_reference(services, clip, person),)
    assert here != there
    assert person not in here[0]


def check_lineage(services: Services, clip: str, drawn: Path, out: Path) -> None:
    """What a remix's manifest would be given: parents that were released with their manifests, others by name."""
    remix = replace(canary.stand_in(services.clock.now()), org_id=ORG, parents=[clip, "clip_gone", clip])
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(
            "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at) "
            "values (%s, %s, 'processing', now(), now())",
            (ORG, remix.clip_id),
        )
    known, gone = parents_of(services, remix, drawn)
    assert (known.title, known.inherited.state, known.inherited.generations) == (clip, "trusted", 2)
    assert (gone.title, gone.inherited) == ("clip_gone", None)
    assert [parent.title for parent in parents_of(services, remix, out)] == [clip, "clip_gone"]
    (brought,) = parents_of(services, replace(remix, parents=[]), out)
    assert (brought.title, brought.inherited.manifest_id) == (UPLOAD, known.inherited.manifest_id)
    services.settings.marking.parents.generations = 1
    (cut,) = parents_of(services, replace(remix, parents=[]), out)
    assert (cut.inherited.cut, cut.inherited.store) == ("generations", b"")


@pytest.fixture
def out(service, tmp_path):
    """A released clip: its id, its payload and its file. What is seen in it matters to nothing here."""
    services = service.services
    seen = dict.fromkeys(services.ruleset.required - {"sampling.unseen"}, 0.0)
    services.__dict__["detectors"] = (RehearsalDetector(name="rehearsal", values=seen),)
    drawn, theirs = tmp_path / "drawn.mp4", tmp_path / "theirs.mp4"
    draw_clip(drawn, seconds=2, width=640, height=360)
    sign_by_another(drawn, theirs)
    clip = check_file(services, ORG, "tester", theirs, Submission(creator="ana-9", title="Shapes-9"))
    with services.database.transaction(ORG) as tx:
        payload, key_version = mark_of(tx, clip.clip_id)
    key, _, size = release.media(services, ORG, clip.clip_id)
    (tmp_path / "out.mp4").write_bytes(b"".join(services.store.stream(key, 0, size)))
    return clip.clip_id, Payload(mark_id=int(payload, 16), key_version=key_version), tmp_path / "out.mp4"


def refuse_a_transplant(service, clip: str, payload: Payload, folder: Path) -> None:
    """The clip's mark on another clip names nothing, neither to strangers nor to staff."""
    services, other = service.services, folder / "other.mp4"
    draw_clip(other, seconds=2, width=640, height=360, seed=7)
    with services.database.transaction(ORG) as tx:
        order = order_for(services, read_clip(tx, clip), payload)
    services.sandbox.mark(other, folder / "transplanted.mp4", order)
    stolen = (folder / "transplanted.mp4").read_bytes()
    layers = service.client.post("/v1/verify", files={"file": stolen}).json()["layers"]
    assert layers["invisible"]["state"] == "transplanted"
    for client in (service.with_headers(), service.client):
        assert manifest_ids(client.post(f"{C2PA}/matches/byContent", content=stolen, headers=VIDEO)) == []


def test_a_stripped_copy_gets_its_manifest_back_until_it_is_withdrawn(service, out, tmp_path):
    clip, payload, file = out
    nobody, where = service.with_headers(), binding(service.client, f"{payload.mark_id:012x}")
    copy = re_encode(file, tmp_path / "copy.mp4").read_bytes()
    (manifest,) = manifest_ids(nobody.get(f"{C2PA}/matches/byBinding", params=where))
    assert manifest_ids(nobody.post(f"{C2PA}/matches/byBinding", json=where)) == [manifest]
    assert manifest_ids(nobody.post(f"{C2PA}/matches/byContent", content=copy, headers=VIDEO)) == [manifest]
    assert manifest_ids(nobody.post(f"{C2PA}/matches/byContent", files={"file": copy})) == [manifest]
    # Copies are larger than what other requests may hold.
    large = copy + (2_000_000).to_bytes(4) + b"free" + bytes(2_000_000 - 8)
    assert manifest_ids(nobody.post(f"{C2PA}/matches/byContent", content=large, headers=VIDEO)) == [manifest]
    for query in ({"alg": "org.example.other"}, {"alg": where["alg"], "maxResults": 1}):
        found = manifest_ids(nobody.post(f"{C2PA}/matches/byContent", content=copy, headers=VIDEO, params=query))
        assert found == ([] if query["alg"] == "org.example.other" else [manifest])
    for bytes_, recovered in ((copy, True), (file.read_bytes(), False)):
        known = nobody.post("/v1/verify", files={"file": bytes_}).json()["manifest"]
        assert (known["id"], known["recovered"]) == (manifest, recovered)
        assert nobody.get(known["url"]).status_code == 200
    store = nobody.get(f"{C2PA}/manifests/{manifest}")
    assert store.headers["content-type"] == "application/c2pa"
    assert store.content in file.read_bytes()
    assert b"ana-9" not in store.content
    assert b"Shapes-9" not in store.content
    alone = nobody.get(f"{C2PA}/manifests/{manifest}", params={"returnActiveManifest": "true"})
    for kept, manifests in ((store.content, 2), (alone.content, 1)):
        with c2pa.Reader("application/c2pa", io.BytesIO(kept)) as reader:
            said = json.loads(reader.json())
        assert (said["active_manifest"], len(said["manifests"])) == (manifest, manifests)
        assert said["manifests"][manifest]["ingredients"][0]["title"] == UPLOAD
    check_pseudonyms(service.services, clip)
    check_lineage(service.services, clip, tmp_path / "drawn.mp4", file)
    refuse_a_transplant(service, clip, payload, tmp_path)
    release.withdraw(service.services, ORG, clip, "tester", "test")
    assert manifest_ids(nobody.get(f"{C2PA}/matches/byBinding", params=where)) == []
    assert manifest_ids(nobody.post(f"{C2PA}/matches/byContent", content=copy, headers=VIDEO)) == []
    assert nobody.get(f"{C2PA}/manifests/{manifest}").status_code == 404


def test_what_is_not_out_is_not_resolved(service, drawn, dsn):
    service.client.post("/v1/clips", files={"file": drawn.read_bytes()})
    nobody = service.with_headers()
    with psycopg.connect(dsn, autocommit=True) as connection:
        clip, payload = connection.execute("select clip_id, payload from moderation.mark_payloads").fetchone()
        report = '{"manifest_id": "urn:c2pa:1", "manifest_key": "default/marked/aa/aa"}'
        query = "insert into moderation.renditions values ('default', %s, 'marked', 'x', 'x', 1, %s, now())"
        connection.execute(query, [clip, report])
    assert manifest_ids(nobody.get(f"{C2PA}/matches/byBinding", params=binding(nobody, payload))) == []
    assert nobody.get(f"{C2PA}/manifests/urn:c2pa:1").status_code == 404
    assert manifest_ids(nobody.post(f"{C2PA}/matches/byContent", content=drawn.read_bytes(), headers=VIDEO)) == []


def test_a_query_that_is_none_is_refused(service):
    nobody = service.with_headers()
    where = binding(nobody, "0" * 12)
    assert manifest_ids(nobody.get(f"{C2PA}/matches/byBinding", params=where)) == []
    assert manifest_ids(nobody.get(f"{C2PA}/matches/byBinding", params={**where, "alg": "x"})) == []
    for value in ("", "no base64!", base64.b64encode(b"000").decode(), "G" * 12):
        answer = nobody.get(f"{C2PA}/matches/byBinding", params={**where, "value": value})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_binding")
    assert nobody.get(f"{C2PA}/matches/byBinding", params={"alg": "x"}).status_code == 422
    assert (
        nobody.post(f"{C2PA}/matches/byContent", content=b"x", headers={"content-type": "text/plain"}).status_code
        == 415
    )
    assert nobody.post(f"{C2PA}/matches/byContent", content=b"no film", headers=VIDEO).status_code in {200, 415}
    answers = [nobody.get(f"{C2PA}/manifests/urn:c2pa:none").status_code for _ in range(120)]
    assert set(answers) == {404, 429}

"""Works of rights holders over HTTP: added with pictures and names, kept from strangers, found among released clips."""

import cv2
import numpy as np

from moderation import intake, screening
from moderation.clips import Submission
from moderation.hashlists import sweeping
from moderation.hashlists.sweeping import Sweeper
from moderation.samples.footage import write_footage

FPS = 10


def picture(seed):
    """Coloured blocks; BGR uint8 [180, 320, 3]."""
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return np.ascontiguousarray(np.kron(blocks, np.ones((20, 20, 1), np.uint8)))


def png(pixels) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def released(services, folder, *seeds) -> str:
    film = folder / f"{'-'.join(map(str, seeds))}.mp4"
    write_footage(film, (picture(seed) for seed in seeds for _ in range(FPS // 2)), fps=FPS)
    clip = intake.accept_file(services, "default", "tester", film, Submission(creator="ana"), runner="check")
    screening.take_print(services, clip)
    with services.database.transaction() as tx:
        tx.pg.execute("update moderation.clips set status = 'released' where clip_id = %s", (clip.clip_id,))
    return clip.clip_id


def test_a_work_is_added_found_among_released_clips_and_withdrawn(service, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "ROUND_SECONDS", 60.0)
    services, staff, platform = service.services, service.client, service.with_scopes("likeness")
    new = {"name": "Pip Pictures", "kind": "rights_holder", "account": "pip"}
    holder = staff.post("/v1/people", json=new).json()["id"]
    at, as_pip = f"/v1/people/{holder}/works", {"on_behalf_of": "pip"}
    shows, other = released(services, tmp_path, 1, 2), released(services, tmp_path, 3, 4)
    said = '{"on_behalf_of": "pip", "title": "Captain Pip", "names": ["الكابتن بيب"]}'
    parts = [("metadata", (None, said, "application/json")), ("image", ("pip.png", png(picture(2)) + bytes(1_200_000)))]
    assert platform.post(at, files=[("metadata", (None, '{"title": "Captain Pip"}'))]).status_code == 404
    assert service.with_scopes("read").post(at, files=parts).status_code == 403
    assert platform.post(at, json={"title": "x"}).status_code == 415
    assert platform.post(at, files=[*parts, ("song", ("a", b"", "audio/x"))]).status_code == 400
    assert platform.post(at, files=[*parts, ("image", ("x.png", b"none", "image/png"))]).status_code == 422
    assert (
        platform.post(at, files=[parts[0], ("image", ("x.png", png(np.full((90, 160, 3), 9, np.uint8))))]).status_code
        == 422
    )
    huge = ("image", ("x.png", bytes(33 * 1024 * 1024)))
    assert platform.post(at, files=[parts[0], huge]).json()["limit"] == "work_bytes"
    assert Sweeper(services).sweep() == 0
    made = platform.post(at, files=parts)
    assert (made.status_code, made.json()["pictures"]) == (201, 1), made.text
    (work,) = platform.get(at, params=as_pip).json()["items"]
    assert (work["id"], work["names"]) == (made.json()["id"], ["Captain Pip", "الكابتن بيب"])
    assert platform.get(at).status_code == 404
    assert Sweeper(services).sweep() == 1
    with services.database.transaction() as tx:
        again = tx.pg.execute("select clip_id from moderation.clips where status = 'processing'").fetchall()
    assert again == [(shows,)] != [(other,)]
    someone = staff.post("/v1/people", json={**new, "account": "quip"}).json()["id"]
    theirs = f"/v1/people/{someone}/works/{work['id']}"
    assert platform.delete(theirs, params={"on_behalf_of": "quip"}).status_code == 404
    assert platform.delete(f"{at}/{work['id']}", params=as_pip).status_code == 204
    assert platform.get(at, params=as_pip).json()["items"] == []

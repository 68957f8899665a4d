"""What reviewers are shown: veiled, made once, from the marked file only, and only to who may work on the case."""

import av
import numpy as np
import psycopg
import pytest
from clips import ClipPlan, Sound, draw_clip
from psycopg.types.json import Jsonb

from moderation import holding, renditions
from moderation.db import queries
from moderation.errors import Forbidden, NotFound
from moderation.review import Reviewer, claim, terms_of

RECORDS = queries("records")
DEV = Reviewer(principal="dev", specialist=True)


@pytest.fixture
def case(service, drawn) -> str:
    """A case of a clip that was never marked."""
    clip = service.client.post("/v1/clips", files={"file": drawn.read_bytes()}).json()["id"]
    holding.ask_a_person(service.services, "default", clip, 1, "processing_failed", "it broke")
    return change(service, "select case_id from moderation.cases")


@pytest.fixture
def marked(service, case, tmp_path):
    """The same case with a marked rendition that differs from the upload in its shape."""
    path = draw_clip(tmp_path / "marked.mp4", ClipPlan(width=480, height=640, sounds=(Sound(),)))
    blob = service.services.store.put("default", "marked", path)
    clip = change(service, "select clip_id from moderation.cases")
    row = {"org": "default", "clip": clip, "sha256": blob.sha256, "blob_key": blob.key, "bytes": blob.size}
    with service.services.database.transaction("default") as tx:
        now = service.services.clock.now()
        tx.pg.execute(RECORDS.insert_rendition, {**row, "kind": "marked", "report": Jsonb({}), "now": now})
    return path


def change(service, query: str) -> str:
    with service.services.database.transaction("default") as tx:
        found = tx.pg.execute(query)
        return found.fetchone()[0] if found.description else ""


def look(service, case: str, reviewer: Reviewer = DEV) -> tuple[str, int]:
    return renditions.veiled(service.services, "default", case, reviewer)


def test_what_is_not_marked_is_not_shown(service, case):
    with pytest.raises(NotFound, match="no marked rendition"):
        look(service, case)
    assert service.client.get(f"/v1/cases/{case}/renditions/veiled").status_code == 404


def test_the_veil_is_small_grey_silent_and_of_the_marked_file(service, case, marked, tmp_path):
    answer = service.client.get(f"/v1/cases/{case}/renditions/veiled")
    assert answer.status_code == 200
    assert "no-store" in answer.headers["cache-control"]
    path = tmp_path / "veiled.mp4"
    path.write_bytes(answer.content)
    with av.open(str(path)) as veiled, av.open(str(marked)) as source:
        assert not veiled.streams.audio
        assert source.streams.audio
        frame = next(veiled.decode(video=0))
        assert (frame.width, frame.height) == (180, 240), "the marked file's shape, not the upload's"
        colour = frame.reformat(format="yuv420p").to_ndarray()[frame.height :]
        assert np.abs(colour.astype(int) - 128).max() <= 2
        # The corner squares of the drawing are sharp in the marked file and gone here.
        sharp = next(source.decode(video=0)).reformat(180, 240, format="gray").to_ndarray()
        soft = frame.reformat(format="gray").to_ndarray()
        assert np.abs(np.diff(soft.astype(int))).max() * 4 < np.abs(np.diff(sharp.astype(int))).max()
    part = service.client.get(f"/v1/cases/{case}/renditions/veiled", headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.content) == (206, answer.content[:100])


def test_it_is_made_once(service, case, marked):
    first = look(service, case)
    made = change(service, "select created_at::text from moderation.renditions where kind = 'veiled'")
    assert look(service, case) == first
    assert change(service, "select created_at::text from moderation.renditions where kind = 'veiled'") == made


def test_only_who_may_work_on_the_case_sees_it(service, case, marked, dsn):
    with service.services.database.transaction("default") as tx:
        queue = tx.pg.execute("select queue from moderation.cases").fetchone()[0]
        terms = terms_of(service.services.settings)
        claim(tx, terms, service.services.clock.now(), queue, Reviewer(principal="colleague"))
    with pytest.raises(Forbidden, match="another reviewer"):
        look(service, case)
    assert look(service, case, Reviewer(principal="colleague"))
    change(service, "update moderation.cases set lease_expires_at = now() - interval '1 second'")
    assert look(service, case)
    change(service, "update moderation.cases set queue = 'minor_safety'")
    with pytest.raises(Forbidden, match="specialists"):
        look(service, case, Reviewer(principal="general"))
    assert look(service, case)
    assert service.with_scopes("read").get(f"/v1/cases/{case}/renditions/veiled").status_code == 403
    with psycopg.connect(dsn) as connection:
        connection.execute("insert into moderation.organisations (org_id) values ('elsewhere')")
    assert service.of_organisation("elsewhere").get(f"/v1/cases/{case}/renditions/veiled").status_code == 404


def test_known_illegal_material_is_never_shown(service, case, marked):
    look(service, case)
    change(service, "update moderation.cases set queue = 'known_illegal'")
    with pytest.raises(NotFound, match="no renditions"):
        look(service, case)
    assert service.client.get(f"/v1/cases/{case}/renditions/veiled").status_code == 404

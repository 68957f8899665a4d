"""What reviewers are shown: veiled, made once, from the marked file only, and only to who may work on the case."""

import av
import numpy as np
import psycopg
import pytest

from moderation import renditions
from moderation.errors import Forbidden, NotFound
from moderation.review import Reviewer, claim, terms_of

DEV = Reviewer(principal="dev", specialist=True)


def look(service, case: str, reviewer: Reviewer = DEV) -> renditions.Rendition:
    return renditions.veiled(service.services, "default", case, "veiled", reviewer)


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
        # What the drawing shows here is sharp in the marked file and gone; the codes stand above and below.
        sharp = next(source.decode(video=0)).reformat(180, 240, format="gray").to_ndarray()[130:210]
        soft = frame.reformat(format="gray").to_ndarray()[130:210]
        assert np.abs(np.diff(soft.astype(int))).max() * 4 < np.abs(np.diff(sharp.astype(int))).max()
    part = service.client.get(f"/v1/cases/{case}/renditions/veiled", headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.content) == (206, answer.content[:100])


def test_it_is_made_once(service, case, marked, change):
    first = look(service, case)
    made = change("select created_at::text from moderation.renditions where kind = 'veiled'")
    assert look(service, case) == first
    assert change("select created_at::text from moderation.renditions where kind = 'veiled'") == made


def test_only_who_may_work_on_the_case_sees_it(service, case, marked, change, dsn):
    with service.services.database.transaction("default") as tx:
        queue = tx.pg.execute("select queue from moderation.cases").fetchone()[0]
        terms = terms_of(service.services.settings)
        claim(tx, terms, service.services.clock.now(), queue, Reviewer(principal="colleague"))
    with pytest.raises(Forbidden, match="another reviewer"):
        look(service, case)
    assert look(service, case, Reviewer(principal="colleague"))
    change("update moderation.cases set lease_expires_at = now() - interval '1 second'")
    assert look(service, case)
    change("update moderation.cases set queue = 'minor_safety'")
    with pytest.raises(Forbidden, match="specialists"):
        look(service, case, Reviewer(principal="general"))
    assert look(service, case)
    assert service.with_scopes("read").get(f"/v1/cases/{case}/renditions/veiled").status_code == 403
    with psycopg.connect(dsn) as connection:
        connection.execute("insert into moderation.organisations (org_id) values ('elsewhere')")
    assert service.of_organisation("elsewhere").get(f"/v1/cases/{case}/renditions/veiled").status_code == 404


def test_known_illegal_material_is_never_shown(service, case, marked, change):
    look(service, case)
    change("update moderation.cases set queue = 'known_illegal'")
    with pytest.raises(NotFound, match="no renditions"):
        look(service, case)
    assert service.client.get(f"/v1/cases/{case}/renditions/veiled").status_code == 404

"""A clip's face beside the pictures of those it may be: veiled but under a reveal, credited, and only for whom it is."""

import cv2
import httpx
import numpy as np
import pytest

from moderation import consent, portraits, sessions
from moderation.errors import Unprocessable
from moderation.keys import Principal
from moderation.portraits import Portrait
from moderation.scoring import Analysis
from review_ui.app import create_app

BOX = [300, 0.3, 0.25, 0.2, 0.2]
PICTURE = cv2.imencode(".jpg", np.full((60, 40, 3), 120, np.uint8))[1].tobytes()


@pytest.fixture
def service(run_app):
    """The service with the pages."""
    return run_app(create_app)


def register(service, name: str, kind: str) -> str:
    services = service.services
    with services.database.transaction("default") as tx:
        said = consent.NewPerson(name=name, kind=kind, state="verified")
        return consent.register(tx, services.vault, services.clock.now(), said, by="test")


@pytest.fixture
def people(service, marked, change) -> dict[str, str]:
    """A face that may be either of two figures, of one of whom a picture is kept; and somebody else who has one."""
    services = service.services
    found = {name: register(service, name, "public_figure") for name in ("Ada", "Twin", "Elsewhere")}
    with services.database.transaction("default") as tx:
        for name in ("Ada", "Elsewhere"):
            kept = Portrait(jpeg=PICTURE, source="ministry.example", licence="CC0")
            portraits.keep(tx, services.vault, services.clock.now(), found[name], kept, by="test")
    near = [{"person": found[name], "distance": 0.5, "state": "possible"} for name in ("Ada", "Twin")]
    face = {"start_ms": 0, "end_ms": 900, "state": "possible", "person": found["Ada"], "distance": 0.5, "boxes": [BOX]}
    faces = [{**face, "track": 3, "candidates": near}, {**face, "track": 4, "candidates": []}]
    change(
        "insert into moderation.analyses (org_id, clip_id, detectors, gallery, body, created_at) "
        "select 'default', clip_id, 'd', 'g', %s, now() from moderation.cases",
        Analysis(signals={}, faces=faces, seen_ms=[300]).to_text(),
    )
    return found


def picture(answer: httpx.Response) -> np.ndarray:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg"), answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    return cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)[:-30].astype(int)


def test_a_face_is_veiled_but_under_a_running_reveal(service, held, people, change):
    case, client = f"/v1/cases/{held['id']}", service.client
    face = f"{case}/renditions/face_3"
    veiled = picture(client.get(face))
    assert np.ptp(veiled, axis=2).max() <= 3, "grey"
    assert client.get(f"{face}?reveal=reveal_none").json()["code"] == "not_revealed"
    lease = {"lease_token": held["lease"]["token"]}
    drawn = client.post(f"{case}/reveals", json={**lease, "rendition": "cartoon"}).json()
    assert client.get(f"{face}?reveal={drawn['id']}").status_code == 403, "a cartoon shows no face as it is"
    reveal = client.post(f"{case}/reveals", json={**lease, "rendition": "revealed"}).json()
    bare = picture(client.get(f"{face}?reveal={reveal['id']}"))
    assert np.ptp(bare, axis=2).max() > 30, "in colour"
    edges = [np.abs(np.diff(each.mean(axis=2), axis=1)).max() for each in (veiled, bare)]
    assert edges[0] < edges[1] / 3, "the veil leaves no edge"
    for kind in ("face_4", "face_9", "revealed_face_300_3000_2500_2000_2000", "face_300_3000_2500_2000_2000"):
        assert client.get(f"{case}/renditions/{kind}").status_code == 404, kind
    assert client.post(f"{case}/reveals/{reveal['id']}/end").json()["ms"] is not None
    assert client.get(f"{face}?reveal={reveal['id']}").status_code == 403
    change("update moderation.cases set queue = 'minor_safety'")
    assert client.post(f"{case}/reveals", json={**lease, "rendition": "revealed"}).status_code == 403
    assert service.with_scopes("review", principal="general").get(face).status_code == 403


def test_a_kept_picture_is_shown_to_keepers_of_the_registry_beside_a_face_that_may_be_theirs(service, held, people):
    services, case = service.services, f"/v1/cases/{held['id']}"
    found = service.client.get(f"{case}/portraits/{people['Ada']}")
    assert (found.content, found.headers["cache-control"]) == (PICTURE, "private, no-store")
    for nobody in (people["Twin"], people["Elsewhere"], "per_none"):
        assert service.client.get(f"{case}/portraits/{nobody}").status_code == 404
    without = service.with_scopes("review", principal="dev", kind="person")
    assert without.get(f"{case}/portraits/{people['Ada']}").status_code == 403
    keeper, other = page(service, held["id"], "review", "likeness"), page(service, held["id"], "review")
    assert f'src="{case}/renditions/face_3"' in keeper
    assert f'src="{case}/renditions/face_3"' in other
    assert f'src="{case}/portraits/{people["Ada"]}"' in keeper
    assert keeper.count("ministry.example (CC0)") == keeper.count("no picture is kept") == 1
    assert "/portraits/" not in other
    assert "ministry.example" not in other
    assert "no picture is kept" not in other
    now = services.clock.now()
    with services.database.transaction("default") as tx:
        raw = tx.pg.execute("select picture, credit from moderation.portraits").fetchall()
        assert all(b"JFIF" not in bytes(part) and b"ministry" not in bytes(part) for row in raw for part in row)
        consent.erase_person(tx, now, people["Ada"], by="test")
        left = tx.pg.execute("select person_id from moderation.portraits").fetchall()
    assert left == [(people["Elsewhere"],)]
    assert service.client.get(f"{case}/portraits/{people['Ada']}").status_code == 404
    cameo = register(service, "Lea", "cameo")
    kept = Portrait(jpeg=PICTURE, source="a", licence="b")
    with services.database.transaction("default") as tx, pytest.raises(Unprocessable, match="public figures only"):
        portraits.keep(tx, services.vault, now, cameo, kept, by="test")


def page(service, case: str, *scopes: str) -> str:
    browser = service.with_headers(**{"Sec-Fetch-Site": "same-origin"})
    principal = Principal(org="default", principal="dev", scopes=frozenset(scopes), kind="person")
    browser.cookies.set("countersign_session", sessions.begin(service.services, principal, method="development"))
    answer = browser.get(f"/review/{case}")
    assert answer.status_code == 200, answer.text
    return answer.text

"""Stills, strip and numbers of a case; copies that bear codes; what is made ahead, and what is removed when."""

import threading
from datetime import timedelta

import cv2
import numpy as np
import pytest

from moderation import retention
from moderation.errors import NotFound
from moderation.renditions import codes, preparing, sheet, veiled
from moderation.review import Reviewer
from moderation.scoring import Analysis

DEV = Reviewer(principal="dev", specialist=True)
OTHER = Reviewer(principal="other", specialist=True)
#: A face that may be somebody's from 0.3 s on, and speech in the first half second.
ANALYSIS = Analysis(
    signals={
        "explicit.score": {"state": "measured", "samples": [[300, 0.9, None], [400, 0.9, None]]},
        "voice.speech": {"state": "measured", "samples": [[0, 1.0, None], [256, 0.8, None], [512, 0.1, None]]},
    },
    faces=[],
    seen_ms=[300, 400, 500],
)


@pytest.fixture
def analysed(service, marked, change) -> None:
    """The marked clip with one flagged moment."""
    change(
        "insert into moderation.analyses (org_id, clip_id, detectors, gallery, body, created_at) "
        "select 'default', clip_id, 'd', 'g', %s, now() from moderation.cases",
        ANALYSIS.to_text(),
    )


def picture(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)


def test_one_document_says_what_there_is_and_makes_nothing(service, case, analysed, change):
    path = f"/v1/cases/{case}/renditions"
    told = service.client.get(path).json()
    assert change("select count(*) from moderation.renditions where kind <> 'marked'") == 0
    assert told["veiled"] == {"url": f"{path}/veiled", "ready": False}
    assert [(still["n"], still["url"], still["at_ms"], still["label"]) for still in told["stills"]] == [
        (1, f"{path}/still_1", 300, "explicit")
    ]
    assert (told["flashes"], told["sound"]) == (None, None), "not counted is no zero"
    assert told["turns"] == [[0, 512, None]]
    assert told["unveiled"] == ["revealed", "cartoon", "sound"]
    assert len(told["strip"]["times_ms"]) == told["strip"]["columns"] * told["strip"]["rows"] == 20
    strip, still = (
        service.client.get(told[name]["url"] if name == "strip" else f"{path}/still_1") for name in ("strip", "still")
    )
    assert strip.headers["content-type"] == still.headers["content-type"] == "image/jpeg"
    assert strip.headers["cache-control"] == "private, no-store"
    assert service.client.get(f"{path}/still_2").status_code == 404
    assert service.client.get(f"{path}/marked").status_code == 404
    again = service.client.get(path).json()
    assert again["flashes"] == {"most_in_a_second": 0, "from_ms": None, "warn": False}
    assert again["sound"]["step_ms"] == 100
    assert len(again["sound"]["loudness_db"]) == 10
    mine, theirs = picture(still.content), picture(shown(service, case, "still_1", OTHER))
    assert np.abs(mine[-12:] - theirs[-12:]).mean() > 2, "each bears its viewer's code"
    assert np.abs(mine[:-20] - theirs[:-20]).mean() < 1, "of the same picture"
    change("update moderation.cases set queue = 'minor_safety'")
    assert service.client.get(path).json()["unveiled"] == []
    assert service.with_scopes("review", principal="general").get(f"{path}").status_code == 403
    assert service.with_scopes("review", principal="general").get(f"{path}/strip").status_code == 403


def shown(service, case: str, kind: str, who: Reviewer) -> bytes:
    found = veiled(service.services, "default", case, kind, who)
    return b"".join(service.services.store.stream(found.key, 0, found.size))


def test_without_a_marked_file_there_is_nothing_and_it_says_so(service, case):
    told = sheet(service.services, "default", case, DEV)
    assert (told["veiled"], told["strip"], told["stills"], told["unveiled"]) == (None, None, [], [])


def test_a_leaked_copys_code_names_its_viewer_to_us_alone(service, case, marked):
    for who in (DEV, OTHER):
        veiled(service.services, "default", case, "veiled", who)
    mine = codes.reviewer_code(service.services, "default", "dev")
    assert codes.codes(service.services, "default", case, "dev") == f"{case[-8:].upper()} {mine}"
    assert codes.whose(service.services, "default", f" {mine.lower()} ") == ["dev"]
    assert codes.whose(service.services, "default", mine.replace("0", "O").replace("1", "I")) == ["dev"]
    assert codes.whose(service.services, "default", "000000") == []
    assert mine != codes.reviewer_code(service.services, "elsewhere", "dev")


def test_what_waits_is_veiled_ahead_and_what_cannot_be_is_left_alone(service, case, marked, change):
    preparer = preparing.Preparer(service.services)
    assert preparer.prepare_one()
    assert sheet(service.services, "default", case, DEV)["veiled"]["ready"]
    kinds = change("select array_agg(kind order by kind) from moderation.renditions")
    assert kinds == ["marked", "strip", "veiled"]
    assert not preparer.prepare_one(), "there is nothing left to do"
    change("delete from moderation.renditions where kind <> 'marked'")
    change("update moderation.renditions set blob_key = 'default/marked/00/gone'")
    assert preparer.prepare_one()
    assert not preparer.prepare_one(), "it failed once and is not tried for ever"
    fresh = preparing.Preparer(service.services)
    change("update moderation.cases set queue = 'known_illegal'")
    assert not fresh.prepare_one()
    stop = threading.Event()
    stop.set()
    fresh.tend(stop)


def test_one_process_veils_at_a_time(service, case, marked):
    with service.services.database.system_transaction() as tx:
        assert tx.pg.execute(preparing.SQL.veiling_turn).fetchone() == (True,)
        assert not preparing.Preparer(service.services).prepare_one()
    assert preparing.Preparer(service.services).prepare_one()


def test_what_bears_a_code_goes_soon_after_its_case_and_the_veil_later(service, case, marked, passes, change):
    found = veiled(service.services, "default", case, "veiled", DEV)

    def files(prefix: str) -> int:
        return len(list(service.services.store.list(f"default/{prefix}")))

    passes(days=400)
    assert retention.sweep(service.services)["blob:personal"] == 0, "its case is open"
    assert (files("personal"), files("veiled")) == (1, 1)
    now = passes()
    change("update moderation.cases set state = 'closed', decided_at = %s", now)
    change("update moderation.renditions set created_at = %s", now)
    assert retention.sweep(service.services)["blob:personal"] == 0
    passes(hours=2)
    removed = retention.sweep(service.services)
    assert (removed["blob:personal"], removed["blob:veiled"]) == (1, 0)
    with pytest.raises(NotFound), service.services.store.open(found.key):
        pass
    passes(days=31)
    assert retention.sweep(service.services)["blob:veiled"] == 1
    assert (files("personal"), files("veiled"), files("marked")) == (0, 0, 1)
    assert timedelta(hours=1) == change("select keep from moderation.retention_classes where name = 'personal'")

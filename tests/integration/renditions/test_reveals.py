"""Counted looks over HTTP: what is counted, and every refusal, each shown to hold by what it lets through otherwise."""

import hashlib
import json
from datetime import timedelta

import av
import pytest

from moderation import exposure
from moderation.api.renditions import SESSION_COOKIE, session_of
from moderation.keys import create_key
from moderation.settings import Reviewing
from review_ui.security import COOKIE

CAPS = Reviewing(exposure_day_minutes=1, exposure_run_minutes=0.5, cooling_minutes=10, pause_minutes=5)


def begin(service, held: dict, client=None, **wish: object):
    body = {"lease_token": held["lease"]["token"], "rendition": "cartoon", **wish}
    return (client or service.client).post(f"/v1/cases/{held['id']}/reveals", json=body)


def end(service, held: dict, reveal: str) -> dict:
    return service.client.post(f"/v1/cases/{held['id']}/reveals/{reveal}/end").json()


def another_key(service, *scopes: str):
    """A client with another key of the same person: another session."""
    made = create_key(service.services, "default", principal="dev", scopes=scopes, by="test", kind="person")
    return service.with_headers(Authorization=f"Bearer {made.key}")


def ledger(change) -> list[tuple]:
    rows = change(
        "select json_agg(json_build_array(rendition, ms, severity) order by exposure_id) from moderation.exposures"
    )
    return [tuple(row) for row in rows or []]


def standing(service) -> dict:
    return service.client.get("/v1/exposure").json()


def test_a_look_is_counted_to_the_millisecond_and_audited(service, held, passes, change):
    begun = begin(service, held, rendition="revealed")
    assert begun.status_code == 201
    reveal = begun.json()
    assert (reveal["limit_ms"], reveal["beat_ms"], reveal["sound_url"]) == (15_000, 5_000, None)
    passes(milliseconds=2_345)
    assert standing(service)["day_ms"] == 2_345, "while it runs"
    answer = end(service, held, reveal["id"])
    assert (answer["ms"], answer["standing"]["run_ms"]) == (2_345, 2_345)
    assert ledger(change) == [("revealed", 2_345, 0)]
    assert end(service, held, reveal["id"])["ms"] is None, "ended twice is counted once"
    assert len(ledger(change)) == 1
    with service.services.database.system_transaction() as tx:
        entries = [json.loads(body) for (body,) in tx.pg.execute("select body from moderation.audit_entries")]
    told = {entry["action"]: entry for entry in entries if entry["action"].startswith("reveal.")}
    assert told["reveal.begun"]["details"] == {"rendition": "revealed", "sound": False}
    assert told["reveal.ended"]["details"] == {"ms": 2_345}
    assert told["reveal.ended"]["subject"] == held["id"]


def test_a_look_that_is_never_ended_counts_to_its_limit(service, held, passes, change):
    begin(service, held)
    passes(minutes=3)
    assert standing(service)["day_ms"] == 15_000
    assert exposure.settle_overdue(service.services) == 1
    assert exposure.settle_overdue(service.services) == 0
    assert ledger(change) == [("cartoon", 15_000, 0)]
    assert standing(service)["day_ms"] == 15_000


def test_beats_prolong_it_and_silence_ends_it(service, held, passes):
    reveal = begin(service, held).json()
    path = f"/v1/cases/{held['id']}/reveals/{reveal['id']}/beat"
    for _ in range(4):
        passes(seconds=5)
        assert service.client.post(path).status_code == 200
    assert service.client.get(reveal["url"]).status_code == 200
    passes(seconds=15)
    assert (service.client.post(path).status_code, service.client.post(path).json()["code"]) == (403, "not_revealed")
    assert service.client.get(reveal["url"]).status_code == 403
    assert end(service, held, reveal["id"])["ms"] == 35_000


def test_what_is_unveiled_is_whole_silent_and_served_in_ranges_while_it_runs(service, held, marked, passes, tmp_path):
    reveal = begin(service, held, rendition="revealed", sound=True).json()
    answer = service.client.get(reveal["url"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-type"] == "video/mp4"
    (tmp_path / "revealed.mp4").write_bytes(answer.content)
    with av.open(str(tmp_path / "revealed.mp4")) as shown, av.open(str(marked)) as source:
        frame, original = next(shown.decode(video=0)), next(source.decode(video=0))
        assert (frame.width, frame.height) == (original.width, original.height)
        assert not shown.streams.audio
        there, here = (each.to_ndarray(format="rgb24").astype(int) for each in (original, frame))
        assert abs(there - here).mean() < 6, "the picture is the marked one"
    part = service.client.get(reveal["url"], headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.content) == (206, answer.content[:100])
    sound = service.client.get(reveal["sound_url"])
    assert sound.headers["content-type"] == "audio/mp4"
    (tmp_path / "sound.m4a").write_bytes(sound.content)
    with av.open(str(tmp_path / "sound.m4a")) as heard:
        assert [stream.type for stream in heard.streams] == ["audio"]
    passes(seconds=1)
    end(service, held, reveal["id"])
    refused = service.client.get(reveal["url"], headers={"Range": "bytes=0-99"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_revealed")


def test_nothing_unveiled_is_served_without_a_reveal_of_that_very_thing(service, held, passes):
    base = f"/v1/cases/{held['id']}/renditions"
    for kind in ("revealed", "cartoon", "sound"):
        assert service.client.get(f"{base}/{kind}").status_code == 403
        assert service.client.get(f"{base}/{kind}?reveal=look_1").status_code == 403
    reveal = begin(service, held, rendition="cartoon").json()
    assert service.client.get(reveal["url"]).status_code == 200
    for kind in ("revealed", "sound"):
        assert service.client.get(f"{base}/{kind}?reveal={reveal['id']}").status_code == 403, kind


def test_a_reveal_is_bound_to_its_person_and_session(service, held, passes):
    reveal = begin(service, held).json()
    assert service.client.get(reveal["url"]).status_code == 200
    assert another_key(service, "review", "specialist").get(reveal["url"]).status_code == 403
    assert service.with_scopes("review", principal="other").get(reveal["url"]).status_code == 403
    assert service.with_headers().get(reveal["url"]).status_code == 401


def test_a_session_of_the_pages_is_told_by_its_cookie():
    assert SESSION_COOKIE == COOKIE

    class Asked:
        headers: dict[str, str] = {}  # noqa: RUF012
        cookies = {COOKIE: "signed", "language": "fr"}  # noqa: RUF012

    assert session_of(Asked()) == hashlib.sha256(b"signed").digest()


def test_a_new_look_ends_the_one_before(service, held, passes, change):
    first = begin(service, held).json()
    passes(seconds=4)
    second = begin(service, held).json()
    assert ledger(change) == [("cartoon", 4_000, 0)]
    assert service.client.get(first["url"]).status_code == 403
    assert service.client.get(second["url"]).status_code == 200


def test_without_the_lease_nothing_is_unveiled(service, held, passes):
    path = f"/v1/cases/{held['id']}"
    assert begin(service, {**held, "lease": {"token": "another"}}).status_code == 409
    colleague = service.with_scopes("review", "specialist", principal="colleague")
    assert begin(service, held, colleague).status_code == 409
    reveal = begin(service, held).json()
    assert service.client.get(reveal["url"]).status_code == 200
    service.client.post(f"{path}/return", json={"lease_token": held["lease"]["token"]})
    assert service.client.get(reveal["url"]).status_code == 409
    assert service.client.post(f"{path}/reveals/{reveal['id']}/beat").status_code == 409
    assert begin(service, held).status_code == 409


def test_a_lease_that_ran_out_takes_the_look_with_it(service, held, passes, change):
    passes(seconds=295)
    reveal = begin(service, held).json()
    passes(seconds=6)
    assert service.client.get(reveal["url"]).status_code == 409


def test_at_a_cap_nothing_is_unveiled_and_no_reveal_passes_it(service, held, passes, change):
    service.services.settings.review = CAPS
    for seconds in (15, 15):
        reveal = begin(service, held).json()
        assert reveal["limit_ms"] == 15_000
        passes(seconds=seconds)
        end(service, held, reveal["id"])
    capped = begin(service, held)
    assert (capped.status_code, capped.json()["code"]) == (409, "exposure_capped")
    assert standing(service)["capped"]
    assert service.client.get(f"/v1/cases/{held['id']}/renditions/veiled").status_code == 200, "other work goes on"
    renew(service, held, passes, minutes=5)
    again = begin(service, held).json()
    assert again["limit_ms"] == 15_000, "a pause begins a new run"
    passes(seconds=7)
    assert end(service, held, again["id"])["standing"]["day_ms"] == 37_000


def renew(service, held: dict, passes, **by: float) -> None:
    """Let time pass with the lease kept."""
    left = timedelta(**by)
    while left > timedelta(0):
        step = min(left, timedelta(minutes=4))
        passes(seconds=step.total_seconds())
        kept = service.client.post(f"/v1/cases/{held['id']}/renew", json={"lease_token": held["lease"]["token"]})
        assert kept.status_code == 200
        left -= step


def test_a_beat_stops_at_the_cap(service, held, passes, change):
    service.services.settings.review = CAPS
    reveal = begin(service, held).json()
    path = f"/v1/cases/{held['id']}/reveals/{reveal['id']}/beat"
    for _ in range(2):
        passes(seconds=10)
        assert service.client.post(path).status_code == 200
    passes(seconds=9)
    assert service.client.get(reveal["url"]).status_code == 200
    passes(seconds=2)
    assert service.client.get(reveal["url"]).status_code == 403, "it ran out at the cap of 30 s"
    assert end(service, held, reveal["id"])["ms"] == 30_000


def test_a_severe_case_is_felt_at_the_next_one(service, held, passes, change):
    change("update moderation.cases set severity = 90")
    reveal = begin(service, held).json()
    passes(seconds=1)
    end(service, held, reveal["id"])
    assert begin(service, held).status_code == 201, "the case in hand may be looked at again"
    change("update moderation.cases set severity = 10")
    second = change("select clip_id from moderation.cases")
    change(
        "with copy as (select * from moderation.exposures limit 0) "
        "insert into moderation.exposures (org_id, principal, case_id, clip_id, rendition, ms, severity, started_at, "
        "ended_at) select 'default', 'colleague', %s, %s, 'revealed', 1, 90, %s, %s",
        held["id"],
        second,
        passes(),
        passes(),
    )
    with service.services.database.transaction() as tx:
        caps, now = exposure.caps_of(service.services.settings), passes(seconds=20)
        mine = exposure.standing(tx, now, "dev", caps)
        in_hand = exposure.standing(tx, now, "dev", caps, held["id"])
    assert not mine.severe_allowed(now)
    assert in_hand.severe_allowed(now)
    with pytest.raises(exposure.Cooling):
        mine.demand_look(now)


def test_on_a_break_nothing_is_unveiled(service, held, passes, change):
    reveal = begin(service, held).json()
    passes(seconds=3)
    assert service.client.post("/v1/break").status_code == 200
    assert ledger(change) == [("cartoon", 3_000, 0)], "the look ended with the break's beginning"
    assert service.client.get(reveal["url"]).status_code == 403
    refused = begin(service, held)
    assert (refused.status_code, refused.json()["code"]) == (409, "on_break")
    since = standing(service)["break_since"]
    passes(minutes=2)
    assert service.client.post("/v1/break").json()["break_since"] == since, "begun twice is one break"
    ended = service.client.post("/v1/break/end").json()
    assert (ended["seconds"], ended["standing"]["run_ms"]) == (120, 3_000)
    assert begin(service, held).status_code == 201
    assert service.client.post("/v1/break/end").json()["seconds"] == 0


def test_a_break_long_enough_begins_a_new_run(service, held, passes):
    end(service, held, begin(service, held).json()["id"])
    passes(seconds=3)
    service.client.post("/v1/break")
    passes(minutes=5)
    assert service.client.post("/v1/break/end").json()["standing"]["run_ms"] == 0


@pytest.mark.parametrize("rendition", ["revealed", "cartoon", "sound"])
def test_minor_safety_is_never_unveiled_to_anybody(service, held, passes, change, rendition):
    assert begin(service, held, rendition=rendition).status_code == 201
    change("update moderation.cases set queue = 'minor_safety'")
    assert begin(service, held, rendition=rendition).status_code == 403, "not to a specialist"
    general = another_key(service, "review")
    assert begin(service, held, general, rendition=rendition).status_code == 403
    prepared = service.client.post(
        f"/v1/cases/{held['id']}/renditions/{rendition}", json={"lease_token": held["lease"]["token"]}
    )
    assert prepared.status_code == 403
    assert service.client.get(f"/v1/cases/{held['id']}/renditions/veiled").status_code == 200


def test_a_look_ends_when_its_case_becomes_minor_safety(service, held, passes, change):
    reveal = begin(service, held).json()
    assert service.client.get(reveal["url"]).status_code == 200
    change("update moderation.cases set queue = 'minor_safety'")
    assert service.client.get(reveal["url"]).status_code == 403


def test_known_illegal_material_is_never_unveiled(service, held, passes, change):
    reveal = begin(service, held).json()
    change("update moderation.cases set queue = 'known_illegal'")
    assert service.client.get(reveal["url"]).status_code == 404
    assert begin(service, held).status_code == 404


def test_what_was_prepared_is_neither_shown_nor_counted(service, held, passes, change):
    path = f"/v1/cases/{held['id']}/renditions/cartoon"
    lease = {"lease_token": held["lease"]["token"]}
    assert service.client.post(path, json=lease).status_code == 204
    assert change("select count(*) from moderation.case_renditions where kind = 'cartoon'") == 1
    assert ledger(change) == []
    assert service.client.get(path).status_code == 403
    assert service.client.post(path, json={"lease_token": "another"}).status_code == 409
    assert service.client.post(path.replace("cartoon", "veiled"), json=lease).status_code == 404


def test_the_ledger_is_append_only(service, held, passes, change):
    begin(service, held)
    exposure.settle_overdue(service.services)
    passes(minutes=1)
    exposure.settle_overdue(service.services)
    for statement in ("update moderation.exposures set ms = 0", "delete from moderation.exposures"):
        with pytest.raises(Exception, match=r"append-only|permission denied"):
            change(statement)

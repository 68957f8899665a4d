"""The routes of reveals: what their files are, that they are kept nowhere, and that refusals have their codes."""

import av

from moderation.keys import create_key


def begin(service, held: dict, **wish: object):
    body = {"lease_token": held["lease"]["token"], "rendition": "revealed", **wish}
    return service.client.post(f"/v1/cases/{held['id']}/reveals", json=body)


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_what_is_unveiled_is_whole_silent_and_served_in_ranges_while_it_runs(service, held, marked, passes, tmp_path):
    path = f"/v1/cases/{held['id']}"
    for kind in ("revealed", "cartoon", "sound"):
        assert refusal(service.client.get(f"{path}/renditions/{kind}")) == (403, "not_revealed")
    begun = begin(service, held, sound=True)
    assert begun.status_code == 201
    reveal = begun.json()
    assert (reveal["limit_ms"], reveal["beat_ms"]) == (15_000, 5_000)
    answer = service.client.get(reveal["url"])
    assert answer.headers["cache-control"] == "private, no-store"
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    (tmp_path / "revealed.mp4").write_bytes(answer.content)
    with av.open(str(tmp_path / "revealed.mp4")) as shown, av.open(str(marked)) as source:
        frame, original = next(shown.decode(video=0)), next(source.decode(video=0))
        assert (frame.width, frame.height) == (original.width, original.height)
        assert not shown.streams.audio
        there, here = (each.to_ndarray(format="rgb24").astype(int) for each in (original, frame))
        assert abs(there - here).mean() < 6, "the picture is the marked one"
    part = service.client.get(reveal["url"], headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.content) == (206, answer.content[:100])
    assert service.client.head(reveal["url"]).headers["content-length"] == str(len(answer.content))
    sound = service.client.get(reveal["sound_url"])
    (tmp_path / "sound.m4a").write_bytes(sound.content)
    with av.open(str(tmp_path / "sound.m4a")) as heard:
        assert ([stream.type for stream in heard.streams], sound.headers["content-type"]) == (["audio"], "audio/mp4")
    passes(seconds=4)
    beaten = service.client.post(f"{path}/reveals/{reveal['id']}/beat").json()
    assert (beaten["limit_ms"], beaten["standing"]["day_ms"]) == (15_000, 4_000)
    made = create_key(service.services, "default", principal="dev", scopes=("review",), by="test", kind="person")
    another = service.with_headers(Authorization=f"Bearer {made.key}")
    assert refusal(another.get(reveal["url"])) == (403, "not_revealed"), "the same person in another session"
    assert service.with_headers().get(reveal["url"]).status_code == 401
    passes(seconds=1)
    ended = service.client.post(f"{path}/reveals/{reveal['id']}/end").json()
    assert (ended["ms"], ended["standing"]["run_ms"]) == (5_000, 5_000)
    assert service.client.post(f"{path}/reveals/{reveal['id']}/end").json()["ms"] is None
    assert refusal(service.client.get(reveal["url"], headers={"Range": "bytes=0-99"})) == (403, "not_revealed")
    assert service.client.get("/v1/exposure").json()["day_ms"] == 5_000


def test_refusals_have_their_codes_and_preparing_shows_nothing(service, held, passes, change):
    prepare = f"/v1/cases/{held['id']}/renditions"
    lease = {"lease_token": held["lease"]["token"]}
    assert service.client.post(f"{prepare}/cartoon", json=lease).status_code == 204
    assert service.client.get(f"{prepare}/cartoon").status_code == 403
    assert change("select count(*) from moderation.exposures") == change("select count(*) from moderation.reveals") == 0
    assert service.client.post(f"{prepare}/cartoon", json={"lease_token": "another"}).status_code == 409
    assert service.client.post(f"{prepare}/veiled", json=lease).status_code == 404
    service.client.post("/v1/break")
    assert refusal(begin(service, held, rendition="cartoon")) == (409, "on_break")
    passes(minutes=1)
    assert service.client.post("/v1/break/end").json()["seconds"] == 60
    service.services.settings.review = service.services.settings.review.model_copy(update={"exposure_run_minutes": 0})
    assert refusal(begin(service, held, rendition="cartoon")) == (409, "exposure_capped")
    assert service.client.get("/v1/exposure").json()["capped"]
    assert service.client.get(f"{prepare}/veiled").status_code == 200, "what is veiled stays there"
    change("update moderation.cases set queue = 'minor_safety'")
    assert refusal(begin(service, held, rendition="cartoon")) == (403, "forbidden")
    assert service.client.post(f"{prepare}/cartoon", json=lease).status_code == 403
    change("update moderation.cases set queue = 'known_illegal'")
    assert begin(service, held, rendition="cartoon").status_code == 404

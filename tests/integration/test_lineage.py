"""The remix tree of a clip, over a real database: circles end, ten thousand descendants come page by page."""

import base64

import pytest

from moderation import descent, remixes, sessions
from moderation.errors import NotFound, Unprocessable
from moderation.keys import Principal
from review_ui.app import create_app

MANY = 10_000


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


def write(services, clips, *, org="default", parents=None):
    rows = [(org, clip, (parents or {}).get(clip, []), services.clock.now()) for clip in clips]
    with services.database.system_transaction() as tx, tx.pg.cursor() as cursor:
        cursor.executemany(
            "insert into moderation.clips (org_id, clip_id, status, parents, created_at, updated_at)"
            " values (%s, %s, 'released', %s, %s, now())",
            rows,
        )


def join(services, child, parents, how="declared"):
    with services.database.transaction("default") as tx:
        descent.join(tx, child, parents, how, services.clock.now())


def tree(services, clip, direction, **more):
    with services.database.transaction("default") as tx:
        return remixes.read_tree(tx, clip, direction, **more)


def test_the_tree_of_a_clip(pages):
    services = pages.services
    write(services, ["clip_a", "clip_b", "clip_c", "clip_d"], parents={"clip_d": ["clip_b", "clip_elsewhere"]})
    with services.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations (org_id) values ('other')")
    write(services, ["clip_foreign"], org="other")
    for child, parents, how in (
        ("clip_b", ["clip_a"], "declared"),
        ("clip_c", ["clip_a"], "copy"),
        ("clip_d", ["clip_b", "clip_c", "clip_foreign"], "declared"),
        ("clip_d", ["clip_b"], "payload"),
        ("clip_a", ["clip_d"], "ingredient"),  # a circle
    ):
        join(services, child, parents, how)
    back = tree(services, "clip_d", "ancestors")
    assert [(each.clip_id, each.generation, each.edges) for each in back.relatives] == [
        ("clip_b", 1, [["clip_d", "declared"], ["clip_d", "payload"]]),
        ("clip_c", 1, [["clip_d", "declared"]]),
        ("clip_a", 2, [["clip_b", "declared"], ["clip_c", "copy"]]),
    ]
    assert (back.count, back.generations, back.whole, back.unknown) == (3, 2, True, ["clip_elsewhere"])
    down = tree(services, "clip_a", "descendants", limit=1)
    assert (down.count, down.relatives[0].clip_id, down.relatives[0].edges) == (
        3, "clip_b", [["clip_a", "declared"]],
    )  # fmt: skip
    rest = tree(services, "clip_a", "descendants", cursor=down.cursor)
    assert ([each.clip_id for each in rest.relatives], rest.cursor) == (["clip_c", "clip_d"], "")
    with pytest.raises(NotFound):
        tree(services, "clip_foreign", "ancestors")
    with pytest.raises(Unprocessable):
        tree(services, "clip_a", "ancestors", cursor="nonsense")

    said = pages.client.get("/v1/clips/clip_d/lineage").json()
    assert [item["id"] for item in said["items"]] == ["clip_b", "clip_c", "clip_a"]
    assert said["items"][1]["edges"] == [{"clip": "clip_d", "how": "declared"}]
    assert (said["count"], said["unknown_parents"], said["next_cursor"]) == (3, ["clip_elsewhere"], None)
    for cursor in ("x", base64.urlsafe_b64encode(b"1 clip_\0a").decode()):
        assert pages.client.get("/v1/clips/clip_a/lineage", params={"cursor": cursor}).status_code == 422
    assert pages.client.get("/v1/clips/clip_none/lineage").status_code == 404
    assert pages.with_scopes("submit").get("/v1/clips/clip_a/lineage").status_code == 403


def test_ten_thousand_descendants_come_page_by_page(pages):
    services = pages.services
    with services.database.transaction("default") as tx:
        tx.pg.execute(
            "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at)"
            " select 'default', 'clip_' || lpad(i::text, 5, '0'), 'released', now(), now() from generate_series(0, %s) i",
            (MANY,),
        )
        tx.pg.execute(
            "insert into moderation.lineage select 'default', 'clip_' || lpad(i::text, 5, '0'),"
            " 'clip_' || lpad(((i - 1) / 2000)::text, 5, '0'), 'declared', now() from generate_series(1, %s) i",
            (MANY,),
        )
    with services.database.system_transaction() as tx:
        tx.pg.execute("analyze moderation.lineage")
    seen, cursor, generation = set(), "", 0
    while True:
        page = tree(services, "clip_00000", "descendants", cursor=cursor, limit=1000)
        assert (page.count, page.generations, page.whole, len(page.relatives)) == (MANY, 2, True, 1000)
        assert page.relatives[0].generation >= generation
        generation = page.relatives[-1].generation
        seen |= {each.clip_id for each in page.relatives}
        cursor = page.cursor
        if not cursor:
            break
    assert len(seen) == MANY
    # One of two thousand made from the same clip: the edge that leads there is told, not some of the others.
    (parent,) = tree(services, "clip_01999", "ancestors").relatives
    assert (parent.clip_id, parent.edges) == ("clip_00000", [["clip_01999", "declared"]])

    reviewer = pages.with_headers(**{"Sec-Fetch-Site": "same-origin"})
    reviewer.cookies.set("countersign_session", _session(services, "review"))
    html = reviewer.get("/clips/clip_00000/lineage?direction=descendants").text
    assert html.count("<tr>") == 51
    assert "10000 clips were made from it" in html
    (more,) = [part.split('"')[0].replace("&amp;", "&") for part in html.split('rel="next" href="')[1:]]
    assert "clip_00099" in reviewer.get(more).text
    assert reviewer.get("/clips/clip_00000/lineage?after=x").status_code == 200
    stranger = pages.with_headers(**{"Sec-Fetch-Site": "same-origin"})
    stranger.cookies.set("countersign_session", _session(services, "likeness"))
    assert stranger.get("/clips/clip_00000/lineage").status_code == 403


def _session(services, *scopes):
    principal = Principal(org="default", principal=f"person-{scopes}", scopes=frozenset(scopes), kind="person")
    return sessions.begin(services, principal, method="development")

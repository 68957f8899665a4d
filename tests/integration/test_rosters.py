"""A roster is imported person by person, told row by row, and known again; names and works reach the next judgement."""

import csv
import json
import os
import struct

import cv2
import numpy as np
import pytest

from moderation import consent, portraits, works
from moderation.assembly import open_services
from moderation.enrolment import register_person
from moderation.errors import NotFound, Unprocessable
from moderation.naming import facts_of, named_people
from moderation.references import Mirror, Seen, keep
from moderation.rosters import import_roster, importing, read_roster
from moderation.samples.portraits import portrait
from moderation.settings import Settings

GOVERNMENT = "official portrait, public domain (17 U.S.C. 105)"


@pytest.fixture
def services(settings, loaded, lend_decoders):
    with open_services(settings) as opened, lend_decoders(opened):
        opened.__dict__["detectors"] = loaded
        yield opened


@pytest.fixture
def folder(tmp_path):
    """A folder with two men's portraits and a picture of nobody."""
    for name in ("obama-2012", "obama-2009", "biden-2010"):
        (tmp_path / f"{name}.jpg").write_bytes(portrait(name, Settings().models).read_bytes())
    cv2.imwrite(str(tmp_path / "nobody.png"), np.full((200, 200, 3), 90, np.uint8))
    return tmp_path


def roster(folder, *rows):
    path = folder / "people.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["key", "name", "aliases", "picture", "source", "licence"])
        table.writerows(rows)
    return path


def run(services, path, **said):
    people = read_roster(path)
    return list(import_roster(services, "default", people, kind="public_figure", by="test", **said))


def names_in(services, prompt):
    with services.database.transaction("default") as tx:
        return services.names.find(tx, services.vault, {"prompt": prompt})


def count(services, what):
    with services.database.system_transaction() as tx:
        return tx.pg.execute(f"select count(*) from moderation.{what}").fetchone()[0]


def test_a_roster_is_imported_once_and_what_is_new_is_added(services, folder):
    biden = ("biden", "Joe Biden", "جو بايدن|Джо Байден", "biden-2010.jpg", "whitehouse.example", GOVERNMENT)
    first = ("obama", "Barack Obama", "باراك أوباما", "obama-2012.jpg", "whitehouse.example", GOVERNMENT)
    second = ("obama", "Barack Obama", "باراك أوباما", "obama-2009.jpg", "whitehouse.example", GOVERNMENT)
    bad = ("biden", "Joe Biden", "", "nobody.png", "whitehouse.example", GOVERNMENT)
    path = roster(folder, first, biden, bad)
    dry = run(services, path, dry_run=True)
    assert [outcome.state for outcome in dry] == ["would_import", "refused"]
    assert count(services, "people") == 0
    obama, refused = run(services, path)
    assert (obama.state, obama.pictures, obama.aliases) == ("imported", 1, 1)
    # All of a person or none: one picture without a face keeps the other out too.
    assert refused.state == "refused"
    assert [refusal.row for refusal in refused.refusals] == ["line 4"]
    assert count(services, "people") == 1
    assert [outcome.state for outcome in run(services, roster(folder, first, biden))] == ["unchanged", "imported"]
    extended, unchanged = run(services, roster(folder, first, second, biden))
    assert (extended.state, extended.pictures, extended.person_id) == ("extended", 1, obama.person_id)
    assert unchanged.state == "unchanged"
    assert count(services, "templates") == 3
    with services.database.transaction("default") as tx:
        sources = {row[0] for row in tx.pg.execute("select source from moderation.templates").fetchall()}
        consent.erase_person(tx, services.clock.now(), obama.person_id, by="test")
    assert sources == {f"whitehouse.example ({GOVERNMENT})"}
    # What the list called him, and what his pictures were, went with him.
    assert (count(services, "imported_people"), count(services, "imported_pictures")) == (1, 1)
    (again,) = run(services, roster(folder, first), keep_portraits=True)
    assert (again.state, again.portrait) == ("imported", True)
    (kept,) = run(services, roster(folder, first), keep_portraits=True)
    assert (kept.state, kept.portrait) == ("unchanged", False)
    with services.database.transaction("default") as tx:
        shown = portraits.find(tx, services.vault, again.person_id)
    assert (shown.source, shown.licence) == ("whitehouse.example", GOVERNMENT)
    face = cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert max(face.shape) == portraits.SIDE
    with pytest.raises(Unprocessable, match="public figures only"):
        list(import_roster(services, "default", read_roster(folder / "people.csv"), kind="cameo", by="test",
                           keep_portraits=True))  # fmt: skip
    assert again.person_id != obama.person_id
    assert {hit.id for hit in names_in(services, "جو بايدن و أوباما باراك")} == {unchanged.person_id}


def test_a_list_that_uses_anothers_key_makes_no_two_people_one(services, folder):
    obama = ("1", "Barack Obama", "باراك أوباما", "obama-2012.jpg", "whitehouse.example", GOVERNMENT)
    biden = ("1", "Joe Biden", "", "biden-2010.jpg", "whitehouse.example", GOVERNMENT)
    hypatia = ("2", "Hypatia", "", "obama-2009.jpg", "whitehouse.example", GOVERNMENT)
    (first,) = run(services, roster(folder, obama))
    for dry_run in (True, False):
        refused, other = run(services, roster(folder, biden, hypatia), dry_run=dry_run, keep_portraits=True)
        assert (refused.state, refused.pictures, refused.portrait) == ("refused", 0, False)
        assert [refusal.row for refusal in refused.refusals] == ["line 2"]
        assert first.person_id in refused.refusals[0].why
        assert other.state == ("would_import" if dry_run else "imported")
    # Not even where the picture is one that was imported.
    assert [outcome.state for outcome in run(services, roster(folder, biden[:3] + obama[3:]))] == ["refused"]
    # As the prompt check compares: case, accents and blanks tell nobody apart; another script is an alias.
    for name in ("BARACK  Obáma", "باراك اوباما"):
        assert [outcome.state for outcome in run(services, roster(folder, ("1", name, *obama[2:])))] == ["unchanged"]
    assert count(services, "templates") == 2


def test_who_is_renamed_keeps_the_old_name_among_the_aliases(services, folder):
    row = ("clay", "Cassius Clay", "", "obama-2012.jpg", "museum.example", GOVERNMENT)
    renamed = ("clay", "Muhammad Ali", "Cassius Clay|محمد علي", *row[3:])
    (first,) = run(services, roster(folder, row))
    (extended,) = run(services, roster(folder, renamed))
    assert (extended.state, extended.aliases, extended.person_id) == ("extended", 2, first.person_id)
    assert {hit.id for hit in names_in(services, "Muhammad Ali")} == {first.person_id}
    assert [outcome.state for outcome in run(services, roster(folder, renamed))] == ["unchanged"]
    # The old name needs no mention any more; and the command names as well as the list does.
    assert [outcome.state for outcome in run(services, roster(folder, (*renamed[:2], "", *row[3:])))] == ["unchanged"]
    with services.database.transaction("default") as tx:
        consent.add_alias(tx, services.vault, services.clock.now(), first.person_id, "The Greatest", by="test")
    assert [outcome.state for outcome in run(services, roster(folder, ("clay", "The Greatest", *row[2:])))] == [
        "unchanged"
    ]


def test_names_of_signs_alone_are_compared_as_written(services, folder):
    row = ("1", "☺", "", "obama-2012.jpg", "museum.example", GOVERNMENT)
    assert [outcome.state for outcome in run(services, roster(folder, row))] == ["imported"]
    assert [outcome.state for outcome in run(services, roster(folder, ("1", "☹", *row[2:])))] == ["refused"]
    assert [outcome.state for outcome in run(services, roster(folder, row))] == ["unchanged"]


def bmp(width, height):
    """A picture's head that claims a size, and no pixel after it."""
    size = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + size


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xd8\xff", b"no picture", bmp(60_000, 60_000), bmp(1, 1), bmp(-1, 0)],
    ids=["empty", "half", "text", "huge", "tiny", "negative"],
)
def test_one_bad_picture_refuses_its_person_alone(content, services, folder):
    (folder / "bad.jpg").write_bytes(content)
    bad = ("nobody", "Hypatia", "", "bad.jpg", "museum.example", "CC0")
    good = ("biden", "Joe Biden", "", "biden-2010.jpg", "whitehouse.example", GOVERNMENT)
    refused, imported = run(services, roster(folder, bad, good), keep_portraits=True)
    assert (refused.state, imported.state) == ("refused", "imported")
    assert [(refusal.row, "bad.jpg" in refusal.why) for refusal in refused.refusals] == [("line 2", True)]
    with pytest.raises(Unprocessable, match=r"bad\.jpg"):
        register_person(services, "default", name="H", kind="cameo", images=[folder / "bad.jpg"], by="test")


@pytest.mark.parametrize("meanwhile", ["imported", "erased"])
def test_what_happens_to_a_person_meanwhile_ends_no_import(meanwhile, services, folder, monkeypatch):
    obama = ("obama", "Barack Obama", "", "obama-2012.jpg", "whitehouse.example", GOVERNMENT)
    again = ("obama", "Barack Obama", "", "obama-2009.jpg", "whitehouse.example", GOVERNMENT)
    biden = ("biden", "Joe Biden", "", "biden-2010.jpg", "whitehouse.example", GOVERNMENT)
    if meanwhile == "erased":
        run(services, roster(folder, obama))
    first, path = roster(folder, obama).rename(folder / "first.csv"), roster(folder, again, biden)
    read, done = importing.read_face, []

    def interrupted(reader, picture):
        if not done:
            done.append(True)
            if meanwhile == "imported":
                run(services, first)
            else:
                with services.database.transaction("default") as tx:
                    (person,) = tx.pg.execute("select person_id from moderation.people").fetchone()
                    consent.erase_person(tx, services.clock.now(), person, by="test")
        return read(reader, picture)

    monkeypatch.setattr(importing, "read_face", interrupted)
    refused, imported = run(services, path)
    assert (refused.state, imported.state) == ("refused", "imported")
    assert len(refused.refusals) == 1


def test_names_are_found_from_the_edit_on_and_never_of_who_is_erased_or_pending(services):
    now = services.clock.now()
    with services.database.transaction("default") as tx:
        said = consent.NewPerson(name="Hypatia of Alexandria", kind="public_figure", state="verified")
        person = consent.register(tx, services.vault, now, said, by="test")
        pending = consent.NewPerson(name="Theon of Alexandria", kind="public_figure")
        consent.register(tx, services.vault, now, pending, by="test")
        consent.touch_gallery(tx, person)
    assert {hit.id for hit in names_in(services, "hypatia-of-alexandria and theon of alexandria")} == {person}
    with services.database.transaction("default") as tx:
        alias = consent.add_alias(tx, services.vault, now, person, "هيباتيا", by="test")
    hits = names_in(services, "لوحة لهيباتيا")
    assert named_people(hits) == {person}
    with services.database.transaction("default") as tx:
        use = consent.Use(creator="ana")
        standings = consent.stand(tx, now, seen=named_people(hits), declared=frozenset(), use=use)
        facts = facts_of(hits, standings, {person})
        assert (facts["public_figures"], facts["alike"], facts["who"]) == (1, 1, person)
        terms = consent.Terms(grantee_kind="creator", grantee="ana", scope="both")
        consent.grant(tx, now, person, terms=terms, by="test")
        allowed = consent.stand(tx, now, seen=named_people(hits), declared=frozenset(), use=use)
        # A figure's own grant rules: whoever has it may name them.
        assert facts_of(hits, allowed, {person})["public_figures"] == 0
        consent.remove_alias(tx, now, person, alias, by="test")
    assert names_in(services, "لوحة لهيباتيا") == ()
    with services.database.transaction("default") as tx:
        consent.erase_person(tx, now, person, by="test")
    assert names_in(services, "hypatia of alexandria") == ()


def test_a_work_is_a_list_of_its_own_and_its_names_are_looked_for(services, tmp_path):
    with pytest.raises(Unprocessable, match="only a rights holder"):
        register_person(services, "default", name="Pip", kind="public_figure", images=[], by="test")
    holder = register_person(services, "default", name="Pip Pictures", kind="rights_holder", images=[], by="test")
    drawn = np.random.default_rng(1).integers(0, 255, (9, 16, 3), np.uint8)
    picture = tmp_path / "pip.png"
    cv2.imwrite(str(picture), cv2.resize(drawn, (640, 360), interpolation=cv2.INTER_CUBIC))
    said = {"title": "Captain Pip", "names": ["الكابتن بيب"], "pictures": [picture], "by": "test"}
    work = works.add_work(services, "default", holder, **said)
    assert {hit.id for hit in names_in(services, "الكابتن بيب في القارب")} == {work}
    with services.database.transaction("default") as tx:
        (kept,) = works.list_works(tx, holder)
    # No pack, no network: nothing was measured, and nothing can be made up for it.
    assert (kept.pictures, kept.model, kept.embedding(services.works_model)) == (1, None, "not_measured")
    with pytest.raises(Unprocessable, match="GPU pack"):
        works.embed_again(services, "default", work, [picture], by="test")
    colours = services.sandbox.colours(picture, long_side=320)
    assert np.array_equal(colours, cv2.resize(cv2.imread(str(picture)), (320, 180), interpolation=cv2.INTER_AREA))
    _references_follow_the_registry(services, work)
    services.hash_lists.refresh(services.database)
    assert list(services.hash_lists.lists("default", "works").values()) == [work]
    with pytest.raises(Unprocessable, match="shows too little"):
        works.add_work(services, "default", holder, title="Grey", pictures=[_grey(tmp_path)], by="test")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(Unprocessable, match="picture 1 cannot be used"):
        works.add_work(services, "default", holder, title="Text", pictures=[tmp_path / "text.png"], by="test")
    with pytest.raises(NotFound):
        works.add_work(services, "default", "per_nobody", title="Captain Pip", by="test")
    works.withdraw_work(services, "default", work, by="test")
    assert names_in(services, "الكابتن بيب في القارب") == ()
    services.hash_lists.refresh(services.database)
    assert not services.hash_lists.lists("default", "works")


def test_a_work_is_embedded_by_all_its_pictures_or_not_at_all(services, tmp_path):
    holder = register_person(services, "default", name="Pip Pictures", kind="rights_holder", images=[], by="test")
    pictures = [tmp_path / f"{seed}.png" for seed in range(2)]
    for seed, path in enumerate(pictures):
        drawn = np.random.default_rng(seed).integers(0, 255, (9, 16, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(drawn, (640, 360), interpolation=cv2.INTER_CUBIC))
    work = works.add_work(services, "default", holder, title="Pip", pictures=pictures, by="test")
    with services.database.transaction("default") as tx:
        held = tx.pg.execute("select list_id from moderation.works where work_id = %s", (work,)).fetchone()[0]
        one, two = [bytes(row[0]) for row in tx.pg.execute(works.SQL.prints_of, {"list": held}).fetchall()]
        works.demand_registered(tx, held, [two, one, one])
        for some, why in (([one], "1 of the 2 .* missing"), ([two], "missing"), ([one, two, bytes(32)], "picture 3")):
            with pytest.raises(Unprocessable, match=why):
                works.demand_registered(tx, held, some)


def _references_follow_the_registry(services, work):
    """Vectors of the network in use are read, those of another are counted as unread, a withdrawn work's are gone."""
    now, mirror = services.clock.now(), Mirror()
    with services.database.transaction("default") as tx:
        assert (mirror.current(tx, None), mirror.current(tx, "net@1").unread) == (None, 1)
        keep(tx, "default", work, Seen(model="net@1", vectors=np.eye(2, 3, dtype=np.float32)), now)
        found = mirror.current(tx, "net@1")
        assert (found.works, found.vectors.tolist(), found.unread) == ((work, work), [[1, 0, 0], [0, 1, 0]], 0)
        assert mirror.current(tx, "net@1") is found
        assert (mirror.current(tx, "net@2").works, mirror.current(tx, "net@2").unread) == ((), 1)
        keep(tx, "default", work, Seen(model="net@2", vectors=np.eye(1, 3, dtype=np.float32)), now)
        assert mirror.current(tx, "net@2").vectors.tolist() == [[1, 0, 0]]
        tx.pg.execute("update moderation.works set withdrawn_at = now() where work_id = %s", (work,))
        assert (mirror.current(tx, "net@2").works, mirror.current(tx, "net@2").unread) == ((), 0)
        tx.pg.execute("update moderation.works set withdrawn_at = null where work_id = %s", (work,))


def _grey(folder):
    cv2.imwrite(str(folder / "grey.png"), np.full((90, 160, 3), 128, np.uint8))
    return folder / "grey.png"


@pytest.mark.parametrize("how", ["json", "folder"])
def test_a_roster_may_be_a_document_or_a_folder(how, tmp_path):
    person = {
        "name": "Hypatia",
        "aliases": ["هيباتيا"],
        "pictures": [{"picture": "a.jpg", "source": "s", "licence": "l"}],
    }
    if how == "json":
        path = tmp_path / "people.json"
        path.write_text(json.dumps({"people": [person]}), encoding="utf-8")
    else:
        path = tmp_path / "roster"
        (path / "hypatia").mkdir(parents=True)
        (path / "hypatia" / "person.json").write_text(json.dumps(person), encoding="utf-8")
    (entry,) = read_roster(path).entries
    assert (entry.name, entry.aliases, entry.refusals) == ("Hypatia", ["هيباتيا"], [])
    assert entry.pictures[0].source == "s"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (("k", "Hypatia", "", "a.jpg", "", "CC0"), "no source is given"),
        (("k", "Hypatia", "", "a.jpg", "museum", " "), "no licence is given"),
        (("k", "", "", "a.jpg", "museum", "CC0"), "no name is given"),
        (("k", "Hypatia", "", "../a.jpg", "museum", "CC0"), "outside the roster's folder"),
        (("k", "Hypatia", "", "a\0.jpg", "museum", "CC0"), "NUL"),
        (("k", "Hypatia", "", "a.jpg", "mus\0eum", "CC0"), "NUL"),
    ],
)
def test_a_row_that_does_not_say_enough_is_refused(row, why, tmp_path):
    (entry,) = read_roster(roster(tmp_path, row)).entries
    assert any(why in refusal.why for refusal in entry.refusals)


@pytest.mark.parametrize("where", ["key", "name", "alias", "picture", "source"])
def test_text_that_no_file_can_hold_refuses_its_person_alone(where, tmp_path):
    words = dict.fromkeys(("key", "name", "alias", "picture", "source"), "a") | {where: "a\ud800"}
    picture = {"picture": words["picture"], "source": words["source"], "licence": "CC0"}
    bad = {"key": words["key"], "name": words["name"], "aliases": [words["alias"]], "pictures": [picture]}
    good = {"name": "Hypatia", "pictures": [{"picture": "a.jpg", "source": "s", "licence": "l"}]}
    path = tmp_path / "people.json"
    path.write_text(json.dumps([bad, good]), encoding="ascii")
    refused, taken = read_roster(path).entries
    assert [(refusal.row, "Unicode" in refusal.why) for refusal in refused.refusals] == [("person 1", True)]
    # Whoever tells the refusal can write it.
    assert (refused.key.encode(), taken.refusals) == (b"person 1", [])


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff", b"", b"[" * 100_000, b'{"name": "\\ud800"}'],
    ids=["open", "bytes", "empty", "deep", "half a character"],
)
def test_one_broken_file_of_a_folder_refuses_its_person_alone(content, tmp_path):
    good = {"name": "Hypatia", "pictures": [{"picture": "a.jpg", "source": "s", "licence": "l"}]}
    for name, said in ((b"a-broken-\xff", content), (b"hypatia", json.dumps(good).encode())):
        (tmp_path / os.fsdecode(name)).mkdir()
        (tmp_path / os.fsdecode(name) / "person.json").write_bytes(said)
    refused, taken = read_roster(tmp_path).entries
    assert ([refusal.row.encode() for refusal in refused.refusals], taken.refusals) == ([rb"a-broken-\udcff"], [])
    assert refused.key.encode() == rb"a-broken-\udcff"


@pytest.mark.parametrize("content", ["{", "[1, ", "3", '{"people": 4}'])
def test_what_is_no_roster_is_refused_whole(content, tmp_path):
    path = tmp_path / "people.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(Unprocessable):
        read_roster(path)

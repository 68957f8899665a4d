"""A gallery in memory is what the registry holds: edits are seen by the next clip, and nobody's vectors stay behind."""

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest

from detectors.faces import EMBEDDER_MODEL
from detectors.index import ExactIndex, GraphIndex
from detectors.likeness import Likeness, Lines
from moderation import consent, galleries
from moderation.diagnosis import registries
from moderation.galleries import Galleries
from moderation.settings import Settings
from moderation.vault import Vault

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LINES = Lines()


@pytest.fixture
def vault(tmp_path) -> Vault:
    return Vault(tmp_path / "keys")


def face(number):
    raw = np.random.default_rng(number).standard_normal(128)
    return (raw / np.linalg.norm(raw) * 1.4).astype(np.float32)


@pytest.fixture
def registry(database, vault):
    """The registry of one organisation, and one process's copy of it."""

    class Registry:
        def __init__(self):
            self.copy = Galleries()

        def add(self, *numbers, org="default"):
            with database.transaction(org) as tx:
                return consent.add_person(
                    tx,
                    vault,
                    NOW,
                    name="somebody",
                    kind="cameo",
                    vectors=np.stack([face(number) for number in numbers]),
                    model=EMBEDDER_MODEL,
                    sources=["test"] * len(numbers),
                    by="test",
                )

        def erase(self, person):
            with database.transaction() as tx:
                consent.erase_person(tx, NOW, person, by="test")

        def current(self, org="default"):
            with database.transaction(org) as tx:
                return self.copy.current(tx, vault, EMBEDDER_MODEL, 128)

        def who(self, number, gallery=None):
            """Everybody whom a face is taken for."""
            likeness = Likeness(gallery or self.current(), LINES)
            return [match.person for match in likeness.compare(face(number), face(number)[None]).matches]

    return Registry()


@pytest.fixture(params=[0, 10**9], ids=["graph", "exact"])
def either(request, monkeypatch, registry):
    """Both ways to search: galleries of any size by the graph, and none."""
    monkeypatch.setattr(galleries, "GRAPH_FROM", request.param)
    return registry


def test_whoever_is_added_is_matched_by_the_next_clip_and_whoever_is_erased_is_not(either):
    assert either.who(1) == []
    ana, bo = either.add(1, 2), either.add(3)
    assert [either.who(number) for number in (1, 2, 3, 4)] == [[ana], [ana], [bo], []]
    either.erase(ana)
    assert [either.who(number) for number in (1, 2, 3)] == [[], [], [bo]]
    cleo = either.add(1)
    assert either.who(1) == [cleo]


def test_an_erased_persons_vectors_are_in_no_gallery(either):
    people = [either.add(number) for number in range(4)]
    either.current()
    for person in people[:3]:
        either.erase(person)
    gallery = either.current()
    owned = [person for person in gallery.people if person]
    assert owned == people[3:]
    assert len(gallery.index) == 1
    for number in range(3):
        assert either.who(number, gallery) == []
    # After so many erasures the rows themselves are laid out anew.
    assert len(gallery.vectors) == 1


def test_the_same_gallery_is_handed_out_until_something_changes(either):
    either.add(1)
    once = either.current()
    assert either.current() is once
    either.add(2)
    assert either.current() is not once


def test_a_gallery_that_was_handed_out_stays_as_it_was(either):
    either.add(1)
    before = either.current()
    vectors = before.vectors.copy()
    for number in range(2, 6):
        either.add(number)
        either.current()
    assert np.array_equal(before.vectors, vectors)
    assert either.who(4, before) == []


def test_only_new_vectors_are_fetched(either, monkeypatch):
    either.add(0, 1, 2)
    either.current()
    taken = []
    take = galleries._Shelf._take

    def counting(shelf, found):
        taken.append(len(found))
        take(shelf, found)

    monkeypatch.setattr(galleries._Shelf, "_take", counting)
    either.add(7, 8)
    either.current()
    assert taken == [2]


def test_many_are_searched_by_a_graph_and_few_exactly(registry, monkeypatch):
    monkeypatch.setattr(galleries, "GRAPH_FROM", 3)
    registry.add(1, 2)
    assert isinstance(registry.current().index, ExactIndex)
    registry.add(3)
    assert isinstance(registry.current().index, GraphIndex)


def test_vectors_are_kept_turned(either):
    either.add(1)
    gallery = either.current()
    assert np.linalg.norm(gallery.vectors[0] - face(1)) > 0.5
    unturned = dataclasses.replace(gallery, rotation=None)
    assert either.who(1, unturned) == []


def test_an_edit_while_the_rows_are_read_makes_the_version_old(registry, monkeypatch, database):
    """Rows may be newer than the version they are filed under, never older."""
    registry.add(1)
    update = galleries._Shelf.update

    def edited_before(shelf, tx, since):
        late.append(registry.add(2))
        update(shelf, tx, since)

    late = []
    monkeypatch.setattr(galleries._Shelf, "update", edited_before)
    gallery = registry.current()
    assert late[0] in gallery.people
    with database.transaction() as tx:
        assert consent.gallery_version(tx) != gallery.version


def test_a_gallery_that_could_not_be_made_is_not_taken_for_one_without_those_it_misses(registry, monkeypatch, database):
    monkeypatch.setattr(galleries, "GRAPH_FROM", 0)
    first = registry.add(1)
    assert registry.who(1) == [first]
    second, third = registry.add(2), registry.add(3)
    with database.system_transaction() as tx:
        broken = "update moderation.gallery_vectors set vector = %s where person_id = %s"
        tx.pg.execute(broken, (np.full(128, np.nan, "<f4").tobytes(), second))
    for _ in range(2):
        with pytest.raises(ValueError, match="not a number"):
            registry.current()
    registry.erase(second)
    assert [registry.who(number) for number in (1, 3)] == [[first], [third]]


def test_a_transaction_of_no_organisation_has_no_gallery(database, vault):
    with database.system_transaction() as tx, pytest.raises(ValueError, match="organisation"):
        Galleries().current(tx, vault, "m", 128)


def test_doctor_warns_of_a_registry_that_is_too_large(registry, dsn, embedded_pack):
    registry.add(1, 2, 3)
    settings = Settings()
    (finding,) = registries(dsn, settings)
    assert (finding.fine, finding.warning) == (True, False)
    assert finding.says.startswith("3 pictures")
    largest = int(embedded_pack.entry(EMBEDDER_MODEL).thresholds["largest_gallery"])
    registry.add(*range(10, 10 + largest))
    (finding,) = registries(dsn, settings)
    assert finding.warning
    assert "possible, never matched" in finding.says

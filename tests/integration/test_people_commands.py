"""`moderation people`: a person's grants, limits, lists and names from a terminal, down to their erasure."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from moderation import consent
from moderation.cli.people import app
from moderation.samples.portraits import portrait
from moderation.settings import Settings
from moderation.vault import Vault

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def run(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODERATION_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MODERATION_DATABASE_URL", dsn)

    def run(*arguments: str, fails: bool = False) -> object:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert (result.exit_code != 0) is fails, result.output
        return None if fails else json.loads(result.stdout)

    return run


@pytest.fixture
def person(database, tmp_path) -> str:
    """A person whose template was made by weights that are gone."""
    with database.transaction() as tx:
        return consent.add_person(
            tx,
            Vault(tmp_path / "state" / "keys"),
            NOW,
            name="Léa",
            kind="cameo",
            vectors=np.eye(1, 128, dtype=np.float32),
            model="dlib_face_recognition@of_before",
            sources=["test"],
            by="test",
            account="lea-7",
        )


def test_a_person_from_a_terminal(run, person, embedded_pack):
    (friends,) = run("lists", person, "--new", "friends", "--add", "bo")
    (left,) = run("lists", person, "--change", friends["list_id"], "--add", "cy", "--remove", "bo")
    assert (left["name"], left["creators"]) == ("friends", ["cy"])
    run("grant", person, "--to", friends["list_id"], "--limit", "sexual", "--purpose", "satire", "--remix")
    run("grant", person, "--to", "self", "--scope", "both", "--expires", "2100-01-01")
    run("grant", person, "--to", "everyone", "--limit", "unheard-of", fails=True)
    to_list, to_self = run("grants", person)
    assert (to_list["grantee_kind"], to_list["limits"], to_list["purposes"]) == ("list", ["sexual"], ["satire"])
    assert (to_self["grantee_kind"], to_self["expires_at"], to_self["remix"]) == (
        "self",
        "2100-01-01T00:00:00+00:00",
        False,
    )
    assert run("forbid", person, "--context", "political", "--context", "sexual")["contexts"] == ["sexual", "political"]
    (alias,) = run("aliases", person, "--add", "ليا")
    assert run("aliases", person, "--remove", alias["alias_id"]) == []
    assert [each["person_id"] for each in run("stale")] == [person]
    named = run("guardian", person, "mum", "--age-band", "teen")
    assert (named["guardian"], named["age_band"], named["state"]) == ("mum", "teen", "verified")
    assert run("state", person, "suspended")["state"] == "suspended"
    run("erase", person, fails=True)
    assert run("erase", person, "--yes")["rebuilt"] is True
    assert run("list") == []


def test_a_figure_is_linked_to_their_own_cameo(run, database, tmp_path, person):
    said = consent.NewPerson(name="Léa", kind="public_figure", state="verified")
    with database.transaction() as tx:
        figure = consent.register(tx, Vault(tmp_path / "state" / "keys"), NOW, said, by="test")
    for wrong in ((person, figure), (figure,), (figure, person, "--drop")):
        run("same", *wrong, fails=True)
    assert run("same", figure, person) == {"figure": figure, "same_as": person}
    assert {each["person_id"]: each["same_as"] for each in run("list")} == {figure: person, person: None}
    assert run("same", figure, "--drop")["same_as"] is None


@pytest.mark.full
def test_who_is_added_has_an_account_and_an_age(run, embedded_pack):
    face = portrait("obama-2012", Settings().models)
    add = ("add", "--name", "Léa", "--kind", "cameo", "--image", str(face), "--account", "lea-7", "--age-band")
    run(*add, "child", fails=True)
    run(*add, "teen", fails=True)
    person = run(*add, "teen", "--guardian", "ada-1")["id"]
    (found,) = run("list")
    said = {"person_id": person, "account": "lea-7", "age_band": "teen", "guardian": "ada-1"}
    assert {name: found[name] for name in said} == said

"""`moderation policy propose|approve|activate|rollback|break-glass|sign`: the same way as over HTTP, by keys."""

import json
from pathlib import Path

import pytest
from rules import AREA, CASES
from typer.testing import CliRunner

from moderation.cli.failures import _places as places
from moderation.cli.keys import app as keys
from moderation.cli.policy import app
from moderation.errors import Conflict, Forbidden, Unauthorised
from moderation.policy.vocabulary import render
from moderation.rulebook.bundles import read_texts
from moderation.rulebook.lifecycle import NotReady
from moderation.rulebook.signatures import demand_signature, read_public_key


def write(folder: Path, threshold: float) -> Path:
    (folder / "area").mkdir(parents=True, exist_ok=True)
    (folder / "vocabulary.yaml").write_text(render())
    (folder / "area/policy.yaml").write_text(AREA.format(threshold=threshold))
    (folder / "area/cases.yaml").write_text(CASES.format(above=threshold, below=round(threshold - 0.01, 2)))
    for language in ("en", "fr", "ar"):
        (folder / f"area/guidance.{language}.md").write_text("Look closely.\n")
    return folder


@pytest.fixture
def run(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODERATION_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MODERATION_DATABASE_URL", dsn)
    monkeypatch.setenv("MODERATION_POLICIES__MODE", "database")
    monkeypatch.setenv("MODERATION_POLICIES__FOLDER", str(write(tmp_path / "first", 0.5)))

    def run(*arguments: str, of: object = app, key: str = "") -> dict:
        monkeypatch.setenv("MODERATION_API_KEY", key) if key else monkeypatch.delenv(
            "MODERATION_API_KEY", raising=False
        )
        result = CliRunner().invoke(of, [*arguments, "--json"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def test_a_folder_goes_its_way_by_two_people_and_back(run, tmp_path):
    proposed = run("propose", str(write(tmp_path / "second", 0.6)), "--why", "less noise")
    bundle = proposed["bundle_id"]
    assert (proposed["state"], proposed["author"], proposed["note"]) == ("proposed", "operator", "less noise")
    with pytest.raises(Forbidden):
        run("approve", bundle)
    reader = run("create", "--as", "eve", "--scopes", "read", of=keys)["key"]
    with pytest.raises(Forbidden, match="scope policy"):
        run("approve", bundle, key=reader)
    ben = run("create", "--as", "ben", "--person", "--scopes", "policy", of=keys)["key"]
    assert run("approve", bundle, key=ben)["approved_by"] == "ben"
    with pytest.raises(Conflict):
        run("activate", bundle)
    assert run("activate", bundle, "--percent", "0")["state"] == "shadow"
    assert run("activate", bundle, "--percent", "5")["state"] == "enforcing"
    assert run("activate", bundle)["state"] == "full"
    assert run("rollback", "--why", "too lax")["author"] == "folder"
    states = {each["bundle_id"]: each["state"] for each in run("versions")["bundles"]}
    assert states[bundle] == "retired"


def test_every_step_says_what_comes_next(run, tmp_path, monkeypatch):
    bundle = run("propose", str(write(tmp_path / "second", 0.6)))["bundle_id"]
    ben = run("create", "--as", "ben", "--person", "--scopes", "policy", of=keys)["key"]
    monkeypatch.setenv("MODERATION_API_KEY", ben)
    said = CliRunner().invoke(app, ["approve", bundle])
    assert said.stdout.startswith(f"{bundle} approved ")
    assert said.stderr.strip().endswith(f"moderation policy activate {bundle} --percent 0")
    with pytest.raises(Conflict, match="next: let it judge in shadow"):
        run("activate", bundle, key=ben)
    with pytest.raises(Unauthorised, match="MODERATION_API_KEY"):
        run("rollback", key="csk_no_key")


def test_what_is_not_ready_is_listed_with_its_places(run, tmp_path):
    folder = write(tmp_path / "second", 0.6)
    (folder / "area/guidance.fr.md").write_text("")
    bundle = run("propose", str(folder))["bundle_id"]
    ben = run("create", "--as", "ben", "--person", "--scopes", "policy", of=keys)["key"]
    run("approve", bundle, key=ben)
    run("activate", bundle, "--percent", "0")
    with pytest.raises(NotReady) as refused:
        run("activate", bundle, "--percent", "10")
    assert places(refused.value) == ["area/guidance.fr.md:1:1 no-guidance reviewers have nothing to read here"]


def test_the_glass_is_broken_and_seen(run, tmp_path):
    (tmp_path / "wave.yaml").write_text(AREA.format(threshold=0.1))
    laid = run("break-glass", str(tmp_path / "wave.yaml"), "--why", "a wave")
    pending = run("versions", "--pending")
    assert [(each["emergency_id"], each["why"]) for each in pending["emergencies"]] == [
        (laid["emergency_id"], "a wave")
    ]
    with pytest.raises(Forbidden, match="MODERATION_API_KEY"):
        run("settle", laid["emergency_id"], "--confirm")
    unsaid = CliRunner().invoke(app, ["settle", laid["emergency_id"]])
    assert (unsaid.exit_code, "--confirm or --end" in unsaid.output) == (2, True)
    assert run("settle", laid["emergency_id"], "--end")["state"] == "ended"


def test_a_folder_is_signed_by_the_development_key(run, tmp_path):
    folder = tmp_path / "first"
    said = run("sign", str(folder))
    key = read_public_key(Path(said["public_key"]))
    demand_signature(read_texts(folder), said["version"], key)
    again = run("sign", str(folder))
    assert again["version"] == said["version"]

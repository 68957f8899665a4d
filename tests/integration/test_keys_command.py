"""`moderation keys`: a key is printed when it is made and at no other time."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from moderation.cli.keys import app


@pytest.fixture
def run(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODERATION_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MODERATION_DATABASE_URL", dsn)

    def run(*arguments: str) -> object:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def test_a_key_is_made_listed_and_revoked(run):
    made = run("create", "--as", "ana", "--scopes", "submit, read", "--expires", "2100-01-01")
    assert made["key"].startswith("csk_")
    (line,) = run("list")
    assert (line["key_id"], line["principal"], line["scopes"]) == (made["id"], "ana", ["submit", "read"])
    assert made["key"] not in json.dumps(line)
    assert (line["revoked_at"], line["expires_at"]) == (None, "2100-01-01T00:00:00+00:00")
    assert run("revoke", made["id"]) == {"id": made["id"], "revoked": True}
    assert run("list")[0]["revoked_at"] is not None

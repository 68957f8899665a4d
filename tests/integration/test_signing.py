"""Who signs is a setting: what it does to readiness, to metrics and to the command that shows it."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from moderation.cli.authority import app
from moderation.diagnosis import Finding, signers
from moderation.errors import Outage
from moderation.marking import mark
from moderation.samples.drawing import draw_clip
from moderation.settings import Marking, Settings, Signing
from moderation.signing import kind_of_signer
from moderation.verification import verify_file
from watermark.authority import open_authority
from watermark.credentials import sign
from watermark.manifest import ManifestSpec
from watermark.signers import FileKey, signer_with

SPEC = ManifestSpec(
    clip_id="theirs-1",
    mark_id=1,
    soft_binding="org.example.none",
    provider="Other",
    system="Other",
    version="1",
    created_at=datetime.now(UTC),
)
KEY_SERVICE = Path(__file__).parents[1] / "assets" / "key_service.py"


def create(folder: Path) -> dict[str, str]:
    answer = CliRunner().invoke(app, ["create", str(folder), "--json"])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


@pytest.fixture
def production(tmp_path: Path) -> Signing:
    """A key that another process holds, with certificates from `moderation authority create`."""
    made = create(tmp_path / "ca")
    return Signing(chain=made["chain"], command=(sys.executable, str(KEY_SERVICE), made["key"], "raw"))


def certificate(service) -> tuple[dict, list[str]]:
    document = service.with_headers().get("/readyz").json()
    return document["checks"]["certificate"], document["warnings"]


def test_the_command_makes_an_authority_once_and_keeps_its_key_private(tmp_path: Path):
    first = create(tmp_path / "ca")
    chain = Path(first["chain"]).read_text()
    assert create(tmp_path / "ca") == first
    assert Path(first["chain"]).read_text() == chain
    assert Path(first["key"]).stat().st_mode & 0o777 == 0o600
    assert Path(first["root"]).read_text() in chain
    (tmp_path / "ca" / "root.pem").write_text("broken")
    assert CliRunner().invoke(app, ["create", str(tmp_path / "ca")]).exit_code != 0


def test_another_process_signs_what_the_commands_show(run_app, production: Signing, settings, monkeypatch, dsn):
    service = run_app(marking=Marking(signing=production))
    assert certificate(service)[0] == {"ready": True}
    assert service.services.trust.own_pem in Path(production.chain).read_text()
    assert not (settings.state / "authority").exists(), "no development authority is made where another signs"
    for name, value in {
        "STATE": str(settings.state),
        "DATABASE_URL": dsn,
        "MARKING__SIGNING__CHAIN": str(production.chain),
        "MARKING__SIGNING__COMMAND": json.dumps(production.command),
    }.items():
        monkeypatch.setenv(f"MODERATION_{name}", value)
    shown = CliRunner().invoke(app, ["show", "--json"])
    assert json.loads(shown.stdout)["signer"] == "command"
    assert len(json.loads(shown.stdout)["chain"]) == 2
    tried = CliRunner().invoke(app, ["test", "--json"])
    assert tried.exit_code == 0, tried.output
    assert (json.loads(tried.stdout)["ours"], json.loads(tried.stdout)["state"]) == (True, "trusted")
    root = CliRunner().invoke(app, ["root"])
    assert root.stdout == service.services.trust.own_pem
    monkeypatch.setenv("MODERATION_MARKING__SIGNING__COMMAND", '["/nowhere/sign"]')
    refused = CliRunner().invoke(app, ["test"])
    assert isinstance(refused.exception, Outage)
    assert "/nowhere/sign cannot be run" in refused.exception.message


@pytest.mark.parametrize(("days", "says"), [(-3, "expired"), (20, "ends in")])
def test_the_certificate_s_end_is_watched(run_app, settings, days: int, says: str):
    issued = datetime.now(UTC) - timedelta(days=364 - days)
    open_authority(settings.state / "authority", now=issued)
    service = run_app()
    service.services.__dict__["authority"] = open_authority(settings.state / "authority", now=issued)
    check, warnings = certificate(service)
    assert says in (check.get("problem") or warnings[0])
    assert check["ready"] is (days > 0)
    metrics = service.client.get("/metrics").text
    stated = next(line for line in metrics.splitlines() if line.startswith("countersign_certificate_days "))
    assert abs(float(stated.split()[1]) - days) < 1


def test_a_chain_that_cannot_sign_makes_the_service_not_ready(run_app, production: Signing, tmp_path: Path):
    chain = Path(production.chain)
    other = create(tmp_path / "other")
    leaf = chain.read_text().split("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n"
    chain.write_text(leaf + Path(other["root"]).read_text())
    service = run_app(marking=Marking(signing=production))
    check, _ = certificate(service)
    assert check["ready"] is False
    assert "is not issued by what follows it" in check["problem"]
    assert "countersign_certificate_days 0.0" in service.client.get("/metrics").text
    chain.write_text(leaf)
    with pytest.raises(Outage, match="MODERATION_MARKING__SIGNING__ROOTS"):
        _ = service.services.trust


def test_half_a_signer_is_no_setting():
    for half in (
        {"chain": "c.pem"},
        {"key": "k.pem"},
        {"command": ["sign"]},
        {"chain": "c", "key": "k", "command": ["s"]},
    ):
        with pytest.raises(ValidationError, match="signing"):
            Signing(**half)
    assert kind_of_signer(Marking()) == "development"
    assert kind_of_signer(Marking(signing=Signing(chain="c.pem", key="k.pem"))) == "file"


def diagnosed(settings: Settings) -> Finding:
    (found,) = signers(settings)
    return found


def test_doctor_looks_at_the_certificate_and_makes_none(settings, production: Signing, tmp_path: Path):
    assert diagnosed(settings).fine
    assert not settings.state.exists()
    open_authority(settings.state / "authority", now=datetime.now(UTC) - timedelta(days=350))
    near = diagnosed(settings)
    assert (near.fine, near.warning) == (True, True)
    signed = settings.model_copy(update={"marking": Marking(signing=production), "env": "production"})
    assert (diagnosed(signed).fine, diagnosed(signed).warning) == (True, False)
    Path(production.chain).write_text(create(tmp_path / "other")["root"])
    assert "holds no certificates" in diagnosed(signed).says
    assert not diagnosed(signed).fine


def test_others_are_believed_by_a_list(run_app, tmp_path: Path):
    other = create(tmp_path / "other")
    service = run_app(marking=Marking(trusted_roots=other["root"]))
    assert service.services.trust.others_pem == Path(other["root"]).read_text()
    key, chain = FileKey.read(Path(other["key"])), Path(other["chain"]).read_text()
    draw_clip(tmp_path / "drawn.mp4", seconds=1, width=160, height=96, fps=5)
    sign(tmp_path / "drawn.mp4", tmp_path / "theirs.mp4", SPEC, signer_with(key, chain))
    answer = verify_file(service.services, tmp_path / "theirs.mp4")
    assert (answer["origin"], answer["clip_id"], answer["confidence"]) == ("other", None, 1.0)
    assert answer["layers"]["c2pa"]["validation"] == "trusted"


def test_no_clip_is_decoded_in_vain_while_signing_fails(run_app, drawn, dsn):
    service = run_app(marking=Marking(timestamp_url="http://127.0.0.1:9/"))
    services = service.services
    clip = service.client.post("/v1/clips", files={"file": drawn.read_bytes()}).json()["id"]

    def passes(generation: int) -> int:
        query = "select count(*) from moderation.stages where stage = 'mark' and generation = %s"
        with psycopg.connect(dsn) as connection:
            return connection.execute(query, [generation]).fetchone()[0]

    for generation, expected in ((1, 1), (2, 0)):
        with pytest.raises(Outage) as caught:
            mark(services, "default", clip, generation)
        assert caught.value.cause == "timestamp"
        assert passes(generation) == expected
    services.settings.marking.timestamp_url = ""
    del services.__dict__["signer"]
    assert mark(services, "default", clip, 3) == "done"
    assert (passes(3), services.signing_fails) == (1, False)

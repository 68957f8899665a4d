"""`moderation policy backtest` and `diff` over a small stored history; replay of what unusual rules decided."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rules import AREA, CASES
from typer.testing import CliRunner

from detectors.base import State
from moderation.assembly import open_services
from moderation.cli.policy import app
from moderation.db import queries
from moderation.errors import NotFound, Unprocessable
from moderation.facts import FactRecord, Manifests, Sample, SignalFact, SubmissionFacts
from moderation.ids import new_id
from moderation.policy.engine import decide
from moderation.policy.loader import load_bundle
from moderation.policy.vocabulary import render
from moderation.rehearsing.backtesting import find_ruleset
from moderation.replaying import replay_decisions
from moderation.rulebook import emergencies, lifecycle
from moderation.rulebook.bundles import read_texts
from moderation.rulebook.in_force import in_share
from moderation.rulebook.lifecycle import Act
from moderation.services import Services

RECORDS = queries("records")
ORG = "default"
ANA, BEN = Act(by="ana"), Act(by="ben")
SCORES = (0.1, 0.45, 0.55, 0.65, 0.9)


def write(folder: Path, threshold: float) -> Path:
    (folder / "area").mkdir(parents=True, exist_ok=True)
    (folder / "vocabulary.yaml").write_text(render())
    (folder / "area/policy.yaml").write_text(AREA.format(threshold=threshold))
    (folder / "area/cases.yaml").write_text(CASES.format(above=threshold, below=round(threshold - 0.01, 2)))
    for language in ("en", "fr", "ar"):
        (folder / f"area/guidance.{language}.md").write_text("Look closely.\n")
    return folder


@pytest.fixture
def services(settings, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The services that the commands open too: one database, rules in it, seeded with the line at 0.5."""
    write(tmp_path / "first", 0.5)
    for name, value in {
        "STATE": str(tmp_path / "state"),
        "DATABASE_URL": dsn,
        "POLICIES__MODE": "database",
        "POLICIES__FOLDER": str(tmp_path / "first"),
    }.items():
        monkeypatch.setenv(f"MODERATION_{name}", value)
    chosen = settings.policies.model_copy(update={"mode": "database", "folder": tmp_path / "first"})
    with open_services(settings.model_copy(update={"policies": chosen})) as opened:
        yield opened


@pytest.fixture
def judge(services) -> Callable[..., tuple[str, str]]:
    """Judge a clip of one score by whatever is in force for it, and store that; gives clip and policy version."""

    def judge(score: float, clip: str | None = None) -> tuple[str, str]:
        now = services.clock.now()
        facts = FactRecord(
            org=ORG,
            clip=clip or new_id("clip"),
            judged_at=now.isoformat(),
            duration_ms=2000,
            phase="public",
            submission=SubmissionFacts(creator="ana"),
            signals={"explicit.score": SignalFact(state=State.MEASURED, samples=(Sample(0, score),))},
            manifests=Manifests(detectors="d", gallery="1", lexicon="l"),
        )
        with services.database.transaction(ORG) as tx:
            acting = services.rulebook.choose(tx, facts.clip, now).acting
            decision = decide(facts, acting)
            row = {"org": ORG, "clip": facts.clip, "now": now, "hash": decision.facts_hash}
            tx.pg.execute(
                "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at) "
                "values (%(org)s, %(clip)s, 'processing', %(now)s, %(now)s)",
                row,
            )
            tx.pg.execute(RECORDS.insert_facts, {**row, "body": facts.to_bytes().decode()})
            kept = {"version": acting.version, "body": acting.to_bytes().decode()}
            tx.pg.execute(RECORDS.insert_policy_version, {**row, **kept})
            said = {"outcome": str(decision.outcome), "body": decision.to_bytes().decode(), "actor_kind": "rule"}
            named = {"actor": "rule", "facts_hash": decision.facts_hash, "policy_version": acting.version}
            tx.pg.execute(RECORDS.insert_decision, {**row, **said, **named, "decision": new_id("dec"), "run": None})
        return facts.clip, acting.version

    return judge


@pytest.fixture
def history(judge) -> dict[float, str]:
    """Five clips by score."""
    return {score: judge(score)[0] for score in SCORES}


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_backtest_shows_table_intervals_hours_and_the_clips_that_changed(history, tmp_path):
    said = run("backtest", str(write(tmp_path / "stricter", 0.4)), "--since", "7d")
    lines = said.splitlines()
    assert lines[0].startswith("before: decided then   after: ")
    assert "clips judged: 5 of 5; come out otherwise: 1/5 20.0% [3.6%, 62.4%]" in said
    table = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("  allow  ", "  review  "))}
    assert table == {"allow": ["1", ".", "1", "."], "review": [".", ".", "3", "."]}
    assert f"      {history[0.45]}  +area.seen" in lines
    assert "With 5 clips this shows that rules work, and nothing of how often" in said
    assert "reviewer-hours a day in all: 0.1 before, 0.1 after" in said
    assert "no labels" in said


def test_a_backtest_is_one_json_document_and_knows_labels(history, tmp_path):
    labels = tmp_path / "golden.csv"
    labels.write_text(f"clip_id,outcome\n{history[0.9]},block\n{history[0.65]},block\n{history[0.1]},allow\n")
    folder = str(write(tmp_path / "laxer", 0.7))
    report = json.loads(run("backtest", folder, "--since", "7d", "--labels", str(labels), "--json"))
    cells = {(cell["from"], cell["to"]): cell for cell in report["table"]}
    assert {pair: cell["hits"] for pair, cell in cells.items()} == {
        ("allow", "allow"): 2,
        ("review", "allow"): 2,
        ("review", "review"): 1,
    }
    changed = cells["review", "allow"]["examples"]
    assert {example["clip"] for example in changed} == {history[0.55], history[0.65]}
    assert all(example["rules"] == ["-area.seen"] for example in changed)
    assert report["golden"]["labelled"] == 3
    assert [missed["clip"] for missed in report["golden"]["newly_missed"]] == [history[0.65]]
    none = json.loads(run("backtest", folder, "--since", "7d", "--examples", "0", "--json"))
    assert not any(cell["examples"] for cell in none["table"])
    one = json.loads(run("backtest", folder, "--since", "7d", "--sample", "2", "--json"))
    assert one["judged"] == 2


def test_a_threshold_is_sought_and_a_handful_of_clips_said_to_be_one(history, tmp_path):
    said = run("backtest", "--since", "7d", "--seek", "area.seen", "--hours", "0.05")
    assert said.splitlines()[0] == "area.seen: explicit.score at_least 0.5 today; queue explicit"
    assert "With 5 clips no threshold can be chosen" in said
    assert "0.05 hours a day: at_least 0.9, " in said
    with pytest.raises(Unprocessable):
        run("backtest", "--seek", "area.nothing", "--hours", "1")
    assert CliRunner().invoke(app, ["backtest", "--seek", "area.seen"]).exit_code == 2


def test_diff_compares_folders_bundles_versions_and_what_is_in_force(services, history, tmp_path):
    stricter = write(tmp_path / "stricter", 0.4)
    draft = lifecycle.hand_in(services, ORG, read_texts(stricter), ANA)
    for named in (str(stricter), draft.bundle_id, draft.version[:12]):
        report = json.loads(run("diff", "active", named, "--since", "7d", "--json"))
        assert (report["before"], report["after"]) == (services.ruleset.version, draft.version)
        assert {(cell["from"], cell["to"]): cell["hits"] for cell in report["table"]} == {
            ("allow", "allow"): 1,
            ("allow", "review"): 1,
            ("review", "review"): 3,
        }
    assert "no outcome changes" in run("diff", "active", str(tmp_path / "first"), "--since", "7d")


def test_emergency_rules_can_be_compared_while_they_hold_and_after(services, history):
    text = AREA.format(threshold=0.05).replace("rule: seen", "rule: doubtful")
    laid = emergencies.break_glass(services, ORG, text, by="ana", why="a wave")
    emergencies.settle(services, ORG, laid.emergency_id, by="ana", end=True)
    report = json.loads(run("diff", "active", laid.emergency_id, "--since", "7d", "--json"))
    assert {(cell["from"], cell["to"]): cell["hits"] for cell in report["table"]} == {
        ("allow", "review"): 2,
        ("review", "review"): 3,
    }


def test_what_names_no_rules_is_said_with_what_would(services):
    for named in ("nosuch", new_id("pol"), new_id("emg"), "0" * 12):
        with pytest.raises(NotFound):
            run("diff", "active", named)


def test_a_version_that_many_bundles_are_is_one(services, tmp_path):
    texts = read_texts(write(tmp_path / "other", 0.6))
    versions = {lifecycle.hand_in(services, ORG, texts, ANA).version for _ in range(3)}
    (version,) = versions
    assert find_ruleset(services, ORG, version[:8]).version == version


def test_decisions_under_break_glass_and_under_a_share_replay_by_the_version_that_took_them(services, judge, tmp_path):
    texts = read_texts(write(tmp_path / "second", 0.2))
    bundle = lifecycle.hand_in(services, ORG, texts, ANA).bundle_id
    lifecycle.propose(services, ORG, bundle, ANA)
    lifecycle.approve(services, ORG, bundle, BEN)
    lifecycle.shadow(services, ORG, bundle, ANA)
    lifecycle.check(services, ORG, bundle)
    lifecycle.enforce(services, ORG, bundle, 50, ANA)
    clips = [new_id("clip") for _ in range(12)]
    by_share = {clip: judge(0.3, clip)[1] for clip in clips}
    acting = services.ruleset.version
    assert {clip for clip, version in by_share.items() if version != acting} == {c for c in clips if in_share(c, 50)}
    assert len(set(by_share.values())) == 2
    text = AREA.format(threshold=0.25).replace("rule: seen", "rule: doubtful")
    emergencies.break_glass(services, ORG, text, by="ana", why="a wave")
    under = [judge(0.3)[1] for _ in range(8)]
    assert not {acting, *by_share.values()} & set(under)
    with services.database.transaction(ORG) as tx:
        kept = dict(tx.pg.execute("select version, body from moderation.policy_versions").fetchall())
    for version in under:
        assert any(policy.area.startswith("emergency_") for policy in load_bundle(kept[version]).policies)
    lifecycle.retire(services, ORG, bundle, ANA)
    whole = replay_decisions(services, ORG)
    assert (whole.equal, whole.total, whole.faultless) == (20, 20, True)
    with services.database.system_transaction() as tx:
        tx.pg.execute("set local session_replication_role = replica")
        tx.pg.execute("delete from moderation.policy_versions where version = %s", (under[0],))
    assert replay_decisions(services, ORG).unread >= 1


def test_times_that_mean_nothing_are_refused(services):
    later = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    with pytest.raises(Unprocessable, match="nothing lies between"):
        run("backtest", "--since", later)

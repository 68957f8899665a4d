"""Which rules judge, over a real database: the way of a bundle, shares, shadow, rollback, emergency rules, reloading."""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rules import AREA, CASES

from moderation import audit
from moderation.clock import FixedClock
from moderation.db import Database
from moderation.errors import Conflict, Forbidden, Outage, Unprocessable
from moderation.facts import FactRecord
from moderation.policy import source
from moderation.policy.engine import decide
from moderation.policy.fields import Fields
from moderation.policy.loader import UnusablePolicies, load_bundle
from moderation.policy.registry import VOCABULARY
from moderation.policy.staging import stage_facts
from moderation.policy.vocabulary import render
from moderation.rulebook import emergencies, lifecycle, shadowing, watching
from moderation.rulebook.book import Rulebook
from moderation.rulebook.bundles import read_archive, read_texts
from moderation.rulebook.in_force import in_share
from moderation.rulebook.lifecycle import Act
from moderation.rulebook.signatures import public_pem, sign
from moderation.settings import Policies, Settings

ORG = "default"
START = datetime(2026, 1, 1, tzinfo=UTC)
ANA, BEN = Act(by="ana"), Act(by="ben", why="looks right")
EMERGENCY = """\
language: 1
owner: on call
description: until morning
queue: explicit
requires: []
rules:
  - rule: everything_doubtful
    when: {signal: explicit.score, at_least: 0.05}
    then: {outcome: block, reasons: [explicit_content]}
"""


def texts(threshold: float = 0.5) -> dict[str, str]:
    guidance = {f"area/guidance.{language}.md": "Look closely.\n" for language in ("en", "fr", "ar")}
    rules = AREA.format(threshold=threshold)
    cases = CASES.format(above=threshold, below=round(threshold - 0.01, 2))
    return {"vocabulary.yaml": render(), "area/policy.yaml": rules, "area/cases.yaml": cases, **guidance}


def write(folder: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@dataclass(kw_only=True)
class Deployment:
    """What the life cycle needs of the services, over a real database; further processes are further rulebooks."""

    settings: Settings
    database: Database
    version: str = "1"
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))

    def __post_init__(self) -> None:
        self.rulebook = self.process()

    def process(self) -> Rulebook:
        return Rulebook(self.settings, self.database, self.clock)

    def choose(self, rulebook: Rulebook | None = None, clip: str = "clip_1"):
        with self.database.transaction(ORG) as tx:
            return (rulebook or self.rulebook).choose(tx, clip, self.clock.now())

    def acting(self, rulebook: Rulebook | None = None, clip: str = "clip_1") -> str:
        return self.choose(rulebook, clip).acting.version

    def faults(self, rulebook: Rulebook | None = None) -> tuple[str, ...]:
        with self.database.transaction(ORG) as tx:
            return (rulebook or self.rulebook).in_force(tx).rules.faults

    def approved(self, threshold: float) -> lifecycle.Bundle:
        drafted = lifecycle.hand_in(self, ORG, texts(threshold), ANA)
        lifecycle.propose(self, ORG, drafted.bundle_id, ANA)
        return lifecycle.approve(self, ORG, drafted.bundle_id, BEN)

    def full(self, threshold: float) -> lifecycle.Bundle:
        bundle = self.approved(threshold)
        lifecycle.shadow(self, ORG, bundle.bundle_id, ANA)
        lifecycle.check(self, ORG, bundle.bundle_id)
        return lifecycle.enforce(self, ORG, bundle.bundle_id, 100, ANA)

    def state(self, bundle: lifecycle.Bundle) -> str:
        with self.database.transaction(ORG) as tx:
            return lifecycle.read_bundle(tx, bundle.bundle_id).state


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path / "policies", texts())
    return tmp_path / "policies"


@pytest.fixture
def deploy(database, settings, folder) -> Callable[..., Deployment]:
    def made(**chosen: object) -> Deployment:
        policies = Policies(**{"folder": folder, "mode": "database", **chosen})
        return Deployment(settings=settings.model_copy(update={"policies": policies}), database=database)

    return made


@pytest.fixture
def deployed(deploy) -> Deployment:
    return deploy()


def test_the_folder_seeds_the_first_version_and_nothing_more(deployed, folder):
    first = deployed.acting()
    write(folder, texts(0.9))
    assert deployed.acting(deployed.process()) == first
    with deployed.database.transaction(ORG) as tx:
        (seeded,) = lifecycle.list_bundles(tx)
        assert (seeded.state, seeded.author, seeded.version) == ("full", "folder", first)


def test_a_bundle_goes_its_way_and_every_step_is_audited(deployed):
    first = deployed.acting()
    bundle = lifecycle.hand_in(deployed, ORG, texts(0.6), Act(by="ana", why="less noise"))
    assert bundle.version != first
    lifecycle.propose(deployed, ORG, bundle.bundle_id, ANA)
    lifecycle.approve(deployed, ORG, bundle.bundle_id, BEN)
    lifecycle.shadow(deployed, ORG, bundle.bundle_id, ANA)
    chosen = deployed.choose()
    assert chosen.acting.version == first
    assert [shadowed.base for shadowed in chosen.shadows] == [bundle.version]
    with pytest.raises(lifecycle.NotChecked, match="/check"):
        lifecycle.enforce(deployed, ORG, bundle.bundle_id, 30, ANA)
    assert lifecycle.check(deployed, ORG, bundle.bundle_id) == []
    lifecycle.enforce(deployed, ORG, bundle.bundle_id, 30, ANA)
    clips = [f"clip_{number}" for number in range(400)]
    taken = [clip for clip in clips if deployed.acting(clip=clip) == bundle.version]
    assert taken == [clip for clip in clips if in_share(clip, 30)]
    assert 70 < len(taken) < 170
    assert set(taken) < {clip for clip in clips if in_share(clip, 60)}
    lifecycle.enforce(deployed, ORG, bundle.bundle_id, 100, ANA)
    assert deployed.acting() == bundle.version
    assert deployed.choose().shadows == ()
    with deployed.database.transaction(ORG) as tx:
        steps = [(step.step, step.actor) for step in lifecycle.read_steps(tx, bundle.bundle_id)]
        states = {each.version: each.state for each in lifecycle.list_bundles(tx)}
    assert steps == [
        ("drafted", "ana"),
        ("proposed", "ana"),
        ("approved", "ben"),
        ("shadow", "ana"),
        ("enforcing", "ana"),
        ("full", "ana"),
    ]
    assert states == {first: "retired", bundle.version: "full"}
    with deployed.database.system_transaction() as tx:
        entries = [row[5] for row in tx.pg.execute(audit.SQL.entries).fetchall()]
        assert list(audit.verify(tx, Ed25519PrivateKey.generate().public_key())) == []
    for action in ("seeded", "drafted", "proposed", "approved", "shadow", "enforcing", "full"):
        assert sum(f'"policy.{action}"' in entry for entry in entries) == 1, action
    assert not any("less noise" in entry for entry in entries)


def test_nobody_approves_their_own(deployed):
    bundle = lifecycle.hand_in(deployed, ORG, texts(0.6), ANA)
    lifecycle.propose(deployed, ORG, bundle.bundle_id, BEN)
    for own in (ANA, BEN):
        with pytest.raises(Forbidden):
            lifecycle.approve(deployed, ORG, bundle.bundle_id, own)
    assert lifecycle.approve(deployed, ORG, bundle.bundle_id, Act(by="cem")).approved_by == "cem"


def test_steps_cannot_be_skipped(deployed):
    bundle = lifecycle.hand_in(deployed, ORG, texts(0.6), ANA)
    for step in (lifecycle.approve, lifecycle.shadow):
        with pytest.raises(Conflict):
            step(deployed, ORG, bundle.bundle_id, BEN)
    with pytest.raises(Conflict):
        lifecycle.enforce(deployed, ORG, bundle.bundle_id, 100, BEN)
    with pytest.raises(Conflict):
        lifecycle.roll_back(deployed, ORG, BEN, bundle.bundle_id)


def test_a_bundle_is_never_rewritten(deployed):
    bundle = lifecycle.hand_in(deployed, ORG, texts(0.6), ANA)
    for change in ("texts = '{}'", "version = 'x'", "author = 'y'"):
        with pytest.raises(Exception, match="never rewritten"), deployed.database.transaction(ORG) as tx:
            tx.pg.execute(f"update moderation.policy_bundles set {change} where bundle_id = %s", (bundle.bundle_id,))
    with pytest.raises(Exception, match="permission denied"), deployed.database.transaction(ORG) as tx:
        tx.pg.execute("delete from moderation.policy_bundles")


def test_what_its_cases_do_not_hold_is_not_enforced(deployed):
    bundle = lifecycle.hand_in(deployed, ORG, {**texts(0.6), "area/guidance.fr.md": ""}, ANA)
    lifecycle.propose(deployed, ORG, bundle.bundle_id, ANA)
    lifecycle.approve(deployed, ORG, bundle.bundle_id, BEN)
    lifecycle.shadow(deployed, ORG, bundle.bundle_id, ANA)
    lifecycle.check(deployed, ORG, bundle.bundle_id)
    with pytest.raises(lifecycle.NotReady) as refused:
        lifecycle.enforce(deployed, ORG, bundle.bundle_id, 10, ANA)
    (finding,) = refused.value.params["findings"]
    assert (finding["code"], finding["path"]) == ("no-guidance", "area/guidance.fr.md")
    assert deployed.state(bundle) == "shadow"


def test_what_its_cases_would_not_notice_is_not_enforced(deployed):
    lax = {**texts(0.6), "area/cases.yaml": CASES.format(above=0.99, below=0.01)}
    bundle = lifecycle.hand_in(deployed, ORG, lax, ANA)
    lifecycle.propose(deployed, ORG, bundle.bundle_id, ANA)
    lifecycle.approve(deployed, ORG, bundle.bundle_id, BEN)
    lifecycle.shadow(deployed, ORG, bundle.bundle_id, ANA)
    lifecycle.check(deployed, ORG, bundle.bundle_id)
    for _ in range(2):
        with pytest.raises(lifecycle.NotReady) as refused:
            lifecycle.enforce(deployed, ORG, bundle.bundle_id, 100, ANA)
    assert {finding["path"] for finding in refused.value.params["findings"]} == {"area/policy.yaml"}
    assert deployed.state(bundle) == "shadow"


def test_rolling_back_takes_one_person_and_reaches_every_process(deployed):
    first, other = deployed.acting(), deployed.process()
    second = deployed.full(0.6)
    assert deployed.acting(other) == second.version
    back = lifecycle.roll_back(deployed, ORG, Act(by="ana", why="too strict"))
    assert (back.version, back.state) == (first, "full")
    assert {deployed.acting(), deployed.acting(other)} == {first}
    assert deployed.state(second) == "retired"
    again = lifecycle.roll_back(deployed, ORG, ANA, second.bundle_id)
    assert deployed.acting(other) == again.version == second.version


def test_rolling_back_again_goes_further_back_and_never_forward(deployed):
    first = deployed.acting()
    second, third = deployed.full(0.6), deployed.full(0.7)
    assert lifecycle.roll_back(deployed, ORG, ANA).version == second.version
    fourth = deployed.full(0.8)
    for earlier in (second.version, first):
        assert lifecycle.roll_back(deployed, ORG, ANA).version == earlier
    with pytest.raises(Conflict, match="name it"):
        lifecycle.roll_back(deployed, ORG, ANA)
    assert deployed.acting() == first
    assert lifecycle.roll_back(deployed, ORG, ANA, third.bundle_id).version == third.version
    assert lifecycle.roll_back(deployed, ORG, ANA).version == first
    assert deployed.state(fourth) == "retired"


def test_the_machine_itself_is_no_second_person(deployed):
    bundle = lifecycle.hand_in(deployed, ORG, texts(0.6), ANA)
    lifecycle.propose(deployed, ORG, bundle.bundle_id, ANA)
    machine = Act(by=lifecycle.OPERATOR)
    with pytest.raises(Forbidden, match="MODERATION_API_KEY"):
        lifecycle.approve(deployed, ORG, bundle.bundle_id, machine)
    laid = emergencies.break_glass(deployed, ORG, EMERGENCY, by="ana", why="now")
    with pytest.raises(Forbidden, match="MODERATION_API_KEY"):
        emergencies.settle(deployed, ORG, laid.emergency_id, by=machine.by, end=False)


def test_two_who_move_the_pointer_at_once_leave_one_history(deployed):
    """Whoever comes second sees what the first did: no bundle is full and displaced, none lost."""
    bundles = [deployed.approved(threshold) for threshold in (0.6, 0.7, 0.8, 0.9)]
    for bundle in bundles:
        lifecycle.shadow(deployed, ORG, bundle.bundle_id, ANA)
        lifecycle.check(deployed, ORG, bundle.bundle_id)
        lifecycle.enforce(deployed, ORG, bundle.bundle_id, 100, ANA)
    together = threading.Barrier(4)

    def back(bundle: lifecycle.Bundle) -> str:
        together.wait()
        try:
            return lifecycle.roll_back(deployed, ORG, ANA, bundle.bundle_id).bundle_id
        except Conflict:
            return ""

    with ThreadPoolExecutor(4) as pool:
        moved = [bundle for bundle in pool.map(back, bundles) if bundle]
    states = [deployed.state(bundle) for bundle in bundles]
    with deployed.database.transaction(ORG) as tx:
        serial, acting = tx.pg.execute("select serial, acting from moderation.policy_pointers").fetchone()
    assert sorted(states) == ["full", "retired", "retired", "retired"]
    assert deployed.state(next(b for b in bundles if b.bundle_id == acting)) == "full"
    assert len(moved) >= 3
    assert serial >= len(moved)


def test_emergency_rules_are_few_at_once(deployed, monkeypatch):
    monkeypatch.setattr(emergencies, "MOST", 2)
    laid = [emergencies.break_glass(deployed, ORG, EMERGENCY, by="ana", why="now") for _ in range(2)]
    with pytest.raises(Conflict, match="end some"):
        emergencies.break_glass(deployed, ORG, EMERGENCY, by="ana", why="now")
    emergencies.settle(deployed, ORG, laid[0].emergency_id, by="ana", end=True)
    emergencies.break_glass(deployed, ORG, EMERGENCY, by="ana", why="now")


def test_a_bundle_that_no_longer_compiles_keeps_the_last_good_one(deployed):
    good = deployed.acting()
    second = deployed.full(0.6)
    assert deployed.acting() == second.version
    # As another version of the code would have stored it.
    with deployed.database.system_transaction() as tx:
        tx.pg.execute("alter table moderation.policy_bundles disable trigger policy_bundles_fixed")
        tx.pg.execute(
            "update moderation.policy_bundles set texts = replace(texts, 'at_least', 'at_leisure') where version = %s",
            (good,),
        )
        tx.pg.execute("update moderation.policy_pointers p set serial = serial + 1, acting = bundle_id "
                      "from moderation.policy_bundles b where b.version = %s", (good,))  # fmt: skip
    fresh = deployed.process()
    deployed.rulebook._source._compiled.clear()
    assert deployed.acting() == second.version
    assert "at_leisure" in deployed.faults()[0]
    with pytest.raises(Outage):
        deployed.acting(fresh)


def test_file_mode_follows_the_folder_and_keeps_the_last_good_one(deploy, folder):
    deployed = deploy(mode="file")
    first = deployed.acting()
    write(folder, texts(0.7))
    assert deployed.acting() == first
    assert [deployed.rulebook.look_outside() for _ in range(3)] == [False, True, False]
    second = deployed.acting()
    assert second != first
    write(folder, {"area/policy.yaml": "rules: ["})
    assert [deployed.rulebook.look_outside() for _ in range(2)] == [False, True]
    assert deployed.acting() == second
    assert "area/policy.yaml:2:1 unparsable" in deployed.faults()[0]
    with pytest.raises(Outage):
        deployed.acting(deployed.process())
    shutil.rmtree(folder)
    write(folder, texts(0.5))
    assert [deployed.rulebook.look_outside() for _ in range(2)] == [False, True]
    assert (deployed.acting(), deployed.faults()) == (first, ())
    with pytest.raises(lifecycle.FolderRules):
        lifecycle.roll_back(deployed, ORG, ANA)


def test_file_mode_judges_a_second_folder_in_shadow(deploy, tmp_path):
    write(tmp_path / "next", texts(0.9))
    deployed = deploy(mode="file", shadow=tmp_path / "next")
    chosen = deployed.choose()
    assert [shadowed.base for shadowed in chosen.shadows] != [chosen.acting.version]
    assert len(chosen.shadows) == 1


@pytest.mark.parametrize("mode", ["file", "database"])
def test_breaking_the_glass_is_stricter_at_once_for_a_day_and_seen_by_a_second_person(deploy, mode):
    deployed = deploy(mode=mode)
    base, other = deployed.acting(), deployed.process()
    assert deployed.acting(other) == base
    laid = emergencies.break_glass(deployed, ORG, EMERGENCY, by="ana", why="a wave")
    stricter = deployed.choose(other).acting
    assert stricter.version != base
    assert load_bundle(stricter.bundle).version == stricter.version
    assert [policy.area for policy in stricter.policies] == ["area", laid.area]
    with deployed.database.transaction(ORG) as tx:
        assert [each.emergency_id for each in emergencies.list_emergencies(tx, pending=True)] == [laid.emergency_id]
    with pytest.raises(Forbidden):
        emergencies.settle(deployed, ORG, laid.emergency_id, by="ana", end=False)
    assert emergencies.settle(deployed, ORG, laid.emergency_id, by="ben", end=False).state == "confirmed"
    with deployed.database.transaction(ORG) as tx:
        assert emergencies.list_emergencies(tx, pending=True) == []
    deployed.clock.at = START + timedelta(hours=24, seconds=-1)
    assert deployed.acting(other) == stricter.version
    deployed.clock.at = START + timedelta(hours=24)
    assert deployed.acting(other) == base
    assert emergencies.expire(deployed) == 1
    assert emergencies.expire(deployed) == 0
    assert deployed.acting() == base


def test_emergency_rules_end_when_somebody_says_so_and_are_still_seen(deployed):
    base = deployed.acting()
    laid = emergencies.break_glass(deployed, ORG, EMERGENCY, by="ana", why="a wave")
    ended = emergencies.settle(deployed, ORG, laid.emergency_id, by="ana", end=True)
    assert (ended.state, deployed.acting()) == ("ended", base)
    with deployed.database.transaction(ORG) as tx:
        assert len(emergencies.list_emergencies(tx, pending=True)) == 1
    assert emergencies.settle(deployed, ORG, laid.emergency_id, by="ben", end=False).state == "ended"
    with pytest.raises(Conflict):
        emergencies.settle(deployed, ORG, laid.emergency_id, by="cem", end=False)
    with deployed.database.transaction(ORG) as tx:
        assert emergencies.list_emergencies(tx, pending=True) == []


@pytest.mark.parametrize(
    "line",
    [
        "requires: [explicit.score]",
        "exceptions: []",
        "macros: {}",
        "overlays: []",
    ],
)
def test_emergency_rules_only_add(deployed, line):
    text = EMERGENCY.replace("requires: []", line if "requires" in line else f"requires: []\n{line}")
    with pytest.raises(UnusablePolicies) as refused:
        emergencies.break_glass(deployed, ORG, text, by="ana", why="a wave")
    assert refused.value.findings[0].code == "not-stricter"


def test_a_pointer_does_not_move_to_rules_that_emergency_rules_do_not_fit(deployed):
    first = deployed.acting()
    laid = emergencies.break_glass(deployed, ORG, EMERGENCY, by="ana", why="a wave")
    promoted = {**texts(0.6), f"{laid.area}/policy.yaml": AREA.format(threshold=0.1)}
    bundle = lifecycle.hand_in(deployed, ORG, promoted, ANA)
    lifecycle.propose(deployed, ORG, bundle.bundle_id, ANA)
    lifecycle.approve(deployed, ORG, bundle.bundle_id, BEN)
    with pytest.raises(Conflict, match="end them first"):
        lifecycle.shadow(deployed, ORG, bundle.bundle_id, ANA)
    emergencies.settle(deployed, ORG, laid.emergency_id, by="ana", end=True)
    lifecycle.shadow(deployed, ORG, bundle.bundle_id, ANA)
    assert deployed.acting() == first


def test_only_signed_policies_are_used_where_a_key_is_set(deploy, folder, tmp_path):
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(public_pem(key))
    deployed = deploy(mode="file", public_key=tmp_path / "key.pem")
    with pytest.raises(Outage, match=r"no policies\.sig"):
        deployed.acting()
    version = deploy(mode="file").acting()
    write(folder, {"policies.sig": sign(read_texts(folder), version, other)})
    with pytest.raises(Outage, match="not the configured key"):
        deployed.acting()
    write(folder, {"policies.sig": sign(read_texts(folder), version, key)})
    assert deployed.acting() == version
    for name in ("area/policy.yaml", "vocabulary.yaml", "area/cases.yaml", "area/guidance.fr.md"):
        whole = (folder / name).read_bytes()
        flipped = whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:]
        (folder / name).write_bytes(flipped)
        assert [deployed.rulebook.look_outside() for _ in range(2)] == [False, True], name
        assert deployed.acting() == version
        assert deployed.faults(), name
        (folder / name).write_bytes(whole)
        assert [deployed.rulebook.look_outside() for _ in range(2)] == [False, True], name
        assert not deployed.faults(), name


def test_hostile_archives_and_names_are_refused(deployed):
    for name in ("../up.yaml", "/abs.yaml", "a/b/c.yaml", ".hidden.yaml", "area/run.py", "a\\b.yaml"):
        with pytest.raises(Unprocessable):
            lifecycle.hand_in(deployed, ORG, {**texts(), name: "x: 1"}, ANA)
    with pytest.raises(Unprocessable):
        read_archive(b"PK\x03\x04 nothing")


def test_policies_of_organisations_are_apart(deployed):
    first = deployed.acting()
    with deployed.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations (org_id) values ('other')")
    bundle = lifecycle.hand_in(deployed, "other", texts(0.6), ANA)
    with pytest.raises(Exception, match="no policy bundle"):
        lifecycle.propose(deployed, ORG, bundle.bundle_id, ANA)
    lifecycle.propose(deployed, "other", bundle.bundle_id, ANA)
    lifecycle.approve(deployed, "other", bundle.bundle_id, BEN)
    lifecycle.shadow(deployed, "other", bundle.bundle_id, BEN)
    lifecycle.check(deployed, "other", bundle.bundle_id)
    lifecycle.enforce(deployed, "other", bundle.bundle_id, 100, BEN)
    assert deployed.acting() == first
    with deployed.database.transaction("other") as tx:
        assert deployed.rulebook.choose(tx, "clip_1", START).acting.version == bundle.version


def facts_of(given: str, clip: str) -> FactRecord:
    fields = Fields("given")
    return replace(stage_facts(fields, source.parse(given, "given"), VOCABULARY), clip=clip)


def test_what_stands_in_shadow_is_judged_beside_and_compared(deployed):
    bundle = deployed.approved(0.7)
    lifecycle.shadow(deployed, ORG, bundle.bundle_id, ANA)
    for number, score in enumerate((0.1, 0.6, 0.6, 0.9)):
        clip = f"clip_{number}"
        with deployed.database.transaction(ORG) as tx:
            tx.pg.execute(
                "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at) "
                "values ('default', %s, 'processing', %s, %s)",
                (clip, START, START),
            )
            rules = deployed.rulebook.choose(tx, clip, START)
            facts = facts_of(f'signals: {{explicit.score: "{score}x8"}}', clip)
            decision = decide(facts, rules.acting)
            for _ in range(2):
                shadowing.write_shadows(tx, rules, facts, decision, run="1.1", now=START)
    with deployed.database.transaction(ORG) as tx:
        found = shadowing.compare_shadow(tx, bundle.version, START)
        kept = tx.pg.execute("select count(*) from moderation.policy_versions").fetchone()
    assert [(each.acting_outcome, each.outcome, each.same, each.count) for each in found] == [
        ("allow", "allow", True, 1),
        ("review", "allow", False, 2),
        ("review", "review", True, 1),
    ]
    assert sorted(found[1].examples) == ["clip_1", "clip_2"]
    assert (shadowing.total(found), kept[0]) == (4, 1)


def test_rules_in_shadow_that_break_or_lack_a_signal_touch_no_decision(deployed, monkeypatch):
    needy = texts(0.7)
    needy["area/policy.yaml"] = needy["area/policy.yaml"].replace("requires: []", "requires: [face.detection]")
    bundle = lifecycle.hand_in(deployed, ORG, needy, ANA)
    lifecycle.propose(deployed, ORG, bundle.bundle_id, ANA)
    lifecycle.approve(deployed, ORG, bundle.bundle_id, BEN)
    lifecycle.shadow(deployed, ORG, bundle.bundle_id, ANA)
    clip, facts = "clip_1", facts_of('signals: {face.detection: failed, explicit.score: "0.1x8"}', "clip_1")
    outcomes = {}
    with deployed.database.transaction(ORG) as tx:
        tx.pg.execute(
            "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at) "
            "values ('default', %s, 'processing', %s, %s)",
            (clip, START, START),
        )
        rules = deployed.rulebook.choose(tx, clip, START)
        decision = decide(facts, rules.acting)
        shadowing.write_shadows(tx, rules, facts, decision, run="1.1", now=START)
        monkeypatch.setattr(shadowing, "required_failures", lambda *_: 1 / 0)
        shadowing.write_shadows(tx, rules, facts, decision, run="1.2", now=START)
        outcomes = dict(tx.pg.execute("select run, outcome from moderation.shadow_decisions").fetchall())
    assert outcomes == {"1.1": "held", "1.2": "failed"}


def test_a_notice_has_new_rules_ready_before_anybody_judges(deployed, dsn, monkeypatch):
    monkeypatch.setattr(watching, "POLL_SECONDS", 3600.0)
    other = deployed.process()
    first = deployed.acting(other)
    with watching.kept_current(other, dsn):
        # What moves before the watch listens is found by its first look.
        time.sleep(1)
        second = deployed.full(0.6)
        began = time.monotonic()
        while other.told()[ORG]["acting"] != second.version:
            assert time.monotonic() - began < 30, "nobody woke it"
            time.sleep(0.01)
        print(f"ready {time.monotonic() - began:.3f} s after the move")
        lifecycle.roll_back(deployed, ORG, ANA)
        began = time.monotonic()
        while other.told()[ORG]["acting"] != first:
            assert time.monotonic() - began < 30, "nobody woke it"
            time.sleep(0.01)
        print(f"back {time.monotonic() - began:.3f} s after the move")


def test_without_notices_a_look_now_and_then_finds_the_move(deployed, dsn, monkeypatch):
    monkeypatch.setattr(watching, "CHANNEL", "nobody_speaks_here")
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.5)
    other = deployed.process()
    deployed.acting(other)
    with watching.kept_current(other, dsn):
        second = deployed.full(0.6)
        began = time.monotonic()
        while other.told()[ORG]["acting"] != second.version:
            assert time.monotonic() - began < 30, "nobody looked"
            time.sleep(0.01)

"""Backtest, diff and the search for a threshold on stored records: real Postgres, real policies, no media."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from detectors.base import FaceState, State
from moderation.assembly import open_services
from moderation.db import queries
from moderation.decisions import Decision, Outcome, Reason
from moderation.errors import NotFound, Unprocessable
from moderation.facts import FaceFact, FactRecord, Manifests, Sample, SignalFact, SubmissionFacts
from moderation.ids import new_id
from moderation.policy.engine import Ruleset, decide
from moderation.policy.loader import Folder, compile_folder
from moderation.policy.vocabulary import FILE, render
from moderation.rehearsing import sheets
from moderation.rehearsing.backtesting import backtest, find_ruleset
from moderation.rehearsing.labels import read_labels
from moderation.rehearsing.scope import Scope, moment
from moderation.rehearsing.seeking import seek
from moderation.replaying import replay_decisions
from moderation.services import Services

RECORDS = queries("records")
ORG = "default"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SCOPE = Scope(since=NOW - timedelta(days=30), until=NOW + timedelta(days=1))
POLICY = """\
language: 1
owner: somebody
description: for a test
queue: explicit
requires: [explicit.score]
rules:
  - rule: sure
    when: {{signal: explicit.score, at_least: {block}, for: 500ms}}
    then: {{outcome: block, reasons: [explicit_content]}}
  - rule: doubt
    when: {{signal: explicit.score, {comparator}: {review}}}
    then: {{outcome: review, reasons: [explicit_content]}}
  - rule: young
    when: {{all: [{{signal: face.age, below: 20}}, {{signal: explicit.score, at_least: 0.2}}]}}
    then: {{outcome: review, reasons: [minor_sexualised], queue: minor_safety}}
"""


def policies(*, block: float = 0.8, review: float = 0.3, comparator: str = "at_least") -> Ruleset:
    texts = {FILE: render(), "area/policy.yaml": POLICY.format(block=block, review=review, comparator=comparator)}
    ruleset, findings = compile_folder(Folder(root="", texts=texts))
    assert ruleset is not None, findings
    return ruleset


def record(
    scores: list[float], *, org: str = ORG, age: float | None = None, state: State = State.MEASURED
) -> FactRecord:
    samples = tuple(Sample(at * 250, score) for at, score in enumerate(scores))
    ages = () if age is None else (Sample(0, age, 0),)
    faces = () if age is None else (FaceFact(track=0, start_ms=0, end_ms=2000, state=FaceState.UNMATCHED),)
    return FactRecord(
        org=org,
        clip=new_id("clip"),
        judged_at=NOW.isoformat(),
        duration_ms=250 * len(scores),
        phase="public",
        submission=SubmissionFacts(creator="ana", cameos=("per_1",)),
        signals={
            "explicit.score": SignalFact(state=state, model="m", version="1", samples=samples),
            "face.age": SignalFact(state=State.MEASURED, samples=ages),
        },
        faces=faces,
        manifests=Manifests(detectors="d", gallery="1", lexicon="l"),
    )


@dataclass
class Log:
    """The stored history of a test, written as the pipeline writes it."""

    services: Services
    clips: list[str] = field(default_factory=list)
    minutes: Iterator[int] = field(default_factory=count)

    def judge(self, facts: FactRecord, ruleset: Ruleset, *, at: datetime = NOW, body: str | None = None) -> str:
        """Store a clip, its facts and the rules' decision; returns the clip."""
        decision = decide(facts, ruleset)
        row = {"org": facts.org, "clip": facts.clip, "now": at}
        with self.services.database.transaction(facts.org) as tx:
            if facts.clip not in self.clips:
                tx.pg.execute(
                    "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at) "
                    "values (%(org)s, %(clip)s, 'processing', %(now)s, %(now)s)",
                    row,
                )
            text = body or facts.to_bytes().decode()
            tx.pg.execute(RECORDS.insert_facts, {**row, "hash": decision.facts_hash, "body": text})
            kept = {"version": ruleset.version, "body": ruleset.to_bytes().decode()}
            tx.pg.execute(RECORDS.insert_policy_version, {**row, **kept})
            self._insert(tx, row, decision, "rule", facts_hash=decision.facts_hash, version=ruleset.version)
        self.clips.append(facts.clip)
        return facts.clip

    def answer(self, clip: str, outcome: str, *, org: str = ORG) -> None:
        """Store a person's decision on a clip."""
        said = Decision(outcome=Outcome(outcome), facts_hash="", reasons=(Reason(code="hate"),), decided_by="dev")
        with self.services.database.transaction(org) as tx:
            self._insert(tx, {"org": org, "clip": clip, "now": NOW}, said, "person")

    def _insert(self, tx, row, decision, kind, *, facts_hash=None, version=None) -> None:
        tx.pg.execute(
            RECORDS.insert_decision,
            {
                **row,
                "decision": new_id("dec"),
                "outcome": str(decision.outcome),
                "body": decision.to_bytes().decode(),
                "actor_kind": kind,
                "actor": kind,
                "facts_hash": facts_hash,
                "policy_version": version,
                "run": None,
            },
        )

    def run(self, statement: str, *args: object) -> None:
        """Change what only a fault would change."""
        with self.services.database.system_transaction() as tx:
            tx.pg.execute("set local session_replication_role = replica")
            tx.pg.execute(statement, args)


@pytest.fixture
def services(settings) -> Iterator[Services]:
    with open_services(settings) as opened:
        with opened.database.system_transaction() as tx:
            tx.pg.execute(
                "insert into moderation.organisations (org_id) values ('default'), ('other') on conflict do nothing"
            )
        yield opened


@pytest.fixture
def log(services) -> Log:
    return Log(services)


def cells(report) -> dict[tuple[str, str], int]:
    return {(cell.before, cell.after): cell.share.hits for cell in report.cells}


def test_the_table_says_what_went_where_and_why(services, log):
    then = policies()
    clear = [log.judge(record([0.1] * 8), then) for _ in range(3)]
    doubtful = log.judge(record([0.1, 0.35, 0.1]), then)
    bad = log.judge(record([0.9] * 8), then)
    report = backtest(services, ORG, policies(review=0.4, block=0.95), SCOPE)
    assert cells(report) == {("allow", "allow"): 3, ("review", "allow"): 1, ("block", "review"): 1}
    named = {(cell.before, cell.after): cell.examples for cell in report.cells}
    assert [(example.clip, example.rules) for example in named["review", "allow"]] == [(doubtful, ("-area.doubt",))]
    assert [(example.clip, example.rules) for example in named["block", "review"]] == [
        (bad, ("-area.sure", "+area.doubt"))
    ]
    counts = {rule.rule: rule.fired for rule in report.rules}
    assert counts == {"area.sure": (1, 0), "area.doubt": (2, 1)}
    assert report.judged == report.clips == len(clear) + 2
    assert json.loads(json.dumps(report.to_json()))["table"][1]["hits"] == 1
    text = "\n".join(sheets.write_report(report))
    assert "review -> allow  1/5 20.0%" in text
    assert "nothing of how often" in text


scores = st.lists(st.sampled_from([0.0, 0.19, 0.2, 0.3, 0.31, 0.8, 1.0]), min_size=1, max_size=6)
histories = st.lists(
    st.builds(
        record,
        scores,
        age=st.sampled_from([None, 15.0, 40.0]),
        state=st.sampled_from([State.MEASURED, State.MEASURED, State.FAILED]),
    ),
    min_size=1,
    max_size=6,
)


@trying(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, block=st.sampled_from([0.5, 0.8]), review=st.sampled_from([0.1, 0.3]))
def test_the_same_rules_change_nothing(services, log, history, block, review):
    log.run("truncate moderation.clips cascade")
    then = policies(block=block, review=review)
    for facts in history:
        log.judge(facts, then)
    report = backtest(services, ORG, then, SCOPE)
    assert report.judged == len(history)
    assert all(before == after for before, after in cells(report))
    assert report.changed.hits == 0
    assert all(rule.fired[0] == rule.fired[1] and rule.open[0] == rule.open[1] for rule in report.rules)
    assert all(queue.before == queue.after for queue in report.queues)
    assert not report.moved


def test_two_policy_sets_are_compared_whatever_was_decided(services, log):
    for score in (0.1, 0.25, 0.35):
        log.judge(record([score]), policies(review=0.01))
    report = backtest(services, ORG, policies(review=0.2), SCOPE, old=policies(review=0.3))
    assert cells(report) == {("allow", "allow"): 1, ("allow", "review"): 1, ("review", "review"): 1}
    assert (report.before, report.after) == (policies(review=0.3).version, policies(review=0.2).version)


def test_a_case_that_changes_queues_is_said(services, log):
    log.judge(record([0.35], age=18.0), policies())
    only_doubt = policies()
    area = only_doubt.policies[0]
    report = backtest(services, ORG, policies(), SCOPE)
    assert cells(report) == {("review", "review"): 1}
    assert report.moved == ()
    assert [queue.queue for queue in report.queues] == ["minor_safety"]
    assert area.queue == "explicit"


def test_cases_and_hours_a_day_by_queue(services, log):
    then = policies()
    for day in range(10):
        for score in (0.1, 0.1, 0.35, 0.4):
            log.judge(record([score]), then, at=NOW - timedelta(days=10 - day))
    scope = replace(SCOPE, until=NOW)
    report = backtest(services, ORG, policies(review=0.38), scope)
    assert report.days == 10
    (load,) = report.queues
    assert (load.queue, load.before.cases, load.after.cases) == ("explicit", 2.0, 1.0)
    assert load.before.hours(load.before.cases) == pytest.approx(2 * 120 / 3600)
    assert load.after.low < 1.0 < load.after.high
    assert load.after.pace.cases == 0


def test_a_pace_is_measured_where_thirty_cases_were_decided(services, log):
    with_pace = "explicit"
    for number in range(30):
        clip = log.judge(record([0.35]), policies())
        case = f"case_{number}"
        log.run(
            "insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, deadline, created_at, state) "
            "select 'default', %s, %s, %s, decision_id, now(), now(), 'decided' from moderation.decisions where clip_id = %s",
            case,
            clip,
            with_pace,
            clip,
        )
        for action, after in (("claimed", 0), ("decided", 40 if number % 2 else 5000)):
            log.run(
                "insert into moderation.case_actions (org_id, case_id, action, actor, at) values ('default', %s, %s, 'dev', %s)",
                case,
                action,
                NOW + timedelta(seconds=after),
            )
    (load,) = backtest(services, ORG, policies(), SCOPE).queues
    assert load.after.pace.cases == 30
    # A page that was left open counts as half an hour.
    assert load.after.pace.seconds == pytest.approx((40 + 1800) / 2)


def test_a_sample_is_the_same_every_time_and_says_how_far_it_reaches(services, log):
    then = policies()
    for number in range(40):
        log.judge(replace(record([0.35 if number % 4 == 0 else 0.1]), clip=f"clip_{number:032x}"), then)
    scope = replace(SCOPE, sample=12)
    first, second = (backtest(services, ORG, policies(review=0.5), scope) for _ in range(2))
    assert first.to_json() == second.to_json()
    assert (first.judged, first.clips, first.sampled) == (12, 40, True)
    changed = {(cell.before, cell.after): cell for cell in first.cells}.get(("review", "allow"))
    assert changed is not None
    assert changed.estimate is not None
    expected, low, high = changed.estimate
    assert changed.share.hits <= low <= expected <= high <= 40
    larger = backtest(services, ORG, policies(review=0.5), replace(SCOPE, sample=20))
    assert {cell.share.of for cell in larger.cells} == {20}


def test_what_people_answered_is_the_golden_set_and_a_file_speaks_louder(services, log, tmp_path):
    then = policies()
    harmful = [log.judge(record([score]), then) for score in (0.32, 0.5, 0.6)]
    harmless = log.judge(record([0.34]), then)
    for clip in harmful:
        log.answer(clip, "block")
    log.answer(harmless, "allow")
    golden = backtest(services, ORG, policies(review=0.4), SCOPE).golden
    assert golden.labelled == 4
    assert (golden.before.recall.hits, golden.before.recall.of) == (3, 3)
    assert (golden.after.recall.hits, golden.after.recall.of) == (2, 3)
    assert (golden.before.precision.hits, golden.before.precision.of) == (3, 4)
    assert (golden.after.precision.hits, golden.after.precision.of) == (2, 2)
    assert [example.clip for example in golden.newly_missed] == [harmful[0]]
    assert not golden.after.recall.enough
    path = tmp_path / "labels.csv"
    path.write_text(f"clip_id,outcome\n{harmful[0]},allow\n")
    golden = backtest(services, ORG, policies(review=0.4), replace(SCOPE, labels=read_labels(path))).golden
    assert (golden.after.recall.hits, golden.after.recall.of) == (2, 2)


def test_a_labelled_clip_of_another_time_counts_for_the_labels_alone(services, log):
    old = log.judge(record([0.5]), policies(), at=NOW - timedelta(days=300))
    log.judge(record([0.1]), policies())
    report = backtest(services, ORG, policies(), replace(SCOPE, labels={old: "block"}))
    assert (report.judged, report.golden.labelled) == (1, 1)
    assert report.golden.after.recall.hits == 1


def test_what_a_person_settled_is_not_taken_for_the_rules_word(services, log):
    facts = record([0.5])
    clip = log.judge(facts, policies())
    log.answer(clip, "allow")
    log.judge(replace(facts, judged_at="2026-11-02T00:00:00+00:00"), policies(review=0.99))
    report = backtest(services, ORG, policies(), SCOPE)
    assert cells(report) == {("review", "review"): 1}


def test_what_cannot_be_judged_is_said(services, log):
    then = policies()
    facts = record([0.5])
    log.judge(facts, then, body=facts.to_bytes().decode().replace('"facts_version":1', '"facts_version":0'))
    damaged = record([0.5])
    log.judge(damaged, then, body=damaged.to_bytes().decode().replace('"duration_ms":250', '"duration_ms":"long"'))
    erased = log.judge(record([0.5]), then)
    log.run("delete from moderation.facts where clip_id = %s", erased)
    log.judge(record([0.5]), then)
    report = backtest(services, ORG, then, SCOPE)
    assert (report.judged, report.gaps.erased, dict(report.gaps.unreadable)) == (
        1,
        1,
        {"of version 0": 1, "damaged": 1},
    )
    text = "\n".join(sheets.write_report(report))
    assert "NOT JUDGED: 1 records of version 0" in text
    assert "1 whose facts were erased" in text


def test_signals_that_records_lack_are_said(services, log):
    facts = record([0.5])
    log.judge(replace(facts, signals={"explicit.score": facts.signals["explicit.score"]}), policies())
    report = backtest(services, ORG, policies(), SCOPE)
    assert ("face.age", "absent", 1) in report.unmeasured


def test_nobody_sees_another_organisation(services, log):
    log.judge(record([0.5], org="other"), policies())
    log.judge(record([0.1]), policies())
    assert backtest(services, ORG, policies(), SCOPE).clips == 1
    assert cells(backtest(services, "other", policies(), SCOPE)) == {("review", "review"): 1}
    assert replay_decisions(services, ORG).equal == 1


def test_one_queue_alone(services, log):
    log.judge(record([0.5]), policies())
    log.judge(record([0.5], age=15.0), policies())
    log.judge(record([0.1]), policies())
    report = backtest(services, ORG, policies(), replace(SCOPE, queue="minor_safety"))
    assert (report.judged, report.listed) == (3, 1)
    assert [queue.queue for queue in report.queues] == ["minor_safety"]


def test_nothing_to_judge_is_said_and_no_figure_is_made_up(services):
    report = backtest(services, ORG, policies(), SCOPE)
    assert report.judged == 0
    assert report.changed.share is None
    assert "there is nothing to compare" in "\n".join(sheets.write_report(report))
    found = seek(services, ORG, policies(), SCOPE, rule="area.doubt", hours=1)
    assert found.best is None


def test_more_processes_find_the_same(services, log):
    then = policies()
    for number in range(30):
        log.judge(record([number / 30]), then)
    small = 5

    def found(processes: int) -> tuple[object, ...]:
        seen: list[tuple[int, int]] = []
        report = backtest(
            services,
            ORG,
            policies(review=0.5),
            SCOPE,
            processes=processes,
            batch=small,
            progress=lambda done, total: seen.append((done, total)),
        )
        assert seen[-1] == (30, 30)
        return report.to_json(), replay_decisions(services, ORG, processes=processes, batch=small)

    assert found(1) == found(2)


@pytest.mark.parametrize("comparator", ["at_least", "above"])
def test_the_threshold_that_keeps_a_queue_within_its_hours(services, log, comparator):
    then = policies(comparator=comparator)
    for score in (0.1, 0.32, 0.4, 0.4, 0.5, 0.6, 0.7):
        log.answer(log.judge(record([score, 0.05]), then), "block" if score > 0.45 else "allow")
    log.judge(record([0.35], age=15.0), then)
    ruleset = policies(comparator=comparator)
    hours = 3.5 * 120 / 3600
    found = seek(services, ORG, ruleset, SCOPE, rule="area.doubt", hours=hours)
    assert found.best is not None
    assert found.best.threshold == pytest.approx(0.5 if comparator == "at_least" else 0.4999)
    assert (found.now.load.cases, found.best.load.cases) == (6.0, 3.0)
    assert found.best.others["minor_safety"].cases == 1.0
    assert (found.best.recall.hits, found.best.recall.of) == (3, 3)
    assert not found.labels_enough
    again = backtest(services, ORG, policies(comparator=comparator, review=found.best.threshold), SCOPE)
    assert {queue.queue: queue.after.cases for queue in again.queues}["explicit"] == found.best.load.cases
    assert any("Too few labels" in line for line in sheets.write_found(found))
    for step in found.steps:
        tried = backtest(services, ORG, policies(comparator=comparator, review=step.threshold), SCOPE)
        assert {queue.queue: queue.after.cases for queue in tried.queues}.get("explicit", 0.0) == step.load.cases


def test_a_search_that_other_rules_make_hopeless_says_so(services, log):
    for _ in range(4):
        log.judge(record([0.25], age=15.0), policies())
    found = seek(services, ORG, policies(), SCOPE, rule="area.young:face.age", hours=0)
    assert found.best is not None
    assert found.best.load.cases == 0
    assert found.best.threshold <= 15.0


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("area.nothing", "no rule"),
        ("area.sure", "sends nothing to people"),
        ("area.young", "several thresholds"),
        ("area.doubt:face.age", "compares no signal"),
    ],
)
def test_a_threshold_that_cannot_be_searched_for(services, rule, says):
    with pytest.raises(Unprocessable, match=says):
        seek(services, ORG, policies(), SCOPE, rule=rule, hours=1)


def test_versions_are_found_by_their_first_digits(services, log):
    log.judge(record([0.1]), policies())
    version = policies().version
    assert find_ruleset(services, ORG, version[:10]).version == version
    assert find_ruleset(services, ORG, "active").version == services.ruleset.version
    for named in ("0123456", "nothing", version[:3]):
        with pytest.raises(NotFound):
            find_ruleset(services, ORG, named)
    with pytest.raises(NotFound):
        find_ruleset(services, "other", version[:10])


def test_a_planted_difference_is_found_by_replay(services, log):
    then = policies()
    clips = [log.judge(record([score]), then) for score in (0.1, 0.35, 0.9)]
    whole = replay_decisions(services, ORG)
    assert (whole.equal, whole.different, whole.faultless) == (3, [], True)
    log.run("update moderation.facts set body = replace(body, '0.35', '0.36') where clip_id = %s", clips[1])
    log.run("update moderation.facts set body = 'x' where clip_id = %s", clips[2])
    found = replay_decisions(services, ORG)
    assert (found.equal, found.differing, found.unread) == (1, 1, 1)
    assert len(found.different) == len(found.unreadable) == 1
    assert not found.faultless
    assert replay_decisions(services, ORG, clips[0]).equal == 1
    log.run("delete from moderation.facts where clip_id = %s", clips[0])
    assert replay_decisions(services, ORG, clips[0]).erased == 1


def test_a_decision_whose_rules_were_not_kept_is_no_equal_one(services, log):
    log.judge(record([0.1]), policies())
    log.run("delete from moderation.policy_versions")
    found = replay_decisions(services, ORG)
    assert (found.equal, found.unread, found.faultless) == (0, 1, False)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("30d", NOW - timedelta(days=30)),
        ("12h", NOW - timedelta(hours=12)),
        ("2026-10-01", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T08:30+02:00", datetime(2026, 10, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_times(text, means):
    assert moment(text, NOW) == means


def test_no_time():
    with pytest.raises(Unprocessable):
        moment("yesterday", NOW)
    with pytest.raises(Unprocessable):
        Scope(since=NOW, until=NOW)

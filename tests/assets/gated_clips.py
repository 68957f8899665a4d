"""Clips that are only rows, led through the real judgement, reviewers' answers, the gate and revocations."""

from datetime import timedelta

from judging_worker import ORG, add_clip, prove, showing

from moderation import consent, descent, judging, release, review
from moderation.db.clips import read_clip
from moderation.decisions import Outcome
from moderation.ids import new_id
from moderation.recording import insert_decision
from moderation.review.deciding import decision_of
from moderation.review.following import carry_out
from moderation.review.opinions import View
from moderation.review.reviewers import Reviewer
from moderation.revocations import beginning, driving
from moderation.scoring import Analysis


def wait(services) -> None:
    services.clock.at += timedelta(minutes=1)


def give(services, person, **terms) -> str:
    terms = {"grantee": None, "scope": "both"} | terms
    with services.database.transaction(ORG) as tx:
        return consent.grant(tx, services.clock.now(), person, by="test", **terms)


def upload(services, analysis: Analysis, *, copies: str = "", parents=(), creator="ana") -> str:
    """A clip that was looked at and marked; with the pictures of another."""
    clip = new_id("clip")
    add_clip(services, analysis, clip)
    prove(services, clip)
    with services.database.transaction(ORG) as tx:
        said = (creator, list(parents), clip)
        tx.pg.execute("update moderation.clips set creator = %s, parents = %s where clip_id = %s", said)
        descent.join(tx, clip, [copies] if copies else [], "copy", services.clock.now())
        descent.join(tx, clip, parents, "declared", services.clock.now())
    return clip


def nobody(services) -> Analysis:
    """What the detectors would have found where they recognised nobody."""
    found = showing(services, "per_nobody")
    return Analysis(signals=found.signals, faces=[], seen_ms=found.seen_ms)


def go_on(services, clip) -> str:
    """Judge a clip in its present run and lead it through the gate; how it ends."""
    with services.database.transaction(ORG) as tx:
        generation = read_clip(tx, clip).generation
    verdict = judging.judge(services, ORG, clip, generation, f"{generation}.0")
    return release.release(services, ORG, clip, generation) if verdict == "publishable" else verdict


def take_back(services, person, grant_id) -> str:
    wait(services)
    revocation = str(beginning.begin(services, ORG, person, by="test", grant_id=grant_id)["revocation_id"])
    driving.drive(services, ORG, revocation)
    wait(services)
    return revocation


def decide(services, clip, code: str, outcome: Outcome = Outcome.ALLOW, *, followed: bool = True) -> str:
    """A person's answer to the open case; what it asks for is done unless the undo window stands."""
    now = services.clock.now()
    with services.database.transaction(ORG) as tx:
        held = read_clip(tx, clip, lock=True)
        (case_id,) = tx.pg.execute(
            "select case_id from moderation.cases where clip_id = %s and state = 'open'", (clip,)
        ).fetchone()
        opened = review.opening_decision(tx, review.read_case(tx, case_id))
        view = View(outcome=outcome, reason=code, note="")
        said = decision_of(opened, view, Reviewer(principal="rev", specialist=False))
        decision = insert_decision(tx, held, said, actor_kind="person", actor="rev", now=now)
        tx.pg.execute(
            "update moderation.cases set state = 'decided', decided_at = now() where case_id = %s", (case_id,)
        )
        if followed:
            carry_out(tx, services.enqueuer, now, held, decision)
    wait(services)
    return decision

"""Steps 4 and 5: facts of this moment, judged by the policies of this moment, and what follows, in one transaction.

The only place where a clip becomes publishable; publishing itself is `release.py`'s.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from detectors.base import FaceState, State, VoiceState
from moderation import answers, appearances, asking, consent, descent, reservations, review
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome
from moderation.errors import ClipFault
from moderation.facts import (
    Candidate,
    Consent,
    FaceFact,
    FactRecord,
    Manifests,
    PersonFact,
    PersonKind,
    Sample,
    Segment,
    ShotStart,
    SignalFact,
    SubmissionFacts,
    VoiceCandidate,
    VoiceFact,
)
from moderation.hashlists.matching import compare
from moderation.history import account_facts, lineage_facts
from moderation.naming import facts_of, named_people
from moderation.notices.opening import bring_stopped
from moderation.policy.engine import Ruleset, decide, required_failures
from moderation.recording import insert_decision, keep_version, withhold
from moderation.revocations.rejudging import judge_copies_of
from moderation.rulebook.shadowing import write_shadows
from moderation.scoring import Analysis, analysis_of_now, duration_of
from moderation.screening import seal

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")


def judge(services: "Services", org: str, clip_id: str, generation: int, judgement: str) -> str:
    """Judge a clip on the facts of now.

    Answers "publishable", "in_review", "withheld", "gallery_changed" (look again first) or "outdated" (another run
    owns the clip). Raises ClipFault when a signal that the policies require is missing.
    """
    now = services.clock.now()
    resembles = compare(services, org, clip_id)
    if resembles is not None and resembles.known_illegal is not None:
        # A hash that was added while the clip was looked at, or a frame that only the detectors' look came upon.
        seal(services, org, clip_id, generation, resembles.known_illegal)
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if clip.generation != generation:
            return "outdated"
        if clip.state is not Status.PROCESSING:
            # This very step was done before and its answer lost: the clip itself tells it.
            return clip.status
        gallery = consent.gallery_version(tx)
        analysis = analysis_of_now(tx, services, org, clip_id, gallery)
        if analysis is None or resembles is None:
            return "gallery_changed"
        run = f"{generation}.{judgement}"
        words = asking.words_about(tx, clip_id)
        taken = decided_in(tx, clip_id, run)
        if taken is None:
            hits = services.names.find(tx, services.vault, texts_of(submission_facts(clip)))
            standings = standings_in(tx, clip, analysis, words, now, named=named_people(hits))
            facts = establish(tx, services, clip, analysis, standings, gallery, now)
            named = facts_of(hits, standings, people_in(facts.faces, facts.voices))
            facts = replace(facts, fingerprint=resembles.facts(), named=named)
            descent.join(tx, clip_id, resembles.copied, "copy", now)
            refuted = answers.refuted_people(answers.read_answers(tx, clip_id))
            appearances.write(tx, clip, facts, now, refuted=refuted, humans=humans_of(standings))
            judge_copies_of(tx, services.enqueuer, clip_id)
            # One choice for the whole judgement: whatever is switched meanwhile, no decision is of two versions.
            rules = services.rulebook.choose(tx, clip_id, now)
            decision = conclude(tx, rules.acting, facts, words)
            taken = write_decision(tx, clip, decision, facts, rules.acting, run=run, now=now), decision
            write_shadows(tx, rules, facts, decision, run=run, now=now)
            if decision.outcome is Outcome.REVIEW:
                asking.ask(tx, services.enqueuer, clip, unasked(facts, standings, refuted), now)
        return follow(tx, services, clip, *taken, now, words, lambda: use_of(tx, clip, analysis, words))


def decided_in(tx: Transaction, clip_id: str, run: str) -> tuple[str, Decision] | None:
    """The decision this very judgement already took, when the step is done a second time."""
    row = tx.pg.execute(SQL.decision_of_run, {"clip": clip_id, "run": run}).fetchone()
    return (row[0], Decision.from_json(json.loads(row[2]))) if row else None


def people_in(faces: Iterable[FaceFact], voices: Iterable[VoiceFact]) -> frozenset[str]:
    """Everybody whom some face or voice may be."""
    found = {candidate.person for face in faces for candidate in face.candidates}
    return frozenset(found | {candidate.person for voice in voices for candidate in voice.candidates})


def standings_in(
    tx: Transaction,
    clip: Clip,
    analysis: Analysis,
    words: asking.Words,
    now: datetime,
    *,
    named: frozenset[str] = frozenset(),
) -> dict[str, consent.Standing]:
    """What a clip's people, and those whom its texts name, consented to; locked until the transaction ends."""
    seen = named | people_in(map(face_fact, analysis.faces), map(voice_fact, analysis.voices))
    use = use_of(tx, clip, analysis, words)
    return consent.stand(tx, now, seen=seen, declared=frozenset(clip.cameos), use=use)


def use_of(tx: Transaction, clip: Clip, analysis: Analysis, words: asking.Words) -> consent.Use:
    """What a clip does with whom it shows."""
    signals = {name: signal_fact(signal) for name, signal in analysis.signals.items()}
    return consent.use_of(tx, clip.clip_id, submission_facts(clip), signals, words.answers)


def humans_of(standings: Mapping[str, consent.Standing]) -> dict[str, str]:
    """The record that rules for another of the same human, by that other."""
    return {person: standing.ruled_by for person, standing in standings.items() if standing.ruled_by}


def unasked(
    facts: FactRecord, standings: Mapping[str, consent.Standing], refuted: frozenset[str] = frozenset()
) -> set[tuple[str, str]]:
    """Whom to ask for what: people who are certainly there, never those who only may be."""
    found = appearances.seen(facts, refuted, humans_of(standings))
    there = {way for way, state in found.items() if state == appearances.MATCHED}
    return {(person, scope) for person, scope in there if scope in standings[person].asks}


def establish(
    tx: Transaction,
    services: "Services",
    clip: Clip,
    analysis: Analysis,
    standings: Mapping[str, consent.Standing],
    gallery: str,
    now: datetime,
) -> FactRecord:
    """Put together everything a policy may know of a clip."""
    faces = tuple(face_fact(face) for face in analysis.faces)
    voices = tuple(voice_fact(voice) for voice in analysis.voices)
    heard = frozenset(candidate.person for voice in voices for candidate in voice.candidates)
    signals = {name: signal_fact(signal) for name, signal in analysis.signals.items()}
    submission = submission_facts(clip)
    concerned = people_in(faces, voices) | set(clip.cameos)
    concerned |= {ruler for person, ruler in humans_of(standings).items() if person in concerned}
    return FactRecord(
        org=clip.org_id,
        clip=clip.clip_id,
        judged_at=now.isoformat(),
        duration_ms=duration_of(clip.probe),
        phase="draft" if clip.visibility == "draft" else "public",
        submission=submission,
        signals=signals,
        faces=faces,
        voices=voices,
        people={
            person: PersonFact(
                kind=PersonKind(standing.kind),
                consent=Consent(standing.consent),
                declared=standing.declared,
                version=standing.version,
                voice=Consent(standing.voice) if person in heard else None,
                limits=standing.limits,
            )
            for person, standing in standings.items()
            if person in concerned
        },
        lineage=lineage_facts(tx, clip),
        account=account_facts(tx, clip, now),
        shots=tuple(ShotStart(*start) for start in analysis.shots),
        manifests=Manifests(detectors=services.detectors_hash, gallery=gallery, lexicon=services.lexicon_hash),
    )


def texts_of(submission: SubmissionFacts) -> dict[str, str]:
    """The texts of a submission by source, as names are looked for in them."""
    return {"prompt": submission.prompt, "title": submission.title}


def submission_facts(clip: Clip) -> SubmissionFacts:
    """What the platform said, as facts."""
    return SubmissionFacts(
        creator=clip.creator or "",
        creator_age_band=clip.creator_age_band,
        prompt=clip.prompt or "",
        title=clip.title or "",
        generator=clip.generator,
        locale=clip.locale,
        market=clip.market,
        visibility="draft" if clip.visibility == "draft" else "public",
        cameos=tuple(clip.cameos),
        parents=tuple(clip.parents),
        purpose=clip.purpose,
    )


def signal_fact(signal: dict[str, object]) -> SignalFact:
    """One stored signal as a fact."""
    samples = signal["samples"]
    assert isinstance(samples, list)
    return SignalFact(
        state=State(str(signal["state"])),
        model=_text(signal["model"]),
        version=_text(signal["version"]),
        calibration=str(signal["calibration"]),
        samples=tuple(Sample(*sample) for sample in samples),
        note=str(signal["note"]),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def face_fact(face: dict[str, object]) -> FaceFact:
    """One stored face track as a fact; the boxes stay behind, no rule may read them."""
    candidates = face["candidates"]
    distance = face["distance"]
    assert isinstance(candidates, list)
    return FaceFact(
        track=int(str(face["track"])),
        start_ms=int(str(face["start_ms"])),
        end_ms=int(str(face["end_ms"])),
        state=FaceState(str(face["state"])),
        person=_text(face["person"]),
        distance=distance if isinstance(distance, float) else None,
        candidates=tuple(
            Candidate(person=c["person"], distance=c["distance"], state=FaceState(c["state"])) for c in candidates
        ),
    )


def voice_fact(voice: dict[str, object]) -> VoiceFact:
    """One stored voice as a fact."""
    segments, candidates = voice["segments"], voice["candidates"]
    assert isinstance(segments, list)
    assert isinstance(candidates, list)
    return VoiceFact(
        voice=int(str(voice["voice"])),
        state=VoiceState(str(voice["state"])),
        segments=tuple(Segment(*segment) for segment in segments),
        candidates=tuple(
            VoiceCandidate(person=c["person"], distance=c["distance"], state=VoiceState(c["state"])) for c in candidates
        ),
    )


def conclude(tx: Transaction, ruleset: Ruleset, facts: FactRecord, words: asking.Words) -> Decision:
    """The policies' decision, less what a person already settled. Raises ClipFault for a missing required signal."""
    missing = required_failures(facts, ruleset)
    if missing:
        raise ClipFault("detector_unavailable", f"no answer from {', '.join(missing)}")
    return answers.settle(decide(facts, ruleset), answers.counting(tx, facts, words))


def write_decision(
    tx: Transaction,
    clip: Clip,
    decision: Decision,
    facts: FactRecord,
    ruleset: Ruleset,
    *,
    run: str,
    now: datetime,
) -> str:
    """Store facts, policy set and decision for ever, and tell the audit log. Returns the decision's id."""
    row = {"org": clip.org_id, "clip": clip.clip_id, "now": now}
    tx.pg.execute(SQL.insert_facts, {**row, "hash": decision.facts_hash, "body": facts.to_bytes().decode()})
    keep_version(tx, ruleset, now)
    actor = f"policy:{ruleset.version[:12]}"
    return insert_decision(tx, clip, decision, actor_kind="rule", actor=actor, run=run, now=now)


def follow(
    tx: Transaction,
    services: "Services",
    clip: Clip,
    decision_id: str,
    decision: Decision,
    now: datetime,
    words: asking.Words,
    use: Callable[[], consent.Use],
) -> str:
    """Do what a decision asks for, short of publishing: that takes the gate."""
    if decision.outcome is Outcome.REVIEW:
        review.open_case(tx, services.enqueuer, clip, decision, decision_id, now)
        return "in_review"
    if decision.outcome is Outcome.BLOCK:
        withhold(tx, services.enqueuer, clip, decision, now)
        if decision.queue in review.SPECIALIST_QUEUES:
            # Blocked all the same, yet specialists look: some of what is blocked has to be reported.
            review.insert_case(tx, clip, decision, decision_id, now)
        return "withheld"
    # Who was asked by a colleague, and not heard before the clip was judged again, is asked still.
    if review.take_up(tx, services.enqueuer, clip, decision, now):
        return "in_review"
    # What people asked to be taken down, and whose likeness no rule could see, is let out by people alone.
    if bring_stopped(tx, services.enqueuer, now, clip):
        return "in_review"
    found = answers.read_answers(tx, clip.clip_id, words)
    held = reservations.bring(tx, services.enqueuer, now, clip, decision, found, use)
    return "in_review" if held else "publishable"

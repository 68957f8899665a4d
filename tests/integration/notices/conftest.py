"""Notices over a real database, with clips that are rows or short films, and a clock that stands still until moved."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from moderation import intake, review, screening
from moderation.assembly import open_services
from moderation.clips import Submission
from moderation.clock import FixedClock
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.ids import new_id
from moderation.notices.claims import Claim
from moderation.notices.filing import Receipt, Sender, file_notice
from moderation.recording import insert_decision
from moderation.samples.footage import write_footage
from moderation.services import Services
from moderation.settings import Settings

ORG = "default"
FPS = 10


PROOF = (
    "insert into moderation.proofs (org_id, clip_id, sha256, passed, body, created_at) "
    "values ('default', %(clip)s, 'its bytes', true, '{}', %(now)s)"
)
RELEASE = (
    "insert into moderation.releases (org_id, clip_id, sha256, blob_key, decision_id, released_at) "
    "values ('default', %(clip)s, 'its bytes', 'a key', %(decision)s, %(now)s)"
)


@dataclass(slots=True, kw_only=True)
class Bureau:
    """Where notices come in and are decided."""

    services: Services
    clock: FixedClock
    folder: Path
    minted: list[str] = field(default_factory=list)

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.clock.at += timedelta(**time)

    def clip(
        self, status: str = "released", outcome: str = "allow", by: str = "policy", *, decided: bool = True
    ) -> str:
        """A clip that is only a row, decided upon unless it is on its way."""
        clip, now = new_id("clip"), self.clock.now()
        with self.services.database.transaction(ORG) as tx:
            tx.pg.execute(
                "insert into moderation.clips (org_id, clip_id, status, creator, locale, created_at, updated_at) "
                "values (%s, %s, %s, 'ana', 'fr', %s, %s)",
                (ORG, clip, status, now, now),
            )
            tx.pg.execute(
                "insert into moderation.mark_payloads (payload, org_id, clip_id, key_version, minted_at) "
                "values (%s, %s, %s, 1, %s)",
                (f"{len(self.minted):012x}", ORG, clip, now),
            )
            self.minted.append(clip)
            if not decided:
                return clip
            reasons = () if outcome == "allow" else (Reason(code="explicit_content"),)
            decision = Decision(outcome=Outcome(outcome), facts_hash="", reasons=reasons, decided_by=by)
            kind = "rule" if by == "policy" else "person"
            found = read_clip(tx, clip, lock=True)
            row = {"clip": clip, "now": now}
            row["decision"] = insert_decision(tx, found, decision, actor_kind=kind, actor=by, now=now)
            if status == "released":
                tx.pg.execute(PROOF, row)
                tx.pg.execute(RELEASE, row)
        return clip

    def film(self, *seeds: int, creator: str = "ana") -> str:
        """A released clip with a file of its own: half a second of coloured blocks for each seed, and its print."""
        path = self.folder / f"{creator}-{'-'.join(map(str, seeds))}.mp4"
        write_footage(path, (picture(seed) for seed in seeds for _ in range(FPS // 2)), fps=FPS)
        clip = intake.accept_file(self.services, ORG, "tester", path, Submission(creator=creator), runner="check")
        screening.take_print(self.services, clip)
        self.change("update moderation.clips set status = 'released' where clip_id = %s", clip.clip_id)
        with self.services.database.transaction(ORG) as tx:
            decision = Decision(outcome=Outcome.ALLOW, facts_hash="")
            found = read_clip(tx, clip.clip_id, lock=True)
            insert_decision(tx, found, decision, actor_kind="rule", actor="policy", now=self.clock.now())
        return clip.clip_id

    def file(self, clip: str, kind: str = "intimate_image", *, source: str = "192.0.2.1", **said: object) -> Receipt:
        """File a valid notice; `said` changes it."""
        return file_notice(self.services, ORG, clip, replace(valid(kind), **said), Sender(source=source, language="fr"))

    def claim(self, who: str, queue: str = "takedown") -> review.Case:
        terms = review.terms_of(self.services.settings)
        with self.services.database.transaction(ORG) as tx:
            case = review.claim(tx, terms, self.clock.now(), queue, person(who))
        assert case is not None, f"nothing in {queue} for {who}"
        return case

    def decide(self, who: str, case: review.Case, outcome: str) -> None:
        terms = review.terms_of(self.services.settings)
        reason = {"allow": "no_violation"}.get(outcome, "takedown_notice")
        answer = review.Answer(
            outcome=Outcome(outcome), reason=reason, note="", lease_token=case.lease_token, version=case.version
        )
        with self.services.database.transaction(ORG) as tx:
            review.decide(tx, self.services.enqueuer, terms, self.clock.now(), case.case_id, answer, person(who))

    def settle(self, outcome: str, who: str = "ben", queue: str = "takedown") -> review.Case:
        """Let somebody take the next case and decide it."""
        case = self.claim(who, queue)
        self.decide(who, case, outcome)
        return case

    def overturn(self, who: str, case_id: str, version: int, **said: object) -> None:
        """Let somebody say that a decision was wrong: a block, unless `said` has it otherwise."""
        terms = review.terms_of(self.services.settings)
        usual = {"outcome": Outcome.ALLOW, "reason": "no_violation", "error_class": "false_positive"}
        wish = review.Overturn(**{**usual, **said}, version=version)
        with self.services.database.transaction(ORG) as tx:
            review.overturn(tx, self.services.enqueuer, terms, self.clock.now(), case_id, wish, person(who))

    def status(self, clip: str) -> object:
        return self.scalar("select status from moderation.clips where clip_id = %s", clip)

    def state(self, receipt: Receipt) -> object:
        return self.scalar("select state from moderation.notices where notice_id = %s", receipt.notice.notice_id)

    def events(self, clip: str) -> list[object]:
        return self.column("select type from moderation.events where clip_id = %s order by seq", clip)

    def scalar(self, query: str, *args: object) -> object:
        return next(iter(self.column(query, *args)), None)

    def column(self, query: str, *args: object) -> list[object]:
        with self.services.database.system_transaction() as tx:
            return [row[0] for row in tx.pg.execute(query, args).fetchall()]

    def change(self, query: str, *args: object) -> None:
        with self.services.database.system_transaction() as tx:
            tx.pg.execute(query, args)


def valid(kind: str) -> Claim:
    """A notice that lacks nothing."""
    said = {"name": "Zoe Zimmer", "signature": "Zoe Zimmer", "contact": "zoe@example.org"}
    return Claim(kind=kind, explanation="It shows me, and I never agreed.", location="0:01", good_faith=True, **said)


def picture(seed: int) -> np.ndarray:
    """Coloured blocks, different for each seed; BGR uint8 [180, 320, 3]."""
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return np.ascontiguousarray(np.kron(blocks, np.ones((20, 20, 1), np.uint8)))


def person(name: str) -> review.Reviewer:
    return review.Reviewer(principal=name, specialist=False)


@pytest.fixture
def bureau(
    settings: Settings, lend_decoders: Callable[..., AbstractContextManager[None]], tmp_path: Path
) -> Iterator[Bureau]:
    with open_services(settings) as opened, lend_decoders(opened):
        opened.clock = FixedClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
        # One colleague decides several notices in a row; that they would be spared the next is tried elsewhere.
        opened.settings.review.sparing_minutes = 0
        yield Bureau(services=opened, clock=opened.clock, folder=tmp_path)


@pytest.fixture
def claimed() -> Callable[[str], Claim]:
    return valid

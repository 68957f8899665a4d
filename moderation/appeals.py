"""Appeals against a decision, free of charge: by whoever made the clip, or by whoever's notice was rejected.

A person who took no part decides, in the queue of appeals. Decides nothing itself; `notices.settling` writes the end.
"""

import hmac
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from moderation import audit, outbox, review
from moderation.clips import Clip
from moderation.db import Transaction, queries, row, rows
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.ids import new_id
from moderation.messages import language_of, say
from moderation.notices.claims import MOST_CHARACTERS
from moderation.notices.rows import read_by_token
from moderation.notices.sealing import hash_of, new_token, open_words, seal
from moderation.rounds import go_through
from moderation.statements import token_of
from moderation.verdicts import moment

if TYPE_CHECKING:
    from moderation.services import Services
    from moderation.vault import Vault

SQL, RECORDS, CASES, CLIPS = queries("appeals"), queries("records"), queries("cases"), queries("clips")
QUEUE: Final = "appeals"
PRIORITY: Final = 50
BATCH: Final = 100
UNPROVEN: Final = "no statement of reasons was made with this token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """One row of `moderation.appeals`; without `notice_id` it is by the clip's creator."""

    org_id: str
    appeal_id: str
    clip_id: str
    #: The decision that is appealed against.
    appealed: str
    notice_id: str | None
    #: open | upheld | rejected | gone
    state: str
    case_id: str | None
    language: str
    filed_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an appeal says, for whoever decides."""

    by: str
    filed_at: datetime
    explanation: str


def appeal_as_creator(
    services: "Services", clip_id: str, decision_id: str, token: str, explanation: str, language: str = "en"
) -> tuple[Appeal, str]:
    """Appeal with the token of the statement of reasons; returns the appeal and the token that asks after it.

    Raises NotFound for what the token does not prove, Conflict for a decision that is none any more, is open to
    somebody, was taken on appeal, or is past the time for it.
    """
    org = org_of_statement(services, clip_id, decision_id, token)
    return _file(services, org, clip_id, decision_id, None, explanation, language)


def org_of_statement(services: "Services", clip_id: str, decision_id: str, token: str) -> str:
    """The organisation whose statement of reasons a token came with. Raises NotFound, whatever is wrong."""
    with services.database.system_transaction() as tx:
        found = tx.pg.execute(CLIPS.clip_of_marked, {"payload": clip_id}).fetchone()
    org = str(found[0]) if found else ""
    if not hmac.compare_digest(token_of(services, org, clip_id, decision_id).encode(), token.encode()) or found is None:
        raise NotFound(UNPROVEN)
    return org


def appeal_as_notifier(
    services: "Services", notice_id: str, token: str, explanation: str, language: str = "en"
) -> tuple[Appeal, str]:
    """Appeal against the rejection of a notice, with the token handed out for it. Raises as `appeal_as_creator`."""
    notice = read_by_token(services, notice_id, token)
    if notice.state != "rejected" or notice.decision_id is None:
        raise Conflict("this notice was not rejected")
    return _file(services, notice.org_id, notice.clip_id, notice.decision_id, notice.appeals_as, explanation, language)


def _file(
    services: "Services",
    org: str,
    clip_id: str,
    decision_id: str,
    notice_id: str | None,
    explanation: str,
    language: str,
) -> tuple[Appeal, str]:
    if not explanation.strip() or len(explanation) > MOST_CHARACTERS:
        raise Unprocessable("an appeal says why, in 1 to 10000 characters")
    now, appeal_id = services.clock.now(), new_id("apl")
    token, kept = new_token()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        _demand_open(tx, services, now, clip, decision_id, notice_id)
        case = _open(tx, now, clip, decision_id)
        made = {
            "org": org,
            "appeal": appeal_id,
            "clip": clip_id,
            "appealed": decision_id,
            "notice": notice_id,
            "case": case,
            "token": kept,
            "language": language_of(language),
            "now": now,
        }
        if tx.pg.execute(SQL.insert_appeal, made).fetchone() is None:
            raise Conflict("an appeal against this decision is open already")
        seal(tx, services.vault, appeal_id, identity={}, words={"explanation": explanation})
        by = "notifier" if notice_id else "creator"
        audit.record(tx, now, by, "appeal.filed", clip_id, appeal=appeal_id, decision=decision_id)
        outbox.announce(tx, services.enqueuer, clip, "appeal.received", now, {"appeal_id": appeal_id, "by": by})
    return read_appeal(services, appeal_id, token), token


def _demand_open(
    tx: Transaction, services: "Services", now: datetime, clip: Clip, decision_id: str, notice_id: str | None
) -> None:
    """Refuse what cannot be appealed against, or no more. Raises Conflict, NotFound."""
    asked = {"clip": clip.clip_id, "decision": decision_id, "notice": notice_id}
    found = tx.pg.execute(SQL.decision, asked).fetchone()
    if found is None or clip.erased_at is not None:
        raise NotFound("there is no such decision any more")
    outcome, decided_at, is_latest, on_appeal = found
    if on_appeal:
        raise Conflict("this was decided on appeal; an out-of-court body or a court can look at it")
    if now > decided_at + timedelta(days=services.settings.notices.appeal_days):
        raise Conflict("the time for an appeal is over")
    if notice_id is None and not is_latest:
        raise Conflict("another decision stands now; its own statement of reasons comes with a token")
    if Outcome(outcome) is Outcome.REVIEW or tx.pg.execute(CASES.open_case_of_clip, {"clip": clip.clip_id}).fetchone():
        raise Conflict("a person is about to decide on this clip; appeal against what they decide")


def _open(tx: Transaction, now: datetime, clip: Clip, decision_id: str) -> str:
    """Open a case on what was decided. Sealed material stays with its specialists."""
    found = tx.pg.execute(RECORDS.decision, {"decision": decision_id}).fetchone()
    if found is None:
        raise NotFound("there is no such decision any more")
    sealed = tx.pg.execute(CASES.sealed_case, {"clip": clip.clip_id}).fetchone()
    decided = Decision.from_json(json.loads(found[3]))
    asked = replace(decided, queue=review.HASH_QUEUE if sealed else QUEUE, priority=PRIORITY, deadline_s=None)
    return review.insert_case(tx, clip, asked, decision_id, now, source="appeal")


def read_appeal(services: "Services", appeal_id: str, token: str) -> Appeal:
    """The appeal whose sender holds this token. Raises NotFound, whether number or token is wrong."""
    with services.database.system_transaction() as tx:
        found = row(tx, SQL.appeal_by_token, Appeal, {"appeal": appeal_id, "token": hash_of(token)})
    if found is None:
        raise NotFound("there is no appeal of this number with this token")
    return found


def state_document(appeal: Appeal, language: str | None = None) -> dict[str, object]:
    """State and times of an appeal, for its sender."""
    spoken = language_of(language or appeal.language)
    return {
        "id": appeal.appeal_id,
        "state": appeal.state,
        "filed_at": moment(appeal.filed_at),
        "decided_at": moment(appeal.decided_at),
        "language": spoken,
        "text": say(f"appeal.state.{appeal.state}", {}, spoken),
    }


def appeals_of(tx: Transaction, vault: "Vault", clip_id: str) -> list[Said]:
    """What appeals say of a clip, the oldest first."""
    return [
        Said(
            by="notifier" if appeal.notice_id else "creator",
            filed_at=appeal.filed_at,
            explanation=str(open_words(tx, vault, appeal.appeal_id).get("explanation", "")),
        )
        for appeal in rows(tx, SQL.appeals_of_clip, Appeal, {"clip": clip_id})
    ]


def bring_lost(services: "Services") -> int:
    """Open another case for every appeal whose case ended without an answer that acted; returns how many."""
    with services.database.system_transaction() as tx:
        lost = tx.pg.execute(SQL.without_case, {"limit": BATCH}).fetchall()
    return go_through(lost, partial(_bring, services))


def _bring(services: "Services", org: str, appeal_id: str, clip_id: str) -> bool:
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        found = rows(tx, SQL.appeals_of_clip, Appeal, {"clip": clip_id})
        appeal = next((each for each in found if each.appeal_id == appeal_id), None)
        busy = tx.pg.execute(CASES.open_case_of_clip, {"clip": clip_id}).fetchone()
        if appeal is None or appeal.state != "open" or busy or clip.erased_at is not None:
            return False
        case = _open(tx, services.clock.now(), clip, appeal.appealed)
        tx.pg.execute(SQL.link_appeal, {"appeal": appeal_id, "case": case})
    return True

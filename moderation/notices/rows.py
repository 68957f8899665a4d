"""Notices as they stand in the database, and what may be told of one. Reads; decides and opens nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from moderation.db import Transaction, queries, row, rows
from moderation.errors import NotFound
from moderation.messages import language_of, say
from moderation.notices.claims import Kind
from moderation.notices.sealing import hash_of, open_identity, open_words
from moderation.verdicts import moment

if TYPE_CHECKING:
    from moderation.services import Services
    from moderation.vault import Vault

SQL = queries("notices")
COUNTER: Final = "counter_notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One row of `moderation.notices`, without what only counts or proves."""

    org_id: str
    notice_id: str
    clip_id: str
    kind: Kind
    #: open | upheld | rejected | gone: nobody decided, the clip is no more
    state: str
    hidden: bool
    doubt: str | None
    joined_to: str | None
    case_id: str | None
    language: str
    filed_at: datetime
    due_at: datetime
    decided_at: datetime | None
    decision_id: str | None

    @property
    def appeals_as(self) -> str | None:
        """As which notice its sender appeals; whoever sent a counter-notice made the clip, and appeals as that."""
        return None if self.kind == COUNTER else self.notice_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one notice says, for whoever decides; who says it is no part of this."""

    kind: Kind
    filed_at: datetime
    due_at: datetime
    decided: bool
    #: It was right when somebody decided, and the clip is kept in for it; an approval ends that.
    upheld: bool
    explanation: str
    location: str
    child_protection: bool
    hidden: bool
    doubt: str


def read_notice(tx: Transaction, notice_id: str) -> Notice:
    """One notice of this organisation. Raises NotFound."""
    found = row(tx, SQL.notice, Notice, {"notice": notice_id})
    if found is None:
        raise NotFound(f"there is no notice {notice_id}")
    return found


def read_by_token(services: "Services", notice_id: str, token: str) -> Notice:
    """The notice whose sender holds this token. Raises NotFound, the same whether number or token is wrong."""
    with services.database.system_transaction() as tx:
        found = row(tx, SQL.notice_by_token, Notice, {"notice": notice_id, "token": hash_of(token)})
    if found is None:
        raise NotFound("there is no notice of this number with this token")
    return found


def state_document(services: "Services", notice: Notice, language: str | None = None) -> dict[str, object]:
    """State and clock of a notice, for its sender, and what they can do now: no clip, no person, no reviewer."""
    spoken, now = language_of(language or notice.language), services.clock.now()
    late = notice.state == "open" and notice.due_at <= now
    until, on_appeal = _appealable(services, notice)
    return {
        "id": notice.notice_id,
        "kind": notice.kind,
        "state": notice.state,
        "hidden": notice.hidden,
        "filed_at": moment(notice.filed_at),
        "due_at": moment(notice.due_at),
        "decided_at": moment(notice.decided_at),
        "appeal_until": moment(until) if until and now <= until else None,
        "language": spoken,
        "text": say("notice.state.overdue", {}, spoken) if late else sentence(notice.kind, notice.state, spoken),
        "redress": redress(notice.state, spoken, on_appeal=on_appeal or (until is not None and now > until)),
    }


def _appealable(services: "Services", notice: Notice) -> tuple[datetime | None, bool]:
    """Until when whoever sent a notice may appeal against its rejection, and whether that was decided on appeal."""
    if notice.state != "rejected" or notice.decided_at is None:
        return None, False
    asked = {"clip": notice.clip_id, "decision": notice.decision_id, "notice": notice.appeals_as}
    with services.database.transaction(notice.org_id) as tx:
        if tx.pg.execute(SQL.decided_on_appeal, asked).fetchone():
            return None, True
    return notice.decided_at + timedelta(days=services.settings.notices.appeal_days), False


def sentence(kind: Kind, state: str, language: str) -> str:
    """What became of a notice of one kind, for whoever sent it."""
    against = kind == COUNTER and state in {"upheld", "rejected"}
    return say(f"notice.state.counter_{state}" if against else f"notice.state.{state}", {}, language)


def redress(state: str, language: str, *, on_appeal: bool) -> str:
    """What whoever sent a notice can do against what became of it; empty where they got what they asked for."""
    if state != "rejected":
        return ""
    return say("notice.redress.court" if on_appeal else "notice.redress.appeal", {}, language)


def claims_of(tx: Transaction, vault: "Vault", clip_id: str) -> list[Said]:
    """What notices say of a clip, the oldest first; of those that were erased nothing but their kind."""
    found = rows(tx, SQL.notices_of_clip, Notice, {"clip": clip_id})
    return [_said(notice, open_words(tx, vault, notice.notice_id)) for notice in found]


def _said(notice: Notice, words: dict[str, object]) -> Said:
    return Said(
        kind=notice.kind,
        filed_at=notice.filed_at,
        due_at=notice.due_at,
        decided=notice.state != "open",
        upheld=notice.state == "upheld" and notice.kind != COUNTER,
        explanation=str(words.get("explanation", "")),
        location=str(words.get("location", "")),
        child_protection=bool(words.get("child_protection", False)),
        hidden=notice.hidden,
        doubt=notice.doubt or "",
    )


def read_identity(services: "Services", org: str, notice_id: str, by: str) -> dict[str, str]:
    """Who filed a notice or an appeal; that it was read goes into the audit log. Raises NotFound."""
    with services.database.transaction(org) as tx:
        return open_identity(tx, services.vault, services.clock.now(), notice_id, by)

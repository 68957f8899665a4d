"""Taking in a notice: valid or refused field by field, bounded, and its clip hidden in the same transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from moderation import audit, outbox
from moderation.clips import Clip
from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.errors import Conflict, Unprocessable
from moderation.ids import new_id
from moderation.messages import language_of
from moderation.notices import stops
from moderation.notices.claims import HIDING, Claim, faults
from moderation.notices.limits import Doubt, demand_few, doubt_of, mailbox
from moderation.notices.opening import bring
from moderation.notices.rows import COUNTER, read_notice, sentence
from moderation.notices.sealing import new_token, seal, tag
from moderation.verdicts import moment

if TYPE_CHECKING:
    from moderation.notices.rows import Notice
    from moderation.services import Services

SQL = queries("notices")


class Invalid(Unprocessable):
    """The notice lacks what the law asks for; `fields` says where."""

    code = "notice_incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the sender of a notice takes away: its number, the token that asks after it, and the clock."""

    notice: "Notice"
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Where a notice came from: the address that it is counted by, empty for none; and the sender's language."""

    source: str = ""
    language: str = "en"


def file_notice(services: "Services", org: str, clip_id: str, claim: Claim, sender: Sender) -> Receipt:
    """Take in a notice about one clip; a kind that hides has hidden that clip, and no other, when this returns.

    Raises Invalid for what is missing, TooMany, NotFound, Conflict for a counter-notice where nothing is to counter.
    """
    demand_valid(claim)
    now, terms = services.clock.now(), services.settings.notices
    notice_id = new_id("ntc")
    token, kept = new_token()
    contact = tag(services.vault, "contact", mailbox(claim.contact))
    source = tag(services.vault, "source", sender.source)
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if claim.kind == COUNTER and tx.pg.execute(SQL.open_notices, {"clip": clip_id}).fetchone() is None:
            raise Conflict("no notice about this clip is open; appeal against the decision instead")
        demand_few(tx, terms, now, contact, source)
        hiding = claim.kind in HIDING
        doubt = doubt_of(tx, terms, now, contact, source) if hiding else None
        row = {
            "org": org,
            "notice": notice_id,
            "clip": clip_id,
            "kind": claim.kind,
            "hidden": hiding and doubt is None,
            "doubt": doubt,
            "token": kept,
            "contact": contact,
            "source": source,
            "language": language_of(sender.language),
            "now": now,
            "due": now + timedelta(hours=terms.decide_within_hours),
        }
        tx.pg.execute(SQL.insert_notice, row | {"joined_to": _joined(tx, row)})
        seal(tx, services.vault, notice_id, identity=claim.identity, words=claim.words)
        _act(tx, services, now, clip, claim, notice_id, doubt)
        return Receipt(notice=read_notice(tx, notice_id), token=token)


def demand_valid(claim: Claim) -> None:
    """Raises Invalid naming every field that is wrong, and how."""
    wrong = faults(claim)
    if wrong:
        raise Invalid(fields=dict(wrong))


def _joined(tx: Transaction, row: Mapping[str, object]) -> str | None:
    """The open notice that says and does the same already: nothing is told or counted a second time."""
    found = tx.pg.execute(SQL.same_notice, row).fetchone()
    return str(found[0]) if found else None


def _act(
    tx: Transaction, services: "Services", now: datetime, clip: Clip, claim: Claim, notice_id: str, doubt: Doubt | None
) -> None:
    """Stop the clip, put it before a person, and tell its platform: copies it handed out have to go too."""
    hidden = claim.kind in HIDING and doubt is None
    if hidden:
        stops.place(tx, now, clip.clip_id, notice_id)
    audit.record(
        tx, now, "notifier", "notice.filed", clip.clip_id, notice=notice_id, kind=claim.kind, hidden=hidden, doubt=doubt
    )
    bring(tx, services.enqueuer, now, clip)
    notice = read_notice(tx, notice_id)
    if notice.joined_to is None:
        said = {
            "notice_id": notice_id,
            "kind": claim.kind,
            "hidden": hidden,
            "purge": hidden,
            "due_at": moment(notice.due_at),
            "language": notice.language,
            "text": sentence(notice.kind, notice.state, notice.language),
        }
        outbox.announce(tx, services.enqueuer, clip, "notice.received", now, said)

"""Short-lived templates of who is in no registry: kept only on a stated legal basis and for a stated time.

Off unless an operator says both (docs/decisions/0048). Sealed with a key for each clip, indexed by nothing, handed to
nobody: the one question asked of them is whether they show a person for whom a look back was asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from cryptography.exceptions import InvalidTag

from detectors.base import FaceState, Subject, VoiceState
from detectors.descriptions import Describing, Description, Recalling
from detectors.minors import CLEARED_FROM, LIKELY_MINOR
from moderation import audit
from moderation.db import Transaction, queries
from moderation.erasure import write_anew
from moderation.likeness_settings import UnmatchedTemplates
from moderation.scoring import Analysis, face_to_json, guarded, voice_to_json
from moderation.verdicts import moment

if TYPE_CHECKING:
    from moderation.readings import Look
    from moderation.services import Services

SQL, RETENTION = queries("unmatched"), queries("retention")
log = structlog.get_logger()
#: What held a template or a key to one. Keys first: they are small, and without them the rest says nothing.
TABLES: Final = ("unmatched_keys", "unmatched_templates")
CONTEXT: Final = "unmatched"
SYSTEM: Final = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What an organisation keeps of strangers, and why."""

    legal_basis: str
    ttl_hours: float
    since: datetime

    def to_json(self) -> dict[str, object]:
        """As the API tells it to whoever is looked for."""
        return {
            "legal_basis": self.legal_basis,
            "ttl_hours": round(self.ttl_hours, 3),
            "since": moment(self.since),
        }


def keeping(tx: Transaction) -> Keeping | None:
    """What the transaction's organisation keeps; None where nothing is kept."""
    found = tx.pg.execute(SQL.keeping, {"org": tx.org}).fetchone()
    return Keeping(legal_basis=found[0], ttl_hours=found[1], since=found[2]) if found else None


def tell(services: "Services") -> None:
    """Write into each audit trail what the settings say now, where that is news. What is off is forgotten here."""
    said = services.settings.likeness.unmatched_templates
    with services.database.system_transaction() as tx:
        orgs = [org for (org,) in tx.pg.execute(RETENTION.organisations).fetchall() if org != "*"]
    for org in orgs:
        with services.database.transaction(org) as tx:
            _tell(tx, said, services.clock.now())


def _tell(tx: Transaction, said: UnmatchedTemplates, now: datetime) -> None:
    row = {"org": tx.org, "basis": said.legal_basis, "hours": said.ttl_hours, "now": now}
    if said.kept:
        if tx.pg.execute(SQL.keep_on, row).fetchone():
            details = {"legal_basis": said.legal_basis, "ttl_hours": said.ttl_hours}
            audit.record(tx, now, SYSTEM, "unmatched_templates.on", str(tx.org), **details)
    elif tx.pg.execute(SQL.keep_off, row).fetchone():
        gone = tx.pg.execute(SQL.forget_all).rowcount
        audit.record(tx, now, SYSTEM, "unmatched_templates.off", str(tx.org), forgotten=gone)


def keep(services: "Services", org: str, clip_id: str, look: "Look", analysis: Analysis) -> bool:
    """Keep what a look read of a clip, sealed, in the place of what was kept before; tells whether it did.

    Nothing is kept of a clip in which somebody registered was recognised, nor somebody who was erased since, nor of one
    with a face that is not cleared as an adult's, nor of what is withheld or before specialists.
    """
    said, now = services.settings.likeness.unmatched_templates, services.clock.now()
    if said.ttl_hours is None:
        return False
    described = describe(look)
    with services.database.transaction(org) as tx:
        where = {"org": org, "clip": clip_id, "basis": said.legal_basis, "hours": said.ttl_hours}
        # The clip is held before anything of it is touched, as by whoever withholds or withdraws it.
        allowed = tx.pg.execute(SQL.may_keep, where).fetchone() is not None
        tx.pg.execute(SQL.forget, where)
        if not allowed or not worth_keeping(described, analysis):
            return False
        wrapped = services.vault.new_person_key(clip_id)
        sealed = services.vault.seal_for(clip_id, wrapped, described.to_bytes(), CONTEXT)
        row = where | {"wrapped": wrapped, "sealed": sealed, "detectors": services.detectors_hash, "now": now}
        tx.pg.execute(SQL.insert_key, row)
        tx.pg.execute(SQL.insert_templates, row | {"expires": now + timedelta(hours=said.ttl_hours)})
    return True


def describe(look: "Look") -> Description:
    """What a finished look read of faces and voices."""
    described = Description(unseen=bool(look.account.unseen))
    for inspection, _ in look.found:
        if isinstance(inspection, Describing):
            described = inspection.describe(described)
    return described


def worth_keeping(described: Description, analysis: Analysis) -> bool:
    """Whether a description holds a stranger, nobody registered, and no face that may be a child's."""
    states = {str(each["state"]) for each in (*analysis.faces, *analysis.voices)}
    if {str(FaceState.MATCHED), str(VoiceState.MATCHED)} & states:
        return False
    # A face that nothing could be read of may be a child's too, and the voice beside it theirs.
    tracks = {face.number for face in described.faces or ()}
    read = any(len(face.views) for face in described.faces or ())
    return bool(read or described.pieces or _nobody(described)) and tracks <= cleared(analysis)


def _nobody(described: Description) -> bool:
    """Whether it says that there is nobody: worth as much to a look back, and of no person."""
    return described.faces is not None and described.speech is not None


def cleared(analysis: Analysis) -> set[int]:
    """The tracks that both age networks read as an adult's beyond the buffer."""
    old = {track for _, age, track in _samples(analysis, "face.age") if age >= CLEARED_FROM}
    return old - {track for _, belief, track in _samples(analysis, "minor.score") if belief >= LIKELY_MINOR}


def _samples(analysis: Analysis, signal: str) -> Iterable[tuple[int, float, int]]:
    samples = analysis.signals.get(signal, {}).get("samples", [])
    assert isinstance(samples, list)
    return samples


def recall(services: "Services", tx: Transaction, clip_id: str) -> Description | None:
    """What is kept of a clip by the present detectors; None where nothing is, or nothing may be."""
    hours, now = services.settings.likeness.unmatched_templates.ttl_hours, services.clock.now()
    if hours is None:
        return None
    where = {"clip": clip_id, "detectors": services.detectors_hash, "now": now, "since": now - timedelta(hours=hours)}
    found = tx.pg.execute(SQL.templates, where).fetchone()
    if found is None:
        return None
    try:
        return Description.from_bytes(services.vault.open_for(clip_id, bytes(found[0]), bytes(found[1]), CONTEXT))
    except (InvalidTag, KeyError, ValueError):
        log.warning("unmatched_templates_unreadable", clip=clip_id)
        return None


def compare(services: "Services", described: Description, subject: Subject, only: frozenset[str]) -> Analysis | None:
    """What a look by `only` these detectors would say, from a description; None where that takes the look."""
    faces: list[dict[str, object]] = []
    voices: list[dict[str, object]] = []
    for detector in services.detectors:
        if detector.name not in only:
            continue
        findings = guarded(detector, detector.recall, described, subject) if isinstance(detector, Recalling) else None
        if findings is None:
            return None
        faces += [face_to_json(face) for face in findings.faces]
        voices += [voice_to_json(voice) for voice in findings.voices]
    return Analysis(
        signals={}, faces=faces, voices=voices, seen_ms=[], unseen_ms=[[0, subject.duration_ms]] * described.unseen
    )


def sweep(services: "Services") -> int:
    """Destroy the keys and templates whose time is over, all of them where none may be kept; write the tables anew.

    Returns of how many clips. The tables are written anew whenever there is anything in their files: a row that went
    with its clip leaves its bytes there too.
    """
    hours, now = services.settings.likeness.unmatched_templates.ttl_hours, services.clock.now()
    with services.database.system_transaction() as tx:
        if hours is None:
            gone = tx.pg.execute(SQL.forget_all).rowcount
        else:
            gone = tx.pg.execute(SQL.expire, {"now": now, "since": now - timedelta(hours=hours)}).rowcount
        written = tx.pg.execute(SQL.written).fetchone()
    if written and written[0]:
        write_anew(services, TABLES)
        log.info("unmatched_templates_swept", clips=gone)
    return gone


def figures(tx: Transaction, now: datetime) -> dict[str, object] | None:
    """For transparency reports: on what basis, for how long, of how many clips; None where nothing is kept."""
    kept = keeping(tx)
    count, oldest = tx.pg.execute(SQL.count_kept, {"now": now}).fetchone() or (0, None)
    return kept.to_json() | {"clips": count, "oldest": moment(oldest) if oldest else None} if kept else None

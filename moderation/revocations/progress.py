"""How far a revocation has come, for its platform and its person. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from moderation.db import Transaction, queries
from moderation.errors import NotFound

SQL = queries("revocations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One revocation. `reached` are the numbers at its commit; the counts are of its targets now."""

    revocation_id: str
    person_id: str
    grant_id: str | None
    reached: dict[str, int]
    begun_at: datetime
    listed_at: datetime | None
    handled_at: datetime | None
    targets: int
    pending: int
    unpurged: int
    purged: int
    withdraw: int
    rejudge: int
    last_purged_at: datetime | None
    last_settled_at: datetime | None
    #: Clips that were out once and are still being judged again.
    unsettled: int

    @property
    def state(self) -> str:
        """driving, awaiting_receipts, judging or completed."""
        if self.handled_at is None:
            return "driving"
        if self.unpurged:
            return "awaiting_receipts"
        return "judging" if self.unsettled else "completed"

    @property
    def time_to_withdrawn_s(self) -> float | None:
        """Seconds from the commit until the last target was withdrawn or sent to judgement."""
        return None if self.handled_at is None else (self.handled_at - self.begun_at).total_seconds()

    @property
    def time_to_zero_s(self) -> float | None:
        """Seconds from the commit until the last receipt, and the last clip judged again; None before."""
        if self.handled_at is None or self.unpurged or self.unsettled:
            return None
        last = max(at for at in (self.handled_at, self.last_purged_at, self.last_settled_at) if at is not None)
        return (last - self.begun_at).total_seconds()

    def to_json(self) -> dict[str, object]:
        """The document of `GET /v1/revocations/{id}`."""
        times = {"begun_at": self.begun_at, "handled_at": self.handled_at, "last_purged_at": self.last_purged_at}
        return {
            "revocation_id": self.revocation_id,
            "person": self.person_id,
            "grant_id": self.grant_id,
            "state": self.state,
            "reached": self.reached,
            "targets": {
                "all": self.targets,
                "pending": self.pending,
                "awaiting_receipt": self.unpurged,
                "awaiting_judgement": self.unsettled,
                "purged": self.purged,
                "withdraw": self.withdraw,
                "rejudge": self.rejudge,
            },
            "time_to_withdrawn_s": self.time_to_withdrawn_s,
            "time_to_zero_s": self.time_to_zero_s,
            **{name: at.isoformat() if at else None for name, at in times.items()},
        }


def progress(tx: Transaction, revocation: str) -> Progress:
    """How far a revocation has come. Raises NotFound."""
    where = {"revocation": revocation}
    made = tx.pg.execute(SQL.revocation, where).fetchone()
    run = tx.pg.execute(SQL.run, where).fetchone()
    if made is None or run is None:
        raise NotFound(f"there is no revocation {revocation}")
    counted = tx.pg.execute(SQL.counts, where).fetchone() or (*(0,) * 6, None, None, 0)
    targets, pending, unpurged, purged, withdraw, rejudge, purged_at, settled_at, unsettled = counted
    return Progress(
        revocation_id=made[0],
        person_id=made[1],
        grant_id=made[2],
        reached=made[3],
        begun_at=run[0],
        listed_at=run[1],
        handled_at=run[2],
        targets=targets,
        pending=pending,
        unpurged=unpurged,
        purged=purged,
        withdraw=withdraw,
        rejudge=rejudge,
        last_purged_at=purged_at,
        last_settled_at=settled_at,
        unsettled=unsettled,
    )


def revocations_of(tx: Transaction, person: str, *, limit: int = 50) -> list[str]:
    """A person's revocations, newest first."""
    found = tx.pg.execute(SQL.revocations_of, {"person": person, "limit": limit}).fetchall()
    return [revocation for (revocation,) in found]

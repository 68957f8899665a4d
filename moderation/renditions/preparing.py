"""A worker's spare-time duty: veil the clips whose cases wait for a person, before one opens them. One at a time."""

import threading
from typing import TYPE_CHECKING, Final

import structlog

from moderation import exposure, review
from moderation.db import queries
from moderation.errors import ModerationError
from moderation.renditions.bases import demand_base

if TYPE_CHECKING:
    from moderation.services import Services

log = structlog.get_logger()
SQL = queries("renditions")

#: How long the duty rests when there is nothing to do, or after a failure.
REST_SECONDS: Final = 2.0
#: How far ahead of its reviewers each queue is veiled.
DEPTH: Final = 25
#: How many clips that could not be veiled are left alone; their cases say so, and a person may still decide.
MOST_LEFT: Final = 1000


class Preparer:
    """Veils what waits, most urgent first, and gives up on a clip after one failure for the life of this process."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._left: list[str] = []

    def tend(self, stop: threading.Event) -> None:
        """Work until asked to stop. A failing round is logged and the next one comes: it never ends the worker."""
        while not stop.is_set():
            try:
                exposure.settle_overdue(self._services)
                busy = self.prepare_one()
            except Exception as error:  # noqa: BLE001 (the duty must outlive whatever one clip or the database does)
                log.warning("veiling_failed", error=type(error).__name__)
                busy = False
            if not busy:
                stop.wait(REST_SECONDS)

    def prepare_one(self) -> bool:
        """Make veil, film strip and stills of the most urgent case without; False when there is none to do.

        Another process that is at it goes first: only one veils at a time, so that marking has the decoders.
        """
        services = self._services
        with services.database.system_transaction() as turn:
            if turn.pg.execute(SQL.veiling_turn).fetchone() != (True,):
                return False
            found = turn.pg.execute(
                SQL.unveiled_cases, {"leave": self._left, "hashes": review.HASH_QUEUE, "depth": DEPTH}
            ).fetchone()
            if found is None:
                return False
            org, case_id, clip_id = found
            with services.database.transaction(org) as tx:
                case = review.read_case(tx, case_id)
            try:
                for kind in ("veiled", "strip"):
                    demand_base(services, case, kind)
            except ModerationError as error:
                self._left = [*self._left, clip_id][-MOST_LEFT:]
                log.warning("clip_not_veiled", clip=clip_id, error=type(error).__name__)
        return True

"""A worker's duty: check the recordings that came in, one at a time, and forget those whose time is over.

Every check is done whatever the others say, so that neither the answer nor its time tells which one mattered. Only
known-illegal material ends at once: it is sealed, and nothing else is read of it.
"""

import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import psycopg
import structlog
from sqlalchemy.exc import OperationalError as PoolError

from moderation import audit
from moderation.db import queries
from moderation.enrolling import attempts
from moderation.enrolling.attempts import Enrolment, Templates
from moderation.enrolling.checks import Check, CheckState, check_all
from moderation.enrolling.comparing import compare_people, compare_sources, find_illegal, take_print
from moderation.enrolling.recordings import Measured, measure
from moderation.enrolling.verdicts import Outcome, Verdict, conclude
from moderation.errors import ClipFault, NotFound, Outage

if TYPE_CHECKING:
    from moderation.services import Services

log = structlog.get_logger()
SQL = queries("enrolling")
REST_SECONDS: Final = 1.0
#: How long one worker has for one recording, and how soon an outage is tried again.
_LEASE: Final = timedelta(minutes=10)
_AGAIN: Final = timedelta(seconds=30)
#: After so many tries that came to nothing, outages aside, a person looks.
_MOST_FAULTS: Final = 3
#: The check that known-illegal material fails.
_ILLEGAL: Final = "source"


class Checker:
    """Checks what was received, oldest first."""

    def __init__(self, services: "Services") -> None:
        self._services = services

    def tend(self, stop: threading.Event) -> None:
        """Work until asked to stop. A failing round is logged and the next one comes: it never ends the worker."""
        while not stop.is_set():
            busy = False
            for act in (self.check_one, self._forget):
                try:
                    busy |= bool(act())
                except Exception as error:  # noqa: BLE001 (the duty must outlive whatever one recording does)
                    log.warning("enrolling_failed", error=type(error).__name__)
            if not busy:
                stop.wait(REST_SECONDS)

    def _forget(self) -> bool:
        attempts.forget_spent(self._services)
        return False

    def check_one(self) -> bool:
        """Check the oldest recording that nobody else checks; False when there is none."""
        services = self._services
        now = services.clock.now()
        with services.database.system_transaction() as tx:
            due = tx.pg.execute(SQL.take_due, {"now": now, "until": now + _LEASE}).fetchone()
        if due is None:
            return False
        org, enrolment, tries = due
        with services.database.transaction(org) as tx:
            found = attempts.read(tx, enrolment)
        if tries > _MOST_FAULTS:
            self._give_up(found, "whoever checked it did not come back")
            return True
        try:
            check(services, found)
        except (Outage, psycopg.OperationalError, PoolError) as outage:
            log.warning("enrolment_held", enrolment=enrolment, cause=getattr(outage, "cause", type(outage).__name__))
            self._put_back(enrolment, untried=1)
        except Exception as fault:  # noqa: BLE001 (what nobody foresaw must not be tried for a week either)
            why = fault.reason if isinstance(fault, ClipFault) else type(fault).__name__
            log.warning("enrolment_failed", enrolment=enrolment, error=why)
            if tries < _MOST_FAULTS:
                self._put_back(enrolment, untried=0)
            else:
                self._give_up(found, why)
        return True

    def _give_up(self, found: Enrolment, why: str) -> None:
        """Let a person look: nothing was read, so that they can refuse and ask for another recording."""
        unread = Check(name="recording", state=CheckState.NOT_MEASURED, evidence={"why": why})
        attempts.settle(self._services, found, [unread], Verdict(outcome=Outcome.UNCERTAIN), None)

    def _put_back(self, enrolment: str, *, untried: int) -> None:
        with self._services.database.system_transaction() as tx:
            until = self._services.clock.now() + _AGAIN
            tx.pg.execute(SQL.put_back, {"enrolment": enrolment, "until": until, "untried": untried})


def check(services: "Services", found: Enrolment) -> None:
    """Check one recording and write down what follows. Raises Outage, ClipFault: then nothing was written."""
    with services.store.scratch() as folder:
        path = folder / "recording"
        try:
            attempts.unseal(services, found, path)
        except NotFound:
            # Erased meanwhile, with its person.
            return
        seen = take_print(services, path)
        illegal = find_illegal(services, found.org_id, path, seen)
        if illegal is not None:
            _seal(services, found, path, illegal)
            return
        measured = measure(services, path, found.duration_ms or 0)
        checks = [
            *check_all(measured, found.asked()),
            *compare_people(services, found.org_id, found.person_id, measured),
            compare_sources(services, found.org_id, path, seen),
        ]
    attempts.settle(services, found, checks, conclude(checks), templates_of(measured))


def templates_of(measured: Measured) -> Templates | None:
    """What is kept on a yes: the mean face of each third and the voice; None where no face could be read."""
    faces = [third for third in measured.thirds if third is not None]
    return Templates(faces=np.stack(faces), voice=measured.heard.vector) if faces else None


def _seal(services: "Services", found: Enrolment, path: Path, source: str) -> None:
    """Keep the evidence where nobody sees it, and refuse; which list knew it stands in the audit log alone."""
    services.store.put(found.org_id, "sealed", path)
    with services.database.transaction(found.org_id) as tx:
        said = {"enrolment": found.enrolment_id, "list": source}
        audit.record(tx, services.clock.now(), "screening", "enrolment.sealed", found.person_id, **said)
    refused = Check(name=_ILLEGAL, state=CheckState.FAILED)
    attempts.settle(services, found, [refused], Verdict(outcome=Outcome.REFUSED), None)

"""What became of a step, as plain JSON that outlives the process: its value, the system's outage, or the clip's fault.

Exceptions do not survive a workflow engine's tables; these do, and are raised again on the other side.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import cast

import psycopg
import sqlalchemy.exc

from moderation.errors import ClipFault, Outage
from moderation.pipeline import Json

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
#: SQLSTATE classes that speak of the server or of bad luck, not of our statement (PostgreSQL manual, appendix A).
PASSING = ("08", "25P03", "40", "53", "55", "57", "58")
CANCELLED = "57014"

log = logging.getLogger(__name__)


class Leaving(BaseException):
    """The process stops while a step waits for the database; nothing is recorded and another process does the step."""


def carry_out(function: Callable[..., Json], services: object, args: Sequence[Json], stopping: threading.Event) -> Json:
    """Call a step's function and return its outcome. While the database is away the step waits and begins again."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return {"value": function(services, *args)}
        except Outage as outage:
            return {"outage": outage.cause, "message": outage.message}
        except ClipFault as fault:
            return {"fault": fault.reason, "message": fault.message}
        except Exception as error:
            if not database_away(error):
                # What nobody foresaw is held against the clip, never for it.
                log.exception("a step failed in an unforeseen way: %s", function.__qualname__)
                return {"fault": "processing_failed", "message": f"{type(error).__name__}: {error}"}
            if pause == FIRST_PAUSE_SECONDS:
                log.warning("a step waits for the database: %s: %s", function.__qualname__, error)
        if stopping.wait(pause):
            raise Leaving
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def value_of(outcome: Json) -> Json:
    """Return the value inside an outcome, or raise the Outage or ClipFault that it stands for."""
    kept = cast("dict[str, Json]", outcome)
    if "outage" in kept:
        raise Outage(str(kept["outage"]), str(kept["message"]))
    if "fault" in kept:
        raise ClipFault(str(kept["fault"]), str(kept["message"]))
    return kept["value"]


def database_away(error: Exception) -> bool:
    """Tell whether an error says that the database is away or busy, so that the same statement may succeed later."""
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return True
    cause = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    if isinstance(cause, psycopg.InterfaceError):
        return True
    if not isinstance(cause, psycopg.OperationalError):
        return False
    return cause.sqlstate is None or (cause.sqlstate.startswith(PASSING) and cause.sqlstate != CANCELLED)

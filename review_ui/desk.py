"""What the frame of every page needs of its reviewer: preferences, and how they stand. Remembered for seconds."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, cast

from moderation import exposure
from moderation.api.auth import services_of
from moderation.exposure import Caps, Standing
from moderation.preferences import Preferences, from_json
from moderation.review.reviewers import read_profile

if TYPE_CHECKING:
    from fastapi import Request

    from moderation.keys import Principal
    from moderation.services import Services

#: How long what was read may be shown; another process may have changed it.
FRESH: Final = timedelta(seconds=10)
MOST: Final = 10_000
#: Work without a pause after which a break is due.
STRETCH: Final = timedelta(minutes=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One reviewer's desk, as it was at `read_at`."""

    code_name: str = ""
    preferences: Preferences = field(default_factory=Preferences)
    opted_out: tuple[str, ...] = ()
    standing: Standing | None = None
    read_at: datetime | None = None
    #: Since when they work without a pause.
    working_since: datetime | None = None

    def rest_due(self, now: datetime) -> bool:
        """Whether a break is due: the cap of one stretch is reached, or they have worked for `STRETCH`."""
        if self.standing is None or self.standing.break_since is not None:
            return False
        worked = now - self.working_since if self.working_since else timedelta(0)
        return self.standing.run_ms >= self.standing.run_cap_ms or worked >= STRETCH


class Desks:
    """The desks read lately, by organisation and principal."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Desk] = {}
        #: Since when somebody works, and when they were last seen; in this process alone, and nowhere else.
        self._stretches: dict[tuple[str, str], tuple[datetime, datetime]] = {}
        self._lock = Lock()

    def find(self, principal: "Principal") -> Desk | None:
        """What was read last, however old."""
        return self._kept.get((principal.org, principal.principal))

    def keep(self, principal: "Principal", desk: Desk) -> None:
        """Remember a desk."""
        with self._lock:
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[principal.org, principal.principal] = desk

    def touch(self, principal: "Principal", now: datetime, pause: timedelta) -> datetime:
        """Note that somebody is at work; returns since when they are, without a pause."""
        with self._lock:
            if len(self._stretches) >= MOST:
                self._stretches.clear()
            began, seen = self._stretches.get((principal.org, principal.principal), (now, now))
            began = now if now - seen >= pause else began
            self._stretches[principal.org, principal.principal] = began, now
            return began

    def begin_stretch(self, principal: "Principal", now: datetime) -> None:
        """A break has ended: work begins anew."""
        with self._lock:
            self._stretches[principal.org, principal.principal] = now, now
        self.forget(principal)

    def forget(self, principal: "Principal") -> None:
        """Read this reviewer's desk anew next time."""
        with self._lock:
            self._kept.pop((principal.org, principal.principal), None)


def desks_of(request: "Request") -> Desks:
    """The desks that this process remembers."""
    return cast("Desks", request.app.state.desks)


def caps_for(services: "Services", principal: "Principal") -> Caps:
    """How much this person may look at."""
    return exposure.caps_of(services.settings).of(specialist=principal.may("specialist"))


def read_desk(request: "Request", principal: "Principal") -> Desk:
    """The desk of a reviewer, at most `FRESH` old."""
    services, desks = services_of(request), desks_of(request)
    now, found, caps = services.clock.now(), desks.find(principal), caps_for(services, principal)
    since = desks.touch(principal, now, caps.pause)
    if found is not None and found.read_at is not None and abs(now - found.read_at) < FRESH:
        return replace(found, working_since=since)
    with services.database.transaction(principal.org) as tx:
        profile = read_profile(tx, principal.principal)
        standing = exposure.standing(tx, now, principal.principal, caps)
    desk = Desk(standing=standing, read_at=now, working_since=since)
    if profile is not None:
        desk = replace(
            desk,
            code_name=profile.code_name,
            preferences=from_json(profile.preferences),
            opted_out=tuple(profile.opted_out),
        )
    desks.keep(principal, desk)
    return desk

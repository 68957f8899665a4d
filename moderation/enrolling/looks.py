"""Recordings as they were written anew for one viewer, kept in memory while they look: players ask for pieces of files.

Every look writes its file anew, and pieces of two files make none. Whether somebody may look is asked elsewhere.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

#: The enrolment, what of its recording, and who looks.
Key = tuple[str, str, str]
LASTS: Final = timedelta(minutes=10)
MOST_BYTES: Final = 256 << 20


class Looks:
    """Files by viewer, for ten minutes from when each was made, the oldest going first where they grow too many."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Key, tuple[datetime, bytes]] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Key, now: datetime) -> bytes | None:
        """What was made for this look."""
        with self._lock:
            self._forget(now)
            return self._kept[key][1] if key in self._kept else None

    def keep(self, key: Key, now: datetime, body: bytes) -> bytes:
        """Keep what was made, and return what stands: of two makers at once the first one's."""
        with self._lock:
            self._forget(now)
            _, stands = self._kept.setdefault(key, (now + LASTS, body))
            while sum(len(each) for _, each in self._kept.values()) > self._most_bytes:
                self._kept.popitem(last=False)
            return stands

    def drop(self, enrolment: str) -> None:
        """Forget a recording that nobody may look at any more."""
        with self._lock:
            for key in [each for each in self._kept if each[0] == enrolment]:
                del self._kept[key]

    def _forget(self, now: datetime) -> None:
        for key in [each for each, (until, _) in self._kept.items() if until <= now]:
            del self._kept[key]

"""What was read off the faces and voices of clips in flight: a registration then asks for no second look at them.

In this process's memory only and for minutes: among it are vectors of people who are not registered. Written nowhere.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from detectors.base import ComparesAgain, Findings, Gallery, Inspection, References, Subject
from watermark.sampling import Account

#: How long, and of how many clips. A clip that is not settled by then is looked at again where the registry changed.
KEPT_SECONDS: Final = 600.0
MOST: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """One finished look at a clip: its inspections and what each found, in order."""

    subject: Subject
    found: Sequence[tuple[Inspection, Findings]]
    #: The instants that were looked at, and what the sampling left out.
    seen_ms: tuple[int, ...]
    account: Account
    lock: threading.Lock = field(default_factory=threading.Lock)

    def against(self, faces: Gallery, voices: Gallery, references: References | None = None) -> list[Findings] | None:
        """What the same look would have found with these registered; None where that takes another look."""
        subject = Subject(
            duration_ms=self.subject.duration_ms,
            texts=self.subject.texts,
            gallery=faces,
            voices=voices,
            references=references,
            claims=self.subject.claims,
        )
        with self.lock:
            answers = [
                inspection.again(subject) if isinstance(inspection, ComparesAgain) else findings
                for inspection, findings in self.found
            ]
        findings = [answer for answer in answers if answer is not None]
        return findings if len(findings) == len(answers) else None


class Readings:
    """The newest looks of this process by clip, the oldest and the stale let go."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looks: OrderedDict[tuple[str, str], tuple[float, Look]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._looks)

    def keep(self, org: str, clip: str, look: Look) -> None:
        """Keep a look in the place of an older one of the clip."""
        with self._lock:
            self._looks.pop((org, clip), None)
            self._looks[org, clip] = self._clock(), look
            self._let_go()

    def find(self, org: str, clip: str) -> Look | None:
        """The clip's look, None where this process has none."""
        with self._lock:
            self._let_go()
            kept = self._looks.get((org, clip))
        return kept[1] if kept else None

    def forget(self, org: str, clip: str) -> None:
        """Let a clip's look go: the clip is settled."""
        with self._lock:
            self._looks.pop((org, clip), None)

    def let_go(self) -> None:
        """Let go whatever was kept for long enough."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        oldest = self._clock() - KEPT_SECONDS
        while self._looks and (len(self._looks) > MOST or next(iter(self._looks.values()))[0] < oldest):
            self._looks.popitem(last=False)

"""The bench: measures what a plan asks for and a record does not hold yet. Opens no network itself."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import cv2

from moderation.attacks.applying import attacked, frames_of
from moderation.attacks.changes import ATTACKS
from moderation.attacks.clips import Own, Subject, lasts
from moderation.attacks.plan import Cell, Plan, cells
from moderation.attacks.quality import TEXTURED, detail, weigh
from moderation.attacks.record import Record
from moderation.attacks.removal import Loot
from moderation.attacks.store import ClipStore
from moderation.attacks.strangers import misread, strangers
from moderation.attacks.trials import Trial, degradation

#: Frames over which the cost of a removal is taken.
_COMPARED: Final = 50


class Bench:
    """Runs what a plan asks for; stopping it loses the cell it is at and no other."""

    def __init__(self, plan: Plan, record: Record, known: Mapping[str, Subject], tell: Callable[[str], None]) -> None:
        self._plan, self._record, self._known, self._tell = plan, record, known, tell
        self._store = ClipStore(plan, known)

    def run(self) -> None:
        """Measure what is missing.

        Raises PortraitUnavailable where a clip's photograph cannot be had, VideoRefused where a file is damaged.
        """
        # One thread, so that what a trial costs can be told; encoders' own words are not wanted.
        cv2.setNumThreads(1)
        os.environ.setdefault("SVT_LOG", "0")
        for cell in cells(self._plan, self._known):
            if not self._record.has("trials", cell.clip, cell.name):
                self._try(cell)
        if self._plan.wants("quality"):
            self._weigh_clips()
        if self._plan.wants("strangers"):
            self._meet_strangers()

    def _try(self, cell: Cell) -> None:
        trial = self._trial(cell)
        entry = {"clip": cell.clip, "part": cell.part, "attack": cell.name, "what": cell.what, **asdict(trial)}
        if cell.part == "removal":
            copy = attacked(self._frames(cell), cell.attack)
            entry["psnr_y_of_copy"] = degradation(self._store.marked(cell.clip), copy, _COMPARED)
        self._record.put("trials", entry)
        self._tell(f"{cell.clip}: {cell.what or cell.name}: {trial.outcome} ({trial.cpu_seconds} CPU-s)")

    def _trial(self, cell: Cell) -> Trial:
        owner = self._store.owner(cell.clip)
        if cell.shot is None:
            return owner.try_attack(self._frames(cell), cell.attack)
        return owner.try_screenshot(self._store.marked(cell.clip), cell.shot.at_seconds, cell.shot.keep)

    def _frames(self, cell: Cell) -> Iterator[Any]:
        marked = self._store.marked(cell.clip)
        if cell.remove is None:
            return frames_of(marked)
        return cell.remove(Loot(clip=marked, companions=[self._store.marked(other) for other in cell.companions]))

    def _weigh_clips(self) -> None:
        for clip in self._plan.clips:
            if not self._record.has("clips", clip):
                self._tell(f"{clip}: quality and size, and reading what has no mark")
                self._record.put("clips", self._weighed(clip))

    def _weighed(self, clip: str) -> dict[str, Any]:
        subject, versions = self._known[clip], self._store.versions(clip)
        fine = detail(versions.source)
        unmarked = self._store.owner(clip).try_attack(frames_of(versions.source), ATTACKS["as delivered"])
        return {
            "clip": clip,
            "shows": subject.described,
            "seconds": lasts(subject, self._plan.seconds),
            "width": subject.size[0],
            "height": subject.size[1],
            "detail": fine,
            "textured": fine >= TEXTURED if isinstance(subject, Own) else subject.textured,
            **asdict(self._store.fidelity(clip)),
            **weigh(versions, self._plan.ffmpeg),
            "unmarked_outcome": unmarked.outcome,
            "unmarked_cpu_seconds": unmarked.cpu_seconds,
        }

    def _meet_strangers(self) -> None:
        for stranger in strangers({clip: self._known[clip] for clip in self._plan.clips}, self._plan.seed):
            if not self._record.has("strangers", stranger.number):
                entry = misread(stranger, self._known, self._plan.seed)
                self._record.put("strangers", entry)
                self._tell(f"unmarked {stranger.number} ({stranger.kind}): {entry['state']}")

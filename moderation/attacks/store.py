"""The clips of a run in a folder: as drawn, encoded bare, and marked. Reads nothing back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from moderation.attacks.clips import Kind, write_clip
from moderation.attacks.plan import Plan
from moderation.attacks.quality import Versions
from moderation.attacks.record import mark_code
from moderation.attacks.trials import Fidelity, Owner
from watermark.limits import VideoLimits
from watermark.rewriting import rewrite


class ClipStore:
    """The clips of a run in a folder: as drawn, encoded bare, and marked; each made when it is first asked for."""

    def __init__(self, plan: Plan, known: Mapping[str, Kind]) -> None:
        self._plan, self._known = plan, known
        self._folder = plan.folder / f"attacks-{plan.seed}-{plan.seconds:g}-{mark_code()}"
        self._folder.mkdir(parents=True, exist_ok=True)

    def owner(self, clip: str) -> Owner:
        """Whose mark the clip carries."""
        return Owner.of(clip, self._plan.seed)

    def marked(self, clip: str) -> Path:
        """Return the clip as delivered."""
        path = self._folder / f"{clip}-marked.mp4"
        if not path.exists():
            unfinished = path.with_name(f"{clip}-marked-part.mp4")
            fidelity = self.owner(clip).mark(self._source(clip), unfinished, self._plan.encoding)
            self._fidelity_path(clip).write_text(json.dumps(asdict(fidelity)), encoding="utf-8")
            unfinished.replace(path)
        return path

    def fidelity(self, clip: str) -> Fidelity:
        """Return how little marking changed the frames, before they were encoded."""
        self.marked(clip)
        return Fidelity(**json.loads(self._fidelity_path(clip).read_text(encoding="utf-8")))

    def versions(self, clip: str) -> Versions:
        """Return the clip as drawn, and encoded without and with the mark."""
        bare = self._folder / f"{clip}-bare.mp4"
        if not bare.exists():
            unfinished = bare.with_name(f"{clip}-bare-part.mp4")
            rewrite(self._source(clip), unfinished, lambda _: (), encoding=self._plan.encoding, limits=VideoLimits())
            unfinished.replace(bare)
        return Versions(source=self._source(clip), bare=bare, marked=self.marked(clip))

    def _source(self, clip: str) -> Path:
        path = self._folder / f"{clip}.mp4"
        if not path.exists():
            unfinished = path.with_name(f"{clip}-part.mp4")
            seed = int.from_bytes(self.owner(clip).key[:3]) + list(self._known).index(clip)
            write_clip(self._known[clip], unfinished, self._plan.seconds, seed)
            unfinished.replace(path)
        return path

    def _fidelity_path(self, clip: str) -> Path:
        return self._folder / f"{clip}-fidelity.json"

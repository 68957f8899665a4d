"""The clips of a run in a folder: as drawn, encoded bare, and marked. Reads nothing back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from moderation.attacks.clips import Own, Subject, write_clip
from moderation.attacks.plan import Plan
from moderation.attacks.quality import Versions
from moderation.attacks.record import mark_code
from moderation.attacks.trials import Fidelity, Owner
from moderation.attacks.videos import OWN_FILES
from watermark.rewriting import rewrite


class ClipStore:
    """The clips of a run in a folder: as drawn, encoded bare, and marked; each made when it is first asked for."""

    def __init__(self, plan: Plan, known: Mapping[str, Subject]) -> None:
        self._plan, self._known = plan, known
        self._folder = plan.folder / f"attacks-{plan.seed}-{plan.seconds:g}-{mark_code()}"
        self._folder.mkdir(parents=True, exist_ok=True)

    def owner(self, clip: str) -> Owner:
        """Whose mark the clip carries."""
        return Owner.of(clip, self._plan.seed)

    def marked(self, clip: str) -> Path:
        """Return the clip as delivered."""
        path = self._path(clip, "-marked")
        if not path.exists():
            unfinished = _unfinished(path)
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
        bare = self._path(clip, "-bare")
        if not bare.exists():
            unfinished = _unfinished(bare)
            rewrite(self._source(clip), unfinished, lambda _: (), encoding=self._plan.encoding, limits=OWN_FILES)
            unfinished.replace(bare)
        return Versions(source=self._source(clip), bare=bare, marked=self.marked(clip))

    def _source(self, clip: str) -> Path:
        path = self._path(clip)
        if not path.exists():
            unfinished = _unfinished(path)
            seed = int.from_bytes(self.owner(clip).key[:3]) + list(self._known).index(clip)
            write_clip(self._known[clip], unfinished, self._plan.seconds, seed)
            unfinished.replace(path)
        return path

    def _fidelity_path(self, clip: str) -> Path:
        return self._path(clip, "-fidelity").with_suffix(".json")

    def _path(self, clip: str, version: str = "") -> Path:
        """Return where a version is kept; another file of the same name is another clip."""
        subject = self._known[clip]
        of_file = f"-{subject.video.sha256[:8]}" if isinstance(subject, Own) else ""
        return self._folder / f"{clip}{of_file}{version}.mp4"


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.stem}-part.mp4")

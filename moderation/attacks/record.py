"""The file that a run writes: one entry a line, so that a long run can be stopped and continued. Measures nothing.

Every entry says by which state of the mark's code it was measured; entries of another state are measured anew.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

import watermark
from moderation.attacks.videos import Video

Section = Literal["clips", "trials", "strangers"]
Entry = Mapping[str, Any]
_SECTIONS: Final[tuple[Section, ...]] = ("clips", "trials", "strangers")
#: What the entries of a section are told apart by.
_NAMED_BY: Final[Mapping[Section, tuple[str, ...]]] = {
    "clips": ("clip",),
    "trials": ("clip", "attack"),
    "strangers": ("excerpt",),
}
#: What else an entry must say: one of an earlier form of the bench is measured anew.
_MEASURED: Final[Mapping[Section, tuple[str, ...]]] = {
    "clips": ("detail", "seconds", "textured"),
    "trials": ("part", "outcome"),
    "strangers": ("width", "height"),
}
#: What writes and reads the mark: when it changes, old figures say nothing of it.
_CODE: Final = (
    "alignment",
    "constellation",
    "convolution",
    "despreading",
    "imprint",
    "invisible",
    "keystream",
    "lattice",
    "payload",
    "registration",
    "spreading",
    "whitening",
)
_DECISIVE: Final = ("av", "numpy", "opencv-python-headless")


class AnotherRun(Exception):
    """The file holds a run with other settings; the message says which."""


class Record:
    """The entries of one run, in memory and in a file that is whole after every entry."""

    def __init__(self, path: Path | None, *, seconds: float, seed: int, videos: Sequence[Video] = ()) -> None:
        self._path = path
        self.seconds = seconds
        self._settings = {"seconds": seconds, "seed": seed}
        self._code = mark_code()
        self._entries: dict[Section, dict[tuple[Any, ...], Entry]] = {section: {} for section in _SECTIONS}
        self._circumstances = _circumstances()
        self._videos = {video.name: _described(video) for video in videos}
        if path is not None and path.exists():
            self._load(path)

    def has(self, section: Section, *name: Any) -> bool:
        """Tell whether an entry stands that was measured by the present code."""
        return self._entries[section].get(name, {}).get("code") == self._code

    def knows(self, section: Section, *name: Any) -> bool:
        """Tell whether an entry stands, by whatever state of the code."""
        return name in self._entries[section]

    def put(self, section: Section, entry: Entry) -> None:
        """Keep an entry, in place of an older one of its name, and write the file."""
        self._entries[section][_name(section, entry)] = {**entry, "code": self._code}
        if self._path is not None:
            self._write(self._path)

    def take(self, path: Path) -> None:
        """Take in what a run beside this one found, but for what is older than what stands; write the file.

        Raises AnotherRun.
        """
        self._load(path)
        if self._path is not None:
            self._write(self._path)

    def entries(self, section: Section) -> list[Entry]:
        """Return the entries of a section, those of older code among them."""
        return list(self._entries[section].values())

    @property
    def videos(self) -> Mapping[str, Entry]:
        """The caller's files by the names of their clips; those of this run and of the ones that it continues."""
        return self._videos

    def older(self) -> int:
        """Count entries that were measured by other code than the present."""
        return sum(entry["code"] != self._code for section in _SECTIONS for entry in self.entries(section))

    def to_json(self) -> dict[str, Any]:
        """Return the whole document."""
        sections: dict[str, Any] = {section: self.entries(section) for section in _SECTIONS}
        return {"benchmark": "attacks", **self._settings, **self._about(), **sections}

    def _about(self) -> dict[str, Any]:
        return {"circumstances": self._circumstances, "videos": self._videos}

    def _load(self, path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = {name: document[name] for name in self._settings}
        if found != self._settings:
            raise AnotherRun(f"{path} holds a run with {found}: name another file, or the same settings")
        for name, video in document.get("videos", {}).items():
            if self._videos.setdefault(name, video)["sha256"] != video["sha256"]:
                raise AnotherRun(f"{path} holds a run with another file called {name}: name another record")
        for section in _SECTIONS:
            for entry in document[section]:
                name, whole = _name(section, entry), entry.keys() >= set(_MEASURED[section])
                if whole and (entry["code"] == self._code or not self.has(section, *name)):
                    self._entries[section][name] = entry

    def _write(self, path: Path) -> None:
        self._circumstances["load_average_at_end"] = _load_average()
        document = self.to_json()
        head = {name: value for name, value in document.items() if name not in _SECTIONS}
        opening = json.dumps(head, ensure_ascii=False, indent=1)[:-2]
        sections = [f' "{section}": [\n{_lines(document[section])}\n ]' for section in _SECTIONS]
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(",\n".join([opening, *sections]) + "\n}\n", encoding="utf-8")
        unfinished.replace(path)


def mark_code() -> str:
    """Return eight digits that change with the code that writes and reads the mark."""
    folder = Path(watermark.__file__).parent
    content = b"".join((folder / f"{name}.py").read_bytes() for name in _CODE)
    return hashlib.sha256(content).hexdigest()[:8]


def _name(section: Section, entry: Entry) -> tuple[Any, ...]:
    return tuple(entry[part] for part in _NAMED_BY[section])


def _described(video: Video) -> Entry:
    width, height = video.size
    about = {"file": video.path.name, "sha256": video.sha256, "codec": video.probe.video_codec}
    return {**about, "seconds": video.seconds, "width": width, "height": height, "fps": video.probe.fps}


def _lines(entries: Iterable[Entry]) -> str:
    return ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in entries)


def _circumstances() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average": _load_average(),
        "processor": _processor(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in _DECISIVE},
    }


def _load_average() -> list[float]:
    return [round(load, 2) for load in os.getloadavg()]


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    for line in listed.read_text(encoding="utf-8").splitlines() if listed.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()

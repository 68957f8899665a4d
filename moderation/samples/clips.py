"""The set of sample clips: what each is made of, what is said when it is handed in, and what must become of it.

Made once into the cache of weights and found there afterwards. No sample shows explicit content, a child, or the
voice of a real person; docs/assets.md says what that leaves unshown.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import cv2
import numpy as np

from detectors.manifests import Presence
from detectors.minors import SECOND_MODEL
from detectors.packs import load_manifest
from moderation import consent
from moderation.clips import Submission
from moderation.enrolment import register_person
from moderation.samples.drawing import draw_clip
from moderation.samples.footage import Picture, Sound, write_footage
from moderation.samples.portraits import PORTRAITS, portrait
from moderation.samples.speech import SpeechUnavailable, speak, tone
from moderation.samples.stills import near, smooth

if TYPE_CHECKING:
    from moderation.services import Services

#: Raised by hand with every change of what a sample shows; earlier sets stay where they are.
VERSION: Final = 1
#: The status of a file that never becomes a clip.
REFUSED: Final = "refused at the door"
#: The figure a sample shows, and the other photograph they are registered from.
SHOWN, REGISTERED = "obama-2012", "obama-2009"
_ASTRONAUT: Final = "collins"

_FPS: Final = 30
_SPOKEN_SECONDS: Final = 5
_PORTRAIT_SECONDS: Final = 4
#: What makes the astronaut's portrait read as 19 to 22 years, measured after encoding: the picture brought to a face
#: 250 pixels high (it has 111), smoothed six times.
_ENLARGED: Final = 2.25
_SMOOTHED: Final = 6
#: In a frame of 640 x 360 the astronaut's face is 49 to 56 pixels high: no network here tells an age from so few.
_SMALL_FILLING: Final = 0.72
#: Of a file whose index lies at its end; without it no frame can be found.
_TRUNCATED_SHARE: Final = 0.6

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One file of the set. `status` and `reasons` (codes) are what it is meant to show."""

    name: str
    path: Path
    submission: Submission
    status: str
    reasons: tuple[str, ...] = ()
    #: What this very copy is, and what could not be had when it was made.
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spoken:
    """A drawn clip with a spoken sentence."""

    name: str
    size: tuple[int, int]
    sentence: str
    submission: Submission


_SPOKEN: Final = (
    _Spoken(
        name="shapes-english",
        size=(960, 540),
        sentence="These shapes were drawn by a program, and this voice was computed. Nobody is shown.",
        submission=Submission(creator="maya", prompt="Coloured shapes drift over soft clouds", title="Drifting shapes"),
    ),
    _Spoken(
        name="shapes-french",
        size=(720, 1280),
        sentence="Ces formes ont été dessinées par un programme, et cette voix a été calculée.",
        submission=Submission(
            creator="élodie", prompt="Des formes colorées qui flottent", title="Formes flottantes", locale="fr"
        ),
    ),
    _Spoken(
        name="shapes-arabic",
        size=(854, 480),
        sentence="رسم برنامج هذه الأشكال، وهذا الصوت محسوب.",
        submission=Submission(creator="ليلى", prompt="أشكال ملونة تطفو ببطء", title="أشكال تطفو", locale="ar"),
    ),
)


def make_samples(cache: Path, *, progress: Progress = lambda _: None) -> list[Sample]:
    """Return the whole set, made below `cache` (where weights and portraits are kept) where it is missing.

    Raises PortraitUnavailable when a portrait cannot be had, DetectorUnavailable when there is no pack of weights.
    """
    folder = cache / f"samples-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [_spoken(folder, cache, plan, seed, progress) for seed, plan in enumerate(_SPOKEN, start=1)]
    return [*drawn, _figure(folder, cache, progress), _young(folder, cache, progress), *_unusable(folder, progress)]


def register_people(services: "Services", org: str = "default") -> str:
    """Register the public figure of the set unless they are registered already; returns the person's id.

    Raises PortraitUnavailable when the photograph cannot be had.
    """
    photograph = PORTRAITS[REGISTERED]
    with services.database.transaction(org) as tx:
        for person in consent.list_people(tx, services.vault):
            if person.kind == "public_figure" and person.name == photograph.person:
                return person.person_id
    return register_person(
        services,
        org,
        name=photograph.person,
        kind="public_figure",
        images=[portrait(REGISTERED, services.settings.models)],
        by="samples",
        sources=[photograph.credit],
    )


def _spoken(folder: Path, cache: Path, plan: _Spoken, seed: int, progress: Progress) -> Sample:
    """A drawn clip that speaks, or hums where no speech can be had."""
    path, note = folder / f"{plan.name}.mp4", "drawn shapes, generated speech"
    if not path.is_file():
        try:
            sound = speak(plan.sentence, plan.submission.locale, cache)
        except SpeechUnavailable as problem:
            path, note = folder / f"{plan.name}-tone.mp4", f"drawn shapes, a tone instead of speech: {problem}"
            sound = tone(_SPOKEN_SECONDS)
        _make(path, progress, lambda place: _draw(place, plan, seed, sound))
    return Sample(name=plan.name, path=path, submission=plan.submission, status="released", note=note)


def _draw(place: Path, plan: _Spoken, seed: int, sound: Sound) -> None:
    width, height = plan.size
    draw_clip(place, seconds=_SPOKEN_SECONDS, width=width, height=height, fps=_FPS, seed=seed, audio=sound)


def _figure(folder: Path, cache: Path, progress: Progress) -> Sample:
    """An official portrait as it is, of somebody registered from another photograph."""
    path = folder / "public-figure.mp4"
    _make(path, progress, lambda place: _show(place, _picture(SHOWN, cache), (720, 720)))
    return Sample(
        name="public-figure",
        path=path,
        submission=Submission(creator="noor", prompt="A camera nears an official portrait", title="Official portrait"),
        status="in_review",
        reasons=("public_figure_likeness",),
        note=f"{PORTRAITS[SHOWN].credit}; shown whole and unaltered",
    )


def _young(folder: Path, cache: Path, progress: Progress) -> Sample:
    """An adult whose face reads young, or cannot be read, together with a harmless word about minors.

    Only the second age network takes the smoothed face for younger than 25; where the pack has none, the same
    portrait is shown so small that no network reads it, and an unread face counts as a young one.
    """
    credit = PORTRAITS[_ASTRONAUT].credit
    if load_manifest(cache).entry(SECOND_MODEL).state is Presence.PRESENT:
        path, note = folder / "young-looking.mp4", f"{credit}; smoothed by program until it reads younger than 25"
        _make(path, progress, lambda place: _show_smoothed(place, _picture(_ASTRONAUT, cache)))
    else:
        path, note = folder / "unread-face.mp4", f"{credit}; too small to be read, for the second age network is absent"
        _make(path, progress, lambda place: _show(place, _picture(_ASTRONAUT, cache), (640, 360), _SMALL_FILLING))
    submission = Submission(
        creator="sami", prompt="An astronaut visits a high school and answers questions", title="Science day"
    )
    return Sample(
        name="young-looking",
        path=path,
        submission=submission,
        status="in_review",
        reasons=("minor_safety",),
        note=note,
    )


def _show_smoothed(place: Path, picture: Picture) -> None:
    enlarged = cv2.resize(picture, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
    _show(place, smooth(cast("Picture", enlarged), _SMOOTHED), (960, 720))


def _show(place: Path, picture: Picture, size: tuple[int, int], filling: float = 1.0) -> None:
    frames = near(picture, _PORTRAIT_SECONDS * _FPS, *size, filling=filling)
    write_footage(place, frames, fps=_FPS, sound=tone(_PORTRAIT_SECONDS))


def _picture(name: str, cache: Path) -> Picture:
    content = np.frombuffer(portrait(name, cache).read_bytes(), np.uint8)
    return cast("Picture", cv2.imdecode(content, cv2.IMREAD_COLOR))


def _unusable(folder: Path, progress: Progress) -> list[Sample]:
    """Two files that only look like clips: a text, and the first part of a clip."""
    text, cut = folder / "text.mp4", folder / "cut-off.mp4"
    _make(text, progress, _write_text)
    _make(cut, progress, _cut_off)
    files = (
        ("text", text, "not_video", "a text, not video"),
        ("cut-off", cut, "truncated", "a clip without its end"),
    )
    return [
        Sample(
            name=name,
            path=path,
            submission=Submission(creator="maya"),
            status=REFUSED,
            reasons=(code,),
            note=note,
        )
        for name, path, code, note in files
    ]


def _write_text(place: Path) -> None:
    place.write_text("This file is called .mp4 and holds only these words.\n" * 40)


def _cut_off(place: Path) -> None:
    draw_clip(place, seconds=1)
    content = place.read_bytes()
    place.write_bytes(content[: int(len(content) * _TRUNCATED_SHARE)])


def _make(path: Path, progress: Progress, write: Callable[[Path], None]) -> None:
    """Make one file, whole or not at all, unless it is there."""
    if path.is_file():
        return
    progress(f"making the sample {path.stem}")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".make-") as scratch:
        whole = Path(scratch) / path.name
        write(whole)
        whole.replace(path)

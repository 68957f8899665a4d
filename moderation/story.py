"""The story of a likeness lent to a friend, refused to a stranger and taken back, on a state of its own.

`moderation people demo`. Every step says what was to happen and what did; nothing is kept. Decides nothing.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import cv2

from moderation import consent, release
from moderation.assembly import open_services
from moderation.checking import InlineSteps, check_file
from moderation.clips import Submission
from moderation.cluster import Place
from moderation.db.clips import read_clip
from moderation.enrolment import register_person
from moderation.errors import Outage
from moderation.pipeline import process_clip
from moderation.revocations import beginning, driving
from moderation.revocations.progress import progress
from moderation.revocations.reaching import reach
from moderation.revocations.receipts import take_receipt
from moderation.samples.drawing import draw_clip
from moderation.samples.footage import Picture, write_footage
from moderation.samples.portraits import PORTRAITS, PortraitUnavailable, portrait
from moderation.samples.stills import near
from moderation.settings import Settings
from moderation.verdicts import read_verdict
from moderation.verification import verify_file

if TYPE_CHECKING:
    from moderation.services import Services

ORG: Final = "default"
BY: Final = "demo"
FRIEND, STRANGER = "maya", "a-stranger"
#: Whose official portrait stands for the person: a work of the United States government.
SHOWN: Final = "collins"
_FPS, _FRAMES = 30, 45
_SIDE: Final = 960


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One step: what was done, what was to come of it, and what did."""

    told: str
    expected: str
    found: str

    @property
    def true(self) -> bool:
        """Whether the story holds here."""
        return self.expected == self.found


class Story:
    """One telling over one state."""

    def __init__(self, services: "Services", folder: Path) -> None:
        self._services = services
        self._folder = folder
        self.scenes: list[Scene] = []

    def tell(self) -> list[Scene]:
        """Go through it from the first grant to the last receipt."""
        services = self._services
        person = self._lend()
        shown = self._footage("friend", filling=1.0)
        lent = self._clip("a friend's clip shows them", "released", shown, FRIEND, person)
        self._clip("a stranger's clip shows them", "in_review", self._footage("stranger", filling=0.8), STRANGER)
        smaller = self._footage("remix", filling=0.9)
        remix = self._clip("a remix of the friend's clip still shows them", "released", smaller, FRIEND, person, lent)
        draw_clip(self._folder / "shapes.mp4", seconds=1, width=640, height=360)
        apart = self._clip(
            "another remix shows shapes alone", "released", self._folder / "shapes.mp4", FRIEND, None, lent
        )
        copy = self._fetch(lent)
        with services.database.transaction(ORG) as tx:
            numbers = reach(tx, person)
        said = f"{numbers.released} released, {numbers.in_review} in review, {numbers.descendants} descendant"
        self._note("before anything is done, the reach in numbers", "3 released, 1 in review, 1 descendant", said)
        revocation = self._take_back(person, lent)
        for told, expected, clip in (
            ("the friend's clip", "withdrawn", lent),
            ("the remix that shows them", "withdrawn", remix),
            ("the remix that does not, judged on its own", "released", self._judged(apart)),
        ):
            self._note(told, expected, self._status(clip))
        answer = verify_file(services, copy)
        found = f"{answer['origin']}, consent {answer.get('consent_state')}"
        self._note("anybody asks of a copy of the friend's clip", "ours, consent revoked", found)
        self._receipt(revocation)
        self._clip("the friend tries again", "in_review", self._footage("again", filling=0.95), FRIEND, person)
        return self.scenes

    def _note(self, told: str, expected: str, found: str) -> None:
        self.scenes.append(Scene(told=told, expected=expected, found=found))
        sys.stderr.write(f"{told}: {found}\n")
        sys.stderr.flush()

    def _lend(self) -> str:
        """Register the person from the portrait and let the friend use it, remixes included."""
        services, photograph = self._services, PORTRAITS[SHOWN]
        picture = portrait(SHOWN, services.settings.models)
        name, sources = photograph.person, [photograph.credit]
        person = register_person(services, ORG, name=name, kind="cameo", images=[picture], by=BY, sources=sources)
        terms = consent.Terms(grantee_kind="creator", grantee=FRIEND, scope="face", remix=True)
        with services.database.transaction(ORG) as tx:
            consent.grant(tx, services.clock.now(), person, terms=terms, by=BY)
        self._note(f"{photograph.person} lends her face to {FRIEND}", "registered", "registered")
        return person

    def _footage(self, name: str, *, filling: float) -> Path:
        """A clip of the portrait, nearing; the picture itself is not altered."""
        picture = cast("Picture", cv2.imread(str(portrait(SHOWN, self._services.settings.models))))
        path = self._folder / f"{name}.mp4"
        write_footage(path, near(picture, _FRAMES, _SIDE, _SIDE, filling=filling), fps=_FPS)
        return path

    def _clip(
        self, told: str, expected: str, path: Path, creator: str, person: str | None = None, parent: str | None = None
    ) -> str:
        """Hand a clip in, take it to its end, and note how it ended; returns its id."""
        said = Submission(creator=creator, cameos=(person,) if person else (), parents=(parent,) if parent else ())
        clip = check_file(self._services, ORG, BY, path, said).clip_id
        self._note(told, expected, self._status(clip))
        return clip

    def _status(self, clip: str) -> str:
        return str(read_verdict(self._services, ORG, clip)["status"])

    def _fetch(self, clip: str) -> Path:
        """Keep a copy of a released file, as anybody may who saw it."""
        key, _, size = release.media(self._services, ORG, clip)
        path = self._folder / "copy.mp4"
        path.write_bytes(b"".join(self._services.store.stream(key, 0, size)))
        return path

    def _take_back(self, person: str, lent: str) -> str:
        """Take everything back; the friend's clip is refused before anything was withdrawn."""
        services = self._services
        revocation = str(beginning.begin(services, ORG, person, by=BY)["revocation_id"])
        began = time.monotonic()
        refused = self._refused(lent)
        in_time = "refused" if refused and time.monotonic() - began < 2 else "served"
        self._note("she takes it back; the friend's clip, at once", "refused", in_time)
        driving.drive(services, ORG, revocation)
        return revocation

    def _refused(self, clip: str) -> bool:
        try:
            release.media(self._services, ORG, clip)
        except release.Gone:
            return True
        return False

    def _judged(self, clip: str) -> str:
        """Carry out, as a worker would, the run to which the revocation sent a clip."""
        with self._services.database.transaction(ORG) as tx:
            generation = read_clip(tx, clip).generation
        process_clip(InlineSteps(self._services), ORG, clip, generation)
        return clip

    def _receipt(self, revocation: str) -> None:
        """The platform says that what it had fetched is gone."""
        with self._services.database.transaction(ORG) as tx:
            before = progress(tx, revocation).state
            take_receipt(tx, self._services.clock.now(), revocation, None, by=BY)
            after = progress(tx, revocation).state
        self._note("the platform's receipt ends it", "awaiting_receipts, completed", f"{before}, {after}")


def run_story(settings: Settings, *, as_json: bool) -> int:
    """Tell the story on a state of its own and print it. Returns 1 where it went otherwise; raises Outage."""
    with _apart(settings) as (services, folder):
        try:
            scenes = Story(services, folder).tell()
        except PortraitUnavailable as problem:
            raise Outage("samples", str(problem)) from problem
    lines = _document(scenes) if as_json else _lines(scenes)
    for line in lines:
        sys.stdout.write(f"{line}\n")
    return 0 if all(scene.true for scene in scenes) else 1


def _document(scenes: Iterable[Scene]) -> list[str]:
    return [json.dumps([{**asdict(scene), "true": scene.true} for scene in scenes], indent=2)]


def _lines(scenes: Iterable[Scene]) -> list[str]:
    return [
        f"{scene.told:55} {scene.found}" + ("" if scene.true else f"   DIFFERS: {scene.expected} was to be")
        for scene in scenes
    ]


@contextmanager
def _apart(settings: Settings) -> "Iterator[tuple[Services, Path]]":
    """Services over an empty state, of which nothing is left afterwards, and a folder for files."""
    with tempfile.TemporaryDirectory(prefix="countersign-story-") as name:
        folder = Path(name)
        # A server started by root runs as another user, who must be able to reach the state.
        folder.chmod(0o755)
        own = settings.model_copy(update={"state": folder / "state", "database_url": None, "blobs_url": None})
        try:
            with open_services(own) as services:
                yield services, folder
        finally:
            place = Place.read(own.state / "postgres")
            if place is not None and not place.data.is_relative_to(own.state):
                shutil.rmtree(place.data.parent, ignore_errors=True)

"""The story of a likeness lent to a friend, refused to a stranger and taken back, on a state of its own.

`moderation people demo`. Every step says what was to happen and what did; nothing is kept. Decides nothing.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TextIO, cast

import cv2

from moderation import consent, release
from moderation.assembly import open_services
from moderation.checking import InlineSteps, check_file
from moderation.clips import Submission
from moderation.cluster import Place
from moderation.db.clips import read_clip
from moderation.enrolment import register_person
from moderation.errors import Conflict, ModerationError, NotFound, Outage
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
#: How soon after a revocation's commit a copy is refused, in seconds.
_SOON: Final = 2.0
#: What a scene's finding begins with where it could not be carried out.
FAILED: Final = "failed"


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


class Teller(Protocol):
    """Hears each scene begin and end, so that nobody waits before an empty screen."""

    def begin(self, told: str) -> None:
        """Say what is being done."""

    def end(self, scene: Scene) -> None:
        """Say what came of it."""


class Story:
    """One telling over one state."""

    def __init__(self, services: "Services", folder: Path, teller: Teller) -> None:
        self._services = services
        self._folder = folder
        self._teller = teller
        self.scenes: list[Scene] = []

    def tell(self) -> list[Scene]:
        """Go through it from the registration to the last receipt."""
        person = self._register()
        self._show("she lends her face to maya, remixes included", "face to maya, remixes", lambda: self._lend(person))
        lent = self._clip("maya posts a clip of her", "released", self._footage(1.0), FRIEND, (person,))
        held = self._clip("a stranger posts one too, without her leave", "in_review", self._footage(0.8), STRANGER)
        told = "maya's remix of her clip still shows her"
        remix = self._clip(told, "released", self._footage(0.9), FRIEND, (person,), (lent,))
        shapes = self._folder / "shapes.mp4"
        draw_clip(shapes, seconds=1, width=640, height=360)
        apart = self._clip("another remix of it shows drawn shapes alone", "released", shapes, FRIEND, (), (lent,))
        copy = self._fetch(lent)
        self._ask("anybody asks verify about a copy of maya's clip", "ours, consent in_force", copy)
        reached = "3 released, 1 in_review; 1 of them without her"
        self._show("what taking everything back would reach, in numbers", reached, lambda: self._reach(person))
        revocation = self._take_back(person, lent)
        told = "all that is reached is taken through, one by one"
        self._show(told, "done", lambda: self._drive(revocation))
        self._is("maya's clip", "withdrawn", lent)
        self._is("the remix that shows her", "withdrawn", remix)
        self._is("the stranger's clip, which waited for a person", "withdrawn", held)
        told = "the remix without her, judged anew on its own"
        self._show(told, "released", lambda: self._judge(apart))
        self._ask("anybody asks verify about the same copy", "ours, consent revoked", copy)
        ended = "awaiting_receipts, then completed"
        self._show("the platform says that its copies are gone", ended, lambda: self._receive(revocation))
        self._clip("maya tries again with a new clip of her", "in_review", self._footage(0.95), FRIEND, (person,))
        return self.scenes

    def _show(self, told: str, expected: str, act: Callable[[], str]) -> None:
        """Play one scene. What goes wrong in it is what was found, and the story goes on."""
        self._teller.begin(told)
        try:
            found = act()
        except Outage:
            raise
        except ModerationError as problem:
            found = f"{FAILED}: {problem.code}"
        scene = Scene(told=told, expected=expected, found=found)
        self.scenes.append(scene)
        self._teller.end(scene)

    def _is(self, told: str, expected: str, clip: str) -> None:
        self._show(told, expected, lambda: self._status(clip))

    def _ask(self, told: str, expected: str, copy: Path) -> None:
        self._show(told, expected, lambda: self._origin(copy))

    def _clip(
        self,
        told: str,
        expected: str,
        path: Path,
        creator: str,
        cameos: tuple[str, ...] = (),
        parents: tuple[str, ...] = (),
    ) -> str:
        """Hand a clip in and take it to its end; returns its id, empty where it was not taken in."""
        said = Submission(creator=creator, cameos=cameos, parents=tuple(filter(None, parents)))
        made: list[str] = []

        def check() -> str:
            made.append(check_file(self._services, ORG, BY, path, said).clip_id)
            return self._status(made[0])

        self._show(told, expected, check)
        return next(iter(made), "")

    def _register(self) -> str:
        """Register the person from the portrait, as an operator does; returns their id."""
        services, photograph = self._services, PORTRAITS[SHOWN]
        made: list[str] = []

        def register() -> str:
            picture, sources = portrait(SHOWN, services.settings.models), [photograph.credit]
            name = photograph.person
            made.append(
                register_person(services, ORG, name=name, kind="cameo", images=[picture], by=BY, sources=sources)
            )
            with services.database.transaction(ORG) as tx:
                return consent.read_person(tx, services.vault, made[0]).state

        self._show("she is registered from her portrait", "verified", register)
        return next(iter(made), "")

    def _lend(self, person: str) -> str:
        services = self._services
        terms = consent.Terms(grantee_kind="creator", grantee=FRIEND, scope="face", remix=True)
        with services.database.transaction(ORG) as tx:
            consent.grant(tx, services.clock.now(), person, terms=terms, by=BY)
            given = consent.read_grants(tx, [person])
        return ", ".join(f"{each.scope} to {each.grantee}" + ", remixes" * each.remix for each in given)

    def _footage(self, filling: float) -> Path:
        """A clip of the portrait, nearing; the picture itself is not altered."""
        picture = cast("Picture", cv2.imread(str(portrait(SHOWN, self._services.settings.models))))
        path = self._folder / f"{filling}.mp4"
        write_footage(path, near(picture, _FRAMES, _SIDE, _SIDE, filling=filling), fps=_FPS)
        return path

    def _status(self, clip: str) -> str:
        return str(read_verdict(self._services, ORG, clip)["status"])

    def _fetch(self, clip: str) -> Path:
        """Keep a copy of a released file, as anybody may who saw it; an empty one where none was to be had."""
        path = self._folder / "copy.mp4"
        path.touch()
        with suppress(NotFound, Conflict):
            key, _, size = release.media(self._services, ORG, clip)
            path.write_bytes(b"".join(self._services.store.stream(key, 0, size)))
        return path

    def _origin(self, copy: Path) -> str:
        answer = verify_file(self._services, copy)
        return f"{answer['origin']}, consent {answer.get('consent_state')}"

    def _reach(self, person: str) -> str:
        with self._services.database.transaction(ORG) as tx:
            numbers = reach(tx, person)
        return f"{numbers.released} released, {numbers.in_review} in_review; {numbers.descendants} of them without her"

    def _take_back(self, person: str, lent: str) -> str:
        """Take everything back; the friend's clip is refused before anything was withdrawn."""
        made: list[str] = []

        def take() -> str:
            made.append(str(beginning.begin(self._services, ORG, person, by=BY)["revocation_id"]))
            began = time.monotonic()
            refused = self._refused(lent)
            return "refused" if refused and time.monotonic() - began < _SOON else "served"

        self._show("she takes it all back; maya's clip is asked for at once", "refused", take)
        return next(iter(made), "")

    def _refused(self, clip: str) -> bool:
        try:
            release.media(self._services, ORG, clip)
        except release.Gone:
            return True
        return False

    def _drive(self, revocation: str) -> str:
        driving.drive(self._services, ORG, revocation)
        with self._services.database.transaction(ORG) as tx:
            return "done" if progress(tx, revocation).state != "driving" else "driving"

    def _judge(self, clip: str) -> str:
        """Carry out, as a worker would, the run to which the revocation sent a clip."""
        with self._services.database.transaction(ORG) as tx:
            generation = read_clip(tx, clip).generation
        process_clip(InlineSteps(self._services), ORG, clip, generation)
        return self._status(clip)

    def _receive(self, revocation: str) -> str:
        """The platform says that what it had fetched is gone."""
        with self._services.database.transaction(ORG) as tx:
            before = progress(tx, revocation).state
            take_receipt(tx, self._services.clock.now(), revocation, None, by=BY)
            return f"{before}, then {progress(tx, revocation).state}"


class Lines:
    """Tells the story to a terminal, one line a scene."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._number = 0

    def begin(self, told: str) -> None:
        """Write the line's first half."""
        self._number += 1
        self._write(f"{self._number:2}  {told:58}")

    def end(self, scene: Scene) -> None:
        """Write the rest of it."""
        self._write(scene.found + ("" if scene.true else f"   DIFFERS: {scene.expected} was to be") + "\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def run_story(settings: Settings, *, as_json: bool) -> int:
    """Tell the story on a state of its own and print it. Returns 1 where it went otherwise; raises Outage."""
    began = time.monotonic()
    # Whoever asks for JSON sees how far it is on stderr.
    out = sys.stderr if as_json else sys.stdout
    out.write(f"{_opening()}\n\n")
    with _apart(settings) as (services, folder):
        try:
            scenes = Story(services, folder, Lines(out)).tell()
        except PortraitUnavailable as problem:
            raise Outage("samples", str(problem)) from problem
    true = sum(scene.true for scene in scenes)
    out.write(f"\n{true} of {len(scenes)} scenes went as told, in {time.monotonic() - began:.0f} s.\n")
    if as_json:
        print_scenes(scenes)
    return 0 if true == len(scenes) else 1


def _opening() -> str:
    photograph = PORTRAITS[SHOWN]
    return (
        "A likeness, lent and taken back: the real parts, on a state of its own of which nothing stays.\n"
        f"{photograph.person} was not asked: the person is pretended. A public-domain portrait stands for her:\n"
        f"{photograph.credit}.\n"
        "An operator registers her from it, for a picture cannot answer the challenge of an enrolment."
    )


def print_scenes(scenes: Iterable[Scene]) -> None:
    """Write the scenes to stdout as one JSON list."""
    sys.stdout.write(json.dumps([{**asdict(scene), "true": scene.true} for scene in scenes], indent=2) + "\n")


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

"""A hundred attacks on enrolment made from benign sources, and recordings that should pass.

Run: PYTHONPATH=.:tests/assets python benchmarks/enrolment_attacks.py [--only PART ...] [--again]
Each part is written to `results/enrolment.json` when it is done. A run that was cut short goes on with the parts that
are missing, those made from the same commit; `--again` begins anew. A figure of all hundred needs all parts.
Recordings are written, read through the sandbox and measured as those of callers are. Where an attack is the same
recording under another challenge, it is measured once. Every attack has the best luck there is: a writer of speech
that never errs, and, unless it is about them, the very digits and turns that were asked for. Whom the recordings show
is a relief of NASA's portrait of Eileen Collins that turns and speaks (`tests/assets/heads.py`); White House
photographs are only shown whole. No recording of a real person's head was to be had: how many pass is not known.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final, cast

import cv2
import heads
import numpy as np
import results
from heads import Head, Performance

from detectors.faces import Faces
from moderation import consent
from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.clips import Submission
from moderation.clock import FixedClock
from moderation.consent import NewPerson
from moderation.enrolling import attempts, challenges
from moderation.enrolling.challenges import Challenge, Turn
from moderation.enrolling.checks import Check, CheckState, check_all
from moderation.enrolling.comparing import compare_people, compare_sources, take_print
from moderation.enrolling.recordings import Heard, Measured, measure
from moderation.enrolling.verdicts import Outcome, conclude
from moderation.enrolment import register_person
from moderation.errors import Conflict
from moderation.likeness_settings import LikenessSettings
from moderation.samples import stills
from moderation.samples.footage import Picture, Sound
from moderation.samples.portraits import portrait
from moderation.services import Services
from moderation.settings import Settings

ORG: Final = "default"
NOW: Final = datetime.now(UTC)
VOICE: Final = "en+f4"
OTHER_VOICE: Final = "en+m3"
ASKED: Final = Challenge(
    digits=("4170", "2903", "5581", "3614"),
    turns=("left", "left", "right", "left"),
    expires_at=NOW + timedelta(minutes=2),
)
CACHE: Final = Settings().models


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One attempt: what it is, whether a person should pass with it, what came of it, and which checks objected."""

    kind: str
    genuine: bool
    outcome: str
    objecting: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taken:
    """A recording that was measured: the measurement, and the checks that need nothing of its challenge."""

    measured: Measured
    others: list[Check]


class Stage:
    """Where attempts are made: a service of its own, a person who enrols, and a relief of a head."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        self.folder = folder
        self.trials: list[Trial] = []
        (reader,) = (detector for detector in services.detectors if isinstance(detector, Faces))
        picture = cv2.imread(str(portrait("collins", CACHE)))
        self.portrait = cast("Picture", picture)
        self.head: Head = heads.cut_head(self.portrait, reader.finder.find(self.portrait)[0].points)
        self.person = self.register("the person")
        self._made = 0

    @cached_property
    def pictures(self) -> list[Picture]:
        """The pictures of the performance that was asked for."""
        return list(heads.act(self.head, perform()))

    def register(self, name: str) -> str:
        """Write down a person without templates."""
        with self.services.database.transaction(ORG) as tx:
            wanted = NewPerson(name=name, kind="cameo", state="pending")
            return consent.register(tx, self.services.vault, self.services.clock.now(), wanted, by="bench")

    def take(
        self, pictures: Sequence[Picture], sound: Sound, *, person: str | None = None, known: bool = False
    ) -> Taken:
        """Write a recording and measure it; `known` as of `measure`."""
        self._made += 1
        path = heads.record(self.folder / f"{self._made}.mp4", pictures, sound)
        return self.measure(path, person=person, known=known)

    def measure(self, path: Path, *, person: str | None = None, known: bool = False) -> Taken:
        """Measure a file as the worker does. Only what is `known` to be of ours is looked at for marks."""
        probe = self.services.sandbox.probe(path)
        measured = measure(self.services, path, probe.duration_ms)
        others = compare_people(self.services, ORG, person or self.person, measured)
        source = Check(name="source", state=CheckState.PASSED)
        if known:
            source = compare_sources(self.services, ORG, path, take_print(self.services, path))
        return Taken(measured=measured, others=[*others, source])

    def judge(self, kind: str, taken: Taken, challenge: Challenge, said: str, *, genuine: bool = False) -> None:
        """Judge a recording under a challenge, `said` being what a writer of speech would have heard."""
        heard: Heard = replace(taken.measured.heard, words=said)
        checks = [*check_all(replace(taken.measured, heard=heard), challenge), *taken.others]
        objecting = tuple(check.name for check in checks if check.state is not CheckState.PASSED)
        outcome = conclude(checks).outcome.value
        self.trials.append(Trial(kind=kind, genuine=genuine, outcome=outcome, objecting=objecting))
        results.tell(f"{kind}: {outcome} ({', '.join(objecting)})")


def spoken(challenge: Challenge) -> str:
    """The digits of a challenge as a writer of speech writes them."""
    return " ".join(challenge.digits)


def others(count: int, *, same_turns: bool) -> Iterator[Challenge]:
    """Challenges other than `ASKED`."""
    while count:
        drawn = challenges.draw(NOW, 120)
        if (drawn.turns == ASKED.turns) == same_turns:
            count -= 1
            yield drawn


def perform(voices: Sequence[str] = (VOICE,), turns: Sequence[Turn] = ASKED.turns) -> Performance:
    """The score of the asked challenge."""
    return heads.rehearse(ASKED.digits, turns, voices, CACHE)


def try_genuine(stage: Stage) -> None:
    """Three performances in three voices."""
    for voice in (VOICE, "en+f2", "en+m3"):
        score = perform((voice,))
        pictures = stage.pictures if voice == VOICE else list(heads.act(stage.head, score))
        stage.judge("as asked", stage.take(pictures, score.sound), ASKED, spoken(ASKED), genuine=True)


def try_replays(stage: Stage) -> None:
    """One recording under challenges it was not made for."""
    pictures = stage.pictures
    taken = stage.take(pictures, perform().sound)
    for challenge in others(20, same_turns=False):
        stage.judge("replayed under another challenge", taken, challenge, spoken(ASKED))
    for challenge in others(13, same_turns=True):
        stage.judge("other digits, the turns by luck", taken, challenge, spoken(ASKED))
    for challenge in others(14, same_turns=False):
        stage.judge("other turns, the digits by luck", taken, challenge, spoken(challenge))


def try_flat(stage: Stage) -> None:
    """Still pictures moved, zoomed, turned and bent before the camera, with the right words."""
    sound = perform().sound
    count = round(sound.seconds * heads.FPS)
    for name in ("obama-2012", "obama-2009", "biden-2010", "obama-2010"):
        picture = cast("Picture", cv2.imread(str(portrait(name, CACHE))))
        moved = list(stills.near(picture, count, *heads.SIZE))
        stage.judge("still, zoomed and panned", stage.take(moved, sound), ASKED, spoken(ASKED))
    random = np.random.default_rng(1)
    swing = np.array(perform().yaws)[:count]
    for number in range(8):
        tilts = np.cumsum(random.normal(0, 0.6, len(swing)))
        shears = swing / 40 * random.uniform(-0.45, 0.45)
        planes = [
            heads.plane_turned(float(yaw), float(tilt), float(shear))
            for yaw, tilt, shear in zip(swing * (0.6 + 0.1 * number), tilts, shears, strict=True)
        ]
        held = list(heads.hold_flat(stage.head.picture, planes))
        stage.judge("still, turned and bent in the asked order", stage.take(held, sound), ASKED, spoken(ASKED))


def try_faces(stage: Stage) -> None:
    """Two faces, another face from the middle on, and faces that are somebody else's."""
    pictures = stage.pictures
    sound = perform().sound
    small = [cast("Picture", cv2.resize(picture, (160, 160))) for picture in pictures]
    half = len(pictures) // 2
    for start, end in ((0, len(pictures)), (half, len(pictures)), (10, 30), (40, 46)):
        beside = [np.hstack([p, np.vstack([s, s])]) for p, s in zip(pictures, small, strict=True)]
        alone = [np.hstack([p, np.zeros_like(np.vstack([s, s]))]) for p, s in zip(pictures, small, strict=True)]
        both = [beside[at] if start <= at < end else alone[at] for at in range(len(pictures))]
        stage.judge("two faces", stage.take(both, sound), ASKED, spoken(ASKED))
    other = cast("Picture", cv2.imread(str(portrait("obama-2012", CACHE))))
    moved = list(stills.near(other, len(pictures), *heads.SIZE))
    for at in (half, half // 2):
        stage.judge("another face later on", stage.take(pictures[:at] + moved[at:], sound), ASKED, spoken(ASKED))
    known = register_person(
        stage.services, ORG, name="Known", kind="public_figure", images=[portrait("collins", CACHE)], by="bench"
    )
    somebody = register_person(
        stage.services, ORG, name="Somebody", kind="cameo", images=[portrait("obama-2012", CACHE)], by="bench"
    )
    claimed = stage.take(pictures, sound)
    for _ in range(3):
        stage.judge("a registered person's face", claimed, ASKED, spoken(ASKED))
    taken = stage.take(pictures, sound, person=somebody)
    for _ in range(3):
        stage.judge("another face for a person who has templates", taken, ASKED, spoken(ASKED))
    with stage.services.database.transaction(ORG) as tx:
        consent.erase_person(tx, stage.services.clock.now(), known, by="bench")


def try_voices(stage: Stage) -> None:
    """Another voice in the middle, another voice laid over, no voice."""
    pictures = stage.pictures
    for voices in ((VOICE, OTHER_VOICE), (VOICE, VOICE, OTHER_VOICE, OTHER_VOICE), (OTHER_VOICE, VOICE)):
        sound = perform(voices).sound
        fitted = _fitted(pictures, sound)
        stage.judge("voices that change", stage.take(fitted, sound), ASKED, spoken(ASKED))
    late = Sound(samples=np.roll(perform((OTHER_VOICE,)).sound.samples, 22_050 * 2), rate=22_050)
    stage.judge("another voice laid over, late", stage.take(_fitted(pictures, late), late), ASKED, spoken(ASKED))
    silent = Sound(samples=np.zeros(len(late.samples), np.int16), rate=late.rate)
    stage.judge("no voice", stage.take(_fitted(pictures, silent), silent), ASKED, spoken(ASKED))


def _fitted(pictures: list[Picture], sound: Sound) -> list[Picture]:
    count = round(sound.seconds * heads.FPS)
    return [*pictures, *pictures[-1:] * count][:count]


def try_loops(stage: Stage) -> None:
    """Halves that come again, with a challenge that asks for just what comes again."""
    pictures = stage.pictures
    half = len(pictures) // 2
    sound = perform().sound
    middle = len(sound.samples) // 2
    for part, samples, turns in (
        (pictures[:half], sound.samples[:middle], ASKED.turns[:2]),
        (pictures[half:], sound.samples[middle:], ASKED.turns[2:]),
    ):
        looped = Sound(samples=np.concatenate([samples, samples]), rate=sound.rate)
        challenge = replace(ASKED, turns=(*turns, *turns))
        taken = stage.take(_fitted(part + part, looped), looped)
        for _ in range(4):
            stage.judge("a half that comes again", taken, challenge, spoken(challenge))


def try_own_clips(stage: Stage) -> None:
    """A clip of ours that was released, as it is, without its manifest, shrunk, cut, and before it was marked."""
    score = perform(("en+f3",))
    pictures = list(heads.act(stage.head, score))
    source = heads.record(stage.folder / "generated.mp4", pictures, score.sound)
    clip = check_file(stage.services, ORG, "bench", source, Submission(creator="ana"))
    with stage.services.database.transaction(ORG) as tx:
        row = tx.pg.execute(
            "select c.status, r.blob_key from moderation.clips c join moderation.renditions r using (clip_id)"
            " where r.kind = 'marked' and clip_id = %s",
            [clip.clip_id],
        ).fetchone()
    assert row is not None, "the clip was not marked"
    results.tell(f"the clip is {row[0]}")
    with stage.services.store.open(row[1]) as marked:
        released = stage.measure(marked, known=True)
        frames = _decoded(stage, marked)
    for _ in range(4):
        stage.judge("a marked clip of ours", released, ASKED, spoken(ASKED))
    again = stage.take(frames, score.sound, known=True)
    for _ in range(3):
        stage.judge("a marked clip, coded anew", again, ASKED, spoken(ASKED))
    cropped = [np.ascontiguousarray(frame[16:-16, 16:-16]) for frame in frames]
    stage.judge("a marked clip, cropped", stage.take(cropped, score.sound, known=True), ASKED, spoken(ASKED))
    original = stage.take(pictures, score.sound, known=True)
    for _ in range(3):
        stage.judge("what a clip of ours was made from", original, ASKED, spoken(ASKED))


def _decoded(stage: Stage, path: Path) -> list[Picture]:
    side = heads.SIZE[0]
    batches = stage.services.sandbox.pictures(path, every=1, side=side)
    return [frame.pixels.copy() for frames in batches for frame in frames]


def try_late(stage: Stage) -> None:
    """A recording that comes late, and a second one for the same challenge: neither is even looked at."""
    pictures = stage.pictures
    path = heads.record(stage.folder / "late.mp4", pictures, perform().sound)
    clock = cast("FixedClock", stage.services.clock)
    for number in range(5):
        asked = attempts.ask(stage.services, ORG, stage.person, by=f"bench{number}")
        if number < 3:
            clock.at += timedelta(seconds=121)
        else:
            attempts.receive(stage.services, ORG, stage.person, asked.enrolment_id, path, by="bench")
        kind = "an expired challenge" if number < 3 else "a challenge that was answered"
        try:
            attempts.receive(stage.services, ORG, stage.person, asked.enrolment_id, path, by="bench")
            outcome = "received"
        except Conflict as over:
            outcome = over.code
        stage.trials.append(Trial(kind=kind, genuine=False, outcome=outcome, objecting=("challenge",)))


#: The parts by name, in the order in which they are made.
PARTS: Final[Mapping[str, Callable[[Stage], None]]] = {
    "genuine": try_genuine,
    "replays": try_replays,
    "flat": try_flat,
    "voices": try_voices,
    "faces": try_faces,
    "loops": try_loops,
    "late": try_late,
    "own_clips": try_own_clips,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What one part came to."""

    trials: list[Trial]
    seconds: float


def made_before(commit: object) -> dict[str, Made]:
    """The parts that an earlier run of the same commit wrote down."""
    path = results.FOLDER / "enrolment.json"
    if not path.is_file():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    if commit is None or document["circumstances"]["commit"] != commit:
        return {}
    return {
        name: Made(
            trials=[Trial(**{**trial, "objecting": tuple(trial["objecting"])}) for trial in part["trials"]],
            seconds=part["seconds"],
        )
        for name, part in document["figures"].get("parts", {}).items()
    }


def main() -> None:
    """Make the attempts that are asked for and were not made, print what became of each kind, save the figures."""
    parser = argparse.ArgumentParser(description="Attacks on enrolment.")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--again", action="store_true", help="forget what an earlier run wrote down")
    said = parser.parse_args()
    began = results.circumstances()
    made = {} if said.again else made_before(began["commit"])
    with tempfile.TemporaryDirectory(prefix="enrolling-") as name:
        folder = Path(name)
        # Postgres does not run as root: another user must be able to reach the state.
        folder.chmod(0o755)
        for part in said.only:
            if part not in made:
                made[part] = try_part(part, folder / part)
                save(made, began)
                results.tell(f"{part}: {made[part].seconds:.0f} s")
    report(made, began)


def try_part(part: str, folder: Path) -> Made:
    """Make one part's attempts on a state of its own: nobody registered by another part is in its way."""
    folder.mkdir()
    likeness = LikenessSettings(attempts_per_hour=100, attempts_per_day=100)
    settings = Settings(env="development", state=folder / "state", likeness=likeness)
    start = time.monotonic()
    with open_services(settings, clock=FixedClock(NOW)) as services:
        stage = Stage(services, folder)
        PARTS[part](stage)
    return Made(trials=stage.trials, seconds=round(time.monotonic() - start, 1))


def in_order(made: Mapping[str, Made]) -> list[Trial]:
    """All trials, part by part."""
    return [trial for part in PARTS if part in made for trial in made[part].trials]


def save(made: Mapping[str, Made], began: Mapping[str, object]) -> Path:
    """Write down what was made so far."""
    trials = in_order(made)
    attacks = [trial for trial in trials if not trial.genuine]
    figures = {
        "whole": set(made) == set(PARTS),
        "attacks": len(attacks),
        "accepted": sum(trial.outcome == Outcome.VERIFIED.value for trial in attacks),
        "kinds": {kind: counted(trials, kind) for kind in dict.fromkeys(trial.kind for trial in trials)},
        "parts": {part: asdict(made[part]) for part in PARTS if part in made},
    }
    return results.save("enrolment", began, figures)


def counted(trials: Sequence[Trial], kind: str) -> dict[str, object]:
    """What became of one kind of attempt."""
    own = [trial for trial in trials if trial.kind == kind]
    outcomes = Counter(trial.outcome for trial in own)
    accepted = outcomes[Outcome.VERIFIED.value]
    people = outcomes[Outcome.UNCERTAIN.value] + outcomes[Outcome.GUARDIAN_NEEDED.value]
    objections = Counter(name for trial in own for name in trial.objecting)
    return {
        "tried": len(own),
        "accepted": accepted,
        "to_a_person": people,
        "refused": len(own) - accepted - people,
        "genuine": own[0].genuine,
        "objections": dict(objections.most_common()),
    }


def report(made: Mapping[str, Made], began: Mapping[str, object]) -> None:
    """Print the figures and save them."""
    trials = in_order(made)
    lines: list[list[object]] = [["attempt", "tried", "accepted", "to a person", "refused", "what objected"]]
    for kind in dict.fromkeys(trial.kind for trial in trials):
        row = counted(trials, kind)
        objections = list(cast("Mapping[str, int]", row["objections"]))[:5]
        lines.append([kind, *(row[name] for name in ("tried", "accepted", "to_a_person", "refused"))])
        lines[-1].append(", ".join(objections))
    attacks = [trial for trial in trials if not trial.genuine]
    accepted = sum(trial.outcome == Outcome.VERIFIED.value for trial in attacks)
    results.print_table("Enrolment", lines)
    missing = [part for part in PARTS if part not in made]
    print(f"\n{accepted} of {len(attacks)} attacks accepted; parts missing: {', '.join(missing) or 'none'}")
    print(f"\n{save(made, began)}")


if __name__ == "__main__":
    main()

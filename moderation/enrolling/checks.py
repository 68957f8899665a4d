"""The checks of an enrolment's recording, each with what it measured. Pure: a measurement in, a word and evidence out.

Silence is never a yes: what was not measured says `not_measured`, what lies between the lines `uncertain`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.minors import AgeState
from moderation.enrolling import motion
from moderation.enrolling.challenges import Challenge
from moderation.enrolling.recordings import Measured, Sight

#: Shares of the frames that may show no face, or not one alone: a blink of the finder.
_FEW: Final = 0.05
_SEVERAL_FAIL: Final = 0.02
#: The longest time without the face, in milliseconds.
_GAP_MS: Final = 700
SHORTEST_MS: Final = 5_000
LONGEST_MS: Final = 60_000
_FACE_PX: Final = 112
_SHARP: Final = 0.02
_LIGHT: Final = (45.0, 225.0)
#: Seconds of speech that a template of a voice needs.
_SPEECH_S: Final = 5.0
#: Distances between the thirds of one recording: the lines between one person and two (dlib's, docs/model-cards).
_SAME_FACE: Final = 0.50
_OTHER_FACE: Final = 0.60
#: How far the nose must leave the plane, in heights from eyes to mouth. Measured (benchmarks/enrolment_attacks.py):
#: flat pictures held at any angle reach 0.14 where the finder's points err most, a relief turned by 30 degrees 0.2.
_SOLID: Final = 0.13
_FLAT: Final = 0.08
#: The mouth changes so many times as much while speech sounds as while it does not; eyes taken out of both.
_SPEAKING: Final = 1.25
#: A share of the recording's frames that is known from clips of ours.
_KNOWN: Final = 0.10


class CheckState(StrEnum):
    """What a check says."""

    PASSED = "passed"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: its name, what it says, and the numbers behind it. `hint` is what the person may be told to do."""

    name: str
    state: CheckState
    evidence: dict[str, object] = field(default_factory=dict)
    hint: str = ""

    def to_json(self) -> dict[str, object]:
        """As staff and the audit read it."""
        return {"name": self.name, "state": str(self.state), "evidence": self.evidence}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Another registered person whom the face or the voice may be."""

    person: str
    kind: str
    how: str
    state: str
    distance: float

    def to_json(self) -> dict[str, object]:
        """As staff read it."""
        return asdict(self)


def _said(name: str, *, passed: bool, **evidence: object) -> Check:
    return Check(name=name, state=CheckState.PASSED if passed else CheckState.FAILED, evidence=evidence)


def check_all(measured: Measured, challenge: Challenge) -> list[Check]:
    """Every check that needs nothing but the recording and its challenge."""
    turning = _turning(measured)
    return [
        check_one_face(measured),
        check_one_take(measured, turning),
        check_quality(measured),
        check_turns(turning, challenge),
        check_depth(turning),
        check_one_voice(measured),
        check_digits(measured, challenge),
        check_same_face(measured),
        check_mouth(measured, turning),
        check_adult(measured),
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Turning:
    """The points of the frames with one face, and where the face looks in each."""

    sights: tuple[Sight, ...]
    points: NDArray[np.float32]
    times: NDArray[np.int64]
    shares: NDArray[np.float64]


def _turning(measured: Measured) -> _Turning:
    alone = measured.alone()
    points = np.array([sight.points for sight in alone], np.float32).reshape(-1, 5, 2)
    times = np.array([sight.time_ms for sight in alone], np.int64)
    shares = motion.level(motion.facing(points)) if len(alone) else np.empty(0)
    return _Turning(sights=alone, points=points, times=times, shares=shares)


def check_one_face(measured: Measured) -> Check:
    """Exactly one face in nearly all frames, and never away for long."""
    count = max(1, len(measured.sights))
    several = sum(sight.faces > 1 for sight in measured.sights) / count
    none = sum(sight.faces == 0 for sight in measured.sights) / count
    times = [0, *(sight.time_ms for sight in measured.alone()), measured.duration_ms]
    gap = motion.longest_gap(np.array(times, np.int64))
    fine = bool(measured.sights) and several <= _SEVERAL_FAIL and none <= _FEW and gap <= _GAP_MS
    return _said("one_face", passed=fine, several=round(several, 4), none=round(none, 4), longest_gap_ms=gap)


def check_one_take(measured: Measured, turning: _Turning) -> Check:
    """One uncut take of fitting length in which nothing comes again."""
    shots = len({sight.shot for sight in measured.sights})
    again = motion.repeats(turning.points, turning.times)
    fitting = SHORTEST_MS <= measured.duration_ms <= LONGEST_MS
    made = _said("one_take", passed=shots == 1 and again is None and fitting, shots=shots, repeats_after_ms=again)
    return Check(
        name=made.name,
        state=made.state,
        evidence=made.evidence | {"duration_ms": measured.duration_ms},
        hint="" if fitting else "length",
    )


def check_quality(measured: Measured) -> Check:
    """Whether face and speech are good enough to be read at all. The one check that tells the person what to mend."""
    alone = measured.alone()
    height, sharp, light = (
        float(np.median([getattr(sight, name) for sight in alone])) if alone else 0.0
        for name in ("height", "sharpness", "light")
    )
    hints = [
        hint
        for hint, bad in (
            ("nearer", height < _FACE_PX),
            ("sharper", sharp < _SHARP),
            ("lighter", light < _LIGHT[0]),
            ("darker", light > _LIGHT[1]),
            ("more_speech", measured.heard.seconds < _SPEECH_S or measured.heard.vector is None),
        )
        if bad
    ]
    made = _said("quality", passed=not hints, face_px=round(height), sharpness=round(sharp, 4), light=round(light))
    speech = {"speech_s": measured.heard.seconds, "hints": hints}
    return Check(name=made.name, state=made.state, evidence=made.evidence | speech, hint=",".join(hints))


def check_turns(turning: _Turning, challenge: Challenge) -> Check:
    """The head turns that were asked for, in their order, and no others."""
    found = motion.find_turns(turning.shares, turning.times)
    evidence = [{"turn": each.turn, "start_ms": each.start_ms, "degrees": each.farthest} for each in found]
    met = tuple(each.turn for each in found) == challenge.turns
    return _said("turns", passed=met, asked=list(challenge.turns), found=evidence)


def check_depth(turning: _Turning) -> Check:
    """Whether what turned is a solid: eyes, mouth and nose of a flat picture move by one plane map."""
    deep = motion.depth(turning.points, turning.shares) if len(turning.points) else None
    if deep is None:
        return Check(name="depth", state=CheckState.NOT_MEASURED, evidence={"why": "the head was not turned"})
    state = CheckState.PASSED if deep >= _SOLID else CheckState.FAILED if deep < _FLAT else CheckState.UNCERTAIN
    return Check(name="depth", state=state, evidence={"parallax": round(deep, 4), "solid_from": _SOLID})


def check_one_voice(measured: Measured) -> Check:
    """One speaker in all pieces of speech."""
    speakers = len({each.speaker for each in measured.heard.speech})
    if not speakers:
        return Check(name="one_voice", state=CheckState.NOT_MEASURED, evidence={"speakers": 0})
    return _said("one_voice", passed=speakers == 1, speakers=speakers, pieces=len(measured.heard.speech))


#: Spoken digits in the languages of the pages; a writer of speech may write figures as well.
_WORDS: Final = {
    "en": ("zero|oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "fr": ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"),
    "ar": ("صفر", "واحد", "اثنان|اثنين", "ثلاثة", "أربعة|اربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة"),
}
_DIGIT_OF: Final = {
    form: str(digit) for forms in _WORDS.values() for digit, many in enumerate(forms) for form in many.split("|")
}


def digits_in(words: str) -> str:
    """The digits that a transcript holds, in order, whether written as figures or as words of en, fr or ar."""
    found = (_DIGIT_OF.get(word, word if word.isdecimal() else "") for word in re.findall(r"\w+", words.lower()))
    return "".join(str(int(figure)) if figure.isdecimal() else "" for word in found for figure in word)


def check_digits(measured: Measured, challenge: Challenge) -> Check:
    """The digits that were asked for. Without a detector that writes speech down nobody heard them: a person must."""
    if measured.heard.words is None:
        why = "no detector that writes down speech is installed"
        return Check(name="digits", state=CheckState.NOT_MEASURED, evidence={"why": why})
    found, asked = digits_in(measured.heard.words), "".join(challenge.digits)
    return _said("digits", passed=found == asked, found=found, asked=asked)


def check_same_face(measured: Measured) -> Check:
    """One face from the beginning to the end, by the templates of the recording's thirds."""
    thirds = [third for third in measured.thirds if third is not None]
    if len(thirds) < len(measured.thirds):
        return Check(name="same_face", state=CheckState.NOT_MEASURED, evidence={"thirds_read": len(thirds)})
    apart = max(float(np.linalg.norm(one - other)) for one, other in combinations(thirds, 2))
    state = CheckState.PASSED if apart < _SAME_FACE else CheckState.UNCERTAIN
    state = CheckState.FAILED if apart >= _OTHER_FACE else state
    return Check(name="same_face", state=state, evidence={"farthest": round(apart, 4), "line": _SAME_FACE})


def check_mouth(measured: Measured, turning: _Turning) -> Check:
    """Whether the mouth moves when speech sounds more than when it does not. A weak sign: it never fails anybody."""
    ahead = np.abs(turning.shares) < motion.CENTRED
    sounding = np.zeros(len(turning.times), bool)
    for each in measured.heard.speech:
        sounding |= (turning.times >= each.start_ms) & (turning.times < each.end_ms)
    moving = np.array([max(0.0, sight.mouth - sight.eyes) for sight in turning.sights])
    if not (ahead & sounding).any() or not (ahead & ~sounding).any():
        return Check(
            name="mouth", state=CheckState.NOT_MEASURED, evidence={"why": "no speech or no silence to compare"}
        )
    speaking, silent = float(moving[ahead & sounding].mean()), float(moving[ahead & ~sounding].mean())
    state = CheckState.PASSED if speaking > _SPEAKING * max(silent, 0.4) else CheckState.UNCERTAIN
    return Check(name="mouth", state=state, evidence={"speaking": round(speaking, 2), "silent": round(silent, 2)})


def check_adult(measured: Measured) -> Check:
    """Whether the face is an adult's beyond the buffer. Young-looking is nobody's fault: staff are asked."""
    age = measured.age
    state = CheckState.PASSED if age.cleared else CheckState.UNCERTAIN
    if age.state is AgeState.UNREAD:
        state = CheckState.NOT_MEASURED
    return Check(
        name="adult", state=state, evidence={"reading": str(age.state), "age": age.age, "under_18": age.p_under_18}
    )


def check_own(
    distances: Mapping[str, float | None], lines: Mapping[str, float], *, registered: Collection[str] = ()
) -> Check:
    """Whether this is who was registered before, where templates of the person are there to compare with.

    `registered` says of what there are templates, by whatever weights: what was not compared with them is no yes.
    """
    near = {how: distance for how, distance in distances.items() if distance is not None}
    missing = sorted(set(registered) - set(near))
    state = CheckState.NOT_MEASURED if missing else CheckState.PASSED
    if any(near[how] >= lines[how] for how in near):
        state = CheckState.FAILED
    evidence: dict[str, object] = {"distances": near, "compared": len(near)}
    return Check(name="own", state=state, evidence=evidence | ({"not_compared": missing} if missing else {}))


def check_nobody_else(candidates: Sequence[Candidate], notes: Sequence[str]) -> Check:
    """Whether face and voice are nobody else's who is registered. Staff see both; the caller learns nothing."""
    found = [each.to_json() for each in candidates]
    state = CheckState.UNCERTAIN if candidates or notes else CheckState.PASSED
    return Check(name="nobody_else", state=state, evidence={"candidates": found, "notes": list(notes)})


def check_source(layers: Mapping[str, str], *, generative: bool, copies: float, resembled: int) -> Check:
    """Whether the recording is a clip of ours, or says itself that it was generated.

    `layers` are the states of marks by name; `copies` the share of frames that clips of ours hold, `resembled` how many
    of them resemble it.
    """
    marked = [name for name in ("invisible", "visible") if layers.get(name) in {"found", "damaged", "transplanted"}]
    own = layers.get("c2pa_ours") == "found"
    evidence: dict[str, object] = {"layers": dict(layers), "generative": generative}
    evidence |= {"copied_share": round(copies, 4), "resembled": resembled}
    if marked or own or generative or copies >= _KNOWN or resembled:
        return Check(name="source", state=CheckState.FAILED, evidence=evidence)
    unread = layers.get("invisible") != "not_found" or layers.get("c2pa") == "damaged"
    return Check(name="source", state=CheckState.UNCERTAIN if unread else CheckState.PASSED, evidence=evidence)

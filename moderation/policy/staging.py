"""Turns the `given` of a case into a fact record: what is not said is an adult world in which nothing is wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from detectors.base import FaceState, State, VoiceState
from moderation.facts import (
    Candidate,
    Consent,
    FaceFact,
    FactRecord,
    PersonFact,
    PersonKind,
    Phase,
    Sample,
    Segment,
    ShotStart,
    SignalFact,
    SubmissionFacts,
    VoiceCandidate,
    VoiceFact,
)
from moderation.facts import Scalar as Fact
from moderation.policy.fields import Fields
from moderation.policy.grammar import read_duration
from moderation.policy.registry import SignalEntry, Vocabulary
from moderation.policy.source import Mapping as MappingNode
from moderation.policy.source import Node, Scalar, plain

GIVEN = (
    "every", "signals",
    "shots", "texts", "faces", "voices", "people", "submission", "phase", "known_illegal", "lineage", "account",
    "named", "fingerprint",
)  # fmt: skip
#: The texts of a clip that word lists read.
TEXTS = ("prompt", "title")
SUBMISSION = (
    "creator",
    "creator_age_band",
    "prompt",
    "title",
    "generator",
    "locale",
    "market",
    "purpose",
    "visibility",
)
FACE = ("state", "person", "distance", "signals", "unaged")
PERSON = ("kind", "consent", "declared", "voice")
VOICE = ("state", "person")
TIMELINE = re.compile(r"(\d{1,3}(?:\.\d{1,4})?|_)(?:x(\d{1,4}))?")
MAX_INSTANTS = 10_000
#: Of all cases of a file together.
MAX_FILE_INSTANTS = 200_000
#: What fingerprints say of a clip that resembles nothing.
_UNLIKE: dict[str, Fact] = {
    "frames": 20,
    "takedown_near_share": 0.0,
    "takedown_list": "",
    "works_work": "",
    **{
        f"{source}_{figure}": far
        for source in ("takedown", "works", "withheld", "withdrawn", "others")
        for figure, far in (("share", 0.0), ("target_share", 0.0), ("distance", 256))
    },
}
#: What a prompt that names nobody says.
_UNNAMED: dict[str, Fact] = {
    "public_figures": 0,
    "protected_people": 0,
    "cameos": 0,
    "works": 0,
    "alike": 0,
    "who": "",
}
#: A clip that was made from no other, and a creator whose clips were fine.
_ORIGINAL: dict[str, Fact] = {"depth": 0, "withdrawn_parents": 0, "unknown_parents": 0, "no_remix_parents": 0}
_ESTABLISHED: dict[str, Fact] = {"clips": 20, "released_clips": 20, "blocked_clips": 0, "days": 365}
_USUAL_EVERY_MS = 250
_USUAL_INSTANTS = 8
#: What a readable face says of itself unless the case says otherwise.
_ADULT = {"face.age": 40.0, "minor.score": 0.01}
_DISTANCES = {FaceState.MATCHED: 0.4, FaceState.POSSIBLE: 0.55}
_VOICE_DISTANCES = {VoiceState.MATCHED: 0.7, VoiceState.POSSIBLE: 0.85}

Timeline = list[float | None]


@dataclass(slots=True, kw_only=True)
class _Stage:
    fields: Fields
    vocabulary: Vocabulary
    every: int = _USUAL_EVERY_MS
    states: dict[str, State] = field(default_factory=dict)
    #: Signal and track to values; None is an instant without a sample.
    timelines: dict[tuple[str, int | None], Timeline] = field(default_factory=dict)
    faces: list[tuple[FaceState, str | None, float | None]] = field(default_factory=list)


def parse_timeline(text: str) -> Timeline | None:
    """Read the compact notation: `0.1x8 0.95 _x2` is eight samples, one sample, two instants without.

    None when it is faulty or runs over `MAX_INSTANTS`.
    """
    values: Timeline = []
    for token in text.split():
        match = TIMELINE.fullmatch(token)
        if match is None:
            return None
        value = None if match[1] == "_" else float(match[1])
        values += [value] * int(match[2] or 1)
        if len(values) > MAX_INSTANTS:
            return None
    return values or None


def stage_facts(fields: Fields, node: Node, vocabulary: Vocabulary) -> FactRecord:
    """Read a `given` mapping into facts; faults become findings and are left out of the record."""
    found = fields.mapping(node, GIVEN, what="`given`") or {}
    stage = _Stage(fields=fields, vocabulary=vocabulary)
    if "every" in found:
        stage.every = read_duration(fields, found["every"], "`every`") or _USUAL_EVERY_MS
    people = _people(fields, found["people"]) if "people" in found else {}
    if "signals" in found:
        _signals(stage, found["signals"], None)
    for track, item in enumerate(fields.items(found["faces"], "`faces`") if "faces" in found else ()):
        _face(stage, item, track, people)
    count = max([_USUAL_INSTANTS, *(len(values) for (name, _), values in stage.timelines.items() if _long(name))])
    return FactRecord(
        org="default",
        clip="clip_case",
        judged_at="2026-01-01T00:00:00+00:00",
        duration_ms=count * stage.every,
        phase=_phase(fields, found, "phase"),
        submission=_submission(fields, found),
        signals=_as_facts(stage, count),
        faces=tuple(_face_fact(track, *face, count * stage.every) for track, face in enumerate(stage.faces)),
        voices=_voices(fields, found, people, count * stage.every),
        people=people,
        lineage=_ORIGINAL | _flat(stage, found, "lineage"),
        account=_ESTABLISHED | _flat(stage, found, "account"),
        named=_UNNAMED | _flat(stage, found, "named"),
        fingerprint=_UNLIKE | _flat(stage, found, "fingerprint"),
        shots=_shots(fields, found),
        known_illegal=bool("known_illegal" in found and fields.flag(found["known_illegal"], "`known_illegal`")),
    )


def read_texts(fields: Fields, node: Node) -> dict[str, str]:
    """Read the `texts` of a `given` mapping: what the word lists are to read, by source."""
    entries = node.entries if isinstance(node, MappingNode) else ()
    given = [value for key, value in entries if key.value == "texts"]
    parts = fields.mapping(given[0], TEXTS, what="`texts`") if given else None
    said = {name: fields.text(value, f"`{name}`") for name, value in (parts or {}).items()}
    return {name: text for name, text in said.items() if text}


def _shots(fields: Fields, found: Mapping[str, Node]) -> tuple[ShotStart, ...]:
    """Read where shots begin after the first, one after another; one shot when the case says nothing."""
    cuts = fields.items(found["shots"], "`shots`") if "shots" in found else ()
    starts = [read_duration(fields, cut, "a cut") or 0 for cut in cuts]
    return tuple(ShotStart(start_ms, shot) for shot, start_ms in enumerate([0, *starts]))


def _long(signal: str) -> bool:
    return not signal.startswith("words.")


def _signals(stage: _Stage, node: Node, track: int | None) -> None:
    for key, value in stage.fields.named(node, "`signals`"):
        name = stage.fields.word(key, "signal", stage.vocabulary.signals, "unknown-signal")
        text = str(value.value) if isinstance(value, Scalar) else ""
        if name is None:
            continue
        if text in (State.FAILED, State.NOT_MEASURED) and track is None:
            stage.states[name] = State(text)
        elif (values := parse_timeline(text)) is not None:
            stage.fields.instants += len(values)
            if stage.fields.instants > MAX_FILE_INSTANTS:
                message = f"the cases of this file are longer than {MAX_FILE_INSTANTS} samples in all"
                stage.fields.fault(value, "too-large", message)
                return
            stage.timelines[name, track] = values
        else:
            stage.fields.fault(value, "wrong-value", f"`{text}` is no timeline such as `0.1x8 0.95x3`")


def _face(stage: _Stage, node: Node, track: int, people: Mapping[str, PersonFact]) -> None:
    fields = stage.fields
    found = fields.mapping(node, FACE, ("state",), "a face") or {}
    state = fields.word(found["state"], "state", tuple(map(str, FaceState))) if "state" in found else None
    person = fields.word(found["person"], "person", people, "unknown-person") if "person" in found else None
    distance = fields.number(found["distance"], "`distance`", 0, 4) if "distance" in found else None
    if state is None:
        return
    face = FaceState(state)
    stage.faces.append((face, person, distance if distance is not None else _DISTANCES.get(face)))
    if "signals" in found:
        _signals(stage, found["signals"], track)
    stage.timelines.setdefault(("face.detection", None), [0.99] * _USUAL_INSTANTS)
    unaged = "unaged" in found and fields.flag(found["unaged"], "`unaged`")
    if face is FaceState.UNREAD:
        stage.timelines.setdefault(("face.unread", track), [1.0] * _USUAL_INSTANTS)
    elif not unaged:
        for name, value in _ADULT.items():
            stage.timelines.setdefault((name, track), [value] * _USUAL_INSTANTS)


def _people(fields: Fields, node: Node) -> dict[str, PersonFact]:
    people: dict[str, PersonFact] = {}
    for key, value in fields.named(node, "`people`"):
        found = fields.mapping(value, PERSON, ("kind", "consent"), "a person") or {}
        kind = fields.word(found["kind"], "kind", tuple(map(str, PersonKind))) if "kind" in found else None
        consent = fields.word(found["consent"], "consent", tuple(map(str, Consent))) if "consent" in found else None
        voice = fields.word(found["voice"], "voice", tuple(map(str, Consent))) if "voice" in found else None
        declared = "declared" in found and fields.flag(found["declared"], "`declared`")
        if kind and consent:
            people[str(key.value)] = PersonFact(
                kind=PersonKind(kind),
                consent=Consent(consent),
                declared=bool(declared),
                voice=Consent(voice or consent),
            )
    return people


def _voices(
    fields: Fields, found: Mapping[str, Node], people: Mapping[str, PersonFact], end_ms: int
) -> tuple[VoiceFact, ...]:
    voices = []
    for number, item in enumerate(fields.items(found["voices"], "`voices`") if "voices" in found else ()):
        parts = fields.mapping(item, VOICE, ("state",), "a voice") or {}
        word = fields.word(parts["state"], "state", tuple(map(str, VoiceState))) if "state" in parts else None
        person = fields.word(parts["person"], "person", people, "unknown-person") if "person" in parts else None
        if word is None:
            continue
        state = VoiceState(word)
        distance = _VOICE_DISTANCES.get(state)
        near = VoiceCandidate(person=person, distance=distance, state=state) if person and distance else None
        segments = (Segment(0, end_ms),)
        voices.append(VoiceFact(voice=number, state=state, segments=segments, candidates=(near,) if near else ()))
    return tuple(voices)


def _submission(fields: Fields, found: Mapping[str, Node]) -> SubmissionFacts:
    empty = MappingNode(entries=(), line=1, column=1)
    parts = fields.mapping(found.get("submission", empty), SUBMISSION, what="`submission`") or {}
    said = {name: fields.text(node, f"`{name}`") for name, node in parts.items() if name != "visibility"}
    return SubmissionFacts(
        creator=said.get("creator") or "somebody",
        creator_age_band=said.get("creator_age_band"),
        prompt=said.get("prompt") or "",
        title=said.get("title") or "",
        generator=said.get("generator"),
        locale=said.get("locale"),
        market=said.get("market"),
        purpose=said.get("purpose"),
        visibility=_phase(fields, parts, "visibility"),
    )


def _phase(fields: Fields, found: Mapping[str, Node], key: str) -> Phase:
    word = fields.word(found[key], key, ("public", "draft")) if key in found else "public"
    return "draft" if word == "draft" else "public"


def _flat(stage: _Stage, found: Mapping[str, Node], group: str) -> dict[str, Fact]:
    known = [name.partition(".")[2] for name in stage.vocabulary.facts if name.startswith(f"{group}.")]
    parts = (stage.fields.mapping(found[group], known, what=f"`{group}`") or {}) if group in found else {}
    plains = {name: plain(node) for name, node in parts.items()}
    return {name: value for name, value in plains.items() if not isinstance(value, list | dict)}


def _as_facts(stage: _Stage, count: int) -> dict[str, SignalFact]:
    spoken_of = {name for name, _ in stage.timelines} | stage.states.keys()
    seen, unseen = _quiet(count, stage.every), _quiet(0, stage.every)
    return {
        name: _signal_fact(stage, name, entry) if name in spoken_of else (seen if entry.per == "frame" else unseen)
        for name, entry in stage.vocabulary.signals.items()
    }


def _signal_fact(stage: _Stage, name: str, entry: SignalEntry) -> SignalFact:
    state = stage.states.get(name, State.MEASURED)
    if state is not State.MEASURED:
        return SignalFact(state=state, note="as the case says")
    timelines = {track: values for (signal, track), values in stage.timelines.items() if signal == name}
    samples = [
        Sample(0 if entry.per == "text" else index * stage.every, value, track)
        for track, values in timelines.items()
        for index, value in enumerate(values)
        if value is not None
    ]
    return SignalFact(state=state, model="case", version="1", samples=tuple(samples))


@lru_cache(maxsize=256)
def _quiet(count: int, every: int) -> SignalFact:
    """Return a signal that found nothing at `count` instants; most signals of most cases are that one."""
    samples = tuple(Sample(index * every, 0.0) for index in range(count))
    return SignalFact(state=State.MEASURED, model="case", version="1", samples=samples)


def _face_fact(track: int, state: FaceState, person: str | None, distance: float | None, end_ms: int) -> FaceFact:
    near = person is not None and distance is not None
    return FaceFact(
        track=track,
        start_ms=0,
        end_ms=end_ms,
        state=state,
        person=person,
        distance=distance if near else None,
        candidates=(Candidate(person=person, distance=distance, state=state),) if person and distance else (),
    )

"""Step 3a: frames and sound to signals. Decodes in the sandbox, runs every detector, keeps no template."""

import json
import math
from collections.abc import Callable, Container, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from detectors.base import (
    Detector,
    DetectorError,
    DetectorUnavailable,
    FaceTrack,
    Findings,
    Frame,
    Gallery,
    Inspection,
    Listening,
    Sample,
    Signal,
    Sound,
    State,
    Subject,
    TakesTexts,
    Text,
    Voice,
)
from detectors.gpu.tracks import tie_ages_to_tracks
from detectors.minors import withhold_ages_of_drawn
from detectors.speech import SIGNAL, SOURCE
from moderation.attending import Attention, probe
from moderation.canary import demand_detectors, note_outage
from moderation.canonical import canonical
from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.errors import ClipFault, Outage
from moderation.hashlists.prints import PrintTaker, keep_print, read_print
from moderation.readings import Look
from moderation.stages import stage
from watermark.sampling import Account, SamplingRules

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")
#: What else is done with a look that was taken for a clip.
Kept = Callable[["Services", str, str, Look, "Analysis"], object]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Everything the detectors said of one clip, as plain JSON-able data."""

    signals: dict[str, dict[str, object]]
    faces: list[dict[str, object]]
    #: The instants that were looked at.
    seen_ms: list[int]
    #: Where shots begin, or go on after an insert: [ms, number of the shot].
    shots: list[list[int]] = field(default_factory=list)
    #: Where something new was shown that the budget did not allow to look at: [first ms, last ms].
    unseen_ms: list[list[int]] = field(default_factory=list)
    #: Who was heard; nothing of anybody while no voice is registered.
    voices: list[dict[str, object]] = field(default_factory=list)
    #: What was read off the picture.
    texts: list[dict[str, object]] = field(default_factory=list)
    #: Which works of rights holders come nearest, by embedding.
    works: list[dict[str, object]] = field(default_factory=list)

    def to_text(self) -> str:
        """The canonical text that is stored."""
        return canonical(asdict(self)).decode()

    @classmethod
    def from_text(cls, text: str) -> "Analysis":
        """Read what `to_text` wrote."""
        return cls(**json.loads(text))


def detect(services: "Services", org: str, clip_id: str, generation: int, kept: Kept = lambda *_: None) -> str:
    """Look at the clip with the detectors and gallery of this moment; looks once per pair of the two."""
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
        gallery = services.galleries.current(tx, services.vault, services.face_model, services.face_dimensions)
        voices = services.galleries.current(tx, services.vault, services.voice_model, services.voice_dimensions)
        references = services.references.current(tx, services.works_model)
        printed = read_print(tx, clip_id) is not None
        if printed and analysis_of_now(tx, services, org, clip_id, gallery.version) is not None:
            return "done"
    texts = {name: text for name, text in (("prompt", clip.prompt), ("title", clip.title)) if text}
    with stage(services, org, clip_id, generation, "detect") as detail:
        subject = Subject(
            duration_ms=duration_of(clip.probe),
            texts=texts,
            gallery=gallery,
            voices=voices,
            references=references,
            claims=clip.claims,
            described=services.settings.likeness.unmatched_templates.kept,
        )
        looks: list[Look] = []
        taker = PrintTaker()
        also = (lambda _: None) if printed else taker.see
        analysis = look(
            services,
            services.upload_key(clip),
            subject,
            also,
            partial(detail.__setitem__, "cpu_seconds"),
            looks.append,
        )
        services.readings.keep(org, clip_id, looks[0])
        detail["frames"] = len(analysis.seen_ms)
        detail["signals"] = len(analysis.signals)
    keep(services, org, clip_id, gallery, analysis)
    kept(services, org, clip_id, looks[0], analysis)
    if not printed:
        with services.database.transaction(org) as tx:
            keep_print(tx, clip_id, taker.finish(), services.clock.now())
    return "done"


def duration_of(probe: dict[str, object] | None) -> int:
    """The clip's length in milliseconds, as probed at the door."""
    value = (probe or {}).get("duration_ms", 0)
    return value if isinstance(value, int) else 0


def sampling_rules(services: "Services") -> SamplingRules:
    """Which frames are looked at, by the settings."""
    return SamplingRules(**services.settings.sampling.model_dump(exclude={"long_side"}))


class Asking(Protocol):
    """How an act of a detector is carried out, and what its failure means."""

    def __call__(self, detector: Detector, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...


def guarded(detector: Detector, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do one act of a detector; when it fails, its self-check tells whose fault it was."""
    return _blaming(detector, detector.self_check, act, *args, **kwargs)


def look(
    services: "Services",
    key: str,
    subject: Subject,
    also: Callable[[Sequence[Frame]], None] = lambda _: None,
    spent: Callable[[float], None] = lambda _: None,
    finished: Callable[[Look], None] = lambda _: None,
    only: Container[str] | None = None,
) -> Analysis:
    """Run every detector, or `only` those, over the sampled frames of one stored file; `also` is shown them too.

    `spent` is told the CPU seconds of the detectors, which work in a thread of their own; `finished` is given the look
    itself, with which other galleries can be compared. Raises Outage when a detector
    cannot work for anybody, ClipFault when it fails, or does not answer in time, for this clip alone.
    """
    detectors = tuple(each for each in services.detectors if only is None or each.name in only)
    demand_detectors(services)
    looking = services.settings.looking
    attention = Attention(services.left_behind, looking.seconds_for(subject.duration_ms), detectors)

    def ask(detector: Detector, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        check = partial(probe, detector, services.left_behind, looking.probe_seconds)
        return _blaming(detector, check, attention.during(detector, act), *args, **kwargs)

    try:
        work = [(detector, ask(detector, detector.open, subject)) for detector in detectors]
        done = _look(services, key, subject, work, also, ask)
        finished(done)
        return told(done, [findings for _, findings in done.found])
    except Outage as outage:
        note_outage(services, outage)
        raise
    finally:
        attention.hand.close()
        spent(attention.hand.cpu_seconds)


def _look(
    services: "Services",
    key: str,
    subject: Subject,
    work: Sequence[tuple[Detector, Inspection]],
    also: Callable[[Sequence[Frame]], None],
    ask: Asking,
) -> Look:
    seen: list[int] = []
    accounts: list[Account] = []
    long_side = services.settings.sampling.long_side
    with services.store.open(key) as path:
        for frames in services.sandbox.frames(path, sampling_rules(services), long_side, accounts.append):
            seen.extend(frame.time_ms for frame in frames)
            see(work, frames, ask)
            also(frames)
        if any(isinstance(inspection, Listening) for _, inspection in work):
            for sound in services.sandbox.sound(path):
                hear(work, sound, ask)
    (account,) = accounts
    return Look(subject=subject, found=conclude(work, ask), seen_ms=tuple(seen), account=account)


def told(look: Look, findings: Sequence[Findings]) -> Analysis:
    """What a look tells: `findings` are those of its inspections, in their order."""
    account = look.account
    return replace(
        gather([*tie_ages_to_tracks(withhold_ages_of_drawn(findings)), overlooked(account)], list(look.seen_ms)),
        shots=[[start.start_ms, start.shot] for start in account.shots],
        unseen_ms=[[stretch.first_ms, stretch.last_ms] for stretch in account.unseen],
    )


def analysis_of_now(tx: Transaction, services: "Services", org: str, clip_id: str, gallery: str) -> Analysis | None:
    """What the detectors say of a clip with the gallery of this version, None where that takes a look.

    Where the registry changed after the look and this process still has what was read, only the comparison is done
    again, with all of the registry: to the byte what another look would say.
    """
    known = read_analysis(tx, clip_id, services.detectors_hash, gallery)
    if known is not None:
        return known
    look = services.readings.find(org, clip_id)
    if look is None:
        return None
    faces = services.galleries.current(tx, services.vault, services.face_model, services.face_dimensions)
    voices = services.galleries.current(tx, services.vault, services.voice_model, services.voice_dimensions)
    findings = look.against(faces, voices, services.references.current(tx, services.works_model))
    if findings is None or {faces.version, voices.version} != {gallery}:
        return None
    analysis = told(look, findings)
    keep_in(tx, services, clip_id, gallery, analysis)
    return analysis


def see(work: Sequence[tuple[Detector, Inspection]], frames: Sequence[Frame], ask: Asking = guarded) -> None:
    """Show one batch of frames to every detector."""
    for detector, inspection in work:
        ask(detector, inspection.see, frames)


def hear(work: Sequence[tuple[Detector, Inspection]], sound: Sound, ask: Asking = guarded) -> None:
    """Play one piece of the sound track to every detector that listens."""
    for detector, inspection in work:
        if isinstance(inspection, Listening):
            ask(detector, inspection.hear, sound)


def finish(work: Sequence[tuple[Detector, Inspection]], ask: Asking = guarded) -> list[Findings]:
    """End every inspection, those last that also judge what the others read off the clip."""
    return [findings for _, findings in conclude(work, ask)]


def conclude(
    work: Sequence[tuple[Detector, Inspection]], ask: Asking = guarded
) -> tuple[tuple[Inspection, Findings], ...]:
    """As `finish`, each inspection beside what it found."""
    taking = [(detector, inspection) for detector, inspection in work if isinstance(inspection, TakesTexts)]
    found = [
        (inspection, ask(detector, vouched, detector, inspection))
        for detector, inspection in work
        if not isinstance(inspection, TakesTexts)
    ]
    texts = [text for _, findings in found for text in findings.texts]
    for detector, inspection in taking:
        ask(detector, inspection.take, texts)
        found.append((inspection, ask(detector, vouched, detector, inspection)))
    return tuple(found)


def vouched(detector: Detector, inspection: Inspection) -> Findings:
    """End one inspection. Raises DetectorError for a signal the detector never announced, or one that is no number.

    Nothing compares as larger than not-a-number: a rule would take it for calm.
    """
    findings = inspection.finish()
    names = [signal.name for signal in findings.signals]
    if len(set(names)) < len(names) or not set(names) <= set(detector.signals):
        raise DetectorError(f"it emits {names} and announced {list(detector.signals)}")
    if any(text.source == SOURCE for text in findings.texts) and SIGNAL not in names:
        raise DetectorError(f"it gives words that were said without {SIGNAL}")
    for signal in findings.signals:
        if not all(math.isfinite(sample.value) and sample.time_ms >= 0 for sample in signal.samples):
            raise DetectorError(f"{signal.name} has a sample that is no number at no time of the clip")
    return findings


def _blaming(
    detector: Detector, check: Callable[[], None], act: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    try:
        return act(*args, **kwargs)
    except DetectorUnavailable as broken:
        raise Outage(f"detector:{detector.name}", str(broken)) from broken
    except Exception as error:
        try:
            check()
        except Exception as broken:  # noqa: BLE001 (a detector's own errors may be of any kind)
            raise Outage(f"detector:{detector.name}", str(broken)) from error
        raise ClipFault("detector_unavailable", f"{detector.name}: {error}") from error


def overlooked(account: Account) -> Findings:
    """The signal `sampling.unseen`: 1 where something new was shown and not looked at."""
    samples = tuple(Sample(time_ms=stretch.first_ms, value=1.0) for stretch in account.unseen)
    note = f"{account.unseen_frames} of {account.frames} frames showed something new and were not looked at"
    signal = Signal(name="sampling.unseen", state=State.MEASURED, samples=samples, note=note if samples else "")
    return Findings(signals=(signal,))


def gather(findings: Sequence[Findings], seen: list[int]) -> Analysis:
    """Put what the detectors found into one analysis. Two detectors may not emit the same signal."""
    signals: dict[str, dict[str, object]] = {}
    for signal in (signal for found in findings for signal in found.signals):
        if signal.name in signals:
            raise ValueError(f"two detectors emit {signal.name}")
        signals[signal.name] = signal_to_json(signal)
    faces = [face_to_json(face) for found in findings for face in found.faces]
    voices = [voice_to_json(voice) for found in findings for voice in found.voices]
    texts = [text_to_json(text) for found in findings for text in found.texts]
    works = [asdict(match) for found in findings for match in found.works]
    return Analysis(signals=signals, faces=faces, seen_ms=seen, voices=voices, texts=texts, works=works)


def signal_to_json(signal: Signal) -> dict[str, object]:
    """A signal as the fact record and the API write it."""
    return {
        "state": str(signal.state),
        "model": signal.model.id if signal.model else None,
        "version": signal.model.version if signal.model else None,
        "calibration": signal.model.calibration if signal.model else "none",
        "samples": [[sample.time_ms, sample.value, sample.track] for sample in signal.samples],
        "note": signal.note,
    }


def face_to_json(face: FaceTrack) -> dict[str, object]:
    """A face track as the fact record writes it, with the boxes for the reviewer's overlay."""
    nearest = face.matches[0] if face.matches else None
    return {
        "track": face.track,
        "start_ms": face.start_ms,
        "end_ms": face.end_ms,
        "state": str(face.state),
        "person": nearest.person if nearest else None,
        "distance": nearest.distance if nearest else None,
        "candidates": [
            {"person": match.person, "distance": match.distance, "state": str(match.state)} for match in face.matches
        ],
        "boxes": [[at, box.x, box.y, box.width, box.height] for at, box in face.boxes],
    }


def voice_to_json(voice: Voice) -> dict[str, object]:
    """A voice as the fact record writes it."""
    nearest = voice.matches[0] if voice.matches else None
    return {
        "voice": voice.number,
        "state": str(voice.state),
        "person": nearest.person if nearest else None,
        "distance": nearest.distance if nearest else None,
        "segments": [list(segment) for segment in voice.segments],
        "candidates": [
            {"person": match.person, "distance": match.distance, "state": str(match.state)} for match in voice.matches
        ],
    }


def text_to_json(text: Text) -> dict[str, object]:
    """Words read off the clip, for the reviewer's page; no rule sees more of them than the signals of words."""
    box = text.box
    return {
        "source": text.source,
        "time_ms": text.time_ms,
        "text": text.text,
        "confidence": text.confidence,
        "box": [box.x, box.y, box.width, box.height] if box else None,
    }


def keep(services: "Services", org: str, clip_id: str, gallery: Gallery, analysis: Analysis) -> None:
    """Store an analysis under the detectors and gallery that made it."""
    with services.database.transaction(org) as tx:
        keep_in(tx, services, clip_id, gallery.version, analysis)


def keep_in(tx: Transaction, services: "Services", clip_id: str, gallery: str, analysis: Analysis) -> None:
    """Store an analysis, of the transaction's organisation, under a gallery's version."""
    row = {"org": tx.org, "clip": clip_id, "detectors": services.detectors_hash, "gallery": gallery}
    tx.pg.execute(SQL.insert_analysis, {**row, "body": analysis.to_text(), "now": services.clock.now()})


def read_analysis(tx: Transaction, clip_id: str, detectors: str, gallery: str) -> Analysis | None:
    """The stored analysis of a clip by these detectors and this gallery, None when it has not been looked at so."""
    where = {"clip": clip_id, "detectors": detectors, "gallery": gallery}
    row = tx.pg.execute(SQL.analysis, where).fetchone()
    return Analysis.from_text(row[0]) if row else None

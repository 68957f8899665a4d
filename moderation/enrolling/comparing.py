"""What a recording is compared with beyond itself: hash lists, clips of ours, marks, everybody who is registered."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from detectors import packs
from detectors.base import DetectorUnavailable, Gallery, VoiceState
from detectors.likeness import Likeness, Lines
from detectors.voices import conclude
from moderation import consent, verification
from moderation.db import Transaction, queries
from moderation.enrolling.checks import Candidate, Check, CheckState, check_nobody_else, check_own, check_source
from moderation.enrolling.recordings import Measured
from moderation.errors import Outage, Unprocessable
from moderation.hashlists.lists import Category
from moderation.hashlists.matching import compare_with_lists, known_files
from moderation.hashlists.prints import LONG_SIDE, ClipPrint, PrintTaker
from moderation.hashlists.providers import QueryFrame, ServiceUnavailable
from moderation.scoring import sampling_rules
from moderation.store import hash_file
from watermark.credentials import CredentialsState
from watermark.fingerprint import SAME_PICTURE
from watermark.reading import LayerState, MarksReading

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("enrolling")
Floats = NDArray[np.float32]
#: Checks as they are kept, `Check.to_json` of each.
Checks = list[dict[str, object]]
#: Pictures for hash services that want them: their longer side, and how many.
_JPEG_SIDE: Final = 512
_MOST_JPEGS: Final = 20


def take_print(services: "Services", path: Path) -> ClipPrint:
    """Hash the frames of a recording that detectors would look at."""
    taker = PrintTaker()
    for frames in services.sandbox.frames(path, sampling_rules(services), LONG_SIDE):
        taker.see(frames)
    return taker.finish()


def find_illegal(services: "Services", org: str, path: Path, seen: ClipPrint) -> str | None:
    """The list or service that knows the file or a frame of it to be illegal, None when none does.

    Raises Outage when a hash service gives no answer: then nobody can say that it is clear.
    """
    services.hash_lists.refresh(services.database)
    with services.database.transaction(org) as tx:
        source = known_files(tx, hash_file(path)[0]).get(Category.KNOWN_ILLEGAL)
    found = compare_with_lists(services.hash_lists, seen, org, Category.KNOWN_ILLEGAL, reach=SAME_PICTURE)
    if source or found.share:
        return source or found.name
    for service in services.hash_services:
        try:
            matches = service.match(_wanted(services, path, seen, pictures=service.wants == "frames"))
        except ServiceUnavailable as failure:
            raise Outage(f"hash_service:{service.name}", f"{service.name} gave no answer: {failure}") from failure
        illegal = [match.list for match in matches if match.category is Category.KNOWN_ILLEGAL]
        if illegal:
            return illegal[0]
    return None


def _wanted(services: "Services", path: Path, seen: ClipPrint, *, pictures: bool) -> list[QueryFrame]:
    if not pictures:
        rows = zip(seen.times.tolist(), seen.quality.tolist(), seen.hashes[:, 0], strict=True)
        return [QueryFrame(time_ms=time, quality=quality, pdq=hash_.tobytes()) for time, quality, hash_ in rows]
    times = seen.times.tolist()[:: max(1, -(-len(seen) // _MOST_JPEGS))]
    stills = services.sandbox.stills(path, times, long_side=_JPEG_SIDE, blur=0.0) if times else []
    return [QueryFrame(time_ms=time, jpeg=still) for time, still in zip(times, stills, strict=True)]


def compare_sources(services: "Services", org: str, path: Path, seen: ClipPrint) -> Check:
    """Whether the recording is a clip of ours, a copy of one, or says itself that it was generated."""
    reading, named = verification.look(services, path)
    resembled = verification.candidates(services, org, reading)
    services.own_clips.refresh(services.database)
    copied = {int(query) for near in services.own_clips.near(seen.hashes[:, 0], SAME_PICTURE) for query in near.query}
    share = len(copied) / len(seen) if len(seen) else 0.0
    generative = reading.credentials is not None and reading.credentials.generative
    count = len(resembled) + (named is not None)
    return check_source(layers_of(reading), generative=generative, copies=share, resembled=count)


def layers_of(reading: MarksReading) -> dict[str, str]:
    """The state of each mark by name, and whether a manifest is ours."""
    layers = {name: str(layer.state) for name, layer in reading.layers.items()}
    credentials = reading.credentials
    own = credentials is not None and (credentials.ours or credentials.clip_id is not None)
    broken = credentials is not None and credentials.state is CredentialsState.INVALID
    layers["c2pa"] = str(LayerState.DAMAGED) if broken else layers.get("c2pa", str(LayerState.NOT_CHECKED))
    return layers | ({"c2pa_ours": str(LayerState.FOUND)} if own else {})


def compare_people(services: "Services", org: str, person: str, measured: Measured) -> list[Check]:
    """Whether face and voice are nobody else's who is registered, and are this person's where they were before."""
    face, voice = models = (services.face_model, services.voice_model)
    with services.database.transaction(org) as tx:
        faces = services.galleries.current(tx, services.vault, face, services.face_dimensions)
        voices = services.galleries.current(tx, services.vault, voice, services.voice_dimensions)
        own, others = _compare(services, tx, person, (measured.views, faces), (measured.heard.vector, voices))
    seen = {"gallery": faces.version, "models": list(models)}
    return [own, replace(others, evidence=others.evidence | seen)]


def compare_again(
    services: "Services", tx: Transaction, person: str, face: Floats, voice: Floats | None, before: Checks
) -> Checks | None:
    """Compare what was read with whom the registry has come to hold since the checks `before`; None says: nothing new.

    Nobody else edits the registry from then on until the transaction ends, so that two likenesses of one face are not
    both kept as strangers. Returns the checks with what is new in them. Raises Unprocessable when the weights changed.
    """
    said = {str(check["name"]): check for check in before}
    known = cast("dict[str, Any]", said.get("nobody_else", {}).get("evidence", {}))
    models = [services.face_model, services.voice_model]
    if known.get("models", models) != models:
        raise Unprocessable("this recording was read by weights that are no longer used: ask for a new one")
    people, version = _changed(services, tx, person, known.get("gallery"))
    near = (
        services.galleries.of_people(tx, services.vault, model, dim, people)
        for model, dim in zip(models, (services.face_dimensions, services.voice_dimensions), strict=True)
    )
    own, others = _compare(services, tx, person, (face, next(near)), (voice, next(near)))
    old = known.get("candidates", [])
    met = {str(each["person"]) for each in old}
    new = [each for each in _candidates(others) if each["person"] not in met]
    changed = own.state is not CheckState.PASSED and own.state != said.get("own", {}).get("state")
    if not new and not changed:
        return None
    evidence = {**others.evidence, **known, "candidates": [*old, *new], "gallery": version, "models": models}
    state = CheckState.UNCERTAIN if evidence["candidates"] or evidence["notes"] else CheckState.PASSED
    renewed = [Check(name="nobody_else", state=state, evidence=evidence), *([own] if changed else [])]
    return list((said | {check.name: check.to_json() for check in renewed}).values())


def _changed(services: "Services", tx: Transaction, person: str, since: str | None) -> tuple[list[str], str]:
    """Hold the gallery; whom it holds otherwise than at version `since`, and the person themself, and its version."""
    # The secret is drawn first: whoever draws it meanwhile waits for the gallery next.
    consent.rotation_of(tx, services.vault, services.face_dimensions)
    version = consent.hold_gallery(tx)
    return sorted({person, *consent.changed_since(tx, since)}), version


def _candidates(check: Check) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", check.evidence["candidates"])


def _compare(
    services: "Services",
    tx: Transaction,
    person: str,
    face: tuple[Floats, Gallery],
    voice: tuple[Floats | None, Gallery],
) -> tuple[Check, Check]:
    """The checks `own` and `nobody_else` of views of a face and of a voice, each beside the gallery it is for."""
    lines = lines_of(services)
    by_face, own_face, notes = _faces(*face, lines["face"], person)
    by_voice, own_voice = _voices(*voice, lines["voice"], person)
    named = sorted({who for found in (by_face, by_voice) for who, _, _ in found})
    kinds: dict[str, str] = dict(tx.pg.execute(SQL.kinds, {"people": named}).fetchall())
    candidates = [
        Candidate(person=who, kind=kinds.get(who, ""), how=how, state=state, distance=distance)
        for how, found in (("face", by_face), ("voice", by_voice))
        for who, state, distance in found
    ]
    own = {"face": own_face, "voice": own_voice}
    outer = {how: line.possible for how, line in lines.items()}
    registered = _registered(services, tx, person)
    return check_own(own, outer, registered=registered), check_nobody_else(candidates, notes)


def lines_of(services: "Services") -> dict[str, Lines]:
    """The lines of faces and voices, as the manifest has them: who answers for staff has loaded no network."""
    try:
        manifest = packs.load_manifest(services.settings.models)
    except DetectorUnavailable as error:
        raise Outage("detector:load", str(error)) from error
    return {
        how: Lines.of(manifest.entry(model.partition("@")[0]).thresholds)
        for how, model in (("face", services.face_model), ("voice", services.voice_model))
    }


def _registered(services: "Services", tx: Transaction, person: str) -> set[str]:
    """Of what a person has templates, by whatever weights. Those of a model that is unknown here may be of either."""
    of = {services.face_model.partition("@")[0]: {"face"}, services.voice_model.partition("@")[0]: {"voice"}}
    models = [model for (model,) in tx.pg.execute(SQL.models_of, {"person": person}).fetchall()]
    return {how for model in models for how in of.get(model, {"face", "voice"})}


Found = list[tuple[str, str, float]]


def _faces(views: Floats, gallery: Gallery, lines: Lines, person: str) -> tuple[Found, float | None, list[str]]:
    """Others whom the face may be, the distance to the person's own templates, and what must be said beside it."""
    if not len(views):
        return [], None, ["no face could be read, so none was compared"]
    likeness = Likeness(gallery, lines)
    mean = np.asarray(views.mean(axis=0), np.float32)
    comparison = likeness.compare(mean, views)
    others = [
        (match.person, str(match.state), match.distance) for match in comparison.matches if match.person != person
    ]
    return others, _own_distance(mean, gallery, person), [likeness.note] if likeness.note else []


def _voices(vector: Floats | None, gallery: Gallery, lines: Lines, person: str) -> tuple[Found, float | None]:
    if vector is None:
        return [], None
    likeness = Likeness(gallery, lines)
    (whole,) = likeness.distances(vector[None])
    matches = conclude(whole, [], likeness.lines, clear=True)
    others = [
        (match.person, str(match.state), match.distance)
        for match in matches
        if match.person != person and match.state is not VoiceState.UNMATCHED
    ]
    return others, _own_distance(vector, gallery, person)


def _own_distance(vector: NDArray[np.float32], gallery: Gallery, person: str) -> float | None:
    """The distance to the nearest of the person's own templates, None where there are none."""
    rows = [number for number, owner in enumerate(gallery.people) if owner == person]
    if not rows:
        return None
    turned = vector if gallery.rotation is None else gallery.rotation @ vector
    return round(float(np.linalg.norm(gallery.vectors[rows] - turned, axis=1).min()), 4)

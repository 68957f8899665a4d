"""Registering people on an operator's word: faces from pictures, voices from recordings. Keeps vectors only."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError
from detectors.faces import Faces, FaceTemplate
from detectors.voices import ENROLMENT_SECONDS, Voices, VoiceTemplate
from moderation import consent
from moderation.errors import ClipFault, Outage, Unprocessable

if TYPE_CHECKING:
    from moderation.services import Services


def register_person(
    services: "Services",
    org: str,
    *,
    name: str,
    kind: consent.Kind,
    images: list[Path],
    by: str,
    sources: list[str] | None = None,
    account: str | None = None,
    age_band: consent.AgeBand | None = None,
    guardian: str | None = None,
) -> str:
    """Register a person from pictures that each show exactly one readable face; returns the person's id.

    A rights holder may be a firm, which has works and no face: of that kind alone there may be no picture.
    `sources` says of each picture where it came from and under which licence. Raises Unprocessable for a picture
    that does not serve and for a teen without a guardian, Conflict for an account that is somebody's already, Outage
    when faces cannot be read at all.
    """
    if age_band == "teen" and guardian is None:
        raise Unprocessable("a teen needs a guardian's account before they are verified")
    if not images and kind != "rights_holder":
        raise Unprocessable("only a rights holder is registered without a picture of their face")
    reader = face_reader(services) if images else None
    templates = [read_face(reader, image) for image in images] if reader else []
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        person = consent.add_person(
            tx,
            services.vault,
            now,
            name=name,
            kind=kind,
            model=services.face_model if images else "",
            by=by,
            vectors=np.array([t.vector for t in templates], np.float32).reshape(-1, services.face_dimensions),
            sources=sources or [f"operator's file {image.name}" for image in images],
            account=account,
        )
        if age_band or guardian:
            consent.set_guardian(tx, now, person, by=by, age_band=age_band, guardian=guardian)
    return person


def register_voice(
    services: "Services", org: str, person: str, *, recordings: list[Path], by: str, sources: list[str] | None = None
) -> float:
    """Add a registered person's voice from recordings on which nobody else speaks; returns the seconds of speech.

    The operator vouches for whose voice it is. Raises Unprocessable for a recording that does not serve, NotFound for
    a person who is not registered, Outage when voices cannot be read at all.
    """
    reader = voice_reader(services)
    templates = [read_voice(services, reader, recording) for recording in recordings]
    with services.database.transaction(org) as tx:
        for template, source in zip(
            templates, sources or [f"operator's file {r.name}" for r in recordings], strict=True
        ):
            consent.add_voice(
                tx,
                services.vault,
                services.clock.now(),
                person,
                vector=template.vector,
                model=services.voice_model,
                source=source,
                by=by,
            )
    return round(sum(template.seconds for template in templates), 1)


def voice_reader(services: "Services") -> Voices:
    """The voices detector among those loaded. Raises Outage when there is none."""
    for detector in services.detectors:
        if isinstance(detector, Voices):
            return detector
    raise Outage("detector:voices", "no detector of voices is loaded")


def read_voice(services: "Services", reader: Voices, recording: Path) -> VoiceTemplate:
    """The voice of a recording, decoded in the sandbox. Raises Unprocessable when it holds too little speech."""
    try:
        pieces = [sound.samples for sound in services.sandbox.recording(recording)]
    except (ClipFault, OSError, ValueError) as fault:
        raise Unprocessable(f"{recording.name} is no recording that can be read: {fault}") from fault
    try:
        template = reader.voice_template(np.concatenate(pieces)) if pieces else None
    except DetectorError as error:
        raise Outage("detector:voices", str(error)) from error
    if template is None:
        raise Unprocessable(f"{recording.name} holds less than {ENROLMENT_SECONDS:g} seconds of speech")
    return template


def face_reader(services: "Services") -> Faces:
    """The faces detector among those loaded. Raises Outage when there is none."""
    for detector in services.detectors:
        if isinstance(detector, Faces):
            return detector
    raise Outage("detector:faces", "no detector of faces is loaded")


def read_face(reader: Faces, image: Path) -> FaceTemplate:
    """The one readable face of a picture. Raises Unprocessable when there is none, or more than one."""
    found = _templates(reader, image)
    if len(found) != 1:
        raise Unprocessable(f"{image.name} shows {len(found)} readable faces; exactly one is needed")
    return found[0]


def _templates(reader: Faces, image: Path) -> list[FaceTemplate]:
    try:
        pixels = cv2.imdecode(np.frombuffer(image.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError):
        # An empty file, or one that claims more pixels than are decoded.
        pixels = None
    if pixels is None:
        raise Unprocessable(f"{image.name} is not a picture")
    try:
        return reader.face_templates(cast("NDArray[np.uint8]", pixels))
    except DetectorError as error:
        raise Outage("detector:faces", str(error)) from error

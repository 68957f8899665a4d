"""Whether a typed answer of a child is also a possible one: sizes and times within the limits it was given."""

import base64
import binascii
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moderation.sandbox.channel import Broken
from moderation.sandbox.wire import answer
from moderation.settings import Limits
from watermark import filmstrip, loudness
from watermark.ancestry import MOST_GENERATIONS, MOST_VALIDATION
from watermark.attestation import TEXT_LIMIT
from watermark.fingerprint import Fingerprint
from watermark.inheritance import CUTS, STATES, Inheritance
from watermark.probing import AudioTrack, Probe
from watermark.reading import MarksReading
from watermark.sampling import MOST_SHOTS, MOST_STRETCHES, Account
from watermark.sketches import Sketches
from watermark.writing import PassReport

_NAME_CHARACTERS = 64
#: Sample aspect ratios up to 8 stretch one side that much.
_STRETCH = 8
_FPS = 100_000
_STAGES = 32
#: Short sides of an original by which a copy can lie off.
_FARTHEST = 1e4
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"


def probe(content: object, limits: Limits) -> Probe:
    """A description of a file that could have passed `limits`. Raises Broken."""
    found = answer(Probe, content)
    names = (found.container, found.video_codec, found.pix_fmt, found.audio.codec if found.audio else "")
    _require(all(len(name) <= _NAME_CHARACTERS and name.isprintable() for name in names))
    _require(min(found.coded_width, found.coded_height) > 0)
    _require(found.coded_width * found.coded_height <= limits.max_pixels)
    for width, height in ((found.plane_width, found.plane_height), (found.width, found.height)):
        _require(min(width, height) > 0 and width * height <= 2 * _STRETCH * limits.max_pixels)
    _require(limits.min_frames <= found.frames <= limits.max_frames)
    _require(0 <= found.duration_ms <= limits.max_duration_ms and 0 < found.fps <= _FPS)
    _require(0 < found.tracks <= limits.max_tracks and 0 < found.bit_depth <= 64)
    _require(found.sar > 0 and found.time_base > 0 and found.start_ms >= 0)
    _require(found.audio is None or _possible(found.audio, limits))
    return found


def report(content: object, limits: Limits) -> PassReport:
    """A report of a pass that could have been made within `limits`. Raises Broken."""
    found = answer(PassReport, content)
    _require(0 < found.frames <= limits.max_frames and 0 <= found.duration_ms <= 2 * limits.max_duration_ms)
    _require(min(found.width, found.height) > 0 and found.width * found.height <= 2 * limits.max_pixels)
    _require(len(found.cpu_seconds_by_stage) <= _STAGES)
    return found


def fingerprint(content: object) -> Fingerprint:
    """A fingerprint from base64. Raises Broken."""
    try:
        return Fingerprint.from_bytes(_decoded(answer(str, content)))
    except ValueError as fault:
        raise Broken("the answer is no fingerprint") from fault


def marks(content: object) -> MarksReading:
    """What was found in a file, its fingerprint and sketches readable. Raises Broken."""
    found = answer(MarksReading, content)
    try:
        if found.fingerprint is not None:
            Fingerprint.from_bytes(found.fingerprint)
        if found.sketches is not None:
            Sketches.from_bytes(found.sketches)
    except ValueError as fault:
        raise Broken("the answer holds what is no fingerprint") from fault
    if found.geometry is not None:
        numbers = (*found.geometry.matrix[0], *found.geometry.matrix[1], found.geometry.field)
        _require(all(abs(number) <= _FARTHEST for number in numbers))
    return found


def inheritance(content: object, most: int) -> Inheritance | None:
    """A manifest of at most `most` bytes that is handed down, or none. Raises Broken."""
    if content is None:
        return None
    found = answer(Inheritance, content)
    _require(found.state in STATES and (found.cut is None or found.cut in CUTS))
    _require(len(found.store) <= most and bool(found.store) == (found.cut is None))
    _require(0 <= found.generations <= MOST_GENERATIONS + 1 and len(found.validation) <= MOST_VALIDATION)
    _require(found.manifest_id is None or 0 < len(found.manifest_id) <= TEXT_LIMIT)
    _require(not found.store or (found.manifest_id is not None and _is_object(found.validation)))
    return found


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def account(content: object, limits: Limits) -> Account:
    """An account of frames that a clip within `limits` could have. Raises Broken."""
    found = answer(Account, content)
    _require(0 < found.frames <= limits.max_frames and 0 <= found.unseen_frames <= found.frames)
    _require(0 < len(found.shots) <= MOST_SHOTS and len(found.unseen) <= MOST_STRETCHES)
    _require(bool(found.unseen) == bool(found.unseen_frames))
    _require(all(0 <= start.start_ms <= limits.max_duration_ms and start.shot >= 0 for start in found.shots))
    _require(all(0 <= at.first_ms <= at.last_ms <= limits.max_duration_ms for at in found.unseen))
    return found


def picture(content: object, side: int) -> NDArray[np.uint8]:
    """A picture's luma, uint8 [side, side], from base64. Raises Broken."""
    raw = _decoded(answer(str, content))
    _require(len(raw) == side * side)
    return np.frombuffer(raw, np.uint8).reshape(side, side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """A picture's colours as they are sent: BGR, base64."""

    width: int
    height: int
    pixels: str


def colours(content: object, long_side: int) -> NDArray[np.uint8]:
    """A picture's colours, uint8 [height, width, 3] in BGR, no side longer than `long_side`. Raises Broken."""
    found = answer(Colours, content)
    _require(0 < found.width <= long_side and 0 < found.height <= long_side)
    raw = _decoded(found.pixels)
    _require(len(raw) == found.width * found.height * 3)
    return np.frombuffer(raw, np.uint8).reshape(found.height, found.width, 3)


def stills(content: object, count: int) -> list[bytes]:
    """As many JPEG pictures as were asked for, from base64: they go to browsers, nothing else may. Raises Broken."""
    made = [_decoded(text) for text in answer(list[str], content)]
    _require(len(made) == count and all(still.startswith(_JPEG_START) and still.endswith(_JPEG_END) for still in made))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A clip at a glance: pictures as JPEG, the times of the strip's stills, flashes and loudness as numbers."""

    strip: bytes
    stills: list[bytes]
    times_ms: list[int]
    flashes: int
    flashing_from_ms: int | None
    loudness_db: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    strip: str
    stills: list[str]
    times_ms: list[int]
    flashes: int
    flashing_from_ms: int | None
    loudness_db: list[int]


def survey(content: object, count: int, limits: Limits) -> Survey:
    """A survey with that many stills that a clip within `limits` could have. Raises Broken."""
    found = answer(_Said, content)
    strip, *made = stills([found.strip, *found.stills], count + 1)
    _require(len(found.times_ms) == filmstrip.COLUMNS * filmstrip.ROWS)
    _require(all(0 <= at <= limits.max_duration_ms for at in (*found.times_ms, found.flashing_from_ms or 0)))
    _require(0 <= found.flashes <= limits.max_frames)
    _require(len(found.loudness_db) <= limits.max_duration_ms // loudness.STEP_MS + 1)
    _require(all(loudness.SILENCE_DB <= level <= 0 for level in found.loudness_db))
    return Survey(
        strip=strip,
        stills=made,
        times_ms=found.times_ms,
        flashes=found.flashes,
        flashing_from_ms=found.flashing_from_ms,
        loudness_db=found.loudness_db,
    )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as fault:
        raise Broken("the answer is no base64") from fault


def _possible(audio: AudioTrack, limits: Limits) -> bool:
    return (
        0 < audio.channels <= 1024
        and 0 < audio.rate <= 10_000_000
        and 0 <= audio.duration_ms <= limits.max_duration_ms
        and abs(audio.start_ms) <= limits.max_duration_ms
    )


def _require(condition: bool) -> None:  # noqa: FBT001  reads as prose
    if not condition:
        raise Broken("the answer is outside the limits")

"""Every way a file is refused: a stable code, a sentence for people and the limit it met (contract, section 5)."""

from dataclasses import dataclass
from typing import Final

from moderation.errors import ModerationError, RefusedAtTheDoor, TooLarge
from moderation.settings import Limits


@dataclass(frozen=True, slots=True)
class _Refusal:
    """`message` may name the limit's value; `limit` is a field of `Limits`, or empty when none was met."""

    message: str
    limit: str = ""


_REFUSALS: Final[dict[str, _Refusal]] = {
    "empty_file": _Refusal("The file is empty."),
    "not_video": _Refusal("The file is not a video."),
    "unsupported_container": _Refusal("Only plain MP4, QuickTime, WebM, Matroska and AVI files are accepted."),
    "unsupported_codec": _Refusal("The video is in a codec that is not accepted."),
    "unsupported_picture": _Refusal("The video's picture format is not accepted."),
    "truncated": _Refusal("The file is cut off: it ends before it should."),
    "no_video_track": _Refusal("The file has no video track."),
    "no_frames": _Refusal("The video has no frame that can be shown."),
    "decode_failed": _Refusal("The video is damaged and cannot be decoded."),
    "too_few_frames": _Refusal("The video has fewer than {value} frames.", "min_frames"),
    "too_small": _Refusal("The picture's shorter side has fewer than {value} pixels.", "min_side"),
    "too_large": _Refusal("The file has more than {value} bytes.", "max_bytes"),
    "too_long": _Refusal("The video is longer than {value} milliseconds.", "max_duration_ms"),
    "too_many_frames": _Refusal("The video has more than {value} frames.", "max_frames"),
    "too_many_pixels": _Refusal("A frame has more than {value} pixels.", "max_pixels"),
    "too_many_tracks": _Refusal("The file has more than {value} tracks.", "max_tracks"),
    "fps_too_high": _Refusal("The video has more than {value} frames per second.", "max_fps"),
    "too_much_metadata": _Refusal("The file has more than {value} bytes of metadata.", "max_metadata_bytes"),
}


def _kind(code: str, entry: _Refusal) -> type[ModerationError]:
    """An error class of its own per code, so that `error.code` and the problem's type are the code."""
    base = TooLarge if entry.limit.startswith("max_") else RefusedAtTheDoor
    return type(code, (base,), {"__doc__": base.__doc__, "code": code})


_KINDS: Final = {code: _kind(code, entry) for code, entry in _REFUSALS.items()}
CODES: Final = frozenset(_REFUSALS)


def refusal(code: str, limits: Limits) -> ModerationError:
    """The error for one code: 413 (`TooLarge`) for what is too much, 415 (`RefusedAtTheDoor`) for what is unusable.

    `params` carry `limit` (its name in the settings) and `value` when a limit was met. Raises KeyError for other codes.
    """
    entry = _REFUSALS[code]
    if not entry.limit:
        return _KINDS[code](entry.message)
    value = getattr(limits, entry.limit)
    return _KINDS[code](entry.message.format(value=value), limit=entry.limit, value=value)

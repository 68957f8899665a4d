"""What a video file may be, and how one is refused. Knows neither containers nor decoders."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoLimits:
    """The bounds a file is held to before and while it is decoded; names as in the service's settings."""

    max_bytes: int = 512 * 1024 * 1024
    max_duration_ms: int = 180_000
    max_frames: int = 12_000
    min_frames: int = 1
    #: Coded pixels of one frame; the decoder itself refuses to make larger ones.
    max_pixels: int = 10_000_000
    min_side: int = 16
    max_fps: int = 240
    max_tracks: int = 8
    max_metadata_bytes: int = 64 * 1024


class VideoRefused(Exception):
    """A file that cannot be used. `code` is stable, for programs; `limit` is the bound it met, when it met one.

    Codes: `empty_file`, `not_video`, `unsupported_container`, `unsupported_codec`, `unsupported_picture`,
    `truncated`, `no_video_track`, `no_frames`, `decode_failed`, `too_large`, `too_long`, `too_many_frames`,
    `too_few_frames`, `too_many_pixels`, `too_small`, `too_many_tracks`, `fps_too_high`, `too_much_metadata`.
    """

    def __init__(self, code: str, message: str, limit: int | None = None) -> None:
        self.code = code
        self.message = message
        self.limit = limit
        super().__init__(message)

    def __reduce__(self) -> tuple[type["VideoRefused"], tuple[str, str, int | None]]:
        """Let a refusal cross from the process that opened the file to the one that asked."""
        return type(self), (self.code, self.message, self.limit)

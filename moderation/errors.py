"""Every error a caller may meet: one tree, a status each, the docstring as the default message."""

from typing import ClassVar


class ModerationError(Exception):
    """Something went wrong that is the caller's to know."""

    status: ClassVar[int] = 500
    #: Stable, for programs; the last part of the problem document's `type`.
    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None, **params: object) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.params = params
        super().__init__(self.message)


class NotFound(ModerationError):
    """There is no such thing here, or this key may not see it."""

    status = 404
    code = "not_found"


class Conflict(ModerationError):
    """The thing changed since you looked: read it again and decide anew."""

    status = 409
    code = "conflict"


class Unprocessable(ModerationError):
    """The request is well formed but cannot be carried out as it stands."""

    status = 422
    code = "unprocessable"


class RefusedAtTheDoor(ModerationError):
    """The file cannot be accepted; nothing was stored."""

    status = 415
    code = "unusable_file"


class TooLarge(ModerationError):
    """The file exceeds a limit of this service; the limit is named in the answer."""

    status = 413
    code = "too_large"


class Unauthorised(ModerationError):
    """A valid key is needed: `Authorization: Bearer KEY`."""

    status = 401
    code = "unauthorised"


class Forbidden(ModerationError):
    """This key's scopes do not cover the request."""

    status = 403
    code = "forbidden"


class TooOften(ModerationError):
    """Too many requests from one place; wait the stated seconds."""

    status = 429
    code = "rate_limited"


class Busy(ModerationError):
    """The service has more work than it takes on; try again after the stated seconds."""

    status = 503
    code = "busy"


class Outage(ModerationError):
    """A part of the system is down. Clips are held and tried again; no person is asked."""

    status = 503
    code = "outage"

    def __init__(self, cause: str, message: str | None = None) -> None:
        #: A short stable word for what is down: "detector:faces", "database", "timestamp", "blobs".
        self.cause = cause
        super().__init__(message or f"{cause} is down", cause=cause)


class ClipFault(ModerationError):
    """This one clip cannot be processed although the system is well; the third time a person decides."""

    status = 422
    code = "processing_failed"

    def __init__(self, reason: str, message: str | None = None) -> None:
        #: A reason code: "processing_failed" or "detector_unavailable".
        self.reason = reason
        super().__init__(message or reason, reason=reason)


class DecoderLost(ClipFault):
    """The decoder died over this clip: of the clip, or of something else."""

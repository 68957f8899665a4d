"""Problem documents (RFC 9457): one form for every error, whether it is answered, stored with a clip or printed.

Says only what the error's own author wrote for callers; the text of an unforeseen exception never gets here.
"""

from collections.abc import Mapping

from moderation.errors import ModerationError

MEDIA_TYPE = "application/problem+json"


def problem_type(code: str) -> str:
    """The stable name of a kind of problem, relative to the service."""
    return f"/problems/{code}"


def problem(status: int, code: str, detail: str, params: Mapping[str, object] | None = None) -> dict[str, object]:
    """Write a problem document; `params` become extension members and never replace the standard ones."""
    standard: dict[str, object] = {
        "type": problem_type(code),
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
    }
    return {**(params or {}), **standard}


def problem_of(error: ModerationError) -> dict[str, object]:
    """The problem document of an error of ours."""
    return problem(error.status, error.code, error.message, error.params)

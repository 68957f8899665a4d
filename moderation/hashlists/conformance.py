"""What every hash service must do, as a check that any adapter's own tests can run. Asks; changes nothing."""

from collections.abc import Sequence

from moderation.hashlists.lists import Category
from moderation.hashlists.providers import HashService, QueryFrame, ServiceUnavailable


class NotConforming(AssertionError):
    """The service does not keep to the protocol; the text tells where."""


def demand_conformance(service: HashService, *, known: QueryFrame, unknown: QueryFrame) -> None:
    """Ask a service of one frame it knows and one it does not, alone, together and in both orders.

    Raises NotConforming. Use a benign picture that the service was told to know.
    """
    _demand(bool(service.name) and service.name.isprintable(), "its name is empty or not printable")
    _demand(service.wants in ("hashes", "frames"), "`wants` is neither hashes nor frames")
    _demand(_times(service, []) == set(), "it matches when asked about nothing")
    _demand(_times(service, [unknown]) == set(), "it matches what it does not know")
    _demand(_times(service, [known]) == {known.time_ms}, "it does not match what it knows")
    both = {known.time_ms}
    _demand(_times(service, [known, unknown]) == both, "it does not tell the frames of one question apart")
    _demand(_times(service, [unknown, known]) == both, "its answer depends on the order of the frames")
    _demand(_times(service, [known]) == _times(service, [known]), "it does not answer the same twice")


def demand_failure_told(service: HashService, frame: QueryFrame) -> None:
    """Ask a service that is down, slow or confused; raises NotConforming unless ServiceUnavailable comes of it."""
    try:
        matches = service.match([frame])
    except ServiceUnavailable:
        return
    except Exception as error:
        raise NotConforming(f"a failure came out as {type(error).__name__}") from error
    raise NotConforming(f"a failure came out as an answer of {len(matches)} matches")


def _times(service: HashService, frames: Sequence[QueryFrame]) -> set[int]:
    matches = service.match(frames)
    for match in matches:
        _demand(isinstance(match.category, Category), "a match has no category of ours")
        _demand(bool(match.list), "a match names no list")
    return {match.time_ms for match in matches}


def _demand(condition: bool, fault: str) -> None:  # noqa: FBT001  reads as prose
    if not condition:
        raise NotConforming(fault)

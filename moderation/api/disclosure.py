"""What a caller may not see of a clip: that a hash list knew it. Only specialists are told."""

from collections.abc import Mapping
from typing import cast

from moderation.keys import Principal

KNOWN_ILLEGAL = "known_illegal"
SPECIALIST = "specialist"


def disclose(document: dict[str, object], principal: Principal) -> dict[str, object]:
    """A clip's document for this principal: a known-illegal hit is a withheld clip without reasons to all but few."""
    decision = cast("dict[str, object] | None", document["decision"])
    if decision is None or principal.may(SPECIALIST) or not _secret(decision):
        return document
    neutral = decision | {"reasons": [], "queue": None}
    return document | {"decision": neutral, "case_id": None, "stages": [], "notes": []}


def disclose_decision(body: dict[str, object], principal: Principal) -> dict[str, object]:
    """A stored decision for this principal, as in `disclose`."""
    if principal.may(SPECIALIST) or not _secret(body):
        return body
    return body | {"reasons": [], "lesser": [], "notes": [], "queue": None, "trace": []}


def _secret(decision: Mapping[str, object]) -> bool:
    reasons = [*cast("list[dict[str, object]]", decision.get("reasons", []))]
    reasons += cast("list[dict[str, object]]", decision.get("lesser", []))
    return any(reason["code"] == KNOWN_ILLEGAL for reason in reasons)

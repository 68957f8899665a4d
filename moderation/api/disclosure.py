"""What a caller may not see: that a hash list knew a clip (specialists only), and how rules came to their answer."""

from collections.abc import Mapping
from typing import cast

from moderation.keys import Principal

KNOWN_ILLEGAL = "known_illegal"
SPECIALIST = "specialist"
#: Who may see the trace: thresholds and values tell how to get around a rule.
INSIDERS = ("audit", "policy", "review", "specialist", "admin")
#: What everybody else sees of a decision's body.
PUBLIC = ("outcome", "reasons", "notes", "audience", "policy_version", "decided_by")


def disclose(document: dict[str, object], principal: Principal) -> dict[str, object]:
    """A clip's document for this principal: a known-illegal hit is a withheld clip without reasons to all but few."""
    decision = cast("dict[str, object] | None", document["decision"])
    if decision is None or principal.may(SPECIALIST) or not _secret(decision):
        return document
    neutral = decision | {"reasons": [], "queue": None}
    return document | {"decision": neutral, "case_id": None, "stages": [], "notes": []}


def disclose_decision(body: dict[str, object], principal: Principal) -> dict[str, object]:
    """A stored decision for this principal, as in `disclose`; the trace for those who work with it."""
    secret = _secret(body) and not principal.may(SPECIALIST)
    if not principal.may(*INSIDERS):
        body = {name: body[name] for name in PUBLIC if name in body}
    if not secret:
        return body
    hidden: dict[str, object] = {"reasons": [], "lesser": [], "notes": [], "queue": None, "trace": []}
    return body | {name: value for name, value in hidden.items() if name in body}


def _secret(decision: Mapping[str, object]) -> bool:
    reasons = [*cast("list[dict[str, object]]", decision.get("reasons", []))]
    reasons += cast("list[dict[str, object]]", decision.get("lesser", []))
    return any(reason["code"] == KNOWN_ILLEGAL for reason in reasons)

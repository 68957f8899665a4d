"""What judges now, as operators see it: the pointer, the versions behind it, emergency rules, faults, workers."""

from typing import TYPE_CHECKING

from moderation import heartbeat
from moderation.policy.engine import Ruleset
from moderation.rulebook.pointers import read_pointer
from moderation.verdicts import moment

if TYPE_CHECKING:
    from moderation.services import Services


def document(services: "Services", org: str) -> dict[str, object]:
    """One organisation's rules of this moment. Raises Outage when there are none to judge by."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        in_force = services.rulebook.in_force(tx)
        pointer, _ = read_pointer(tx, org)
        rules = in_force.rules
        held = [each for each in in_force.emergencies if each.holds(now)]
        said: dict[str, object] = {
            "mode": services.settings.policies.mode,
            "serial": in_force.serial,
            "acting": _side(pointer.acting, rules.acting),
            "candidate": {**side, "percent": rules.percent}
            if (side := _side(pointer.candidate, rules.candidate))
            else None,
            "shadow": _side(pointer.shadow, rules.shadow),
            "emergencies": [
                {"id": each.emergency_id, "area": each.area, "expires_at": moment(each.expires_at)} for each in held
            ],
            "judging": in_force.layering.over(rules.acting, held).version,
            "faults": list(rules.faults),
        }
    return said | {"workers": heartbeat.policies_of(services, org)}


def _side(bundle: str | None, ruleset: Ruleset | None) -> dict[str, object] | None:
    if ruleset is None:
        return None
    return {"bundle": bundle, "version": ruleset.version, "rules": len(ruleset.judges)}

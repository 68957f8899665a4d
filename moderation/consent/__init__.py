"""The likeness registry: people, their sealed templates, what they granted, what they forbid, what they took back.

Vectors are made by `detectors` and matched there. Nothing is inferred about people who are not registered, and no
function here hands a template out.
"""

from moderation.consent.aliases import Alias, add_alias, list_aliases, remove_alias
from moderation.consent.contexts import CONTEXTS, Context, read_contexts
from moderation.consent.erasing import erase_person
from moderation.consent.grants import Grant, Mode, Scope, Terms, grant, read_grants, replace_grant, take_back
from moderation.consent.humans import link, unlink
from moderation.consent.limits import forbid, read_limits
from moderation.consent.lists import GranteeList, change_list, make_list, read_lists
from moderation.consent.people import (
    AgeBand,
    Kind,
    NewPerson,
    Person,
    State,
    demand_acting,
    list_people,
    move_line,
    page_people,
    read_person,
    register,
    set_guardian,
    set_state,
    touch_gallery,
)
from moderation.consent.revocations import revoke
from moderation.consent.standing import Standing, Use, stand, use_of
from moderation.consent.templates import (
    Stale,
    add_person,
    add_template,
    add_voice,
    changed_since,
    gallery_version,
    hold_gallery,
    rotation_of,
    stale_people,
)

__all__ = [
    "CONTEXTS",
    "AgeBand",
    "Alias",
    "Context",
    "Grant",
    "GranteeList",
    "Kind",
    "Mode",
    "NewPerson",
    "Person",
    "Scope",
    "Stale",
    "Standing",
    "State",
    "Terms",
    "Use",
    "add_alias",
    "add_person",
    "add_template",
    "add_voice",
    "change_list",
    "changed_since",
    "demand_acting",
    "erase_person",
    "forbid",
    "gallery_version",
    "grant",
    "hold_gallery",
    "link",
    "list_aliases",
    "list_people",
    "make_list",
    "move_line",
    "page_people",
    "read_contexts",
    "read_grants",
    "read_limits",
    "read_lists",
    "read_person",
    "register",
    "remove_alias",
    "replace_grant",
    "revoke",
    "rotation_of",
    "set_guardian",
    "set_state",
    "stale_people",
    "stand",
    "take_back",
    "touch_gallery",
    "unlink",
    "use_of",
]

"""Reads `lists:` and `macros:`, of one area or shared by all. A name is given once; what it means is never changed."""

import re
from collections.abc import Mapping

from moderation.policy.fields import Fields
from moderation.policy.names import Macro, NamedList, Names
from moderation.policy.source import Node, Scalar

#: Beside the areas: lists and macros that every area may use.
SHARED = "shared.yaml"
SECTIONS = ("lists", "macros")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_NAMES = 200
_MAX_ITEMS = 2_000


def read_shared(fields: Fields, node: Node) -> None:
    """Read the shared file into the names of `fields`."""
    found = fields.mapping(node, ("language", "description", *SECTIONS), ("language",), "the shared file") or {}
    if "language" in found:
        fields.whole(found["language"], "`language`", 1, 1)
    if "description" in found:
        fields.text(found["description"], "`description`")
    read_names(fields, found)


def names_beside(shared: Names) -> Names:
    """Return the names that an area starts with: the shared ones, and counts of its own."""
    return Names(lists=dict(shared.lists), macros=dict(shared.macros))


def own_names(names: Names, shared: Names) -> Names:
    """Return only what the area named itself."""
    lists = {name: entry for name, entry in names.lists.items() if name not in shared.lists}
    return Names(lists=lists, macros={name: e for name, e in names.macros.items() if name not in shared.macros})


def read_names(fields: Fields, found: Mapping[str, Node]) -> None:
    """Add the sections' names to those of `fields`. A macro is read when something uses it."""
    if "lists" in found:
        for key, value in _named(fields, found["lists"], "lists", fields.names.lists):
            fields.names.lists[str(key.value)] = NamedList(
                items=_items(fields, key, value), path=fields.path, line=key.line, column=key.column
            )
    if "macros" in found:
        for key, value in _named(fields, found["macros"], "macros", fields.names.macros):
            fields.names.macros[str(key.value)] = Macro(fields=fields, node=value, line=key.line, column=key.column)


def _named(
    fields: Fields, node: Node, section: str, known: Mapping[str, NamedList | Macro]
) -> list[tuple[Scalar, Node]]:
    kept: list[tuple[Scalar, Node]] = []
    for key, value in fields.named(node, f"`{section}`"):
        name = str(key.value)
        if not _NAME.fullmatch(name):
            fields.fault(key, "wrong-value", f"the name `{name}` must be lower-case letters, digits and _")
        elif name in known:
            fields.fault(key, "duplicate-name", f"`{name}` is among the shared {section} already")
        elif len(kept) == _MAX_NAMES:
            fields.fault(key, "too-large", f"more than {_MAX_NAMES} {section}")
            break
        else:
            kept.append((key, value))
    return kept


def _items(fields: Fields, key: Scalar, node: Node) -> tuple[Scalar, ...]:
    what = f"the list `{key.value}`"
    items = fields.items(node, what)
    if len(items) > _MAX_ITEMS:
        fields.fault(node, "too-large", f"{what} has more than {_MAX_ITEMS} values")
        return ()
    kept: dict[tuple[type, object], Scalar] = {}
    for item in items:
        if not isinstance(item, Scalar) or item.value is None:
            fields.fault(item, "wrong-type", f"{what} holds words, numbers and flags")
        elif (type(item.value), item.value) in kept:
            fields.fault(item, "duplicate-value", f"{what} holds `{item.value}` twice")
        else:
            kept[type(item.value), item.value] = item
    return tuple(kept.values())

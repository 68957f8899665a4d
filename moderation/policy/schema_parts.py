"""Small pieces that the JSON Schemas of policy files are made of. Knows nothing of policies."""

import re
from collections.abc import Collection, Iterable, Mapping

Schema = dict[str, object]


def closed(properties: Mapping[str, Schema], needed: Iterable[str] = (), keys: Collection[str] = ()) -> Schema:
    """Return a mapping without further keys; `keys` must be the properties' names when the grammar gives them."""
    if keys and set(keys) != set(properties):
        raise ValueError(f"the schema and the grammar differ in {sorted(set(keys) ^ set(properties))}")
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, **({"required": list(needed)} if needed else {})}


def named(pattern: re.Pattern[str], value: Schema) -> Schema:
    """Return a mapping whose keys are names of one's own."""
    return {"type": "object", "propertyNames": {"pattern": f"^{pattern.pattern}$"}, "additionalProperties": value}


def listed(item: Schema, *, least: int = 1) -> Schema:
    """Return a list of items, of at least so many."""
    return {"type": "array", "items": item, "minItems": least}


def either(*schemas: Schema) -> Schema:
    """Return what meets one of several schemas."""
    return {"anyOf": list(schemas)}


def exactly(keys: Iterable[str]) -> Schema:
    """Return that one of these keys is there, and no two."""
    return {"oneOf": [{"required": [key]} for key in keys]}


def text(means: str) -> Schema:
    """Return a text that is not empty."""
    return {"type": "string", "pattern": r"\S", "description": means}


def words(known: Iterable[str] | Mapping[str, str]) -> Schema:
    """Return one of these words; what each means is shown by editors that know how."""
    schema: Schema = {"enum": list(known)}
    return {**schema, "enumDescriptions": list(known.values())} if isinstance(known, Mapping) and known else schema

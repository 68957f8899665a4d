"""What may be said across the border, as plain JSON: typed on arrival, on both sides. Never pickles."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from moderation.sandbox.channel import Broken

T = TypeVar("T")

#: Marks bytes among JSON; an object with this one key is nothing else, since texts are never objects.
_BYTES = "$bytes"


def plain(value: object) -> Any:
    """Write dataclasses, bytes, fractions and collections as JSON data. Raises TypeError for anything else."""
    match value:
        case Enum():
            written = value.value
        case None | str() | int() | float():
            written = value
        case bytes():
            written = {_BYTES: value.hex()}
        case Fraction():
            written = str(value)
        case Mapping():
            written = {str(key): plain(item) for key, item in value.items()}
        case Sequence() | frozenset():
            written = [plain(item) for item in value]
        case _ if is_dataclass(value):
            written = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} does not cross the border")
    return written


def order(kind: type[T], content: object) -> T:
    """Read in the child what its parent wrote with `plain`."""
    adapter: TypeAdapter[T] = _adapter(cast("Any", kind))
    return adapter.validate_python(_bytes_back(content))


def answer(kind: type[T], content: object) -> T:
    """Read in the parent what a child wrote with `plain`: exactly typed, finite numbers only. Raises Broken."""
    adapter: TypeAdapter[T] = _adapter(cast("Any", kind))
    try:
        return adapter.validate_json(json.dumps(content, allow_nan=False), strict=True)
    except (ValidationError, ValueError, RecursionError) as fault:
        raise Broken(f"the answer is no {kind.__name__}") from fault


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _bytes_back(content: object) -> Any:
    if isinstance(content, dict):
        if content.keys() == {_BYTES}:
            return bytes.fromhex(content[_BYTES])
        return {key: _bytes_back(item) for key, item in content.items()}
    if isinstance(content, list):
        return [_bytes_back(item) for item in content]
    return content

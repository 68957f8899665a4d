"""Closed hash services: somebody else's matcher, asked over HTTP with hashes or frames. Silence is never "no match".

The protocol is what this product needs of such a service; whoever has access to one (PhotoDNA's cloud, a hotline's
list) writes an adapter with `match`, or puts one behind the HTTP form below. `conformance.py` tries any of them.
"""

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final, Literal, Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moderation.hashlists.lists import Category
from moderation.settings import HashServiceSettings

GROUP: Final = "countersign.hash_services"
_LARGEST_ANSWER: Final = 1 << 20


class ServiceUnavailable(Exception):
    """The service gave no answer that can be used: out of reach, too slow, refused, or not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFrame:
    """One frame: its time in ms, and PDQ (32 bytes) with its quality, or the picture as JPEG."""

    time_ms: int
    pdq: bytes = b""
    quality: int = 0
    jpeg: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMatch:
    """One frame that the service knows; `distance` in the service's own measure, None when it tells none."""

    time_ms: int
    category: Category
    list: str
    item: str = ""
    distance: float | None = None


class HashService(Protocol):
    """A matcher outside. `wants` tells what it is given; no id of a clip, creator or organisation ever leaves."""

    name: str
    wants: Literal["hashes", "frames"]

    def match(self, frames: Sequence[QueryFrame]) -> list[ServiceMatch]:
        """The frames it knows, by their `time_ms`; none is an answer. Raises ServiceUnavailable, and nothing else."""
        ...


class _Match(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    time_ms: int
    category: Literal["known_illegal", "takedown"]
    list: str = Field(min_length=1, max_length=200)
    item: str = Field(default="", max_length=200)
    distance: float | None = None


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    matches: list[_Match]


class HttpHashService:
    """A service that takes `{"version": 1, "frames": [...]}` and answers `{"matches": [...]}`; see the how-to."""

    def __init__(self, settings: HashServiceSettings) -> None:
        self.name = settings.name
        self.wants = settings.wants
        self._settings = settings

    def match(self, frames: Sequence[QueryFrame]) -> list[ServiceMatch]:
        """Ask once; whoever calls decides when to ask again."""
        try:
            asked = {"version": 1, "frames": [_plain(each) for each in frames]}
            answer = _Answer.model_validate_json(self._post(asked))
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"{self.name} cannot be reached: {type(error).__name__}") from error
        except ValidationError as error:
            raise ServiceUnavailable(f"{self.name} answered something else") from error
        times = {each.time_ms for each in frames}
        if any(match.time_ms not in times for match in answer.matches):
            raise ServiceUnavailable(f"{self.name} speaks of frames that it was not asked about")
        return [
            ServiceMatch(**match.model_dump(exclude={"category"}), category=Category(match.category))
            for match in answer.matches
        ]

    def _post(self, body: dict[str, Any]) -> bytes:
        settings = self._settings
        headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"} if settings.token else {}
        limit = time.monotonic() + settings.timeout_seconds
        with (
            httpx.Client(timeout=settings.timeout_seconds, follow_redirects=False, trust_env=False) as client,
            client.stream("POST", settings.url, json=body, headers=headers) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ServiceUnavailable(f"{self.name} answered {response.status_code}")
            content = b""
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > _LARGEST_ANSWER or time.monotonic() > limit:
                    raise ServiceUnavailable(f"{self.name} answers too much or too slowly")
            return content


def _plain(frame: QueryFrame) -> dict[str, object]:
    if frame.jpeg:
        return {"time_ms": frame.time_ms, "jpeg": base64.b64encode(frame.jpeg).decode()}
    return {"time_ms": frame.time_ms, "algorithm": "pdq", "hash": frame.pdq.hex(), "quality": frame.quality}


def load_services(settings: Sequence[HashServiceSettings]) -> tuple[HashService, ...]:
    """The services of the settings and of installed plug-ins, in the order of their names.

    Raises what a plug-in that cannot be loaded raises: a list that is meant to be asked is never left out in silence.
    """
    plugged: list[HashService] = [point.load()() for point in entry_points(group=GROUP)]
    made: list[HashService] = [*map(HttpHashService, settings), *plugged]
    names = [service.name for service in made]
    if len(set(names)) < len(names):
        raise ValueError(f"two hash services share a name: {', '.join(sorted(names))}")
    return tuple(sorted(made, key=lambda service: service.name))

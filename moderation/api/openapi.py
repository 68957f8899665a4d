"""The OpenAPI document: what FastAPI derives, with bodies it cannot see, problem documents and examples."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from moderation.api.notices import NoticeBody
from moderation.api.schemas import ClipMetadata, ClipSource, PolicyTexts, Problem, VerifySource
from moderation.api.works import NewWork
from moderation.problems import MEDIA_TYPE

REFERENCE = "#/components/schemas/{model}"
PROBLEM = {
    "description": "Whatever went wrong, as RFC 9457 says it; `code` is stable.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="Problem")}}},
}
FILE = {"type": "string", "format": "binary", "description": "MP4, QuickTime, WebM, Matroska or AVI."}
#: Path and method of what reads its body itself: the parts of its form, and the JSON it takes instead.
BODIES: dict[str, tuple[dict[str, Any], type[BaseModel]]] = {
    "/v1/clips": ({"file": FILE, "metadata": {"$ref": REFERENCE.format(model="ClipMetadata")}}, ClipSource),
    "/v1/verify": ({"file": FILE}, VerifySource),
    "/v1/notices": ({"file": FILE, "metadata": {"$ref": REFERENCE.format(model="NoticeBody")}}, NoticeBody),
}
WORKS = "/v1/people/{person_id}/works"
#: What a work comes with: its words, and pictures as many as there are.
WORK_PARTS: dict[str, Any] = {
    "metadata": {"$ref": REFERENCE.format(model="NewWork")},
    "image": {"type": "array", "items": {"type": "string", "format": "binary", "description": "PNG, JPEG or WebP."}},
}
#: What takes a policy folder, as JSON or as an archive.
POLICY_FOLDERS = ("/v1/policies/bundles", "/v1/policies/lint", "/v1/policies/test")
BUNDLE = {
    "id": "pol_0193b0c2a6f17d0e8f4a6a1a2b3c4d5e",
    "version": "5f2b…",
    "state": "enforcing",
    "author": "ana",
    "note": "less noise on beaches",
    "proposed_by": "ana",
    "approved_by": "ben",
    "was_full": False,
    "created_at": "2026-01-01T12:00:00+00:00",
}
IN_FORCE = {
    "mode": "database",
    "serial": 7,
    "acting": {"bundle": "pol_0193b0c2a6f17d0e8f4a6a1a2b3c4d5e", "version": "5f2b…", "rules": 31},
    "candidate": {"bundle": "pol_0193b0c2a6f17d0e8f4a6a1a2b3c4d5f", "version": "8c01…", "rules": 32, "percent": 10},
    "shadow": None,
    "emergencies": [],
    "judging": "5f2b…",
    "faults": [],
}
STATEMENT = {
    "clip_id": "clip_0193b0c2a6f17d0e8f4a6a1a2b3c4d5e",
    "language": "en",
    "restrictions": [{"code": "withheld", "text": "The video is not published."}],
    "facts": [
        {
            "code": "explicit_content",
            "text": "Nudity or sexual content.",
            "certain": True,
            "seconds": {"start_ms": 1500, "end_ms": 3000, "text": "From 0:01.5 to 0:03.0."},
        }
    ],
    "measured": ["explicit content"],
    "automated": {"detection": True, "decision": True, "text": "Software found what is listed here and decided …"},
    "grounds": [
        {
            "reason": "explicit_content",
            "basis": "terms",
            "clause": "no nudity or sexual content",
            "text": "It goes against the terms of the platform: no nudity or sexual content.",
        }
    ],
    "redress": {"text": "You can appeal free of charge …", "appeal_url": "/v1/appeals", "token": "…"},
}
#: Path and method of an answer that is shown by example.
EXAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("/v1/policies", "get"): IN_FORCE,
    ("/v1/policies/bundles/{bundle_id}/enforce", "post"): BUNDLE,
    ("/v1/policies/rollback", "post"): BUNDLE,
    ("/v1/statements/{clip_id}", "get"): STATEMENT,
}
PREFERENCES = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "maxLength": 255},
        "description": "Same key and same body: the same clip. Other body: 422. Still being received: 409.",
    },
    {
        "name": "Prefer",
        "in": "header",
        "schema": {"type": "string"},
        "example": "wait=30",
        "description": "Wait for the verdict up to so many seconds (at most 120): 200 and the full clip when in time.",
    },
]
CLIP = {
    "id": "clip_0193b0c2a6f17d0e8f4a6a1a2b3c4d5e",
    "status": "released",
    "decision": {
        "outcome": "allow",
        "reasons": [],
        "policy_version": "5f2b…",
        "trace_url": "/v1/clips/clip_0193b0c2a6f17d0e8f4a6a1a2b3c4d5e/decision",
    },
    "audience": {"teens": True, "adults_only": False, "no_remix": False},
    "markets_withheld": [],
    "signals": {"explicit.score": {"state": "measured", "calibration": "none", "samples": [[0, 0.0123, None]]}},
    "segments": [],
    "looks": {"seen_ms": [0, 500, 1000], "shots": [{"shot": 0, "start_ms": 0}], "unseen": []},
    "faces": [{"track": 1, "start_ms": 0, "end_ms": 4000, "state": "unmatched"}],
    "people": [],
    "works": {"fingerprint": "not_measured", "names": "measured", "embedding": "not_measured"},
    "marks": {"visible": {"state": "found"}, "invisible": {"state": "found"}, "c2pa": {"state": "found"}},
    "created_at": "2026-01-01T12:00:00+00:00",
}


def describe(app: FastAPI) -> None:
    """Let `/openapi.json` be made by `document`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def name_of(route: APIRoute) -> str:
    """The id of an operation: its tag and the name of its function."""
    return f"{route.tags[0]}_{route.name}" if route.tags else route.name


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    made = get_openapi(
        title=app.title, version=app.version, description=app.description, tags=app.openapi_tags, routes=app.routes
    )
    schemas: dict[str, Any] = made["components"]["schemas"]
    for model in (Problem, ClipMetadata, ClipSource, VerifySource, PolicyTexts, NoticeBody, NewWork):
        schema = model.model_json_schema(ref_template=REFERENCE)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for _, operation in _operations(made):
        operation["responses"].pop("422", None)
        operation["responses"]["default"] = PROBLEM
    for path in POLICY_FOLDERS:
        made["paths"][path]["post"]["requestBody"] = _folder()
    for (path, method), example in EXAMPLES.items():
        answer = made["paths"][path][method]["responses"]["200"]
        answer["content"] = {"application/json": {"example": example}}
    for path, (parts, source) in BODIES.items():
        made["paths"][path]["post"]["requestBody"] = _body(parts, source)
    form = {"type": "object", "required": ["metadata"], "properties": WORK_PARTS}
    made["paths"][WORKS]["post"]["requestBody"] = {
        "required": True,
        "content": {"multipart/form-data": {"schema": form}},
    }
    submit = made["paths"]["/v1/clips"]["post"]
    submit["parameters"] = PREFERENCES
    for operation in (submit, made["paths"]["/v1/clips/{clip_id}"]["get"]):
        operation["responses"]["200"] = {
            "description": "The clip and what became of it.",
            "content": {"application/json": {"example": CLIP}},
        }
    return made


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for operation in methods.values():
            yield path, operation


def _folder() -> dict[str, Any]:
    archive = {"type": "string", "format": "binary", "description": "The zipped folder; its note goes in `?note=`."}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": REFERENCE.format(model=PolicyTexts.__name__)}},
            "application/zip": {"schema": archive},
        },
    }


def _body(parts: dict[str, Any], source: type[BaseModel]) -> dict[str, Any]:
    form = {"type": "object", "required": ["file"], "properties": parts}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            "application/json": {"schema": {"$ref": REFERENCE.format(model=source.__name__)}},
        },
    }

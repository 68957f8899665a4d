"""Every code of a finding: how grave it is, what it means, what to do, and an example of each. Finds nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Literal, get_args

from moderation.policy import source

FILE: Final = "codes.yaml"
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One code. In the catalogue's folder, `bad` in place of `at` in `file` gives it; `good` there does not."""

    code: str
    severity: Severity
    means: str
    instead: str
    file: str
    at: str
    bad: str
    good: str


@cache
def catalogue() -> Mapping[str, Entry]:
    """Return every code, in the order of the file."""
    codes = _document()["codes"]
    assert isinstance(codes, dict)
    return {code: _entry(code, entry) for code, entry in codes.items() if isinstance(entry, dict)}


@cache
def example_folder() -> Mapping[str, str]:
    """Return the texts by path of the folder that the examples change; it has no fault itself."""
    folder = _document()["folder"]
    assert isinstance(folder, dict)
    return {path: str(text) for path, text in folder.items()}


@cache
def _document() -> dict[str, source.Plain]:
    text = resources.files("moderation").joinpath(f"policy/{FILE}").read_text(encoding="utf-8")
    document = source.plain(source.parse(text, FILE))
    assert isinstance(document, dict)
    return document


def _entry(code: str, entry: dict[str, source.Plain]) -> Entry:
    severity = next(known for known in get_args(Severity) if known == entry.get("severity", "error"))
    at = str(entry.get("at", ""))
    return Entry(
        code=code,
        severity=severity,
        means=str(entry["means"]),
        instead=str(entry.get("instead", "")),
        file=str(entry.get("file", "area/policy.yaml")),
        at=at,
        bad=str(entry.get("bad", "")),
        good=str(entry.get("good", at)),
    )

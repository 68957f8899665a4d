"""Findings as code hosts read them: SARIF 2.1.0 and workflow annotations. Prints nothing itself."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from moderation import __version__
from moderation.policy.catalogue import Entry, catalogue
from moderation.policy.model import Finding

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_TOOL: Final = "countersign policy lint"


def severity(finding: Finding) -> str:
    """Return `error` or `warning`; a code that is not in the catalogue is an error."""
    entry = catalogue().get(finding.code)
    return "error" if entry is None else entry.severity


def to_json(findings: Sequence[Finding]) -> dict[str, object]:
    """Return one plain document."""
    return {"findings": [finding.to_json() | {"severity": severity(finding)} for finding in findings]}


def to_sarif(findings: Sequence[Finding], root: Path) -> dict[str, object]:
    """Return a SARIF 2.1.0 log with one run; paths are relative to `root` where they lie below it."""
    codes = sorted({finding.code for finding in findings})
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": _TOOL,
                        "version": __version__,
                        "informationUri": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html",
                        "rules": [_rule(code, catalogue().get(code)) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, codes.index(finding.code), root) for finding in findings],
            }
        ],
    }


def _rule(code: str, entry: Entry | None) -> dict[str, object]:
    means = code if entry is None else entry.means
    level = "error" if entry is None else entry.severity
    return {
        "id": code,
        "name": "".join(part.capitalize() for part in code.split("-")),
        "shortDescription": {"text": means},
        "help": {"text": means if entry is None or not entry.instead else f"{means} {entry.instead}"},
        "defaultConfiguration": {"level": level},
    }


def _result(finding: Finding, index: int, root: Path) -> dict[str, object]:
    text = f"{finding.message}\nInstead: {finding.suggestion}" if finding.suggestion else finding.message
    region = {"startLine": finding.line, "startColumn": finding.column}
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": severity(finding),
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.path, root)},
                    "region": region,
                }
            }
        ],
        "properties": {"suggestion": finding.suggestion},
    }


def _uri(path: str, root: Path) -> str:
    absolute = Path(path).absolute()
    below = absolute.relative_to(root.absolute()) if absolute.is_relative_to(root.absolute()) else absolute
    quoted = PurePosixPath(below).as_posix().replace("%", "%25").replace(" ", "%20").replace("#", "%23")
    return quoted if not below.is_absolute() else f"file://{quoted}"


def to_annotations(findings: Iterable[Finding], root: Path) -> list[str]:
    """Return one workflow command a finding: `::error file=...,line=...,col=...,title=...::message`."""
    return [_annotation(finding, root) for finding in findings]


def _annotation(finding: Finding, root: Path) -> str:
    absolute = Path(finding.path).absolute()
    below = absolute.relative_to(root.absolute()) if absolute.is_relative_to(root.absolute()) else absolute
    where = {"file": str(below), "line": finding.line, "col": finding.column, "title": finding.code}
    properties = ",".join(f"{key}={_property(str(value))}" for key, value in where.items())
    more = f"\nInstead: {finding.suggestion}" if finding.suggestion else ""
    return f"::{severity(finding)} {properties}::{_data(finding.message + more)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

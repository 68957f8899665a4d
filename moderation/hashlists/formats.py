"""Hash lists as files: plain lines, CSV and JSON in and out. Reads and writes text; knows no database.

What public documents show of the field's exchanges is understood: PDQ's own tools (`hash,quality,name`), columns and
type names of ThreatExchange (`indicator`, `type: HASH_PDQ`), and entries with `fingerprints` by kind, as NCMEC's
hash sharing has them. A file is taken whole or not at all: every bad line is named by its number.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TextIO

from moderation.errors import Unprocessable


class Kind(StrEnum):
    """What a hash is of: a picture's look, or a file's very bytes."""

    PDQ = "pdq"
    SHA256 = "sha256"


class Format(StrEnum):
    """How a list is written."""

    LINES = "lines"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One hash, 32 bytes; `quality` is PDQ's, 0-100; entries of one `item` are frames of one video."""

    kind: Kind
    hash: bytes
    quality: int = 100
    item: str | None = None


@dataclass(slots=True)
class Report:
    """What reading a file came to: hashes of other kinds are counted by kind and left out."""

    entries: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


#: Names of one column each, the first being ours.
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "hash": ("hash", "pdq", "pdq_hash", "sha256", "indicator", "signal_str", "value", "hash_value"),
    "quality": ("quality", "pdq_quality", "hash_quality"),
    "kind": ("kind", "type", "hash_type", "signal_type", "algorithm"),
    "item": ("item", "id", "item_id", "video_id", "reference", "name"),
    "state": ("state", "status"),
}
_KINDS: Final = {"pdq": Kind.PDQ, "vpdq": Kind.PDQ, "sha256": Kind.SHA256, "sha-256": Kind.SHA256}
#: Real kinds of the field that are not compared here.
_OTHERS: Final = {
    "md5", "sha1", "sha-1", "photodna", "pdna", "tmk", "tmk-pdqf", "video_md5", "netclean", "videntifier",
    "url", "text", "raw_text", "trend_query",
}  # fmt: skip
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_ITEM_CHARACTERS, _LINE_CHARACTERS, _BAD_LINES = 200, 20_000, 20
_STATES: Final = {"", "active", "enabled"}
_DISABLED: Final = "disabled"


class BadEntry(ValueError):
    """A line that says no hash; the text tells why."""


def sniff(name: str) -> Format:
    """The format by a file's name; plain lines when it tells nothing."""
    ending = name.rpartition(".")[2].lower()
    return {"csv": Format.CSV, "json": Format.JSON, "jsonl": Format.JSONL, "ndjson": Format.JSONL}.get(
        ending, Format.LINES
    )


def read_entries(text: TextIO, form: Format, *, kind: Kind = Kind.PDQ, report: Report | None = None) -> Iterator[Entry]:
    """Yield every entry of a file; `kind` is what a hash is where the file does not say.

    Raises Unprocessable at the end, with up to twenty bad lines by number: so take nothing before the last entry.
    """
    found, bad = report if report is not None else Report(), []
    for place, row in _rows(text, form):
        try:
            entries = _bad(row) if isinstance(row, str) else list(_entries(row, kind, found))
        except BadEntry as fault:
            bad.append({"pointer": place, "detail": str(fault)})
            if len(bad) == _BAD_LINES:
                break
            continue
        found.entries += len(entries)
        yield from entries
    if bad:
        count = f"{len(bad)} bad lines or more" if len(bad) == _BAD_LINES else f"{len(bad)} bad"
        raise Unprocessable(f"nothing was taken from this file: {count}", errors=bad)


def write_entries(entries: Iterable[Entry], form: Format, out: TextIO) -> int:
    """Write entries so that `read_entries` gives them back; returns how many. Plain lines hold PDQ hashes only."""
    written = 0
    if form is Format.CSV:
        csv.writer(out).writerow(["kind", "hash", "quality", "item"])
    elif form is Format.JSON:
        out.write('{"data": [')
    for entry in entries:
        if form is Format.LINES and (entry.kind is not Kind.PDQ or entry.item is not None):
            raise Unprocessable("plain lines hold neither file hashes nor items; export as csv or json")
        _write(entry, form, out, first=written == 0)
        written += 1
    if form is Format.JSON:
        out.write("\n]}\n")
    return written


def _write(entry: Entry, form: Format, out: TextIO, *, first: bool) -> None:
    digits = entry.hash.hex()
    if form is Format.LINES:
        out.write(f"{digits},{entry.quality}\n")
    elif form is Format.CSV:
        csv.writer(out).writerow([str(entry.kind), digits, entry.quality, entry.item or ""])
    else:
        row: dict[str, object] = {"kind": str(entry.kind), "hash": digits, "quality": entry.quality}
        row |= {"item": entry.item} if entry.item is not None else {}
        out.write(("" if form is Format.JSONL else "\n" if first else ",\n") + json.dumps(row))
        out.write("\n" if form is Format.JSONL else "")


Row = Mapping[str, object]


def _rows(text: TextIO, form: Format) -> Iterator[tuple[str, Row | str]]:
    """Every row with its place; a row that cannot be read is the text of its fault."""
    match form:
        case Format.LINES:
            return _plain_rows(text)
        case Format.CSV:
            return _csv_rows(text)
        case Format.JSONL:
            return ((f"line {at}", _json_row(line)) for at, line in enumerate(text, 1) if line.strip())
        case Format.JSON:
            return _json_rows(text)


def _plain_rows(text: TextIO) -> Iterator[tuple[str, Row | str]]:
    for at, line in enumerate(text, 1):
        content = line.partition("#")[0].strip()
        if content:
            cells = [cell.strip() for cell in content[:_LINE_CHARACTERS].split(",", 2)]
            yield f"line {at}", dict(zip(("hash", "quality", "item"), cells, strict=False))


def _csv_rows(text: TextIO) -> Iterator[tuple[str, Row | str]]:
    reader = csv.reader(text, strict=True)
    try:
        head = [name.strip().lower().removeprefix("\ufeff") for name in next(reader, [])]
        if not any(name in _COLUMNS["hash"] for name in head):
            yield "line 1", f"no column is called {', '.join(_COLUMNS['hash'])}"
            return
        for cells in reader:
            if len(cells) > len(head):
                yield f"line {reader.line_num}", "it has more cells than there are columns"
            elif any(cell.strip() for cell in cells):
                yield f"line {reader.line_num}", dict(zip(head, cells, strict=False))
    except csv.Error as fault:
        yield f"line {reader.line_num}", f"no CSV: {fault}"


def _json_rows(text: TextIO) -> Iterator[tuple[str, Row | str]]:
    try:
        content = json.load(text)
    except (ValueError, RecursionError) as fault:
        line = getattr(fault, "lineno", 1)
        yield f"line {line}", "no JSON"
        return
    listed = content.get("data") if isinstance(content, dict) else content
    if not isinstance(listed, list):
        yield "line 1", "neither an array of entries nor an object with an array `data`"
        return
    for at, row in enumerate(listed, 1):
        yield f"entry {at}", row if isinstance(row, dict | str) else "no object"


def _json_row(line: str) -> Row | str:
    try:
        row = json.loads(line) if len(line) <= _LINE_CHARACTERS else None
    except (ValueError, RecursionError):
        return "no JSON"
    return row if isinstance(row, dict) else "no object"


def _bad(fault: str) -> list[Entry]:
    raise BadEntry(fault)


def _entries(row: Row, kind: Kind, report: Report) -> Iterator[Entry]:
    """The entries of one row: one hash, or with `fingerprints` one of each kind."""
    lower = {str(name).lower(): value for name, value in row.items()}
    nested = lower.get("indicator")
    if isinstance(nested, Mapping):
        # ThreatExchange's descriptors hold the indicator as an object of its own.
        lower = {"id": lower.get("id", nested.get("id"))} | {str(key).lower(): each for key, each in nested.items()}
    prints = lower.get("fingerprints")
    if isinstance(prints, Mapping):
        for name, value in prints.items():
            yield from _entry({"id": lower.get("id"), "type": name, "hash": value}, kind, report)
        return
    yield from _entry(lower, kind, report)


def _entry(row: Row, kind: Kind, report: Report) -> Iterator[Entry]:
    if _cell(row, "state").lower() not in _STATES:
        report.skipped[_DISABLED] += 1
        return
    said = _cell(row, "kind").lower().removeprefix("hash_")
    found = _KINDS.get(said) if said else kind
    if found is None:
        if said not in _OTHERS:
            raise BadEntry(f"`{said[:40]}` is no kind of hash")
        report.skipped[said] += 1
        return
    digits = _cell(row, "hash")
    if _HEX.fullmatch(digits) is None:
        raise BadEntry("the hash is not 64 hexadecimal digits")
    item = _cell(row, "item")
    if len(item) > _ITEM_CHARACTERS or not item.isprintable():
        raise BadEntry(f"the item is longer than {_ITEM_CHARACTERS} characters or not printable")
    yield Entry(kind=found, hash=bytes.fromhex(digits), quality=_quality(_cell(row, "quality")), item=item or None)


def _cell(row: Row, column: str) -> str:
    """A cell by any of its column's names; empty when there is none."""
    for name in _COLUMNS[column]:
        value = row.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value).strip()
    return ""


def _quality(text: str) -> int:
    if not text:
        return 100
    if not text.isascii() or not text.isdigit() or int(text[:9]) > 100:
        raise BadEntry("the quality is no whole number from 0 to 100")
    return int(text)

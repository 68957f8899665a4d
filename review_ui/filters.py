"""What search and the audit log read from an address: filters, periods, cursors; and files that they hand out."""

import base64
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode

from starlette.responses import StreamingResponse

#: Nothing that is looked for is longer.
LONGEST: Final = 200
#: What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


class Unreadable(Exception):
    """A field says what it cannot say: `field` and a message for beside it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(message)


def said(params: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The fields of an address that say something, cut to what they may hold; no text of the database holds a NUL."""
    found = {name: params.get(name, "").replace("\0", "").strip()[:LONGEST] for name in names}
    return {name: value for name, value in found.items() if value}


def day(text: str, field: str, message: str) -> datetime | None:
    """The first instant of a day, in UTC; None for no text. Raises Unreadable."""
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError as error:
        raise Unreadable(field, message) from error


def end_of(text: str, field: str, message: str) -> datetime | None:
    """The first instant after a day."""
    begins = day(text, field, message)
    try:
        return begins + timedelta(days=1) if begins else None
    except OverflowError as error:
        raise Unreadable(field, message) from error


def address(path: str, fields: Mapping[str, str], **more: str) -> str:
    """The address that shows the same again."""
    query = urlencode({**fields, **more})
    return f"{path}?{query}" if query else path


def write_cursor(*parts: object) -> str:
    """Where a page ended, for its address."""
    return base64.urlsafe_b64encode("\n".join(str(part) for part in parts).encode()).decode()


def read_cursor(text: str) -> list[str]:
    """Read what `write_cursor` wrote; no parts when it did not, as where there is a NUL, which no text there holds."""
    try:
        found = base64.urlsafe_b64decode(text).decode()
    except ValueError:
        return []
    return [] if "\0" in found else found.split("\n")


def attachment(name: str, rows: Iterable[Mapping[str, object]], *, as_csv: bool) -> StreamingResponse:
    """Rows as a file to keep: CSV (RFC 4180) or JSON lines."""
    kind, body = ("csv", _csv(rows)) if as_csv else ("jsonl", _lines(rows))
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return StreamingResponse(body, media_type="text/csv" if as_csv else "application/jsonl", headers=headers)


def _lines(rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def _csv(rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        if number == 0:
            yield _record(row)
        yield _record([_cell(value) for value in row.values()])


def _record(cells: Iterable[object]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(list(cells))
    return written.getvalue()


def _cell(value: object) -> str:
    """A value as text; what a spreadsheet would run as a formula begins with an apostrophe."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULAS) else text

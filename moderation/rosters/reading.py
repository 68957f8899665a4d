"""Reading a roster: a CSV file, a JSON file, or a folder of people. Opens no picture and knows no registry.

Every picture says where it comes from and under which licence; a row that does not is refused, and so is its person.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from moderation.errors import Unprocessable

#: What separates several names in one cell of a table.
SEPARATOR: Final = "|"
COLUMNS: Final = ("name", "picture", "source", "licence")
#: What a folder of a person holds besides the pictures.
PERSON_FILE: Final = "person.json"
MOST_ENTRIES: Final = 100_000
MOST_PICTURES: Final = 50
MOST_NAMES: Final = 100
LONGEST_NAME: Final = 200
LONGEST_LINE: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of a person; `row` says where the roster speaks of it."""

    row: str
    path: Path
    source: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A row that cannot be taken, and why."""

    row: str
    why: str


@dataclass(slots=True, kw_only=True)
class Entry:
    """One person of a roster. With a refusal among the rows the whole person is refused."""

    #: What the roster calls the person by, for itself: two rows of one key are one person.
    key: str
    name: str
    aliases: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Everybody a roster names, in its order."""

    entries: tuple[Entry, ...]


def read_roster(path: Path) -> Roster:
    """Read a roster by what `path` is: `.csv`, `.json`, or a folder. Raises Unprocessable for what is none of them."""
    if path.is_dir():
        entries = _of_folder(path)
    elif path.suffix.lower() == ".csv":
        entries = _of_table(path)
    elif path.suffix.lower() == ".json":
        entries = _of_document(path)
    else:
        raise Unprocessable(f"{path.name} is neither a folder nor a .csv nor a .json file")
    if len(entries) > MOST_ENTRIES:
        raise Unprocessable(f"a roster has at most {MOST_ENTRIES} people; cut it in parts")
    for entry in entries:
        _check(entry)
    return Roster(entries=tuple(entries))


def _of_table(path: Path) -> list[Entry]:
    """Rows of one `key`, or of one name where there is no such column, are one person."""
    entries: dict[str, Entry] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
                raise Unprocessable(f"{path.name} has no column {', '.join(missing)}")
            for number, row in enumerate(table, 2):
                cells = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
                key = cells.get("key") or cells["name"]
                entry = entries.setdefault(key, Entry(key=key, name=cells["name"]))
                if cells["name"] != entry.name:
                    why = f"`{key}` is called `{entry.name}` in another row"
                    entry.refusals.append(Refusal(row=f"line {number}", why=why))
                _add_aliases(entry, cells.get("aliases", "").split(SEPARATOR))
                _add_picture(entry, f"line {number}", path.parent, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unprocessable(f"{path.name} cannot be read as a table: {error}") from error
    return list(entries.values())


def _of_document(path: Path) -> list[Entry]:
    document = _json(path)
    people = document.get("people") if isinstance(document, dict) else document
    if not isinstance(people, list):
        raise Unprocessable(f"{path.name} must be a list of people, or hold one as `people`")
    entries = [_of_object(item, f"person {number}", path.parent) for number, item in enumerate(people, 1)]
    return _told_apart(entries)


def _of_folder(folder: Path) -> list[Entry]:
    """Every sub-folder with a `person.json` is a person."""
    found = sorted(folder.glob(f"*/{PERSON_FILE}"))
    if not found:
        raise Unprocessable(f"{folder.name} holds no folder with a {PERSON_FILE}")
    return _told_apart([_of_file(file) for file in found])


def _of_file(file: Path) -> Entry:
    # A folder's name need not be text, and whoever tells of its row must be able to write it.
    row = file.parent.name.encode(errors="backslashreplace").decode()
    try:
        return _of_object(_json(file), row, file.parent)
    except Unprocessable as fault:
        return _refused(row, str(fault))


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise Unprocessable(f"{path.name} cannot be read as JSON: {error}") from error


def _refused(row: str, why: str) -> Entry:
    return Entry(key=row, name=row, refusals=[Refusal(row=row, why=why)])


def _is_text(item: object) -> bool:
    """Whether all that an item says can be written: JSON may hold halves of characters, which no file can."""
    try:
        json.dumps(item, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def _of_object(item: object, row: str, folder: Path) -> Entry:
    if not _is_text(item):
        return _refused(row, "there is text in it that is no Unicode")
    said = item if isinstance(item, dict) else {}
    name = _text(said.get("name"))
    entry = Entry(key=_text(said.get("key")) or name or row, name=name)
    aliases, pictures = said.get("aliases", []), said.get("pictures", [])
    if not isinstance(aliases, list) or not isinstance(pictures, list):
        entry.refusals.append(Refusal(row=row, why="`aliases` and `pictures` are lists"))
        return entry
    _add_aliases(entry, [_text(alias) for alias in aliases])
    for number, picture in enumerate(pictures, 1):
        cells = picture if isinstance(picture, dict) else {}
        words = {key: _text(cells.get(key)) for key in ("picture", "source", "licence")}
        _add_picture(entry, f"{row}, picture {number}", folder, words)
    if not entry.pictures and not entry.refusals:
        entry.refusals.append(Refusal(row=row, why="no picture is named"))
    return entry


def _told_apart(entries: list[Entry]) -> list[Entry]:
    seen: set[str] = set()
    for entry in entries:
        if entry.key in seen:
            entry.refusals.append(Refusal(row=entry.key, why="another person of the roster has the same key or name"))
        seen.add(entry.key)
    return entries


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _add_aliases(entry: Entry, names: list[str]) -> None:
    wanted = (name.strip() for name in names)
    entry.aliases += [name for name in dict.fromkeys(wanted) if name and name not in {entry.name, *entry.aliases}]


def _add_picture(entry: Entry, row: str, folder: Path, cells: dict[str, str]) -> None:
    if lacking := [name for name in ("picture", "source", "licence") if not cells.get(name)]:
        entry.refusals.append(Refusal(row=row, why=f"no {' and no '.join(lacking)} is given"))
        return
    if any("\0" in cells[name] for name in ("picture", "source", "licence")):
        entry.refusals.append(Refusal(row=row, why="there is a NUL in it"))
        return
    path = (folder / cells["picture"]).resolve()
    if not path.is_relative_to(folder.resolve()):
        entry.refusals.append(Refusal(row=row, why="the picture lies outside the roster's folder"))
    elif max(len(cells["source"]), len(cells["licence"])) > LONGEST_LINE:
        entry.refusals.append(Refusal(row=row, why=f"source and licence have at most {LONGEST_LINE} characters"))
    else:
        entry.pictures.append(Picture(row=row, path=path, source=cells["source"], licence=cells["licence"]))


def _check(entry: Entry) -> None:
    for why in _faults(entry):
        entry.refusals.append(Refusal(row=entry.key, why=why))


def _faults(entry: Entry) -> Iterator[str]:
    if not entry.name:
        yield "no name is given"
    if len(entry.pictures) > MOST_PICTURES:
        yield f"a person has at most {MOST_PICTURES} pictures"
    if len(entry.aliases) > MOST_NAMES:
        yield f"a person has at most {MOST_NAMES} other names"
    if any(len(name) > LONGEST_NAME for name in (entry.name, *entry.aliases)):
        yield f"a name has at most {LONGEST_NAME} characters"

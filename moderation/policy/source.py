"""YAML text to a tree with places, for text one cannot trust. Refuses what policies never need; builds no objects.

Plain scalars follow the YAML 1.2 core schema: `no`, `on` and `12:30` are text here, whatever YAML 1.1 says.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import yaml

from moderation.policy.model import Finding

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_NODES = 50_000
MAX_SCALAR = 4_000

#: What turns or hides text where people read it, or breaks lines where their editors do not: bidirectional controls
#: (Unicode Technical Report 36, "Trojan Source"), spaces of no width, unusual line breaks, tag characters.
_HIDDEN = re.compile("[\u0085\u00ad\u180e\u200b\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
#: What no text needs, however it is written: halves of characters; by an escape, control characters.
_HALF = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,14})")
_FLOAT = re.compile(r"[-+]?([0-9]{1,15}\.[0-9]{0,15}|\.[0-9]{1,15})")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SourceError(Exception):
    """The text is not one safe YAML document; carries the finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(str(finding))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A leaf of the tree; `value` is text, number, flag or nothing."""

    value: str | int | float | bool | None
    line: int
    column: int
    #: How it is written: plain "", quoted, or in a block; and the columns before a block's lines.
    style: str = field(default="", compare=False)
    indent: int = field(default=0, compare=False)

    def place(self, row: int, column: int) -> tuple[int, int]:
        """Return line and column in the file of a place (from 1) in the text; its beginning where none can be told."""
        if self.style == "|":
            return self.line + row, self.indent + column
        if row > 1 or self.style == ">":
            return self.line, self.column
        return self.line, self.column + column - (not self.style)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A mapping with text keys, in the order of the text; no key stands twice."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    line: int
    column: int


Node = Scalar | Sequence | Mapping
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


def plain(node: Node) -> Plain:
    """Return the tree as JSON-like data, without places."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Mapping(entries=entries):
            return {str(key.value): plain(value) for key, value in entries}


def parse(text: str, path: str) -> Node:
    """Read one YAML document. Raises SourceError for anything unparsable, unsafe, too large or doubly keyed."""
    _demand_plain(text, path)
    if len(text.encode()) > MAX_BYTES:
        raise SourceError(_finding(path, None, "too-large", f"larger than {MAX_BYTES // 1024} KiB"))
    try:
        return _Composer(path, text, yaml.parse(text, Loader=_LOADER)).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        finding = _finding(path, mark, "unparsable", f"not YAML: {problem}")
        raise SourceError(_placed(finding, text, getattr(error, "position", None))) from None


def _demand_plain(text: str, path: str) -> None:
    """Refuse a text that shows people something else than it says. Raises SourceError."""
    # Some editors begin every file with a byte order mark; there it hides nothing.
    found = _HIDDEN.search(text, int(text.startswith("\ufeff"))) or _HALF.search(text)
    if found is None:
        return
    finding = _finding(path, None, "hidden-character", _hidden(found[0]))
    raise SourceError(_placed(finding, text, found.start()))


def _hidden(character: str) -> str:
    name = unicodedata.name(character, "no letter").lower()
    return f"U+{ord(character):04X} ({name}) is not what people see: remove it"


def _placed(finding: Finding, text: str, position: object) -> Finding:
    """Return the finding at a character's place; a character that YAML refuses has its number and no mark."""
    if not isinstance(position, int) or not 0 <= position < len(text):
        return finding
    before = text[:position]
    return replace(finding, line=before.count("\n") + 1, column=position - before.rfind("\n"))


def _place(mark: object) -> tuple[int, int]:
    # The C parser's marks and the Python parser's are unrelated types with the same two numbers, from 0.
    return getattr(mark, "line", 0) + 1, getattr(mark, "column", 0) + 1


def _finding(path: str, mark: object, code: str, message: str) -> Finding:
    line, column = _place(mark)
    return Finding(path=path, line=line, column=column, code=code, message=message)


def _value(event: yaml.ScalarEvent) -> str | int | float | bool | None:
    text: str = event.value
    if event.style in ("'", '"', "|", ">"):
        return text
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Composer:
    """Builds the tree from the parser's events, counting as it goes so that a bomb is met early."""

    def __init__(self, path: str, text: str, events: Iterator[yaml.Event]) -> None:
        self._path = path
        self._lines = text.splitlines()
        self._events = events
        self._nodes = 0

    def document(self) -> Node:
        next(self._events)
        if isinstance(event := next(self._events), yaml.StreamEndEvent):
            raise self._fault(event, "unparsable", "the file is empty")
        root = self._node(next(self._events), 0)
        next(self._events)
        if not isinstance(event := next(self._events), yaml.StreamEndEvent):
            raise self._fault(event, "many-documents", "one document only: no second `---`")
        return root

    def _fault(self, event: yaml.Event, code: str, message: str) -> SourceError:
        return SourceError(_finding(self._path, event.start_mark, code, message))

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self._admit(event, depth)
        line, column = _place(event.start_mark)
        if isinstance(event, yaml.ScalarEvent):
            style = event.style or ""
            indent = self._indent(line) if style == "|" else 0
            return Scalar(value=_value(event), line=line, column=column, style=style, indent=indent)
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(items=tuple(self._items(depth + 1)), line=line, column=column)
        return Mapping(entries=tuple(self._entries(depth + 1)), line=line, column=column)

    def _indent(self, line: int) -> int:
        """Return how far the first line of a block, which begins after `line`, stands in."""
        first = next((text for text in self._lines[line:] if text.strip()), "")
        return len(first) - len(first.lstrip(" "))

    def _admit(self, event: yaml.Event, depth: int) -> None:
        self._nodes += 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self._fault(event, "alias", "anchors and aliases (& and *) are not allowed: write it out")
        if tag := getattr(event, "tag", None):
            raise self._fault(event, "tag", f"tags are not allowed: remove {tag}")
        if depth > MAX_DEPTH:
            raise self._fault(event, "too-deep", f"nested deeper than {MAX_DEPTH} levels")
        if self._nodes > MAX_NODES:
            raise self._fault(event, "too-large", f"more than {MAX_NODES} values")
        if isinstance(event, yaml.ScalarEvent):
            self._admit_text(event)

    def _admit_text(self, event: yaml.ScalarEvent) -> None:
        if len(event.value) > MAX_SCALAR:
            raise self._fault(event, "too-large", f"a text longer than {MAX_SCALAR} characters")
        if found := _CONTROL.search(event.value):
            raise self._fault(event, "hidden-character", _hidden(found[0]))

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth)

    def _entries(self, depth: int) -> Iterator[tuple[Scalar, Node]]:
        seen: set[str] = set()
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth)
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                raise self._fault(event, "wrong-type", "a key must be a word")
            if key.value in seen:
                raise self._fault(event, "duplicate-key", f"`{key.value}` stands twice in one mapping")
            seen.add(key.value)
            yield key, self._node(next(self._events), depth)

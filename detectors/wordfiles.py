"""Read the YAML files of `policies/words` with the place of every entry. Knows their form, not what terms mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from detectors.base import DetectorUnavailable

LEXICON_FILE: Final = "lexicon.yaml"
PROTOTYPES_FILE: Final = "prototypes.yaml"
#: The languages of the lists: how each is read is in `lexicon`.
LANGUAGES: Final = ("en", "fr", "ar", "ary", "ary-latn", "zgh")
#: Larger files are refused unread.
MAX_BYTES: Final = 1024 * 1024
_TEXT: Final = "tag:yaml.org,2002:str"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """One mistake in a file; lines and columns count from 1."""

    path: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column} {self.code} {self.message}"


class UnusableWords(DetectorUnavailable):
    """The word files cannot be used; every mistake is listed with its place."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, faults)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a list: a term or a sentence, with where it stands."""

    group: str
    language: str
    text: str
    line: int
    column: int


class WordFile:
    """One file read: entries by section, and the faults met so far."""

    def __init__(self, path: Path, *, version: int, grouped: tuple[str, ...], plain: tuple[str, ...] = ()) -> None:
        """Read `path`. `grouped` sections hold groups of languages of lists, `plain` ones languages of lists."""
        self.path = path
        self.faults: list[Fault] = []
        self.content = b""
        self.sections: Mapping[str, list[Entry]] = {name: [] for name in (*grouped, *plain)}
        #: The groups of each section in the order of the file, those without entries too.
        self.groups: Mapping[str, list[str]] = {name: [] for name in (*grouped, *plain)}
        root = self._root()
        if root is not None:
            self._read(root, version, grouped)

    def fault(self, entry: Entry, code: str, message: str) -> None:
        """Record a mistake at an entry's place."""
        self._fault(entry.line, entry.column, code, message)

    def _fault(self, line: int, column: int, code: str, message: str) -> None:
        self.faults.append(Fault(path=str(self.path), line=line, column=column, code=code, message=message))

    def _at(self, node: yaml.Node, code: str, message: str) -> None:
        self._fault(node.start_mark.line + 1, node.start_mark.column + 1, code, message)

    def _root(self) -> yaml.Node | None:
        try:
            with self.path.open("rb") as stream:
                self.content = stream.read(MAX_BYTES + 1)
            if len(self.content) > MAX_BYTES:
                self._fault(1, 1, "too-large", f"larger than {MAX_BYTES // 1024} KiB")
                return None
            root: yaml.Node | None = yaml.compose(self.content.decode(), Loader=_LOADER)
        except OSError as error:
            self._fault(1, 1, "missing-file", f"cannot be read: {error.strerror}")
            return None
        except UnicodeDecodeError:
            self._fault(1, 1, "unparsable", "not UTF-8 text")
            return None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self._fault(line, column, "unparsable", f"not YAML: {getattr(error, 'problem', error)}")
            return None
        if root is None:
            self._fault(1, 1, "unparsable", "the file is empty")
        return root

    def _read(self, root: yaml.Node, version: int, grouped: tuple[str, ...]) -> None:
        found = dict(self._keys(root, ("version", *self.sections), "the file"))
        for name in ("version", *self.sections):
            if name not in found:
                self._at(root, "missing-key", f"the file lacks `{name}`")
        if "version" in found and found["version"].value != str(version):
            self._at(found["version"], "wrong-version", f"`version` must be {version}")
        for name in self.sections:
            if name in found and name in grouped:
                self._groups(found[name], name)
            elif name in found:
                self._languages(found[name], name, "")

    def _groups(self, node: yaml.Node, section: str) -> None:
        for name, value in self._keys(node, None, f"`{section}`"):
            self.groups[section].append(name)
            self._languages(value, section, name)

    def _languages(self, node: yaml.Node, section: str, group: str) -> None:
        for language, value in self._keys(node, LANGUAGES, f"`{group or section}`"):
            if not isinstance(value, yaml.SequenceNode):
                self._at(value, "wrong-type", f"`{language}` must be a list")
                continue
            for item in value.value:
                self._entry(item, section, group, language)

    def _entry(self, item: yaml.Node, section: str, group: str, language: str) -> None:
        if not isinstance(item, yaml.ScalarNode) or item.tag != _TEXT or not item.value.strip():
            self._at(item, "wrong-type", "an entry must be a text; put it in quotes")
            return
        line, column = item.start_mark.line + 1, item.start_mark.column + 1
        self.sections[section].append(
            Entry(group=group, language=language, text=str(item.value), line=line, column=column)
        )

    def _keys(self, node: yaml.Node, known: tuple[str, ...] | None, what: str) -> Iterator[tuple[str, yaml.Node]]:
        """Give key and value of a mapping; unknown and repeated keys are faults."""
        if not isinstance(node, yaml.MappingNode):
            self._at(node, "wrong-type", f"{what} must be a mapping")
            return
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                self._at(key, "duplicate-key", f"`{name}` stands twice")
            elif known is not None and name not in known:
                self._at(key, "unknown-key", f"{what} has no `{name}`; known are {', '.join(known)}")
            else:
                yield name, value
            seen.add(name)

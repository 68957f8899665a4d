"""The words of an expression, read before CEL reads it: which names it asks for, and what is misspelt. Judges nothing.

CEL tells of no compiled expression which names it reads, and takes a misspelt field for one that may come later.
Here every name is found or the expression is refused, so that what a rule depends on is always known.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from detectors.base import FaceState, VoiceState
from moderation.facts import Consent, PersonKind
from moderation.policy.registry import Vocabulary

MAX_LENGTH = 2_000
MAX_LOOPS = 6
MAX_DEPTH = 24
#: Before a signal's name: the highest and the lowest value that was seen.
EXTREMES = ("highest", "lowest")
_CONSENTS = tuple(str(consent) for consent in Consent if consent is not Consent.UNDETERMINED)
_KINDS = tuple(map(str, PersonKind))
_OF_PEOPLE = {"person": (), "kind": _KINDS, "consent": _CONSENTS, "declared": ()}
#: Lists of things and the fields of each, with the words a field may hold where they are few.
LISTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "faces": {
        "track": (),
        "start_ms": (),
        "end_ms": (),
        "state": tuple(map(str, FaceState)),
        "distance": (),
        **_OF_PEOPLE,
    },
    "people": {**_OF_PEOPLE, "voice_consent": _CONSENTS},
    "voices": {"voice": (), "state": tuple(map(str, VoiceState)), "segments": (), "distance": (), **_OF_PEOPLE},
}
_FIELDS: dict[str, frozenset[str]] = {name: frozenset() for name in ("time_ms", "value")}
for _list in LISTS.values():
    for _name, _words in _list.items():
        _FIELDS[_name] = _FIELDS.get(_name, frozenset()) | frozenset(_words)
_LOOPS = ("exists", "all", "exists_one", "map", "filter")
_CALLS = ("size", "matches", "contains", "startsWith", "endsWith", "int", "double", "string", "dyn")
_KEYWORDS = frozenset({"true", "false", "in"})
_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)
    |(?P<text>[rR]?(?:"(?:\\[^\n]|[^"\\\n])*"|'(?:\\[^\n]|[^'\\\n])*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    |(?P<sign>&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]])""",
    re.VERBOSE,
)


class Kind(StrEnum):
    """What a token is."""

    BLANK = "blank"
    TEXT = "text"
    NAME = "name"
    NUMBER = "number"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign and where it begins in the expression (from 0)."""

    kind: Kind
    text: str
    at: int


class WordingError(Exception):
    """The expression is refused: `at` is where (from 0), `instead` what to write where that can be told."""

    def __init__(self, at: int, message: str, *, code: str = "bad-expression", instead: str = "") -> None:
        self.at = at
        self.code = code
        self.instead = instead
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The names an expression asks for, as it writes them, and the signals behind them."""

    names: frozenset[str]
    signals: frozenset[str]
    facts: frozenset[str]


def read_wording(text: str, vocabulary: Vocabulary) -> Reading:
    """Find every name an expression reads. Raises WordingError for what is too large, unknown or not allowed."""
    if len(text) > MAX_LENGTH:
        raise WordingError(0, f"longer than {MAX_LENGTH} characters")
    tokens = split_words(text)
    _bound(tokens)
    return _Reader(tokens, vocabulary).read()


def split_words(text: str) -> list[Token]:
    """Split an expression into tokens, without blanks and comments. Raises WordingError at what belongs nowhere."""
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise WordingError(at, f"`{text[at]}` has no place in an expression")
        if match.lastgroup != Kind.BLANK:
            tokens.append(Token(Kind(match.lastgroup), match[0], at))
        at = match.end()
    return tokens


def _bound(tokens: list[Token]) -> None:
    depth = loops = 0
    for token in tokens:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        loops += token.kind is Kind.NAME and token.text in _LOOPS
        if depth > MAX_DEPTH:
            raise WordingError(token.at, f"nested deeper than {MAX_DEPTH} levels")
        if loops > MAX_LOOPS:
            raise WordingError(token.at, f"more than {MAX_LOOPS} of {', '.join(_LOOPS)}: write several rules")


def known_names(vocabulary: Vocabulary) -> dict[str, str | None]:
    """Return every name an expression may ask for, with the signal it is of where it is of one."""
    signals = {name: name for name in vocabulary.signals}
    extremes = {f"{extreme}.{name}": name for extreme in EXTREMES for name in vocabulary.signals}
    return {**signals, **extremes, **dict.fromkeys(vocabulary.facts), **dict.fromkeys(LISTS)}


#: What must have been looked at before a list says who is there and who is not.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "faces": ("face.detection", "face.match_distance"),
    "people": ("face.detection", "face.match_distance"),
    "voices": ("voice.match_distance",),
}


class _Reader:
    """Walks the tokens once."""

    def __init__(self, tokens: list[Token], vocabulary: Vocabulary) -> None:
        self._tokens = [*tokens, Token(Kind.SIGN, "", tokens[-1].at + len(tokens[-1].text) if tokens else 0)]
        self._vocabulary = vocabulary
        self._known = known_names(vocabulary)
        self._roots = frozenset(name.partition(".")[0] for name in self._known)
        self._own = self._own_names()
        self._names: set[str] = set()

    def read(self) -> Reading:
        index = 0
        while index < len(self._tokens) - 1:
            index = self._chain(index) if self._tokens[index].kind is Kind.NAME else index + 1
        signals = {self._known[name] for name in self._names} - {None}
        needed = {signal for name in self._names for signal in NEEDS.get(name, ())}
        return Reading(
            names=frozenset(self._names),
            signals=frozenset(str(signal) for signal in signals) | needed,
            facts=frozenset(name for name in self._names if name in self._vocabulary.facts),
        )

    def _is(self, index: int, text: str) -> bool:
        return 0 <= index < len(self._tokens) and self._tokens[index].text == text

    def _own_names(self) -> frozenset[str]:
        """Names that loops give to one item at a time; they may not hide a name of the vocabulary."""
        own = set()
        for index, token in enumerate(self._tokens):
            if token.text in _LOOPS and self._is(index + 1, "(") and self._is(index + 3, ","):
                name = self._tokens[index + 2]
                if name.text in self._roots or name.text in _KEYWORDS:
                    raise WordingError(name.at, f"`{name.text}` has a meaning already: choose another name")
                own.add(name.text)
        return frozenset(own)

    def _chain(self, index: int) -> int:
        """Read a name with everything that follows behind points; give the index after it."""
        first = self._tokens[index]
        last = index
        while self._is(last + 1, ".") and self._tokens[last + 2].kind is Kind.NAME:
            last += 2
        words = [token.text for token in self._tokens[index : last + 1 : 2]]
        called = self._is(last + 1, "(")
        behind = self._is(index - 1, ".")
        taken = 0 if behind else self._named(first, words, called=called)
        for place in range(taken, len(words)):
            self._field(index + 2 * place, called=called and place == len(words) - 1)
        return last + 1

    def _named(self, first: Token, words: list[str], *, called: bool) -> int:
        """Return how many of the words are the name of something."""
        if first.text in _KEYWORDS or first.text in self._own:
            return 1
        if called and len(words) == 1:
            return 0
        whole = len(words) - called
        for count in range(whole, 0, -1):
            if (name := ".".join(words[:count])) in self._known:
                self._names.add(name)
                return count
        asked = ".".join(words[:whole])
        near = get_close_matches(asked, self._known, n=1, cutoff=0.6)
        hint = f" - did you mean `{near[0]}`?" if near else ""
        raise WordingError(first.at, f"there is no `{asked}`{hint}", code="unknown-name", instead="".join(near))

    def _field(self, index: int, *, called: bool) -> None:
        token = self._tokens[index]
        known = (*_LOOPS, *_CALLS) if called else tuple(_FIELDS)
        if token.text not in known:
            near = get_close_matches(token.text, known, n=1, cutoff=0.6)
            what = "function" if called else "field"
            hint = f" - did you mean `{near[0]}`?" if near else f" - one of {', '.join(known)}"
            why = ": what is not known is never asked for, it makes the rule undetermined" * (token.text == "has")
            message = f"there is no {what} `{token.text}`{why or hint}"
            raise WordingError(token.at, message, code="unknown-name", instead="".join(near))
        if not called:
            self._words(index)

    def _words(self, index: int) -> None:
        """Refuse a word that the field before it never holds."""
        known = _FIELDS[self._tokens[index].text]
        if not known or not (self._is(index + 1, "==") or self._is(index + 1, "!=") or self._is(index + 1, "in")):
            return
        place = index + 3 if self._is(index + 2, "[") else index + 2
        while self._tokens[place].kind is Kind.TEXT:
            token = self._tokens[place]
            if (word := token.text.lstrip("rR")[1:-1]) not in known:
                near = get_close_matches(word, known, n=1, cutoff=0.6)
                hint = f" - did you mean `{near[0]}`?" if near else f" - one of {', '.join(sorted(known))}"
                field = self._tokens[index].text
                raise WordingError(token.at, f"no {field} is `{word}`{hint}", instead="".join(near))
            place += 2

"""Fold text so that one spelling is left of the many a word can hide behind. Keeps no meaning, judges nothing."""

import re
import unicodedata
from typing import Final

#: Small letters of other scripts drawn like Latin ones: the part of Unicode's confusables met in practice.
_LOOK_ALIKES: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u0475\u043a\u043c\u0442\u0432\u043d"
    "\u03b1\u03b5\u03c1\u03bf\u03bd\u03b9\u03ba\u03c4\u03c5\u03c7\u0131\u0251",
    "aeopcyxijshdqwvkmtbh" + "aepoviktux" + "ia",
)
#: Arabic letters that writers use for one another, by code point: alef, yeh, heh, kaf (gaf too), and the letters that
#: Moroccan and Persian writing adds for ch, p and v. Tatweel and hamza go.
_ARABIC: Final = {
    0x0671: 0x0627,
    0x0649: 0x064A,
    0x06CC: 0x064A,
    0x0629: 0x0647,
    0x06A9: 0x0643,
    0x06AF: 0x0643,
    0x06AD: 0x0643,
    0x0686: 0x062C,
    0x067E: 0x0628,
    0x06A4: 0x0641,
    0x06A8: 0x0641,
    0x0640: None,
    0x0621: None,
}
_LIGATURES: Final = {0x00E6: "ae", 0x0153: "oe", 0x00F8: "o", 0x0142: "l", 0x0111: "d"}
_FOLDS: Final = {**_LOOK_ALIKES, **_ARABIC, **_LIGATURES}
#: Digits and signs read as letters; "1", "!" and "|" stand for either of two.
_LEET: Final = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "€": "e"}
_LEET_AS_I: Final = str.maketrans({**_LEET, "1": "i", "!": "i", "|": "i"})
_LEET_AS_L: Final = str.maketrans({**_LEET, "1": "l", "!": "l", "|": "l"})

#: Conjunctions (waw, feh); prepositions and marks of the future and present (beh, kaf, lam, seen, ghain); the article
#: (alef lam, or lam after lam); persons of a verb (yeh, teh, noon, alef): in this order.
_ARABIC_PREFIXES: Final = (
    ("\u0648", "\u0641"),
    ("\u0628", "\u0643", "\u0644", "\u0633", "\u063a"),
    ("\u0627\u0644", "\u0644", "\u064a", "\u062a", "\u0646", "\u0627"),
)

_WORD: Final = re.compile(r"\d+|[^\W\d_]+")
_WHOLE_WORD: Final = re.compile(r"\w+")
_LATIN: Final = re.compile(r"[a-zA-Z]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_TRIPLED: Final = re.compile(r"([^\W\d_])\1{2,}")
_INNER_SIGNS: Final = re.compile(r"(?<=\w)[^\w\s]+(?=\w)|_+")
#: Three or more single letters or digits, one blank between each: "p o r n".
_SPACED_OUT: Final = re.compile(r"(?<!\w)\w(?:\s\w){2,}(?!\w)")
#: A lone Arabic letter after a word, which is no word itself (waw, "and", is): cut off by a blank inside the word.
_CUT_OFF: Final = re.compile(r"(?<=[\u0620-\u064a])\s(?=[\u0620-\u0647\u0649\u064a](?![\u0620-\u064a]))")
_EDGE_SIGNS: Final = "!|.,;:?"


def fold(text: str) -> str:
    """Return `text` without case, accents, invisible characters, Arabic letter variants and look-alike letters."""
    open_form = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    visible = (sign for sign in open_form if unicodedata.category(sign) not in ("Mn", "Cf"))
    return unicodedata.normalize("NFC", "".join(visible).translate(_FOLDS))


def unmix(text: str) -> str:
    """Return `text` with look-alike letters made Latin in words that hold Latin letters too; accents stay."""

    def cleared(word: re.Match[str]) -> str:
        return word.group().translate(_LOOK_ALIKES) if _LATIN.search(word.group()) else word.group()

    return _WHOLE_WORD.sub(cleared, text)


def words(folded: str) -> tuple[str, ...]:
    """Cut folded text into words; digits and letters part ("16yo" is two words)."""
    return tuple(_WORD.findall(folded))


def readings(text: str) -> frozenset[tuple[str, ...]]:
    """Return every way to read `text` as words: as written, and with the usual disguises taken off."""
    folded = fold(text)
    shapes = {folded, _TRIPLED.sub(r"\1", folded), _TRIPLED.sub(r"\1\1", folded)}
    shapes |= {close_up(shape) for shape in shapes}
    shapes |= {_without_leet(shape, table) for shape in shapes for table in (_LEET_AS_I, _LEET_AS_L)}
    return frozenset(words(shape) for shape in shapes)


def close_up(text: str) -> str:
    """Join "p o r n", "p.o-r*n", and an Arabic letter cut off from its word."""
    joined = _INNER_SIGNS.sub("", text)
    joined = _SPACED_OUT.sub(lambda run: "".join(run.group().split()), joined)
    return _CUT_OFF.sub("", joined)


def _without_leet(text: str, table: dict[int, str]) -> str:
    """Read digits and signs as letters, in chunks that hold a letter: numbers on their own stay numbers."""

    def decoded(chunk: str) -> str:
        core = chunk.strip(_EDGE_SIGNS)
        return core.translate(table) if _LETTER.search(core) else chunk

    return " ".join(decoded(chunk) for chunk in text.split())


def stems(word: str) -> frozenset[str]:
    """Return the word, and for an Arabic one what is left without conjunction, preposition, article and person."""
    if not "\u0600" <= word[:1] <= "\u06ff":
        return frozenset((word,))
    found = {word}
    for prefixes in _ARABIC_PREFIXES:
        # The shortest remainder is three letters: shorter ones are mostly other words.
        found |= {stem[len(p) :] for stem in found for p in prefixes if stem.startswith(p) and len(stem) - len(p) > 2}
    return frozenset(found)

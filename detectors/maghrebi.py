"""One spelling for the many of Moroccan Arabic in Latin letters and of Amazigh in both its scripts. Judges nothing.

Darija is written with digits for the letters Latin lacks ("9tel", "qtel") and vowels as each hears them; Amazigh in
Tifinagh, in Latin with dots below, or as darija. What differs between hands is dropped: short e, doubled letters,
dots, o against u, and digits become the letter they are drawn like (Palfreyman and al Khalil 2003,
doi:10.1111/j.1083-6101.2003.tb00355.x).
"""

import re
import unicodedata
from typing import Final

#: Stands for ghain, which has no letter of its own among the small Latin ones; 3 stands for ain.
_GHAIN: Final = "G"
#: Tifinagh in the order of Unicode (U+2D30 to U+2D67) in Latin; e is the schwa, which goes like the others.
_TIFINAGH: Final = dict(enumerate("abbggjjddddefkkkhhhh3xxqqijjjlmnnnpurrGGjsscttctvwyzzzeo", 0x2D30))
#: Letters of the Latin Amazigh alphabets, and Greek and phonetic ones put for them; labial rounding goes.
_LETTERS: Final = {
    0x025B: "3",
    0x03B5: "3",
    0x0511: "3",
    0x0295: "3",
    0x02E4: "3",
    0x0263: _GHAIN,
    0x03B3: _GHAIN,
    0x02B7: None,
    0x00B0: None,
    0x2D6F: None,
}
_DIGITS: Final = str.maketrans({"0": "u", "1": "i", "2": None, "4": "a", "5": "x", "6": "t", "7": "h", "9": "q"})
_PAIRS: Final = (
    ("kh", "x"),
    ("gh", _GHAIN),
    ("ch", "c"),
    ("sh", "c"),
    ("dj", "j"),
    ("ou", "u"),
    ("th", "t"),
    ("dh", "d"),
)
_SINGLES: Final = str.maketrans({"o": "u", "w": "u", "y": "i", "e": None})
_DOUBLED: Final = re.compile(r"(.)\1+")
_CHUNK: Final = re.compile(r"[^\W_]+")
_LETTER: Final = re.compile(r"[^\W\d_]")
#: What verbs carry in front in the present and the future ("kay", "ghan"), the persons n and t alone, and "and" or
#: "the" before nouns.
_TENSE: Final = re.compile(r"^(?:k|t|G)a(?:di)?[int]?(?=.{3})")
_PERSON: Final = re.compile(r"^[nt](?=.{3})")
_JOINED: Final = re.compile(r"^(?:ul|l|u|bl|fl|dl)(?=.{4})")


def spell(text: str) -> tuple[str, ...]:
    """Return the words of `text` in the one spelling; numbers on their own stay numbers."""
    small = unicodedata.normalize("NFKC", text.casefold()).casefold()
    plain = small.translate({**_LETTERS, **_TIFINAGH})
    open_form = "".join(sign for sign in unicodedata.normalize("NFD", plain) if unicodedata.category(sign) != "Mn")
    return tuple(filter(None, (_spell(chunk) for chunk in _CHUNK.findall(open_form))))


def _spell(chunk: str) -> str:
    if not _LETTER.search(chunk):
        return chunk
    for pair, letter in _PAIRS:
        chunk = chunk.replace(pair, letter)
    # After the pairs: in "nt7er" stand a t and an h, not the th of "thlata".
    chunk = chunk.translate(_DIGITS)
    return _DOUBLED.sub(r"\1", chunk.translate(_SINGLES))


def roots(word: str) -> frozenset[str]:
    """Return a spelt word, and what is left of it without tense, person, conjunction and article."""
    return frozenset((word, _TENSE.sub("", word), _PERSON.sub("", word), _JOINED.sub("", word)))

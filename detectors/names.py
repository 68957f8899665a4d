"""Find the names of registered people and works in a clip's texts, in any script. Knows names and ids, judges nothing.

A name is compared as folded and without its blanks, so that accents, case, Arabic spelling variants, hyphens and
spacing make no difference. Declined forms and other scripts are names of their own: the registry holds them as aliases.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from detectors.folding import fold, readings, stems, words

#: Fewer letters than this are too many other words; of scripts that write whole words in a letter or two, fewer.
SHORTEST: Final = 4
SHORTEST_DENSE: Final = 2
#: Words of a text that may make up one name, and the first letters by which most words are passed over.
MOST_WORDS: Final = 8
_HEAD: Final = 5
_MOST_WAYS: Final = 64
#: Longer texts are looked through up to here: a prompt of any use is shorter.
MOST_LETTERS: Final = 20_000
_ARTICLE: Final = "\u0627\u0644"
#: Scripts written without blanks: Thai to Myanmar, kana, Han, and Han's extensions.
_DENSE: Final = ((0x0E00, 0x0FFF), (0x1000, 0x109F), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0x20000, 0x323AF))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class NameHit:
    """Somebody or something that a text names; `source` is the text's name ("prompt", "title")."""

    id: str
    source: str


def key_of(name: str) -> str:
    """Return the form in which a name is compared; empty where nothing is left of it."""
    return "".join(words(fold(name)))


def fit(name: str) -> bool:
    """Whether a name is long enough to be looked for: shorter ones would be found in everything."""
    key = key_of(name)
    return len(key) >= (SHORTEST_DENSE if _dense(key) else SHORTEST)


class NameIndex:
    """Names by their keys. Not safe for several threads while names are being added."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}
        #: Names in scripts without blanks are looked for inside of words, by their lengths.
        self._dense: dict[int, dict[str, set[str]]] = {}
        self._keys: dict[str, set[str]] = {}
        #: How many names begin so, by their first letters, up to `_HEAD` of them: most words begin none.
        self._heads: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._keys)

    def learn(self, id_: str, names: Collection[str]) -> None:
        """Look for these names of one person or work from now on, in the place of those before; none takes them out."""
        for key in self._keys.pop(id_, set()):
            table = self._table(key)
            table[key].discard(id_)
            if not table[key]:
                del table[key]
            self._heads.subtract(_heads(key))
        keys = {key for name in names if fit(name) for key in _forms(name)}
        for key in keys:
            self._table(key).setdefault(key, set()).add(id_)
            self._heads.update(_heads(key))
        if keys:
            self._keys[id_] = keys

    def _table(self, key: str) -> dict[str, set[str]]:
        return self._dense.setdefault(len(key), {}) if _dense(key) else self._ids

    def find(self, texts: Mapping[str, str]) -> tuple[NameHit, ...]:
        """Return everybody whom `texts` (source to text) name, sorted."""
        hits = {
            NameHit(id=id_, source=source) for source, text in texts.items() for id_ in self._in(text[:MOST_LETTERS])
        }
        return tuple(sorted(hits))

    def _in(self, text: str) -> Iterator[str]:
        if not self._keys:
            return
        for reading in readings(text):
            yield from self._in_words(reading)
        if any(self._dense.values()):
            yield from self._inside("".join(words(fold(text))))

    def _in_words(self, reading: tuple[str, ...]) -> Iterator[str]:
        stemmed = [stems(word) for word in reading]
        for start in range(len(stemmed)):
            begun = {""}
            for word in stemmed[start : start + MOST_WORDS]:
                ways = {joined for way in begun for stem in word if self._heads.get((joined := way + stem)[:_HEAD])}
                # As many words as are stems of one another multiply.
                begun = set(sorted(ways)[:_MOST_WAYS])
                if not begun:
                    break
                for joined in begun:
                    yield from self._ids.get(joined, ())

    def _inside(self, letters: str) -> Iterator[str]:
        for length, names in self._dense.items():
            for start in range(len(letters) - length + 1):
                yield from names.get(letters[start : start + length], ())


def _forms(name: str) -> Iterator[str]:
    """Give a name's key, and for an Arabic name of several words the one without their articles."""
    parts = words(fold(name))
    yield "".join(parts)
    if len(parts) > 1 and any(part.startswith(_ARTICLE) for part in parts):
        yield "".join(part.removeprefix(_ARTICLE) if len(part) > len(_ARTICLE) + 2 else part for part in parts)


def _heads(key: str) -> list[str]:
    return [key[:length] for length in range(1, min(len(key), _HEAD) + 1)]


def _dense(key: str) -> bool:
    return any(first <= ord(letter) <= last for letter in key for first, last in _DENSE)

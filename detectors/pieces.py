"""Cut text into the word pieces of a SentencePiece unigram model. Reads no more of the model file than that needs."""

import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import unpack_from
from typing import Final, Self

from detectors.base import DetectorUnavailable

UNKNOWN: Final = 0
BEGIN: Final = 1
END: Final = 2
#: SentencePiece writes a blank as this sign and puts one before the text.
_BLANK: Final = "\u2581"
#: What an unknown character costs below the rarest piece (SentencePiece's kUnkPenalty).
_UNKNOWN_PENALTY: Final = 10.0
#: The wire format's tags: a piece inside the model, the text inside the piece, its score.
_PIECE: Final = 0x0A
_TEXT: Final = 0x0A
_SCORE: Final = 0x15


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """A vocabulary: piece to number and log probability. `longest` is the longest piece in characters."""

    known: Mapping[str, tuple[int, float]]
    unknown_score: float
    longest: int

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read a serialised SentencePiece model. Raises DetectorUnavailable when it is none."""
        try:
            known = {text: (number, score) for number, (text, score) in enumerate(_pieces(content))}
        except (IndexError, ValueError) as problem:
            raise DetectorUnavailable(f"the vocabulary of the sentence encoder cannot be read: {problem}") from problem
        if len(known) <= END:
            raise DetectorUnavailable("the vocabulary of the sentence encoder is empty")
        scores = [score for _, score in known.values()]
        return cls(known=known, unknown_score=min(scores) - _UNKNOWN_PENALTY, longest=max(map(len, known)))

    def cut(self, text: str) -> list[int]:
        """Return the piece numbers of `text` by its likeliest cut, with the begin and end marks around them.

        The likeliest cut is Viterbi's over the unigram model (Kudo 2018, arXiv:1804.10959). The text is taken in
        NFKC with blanks made single, which is what SentencePiece's `nmt_nfkc` does but for rare control signs.
        """
        plain = " ".join(unicodedata.normalize("NFKC", text).split())
        return [BEGIN, *(self._likeliest(_BLANK + plain.replace(" ", _BLANK)) if plain else [UNKNOWN]), END]

    def _likeliest(self, text: str) -> list[int]:
        best = [0.0] + [-math.inf] * len(text)
        steps = [(0, UNKNOWN)] * (len(text) + 1)
        for start in range(len(text)):
            for stop, number, score in self._from(text, start):
                if best[start] + score > best[stop]:
                    best[stop], steps[stop] = best[start] + score, (start, number)
        return list(_walk_back(steps))

    def _from(self, text: str, start: int) -> Iterator[tuple[int, int, float]]:
        """Give every piece that `text` goes on with from `start`: where it ends, its number, its score."""
        single = False
        for stop in range(start + 1, min(start + self.longest, len(text)) + 1):
            if (found := self.known.get(text[start:stop])) is not None:
                single = single or stop == start + 1
                yield stop, *found
        if not single:
            yield start + 1, UNKNOWN, self.unknown_score


def _walk_back(steps: list[tuple[int, int]]) -> Iterator[int]:
    """Give the pieces along the best way, in reading order."""
    path = []
    stop = len(steps) - 1
    while stop > 0:
        stop, number = steps[stop]
        path.append(number)
    return reversed(path)


def _pieces(content: bytes) -> Iterator[tuple[str, float]]:
    """Give text and score of each piece: field 1 of sentencepiece_model.proto, up to the first other field."""
    at = 0
    while at < len(content) and content[at] == _PIECE:
        size, at = _length(content, at + 1)
        end = at + size
        if content[at] != _TEXT:
            raise ValueError(f"no piece at byte {at}")
        size, at = _length(content, at + 1)
        text = content[at : at + size].decode()
        at += size
        yield text, unpack_from("<f", content, at + 1)[0] if at < end and content[at] == _SCORE else 0.0
        at = end


def _length(content: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length integer; return it and where it ended."""
    value = shift = 0
    while content[at] & 0x80:
        value |= (content[at] & 0x7F) << shift
        shift += 7
        at += 1
    return value | content[at] << shift, at + 1

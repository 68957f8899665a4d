"""The sentences a zero-shot network compares frames with, read from `policies/scenes/labels.yaml`. Runs no network."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from detectors.base import DetectorUnavailable

FILE: Final = "scenes/labels.yaml"
PREFIX: Final = "scene."
_MAX_CONCEPTS: Final = 200
_MAX_LETTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One thing to see, said in several languages: language to every sentence that says it."""

    sentences: Mapping[str, tuple[str, ...]]

    @property
    def all(self) -> tuple[str, ...]:
        """Every sentence, by language and then in order."""
        return tuple(sentence for language in sorted(self.sentences) for sentence in self.sentences[language])


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A signal: what it looks for, and the benign look-alikes it must be told from."""

    signal: str
    present: tuple[Concept, ...]
    absent: tuple[Concept, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Every category; `version` is a hash of the sentences."""

    categories: tuple[Category, ...]
    version: str


def load_labels(path: Path) -> Labels:
    """Read a file of labels. Raises DetectorUnavailable, saying where, for one that cannot be used."""
    try:
        document = yaml.safe_load(path.read_bytes())
        templates = {str(language): tuple(map(str, given)) for language, given in document["templates"].items()}
        categories = tuple(_category(fields, templates) for fields in document["categories"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise DetectorUnavailable(f"{path} cannot be used: {error!r}") from error
    return Labels(categories=categories, version=_version(categories))


def _category(fields: Mapping[str, Any], templates: Mapping[str, tuple[str, ...]]) -> Category:
    signal = str(fields["signal"])
    if not signal.startswith(PREFIX) or not signal.removeprefix(PREFIX).isidentifier():
        raise ValueError(f"{signal!r} is not the name of a signal of scenes")
    present, absent = (tuple(_concept(given, templates) for given in fields[side]) for side in ("present", "absent"))
    if present and not absent:
        raise ValueError(f"{signal} has nothing to be told from")
    if len(present) + len(absent) > _MAX_CONCEPTS:
        raise ValueError(f"{signal} has more than {_MAX_CONCEPTS} labels")
    return Category(signal=signal, present=present, absent=absent)


def _concept(given: Mapping[str, str], templates: Mapping[str, tuple[str, ...]]) -> Concept:
    if not given:
        raise ValueError("a label says nothing in any language")
    for language, words in given.items():
        if language not in templates:
            raise ValueError(f"there is no template for the language {language!r}")
        if not isinstance(words, str) or not words.strip() or len(words) > _MAX_LETTERS:
            raise ValueError(f"{words!r} is no label")
    # Replaced and not formatted: a label's braces are text.
    return Concept(
        sentences={
            language: tuple(template.replace("{}", words) for template in templates[language])
            for language, words in given.items()
        }
    )


def _version(categories: tuple[Category, ...]) -> str:
    said = [
        [category.signal, [concept.all for concept in category.present], [concept.all for concept in category.absent]]
        for category in categories
    ]
    return "sha256:" + hashlib.sha256(repr(said).encode()).hexdigest()

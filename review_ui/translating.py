"""The pages' own words in a reader's language, from gettext catalogues. Says nothing of what they mean.

The message is the English sentence; what has no translation is said in English.
"""

import re
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Final

import polib

from moderation.messages import LANGUAGES

#: What every language calls itself.
OWN_NAMES: Final = {"en": "English", "fr": "Français", "ar": "العربية"}
RIGHT_TO_LEFT: Final = frozenset({"ar"})
#: Blanks at which a French line must not break (Lexique des règles typographiques, Imprimerie nationale).
_BLANK: Final = re.compile(r" (?=[;:!?»]|%%)|(?<=«) ")


class Words:
    """The words of one language. Messages are %-templates with named values (`%%` writes a percent)."""

    def __init__(self, language: str, translations: NullTranslations) -> None:
        self.language = language
        self._translations = translations

    @property
    def direction(self) -> str:
        """Which way the language runs: `ltr` or `rtl`."""
        return "rtl" if self.language in RIGHT_TO_LEFT else "ltr"

    def plain(self, message: str) -> str:
        """A message with its places for values still in it; templates fill these themselves, escaped."""
        return str(self._translations.gettext(message))

    def plain_plural(self, one: str, many: str, num: int) -> str:
        """Likewise for a message that depends on a number."""
        return str(self._translations.ngettext(one, many, num))

    def plain_in_context(self, context: str, message: str) -> str:
        """Likewise for a message whose English has several meanings."""
        return str(self._translations.pgettext(context, message))

    def gettext(self, message: str, /, **values: object) -> str:
        """Say a message."""
        return self.plain(message) % values

    def ngettext(self, one: str, many: str, num: int, /, **values: object) -> str:
        """Say a message that depends on a number, which stands in it as %(num)s."""
        return self.plain_plural(one, many, num) % {"num": num, **values}

    def pgettext(self, context: str, message: str, /, **values: object) -> str:
        """Say a message whose English has several meanings; `context` tells which."""
        return self.plain_in_context(context, message) % values


def marked(message: str) -> str:
    """The message itself, marked for the catalogues where it stands in a table and is said elsewhere."""
    return message


@cache
def words(language: str) -> Words:
    """The words of a language. Raises KeyError for one that the product does not speak."""
    if language not in LANGUAGES:
        raise KeyError(language)
    return Words(language, _translations(language))


def catalogues(language: str) -> dict[str, polib.POFile]:
    """The catalogues of a language by file name; none for English."""
    folder = resources.files("review_ui").joinpath("locale", language)
    files = sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else []
    return {file.name: _read(file) for file in files if file.name.endswith(".po")}


def _translations(language: str) -> NullTranslations:
    every: list[NullTranslations] = [_compiled(catalogue) for catalogue in catalogues(language).values()]
    if not every:
        return NullTranslations()
    first, *others = every
    for one in others:
        first.add_fallback(one)
    return first


def french(said: str) -> str:
    """The sentence with its blanks before high signs and within quotes bound, so that no line begins with a sign."""
    return _BLANK.sub("\u00a0", said)


def _read(file: Traversable) -> polib.POFile:
    # A mistake in a catalogue stops the service where it starts, not on the page where a reader meets it.
    return polib.pofile(file.read_text(encoding="utf-8"))


def _compiled(catalogue: polib.POFile) -> GNUTranslations:
    if catalogue.metadata.get("Language") == "fr":
        for entry in catalogue:
            entry.msgstr = french(entry.msgstr)
            entry.msgstr_plural = {form: french(said) for form, said in entry.msgstr_plural.items()}
    return GNUTranslations(BytesIO(catalogue.to_binary()))

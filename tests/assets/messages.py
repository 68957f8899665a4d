"""Every message that the pages mark for translation, found in templates and modules; as a command, lists what is missing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import review_ui

PACKAGE = Path(review_ui.__file__).parent
KEYWORDS: dict[str, Any] = {"_": None, "gettext": None, "marked": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
METHODS = [("templates/**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
PLACES = re.compile(r"%\((\w+)\)s")

#: A message, or a message and its plural; and the context that tells its meaning, if any.
Message = tuple[str | tuple[str, ...], str | None]


def messages() -> Iterator[tuple[str, Message]]:
    """Every marked message with the file that it stands in."""
    options = {"templates/**.html": {"trimmed": "false", "silent": "false"}}
    for file, _, message, _, context in extract_from_dir(PACKAGE, METHODS, options, keywords=KEYWORDS):
        yield file, (message, context)


def catalogues(language: str) -> dict[str, Catalog]:
    """The catalogues of a language by file name. Raises PoFileError for a mistake in one."""
    found = {}
    for path in sorted((PACKAGE / "locale" / language).glob("*.po")):
        with path.open("rb") as file:
            found[path.name] = read_po(file, locale=language, abort_invalid=True)
    return found


def places(text: str) -> set[str]:
    """The names of the values that a message takes."""
    return set(PLACES.findall(text))


def main() -> None:
    """Print what each language lacks, as entries to fill in."""
    for language in ("fr", "ar"):
        there = {(entry.id, entry.context) for every in catalogues(language).values() for entry in every}
        for file, (message, context) in messages():
            if (message, context) not in there:
                print(f"# {language}: {file} {context or ''}\nmsgid {message!r}\n")


if __name__ == "__main__":
    main()

"""The page that says what each code of a finding means, made from the catalogue. Writes nothing itself."""

import re
from collections.abc import Iterator
from typing import Final

from moderation.policy.catalogue import Entry, catalogue

_HEAD: Final = """\
# What lint says

`moderation policy lint [DIR]` prints one finding a line, `PATH:LINE:COL CODE message`, and exits 1 when there is any.
`--json` gives one document, `--sarif` a SARIF 2.1.0 log, `--github` annotations of a workflow run; each with the
severity and what to write instead. `--today` judges dates by another day, `--against DIR` compares with another folder.

Faults of the text come alone, for what depends on it cannot be told: nothing with an error is ever switched on.
A warning says that a folder works and that somebody should look.

This page is made by `moderation policy codes`. A test plants each fault shown here and finds it.
"""


def render() -> str:
    """Return the page in Markdown."""
    entries = catalogue()
    table = ["| code | severity | what it means |", "|---|---|---|"]
    table += [f"| [`{code}`](#{code}) | {entry.severity} | {entry.means} |" for code, entry in entries.items()]
    sections = ["\n".join(_section(entry)) for entry in entries.values()]
    return "\n".join([_HEAD, *table, "", "\n\n".join(sections)]) + "\n"


def _section(entry: Entry) -> Iterator[str]:
    yield f"## {entry.code}"
    yield ""
    yield f"{entry.means} {entry.instead}".strip()
    if entry.bad != entry.at:
        yield ""
        yield from _example("Found in", entry.file, entry.bad)
    if entry.bad != entry.at and entry.good.strip():
        yield ""
        yield from _example("Not found in", entry.file, entry.good)


def _example(what: str, file: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"{what} `{file}` without what stands below." if file.endswith(".yaml") else f"{what} an empty `{file}`."
        return
    yield f"{what} `{file}`:"
    yield ""
    yield f"```{'yaml' if file.endswith('.yaml') else 'markdown'}"
    yield _dedented(text)
    yield "```"


def _dedented(text: str) -> str:
    """Return the text as it stands, without blank ends and common indents."""
    lines = text.strip("\n").split("\n")
    indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    common = min(indents, default=0)
    return re.sub(r"[ \t]+$", "", "\n".join(line[common:] for line in lines), flags=re.MULTILINE)

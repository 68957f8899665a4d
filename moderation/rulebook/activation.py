"""What stands against switching a bundle on: its lint, its cases, and how well they hold its rules."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from detectors.wordfiles import LEXICON_FILE, PROTOTYPES_FILE
from moderation.policy.cases import run_folder
from moderation.policy.lint import lint
from moderation.policy.model import Finding
from moderation.rulebook.bundles import Texts, laid_out, relative

#: Files of the word check that a bundle may leave to the service's own folder.
_WORDS = ("words", (LEXICON_FILE, PROTOTYPES_FILE))


class Demand(Protocol):
    """Finds what keeps a policy folder from being switched on; `models` is where the packs of weights are."""

    def __call__(self, directory: Path, models: Path | None, /) -> Sequence[Finding]: ...


def failed_cases(directory: Path, models: Path | None) -> Sequence[Finding]:
    """Cases that come out otherwise than they say."""
    return run_folder(directory, models).findings


#: Asked in this order after the lint; the first with findings ends it.
DEMANDS: list[Demand] = [failed_cases]


def faults_of(texts: Texts, own_folder: Path, models: Path | None) -> list[Finding]:
    """Every reason not to let these texts act; none means they may. May take as long as all cases many times over."""
    with laid_out(completed(texts, own_folder)) as folder:
        findings = list(lint(folder))
        for demand in DEMANDS:
            if findings:
                break
            findings = list(demand(folder, models))
        return relative(findings, folder)


def completed(texts: Texts, own_folder: Path) -> dict[str, str]:
    """The texts, with the word lists in force where they bring none of their own: cases with words need them."""
    area, names = _WORDS
    if not any(name.startswith(f"{area}/") for name in texts):
        return dict(texts)
    missing = [name for name in names if f"{area}/{name}" not in texts and (own_folder / area / name).is_file()]
    return {**texts, **{f"{area}/{name}": (own_folder / area / name).read_text("utf-8") for name in missing}}

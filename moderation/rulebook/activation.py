"""What stands against switching a bundle on: its lint, its cases, and how well they hold its rules."""

from datetime import date
from pathlib import Path

from detectors.wordfiles import LEXICON_FILE, PROTOTYPES_FILE
from moderation.policy.examination import Examination, examine_folder
from moderation.policy.lint import lint
from moderation.policy.model import Finding
from moderation.rulebook.bundles import Texts, laid_out, relative

#: Files of the word check that a bundle may leave to the service's own folder.
_WORDS = ("words", (LEXICON_FILE, PROTOTYPES_FILE))


def faults_of(texts: Texts, own_folder: Path, models: Path | None, today: date) -> list[Finding]:
    """Every reason not to let these texts act; none means they may. May take as long as all cases many times over.

    `models` is where the packs of weights are, for cases with texts.
    """
    with laid_out(completed(texts, own_folder)) as folder:
        return relative(lint(folder, today=today) or examine_folder(folder, models).faults(), folder)


def examined(texts: Texts, own_folder: Path, models: Path | None, *, mutants: bool) -> Examination:
    """What the cases of these texts prove. Raises UnusablePolicies."""
    with laid_out(completed(texts, own_folder)) as folder:
        return examine_folder(folder, models, mutants=mutants)


def completed(texts: Texts, own_folder: Path) -> dict[str, str]:
    """The texts, with the word lists in force where they bring none of their own: cases with words need them."""
    area, names = _WORDS
    if not any(name.startswith(f"{area}/") for name in texts):
        return dict(texts)
    missing = [name for name in names if f"{area}/{name}" not in texts and (own_folder / area / name).is_file()]
    return {**texts, **{f"{area}/{name}": (own_folder / area / name).read_text("utf-8") for name in missing}}

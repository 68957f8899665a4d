"""How well the word signals tell a frozen list of prompts apart, by language, category and spelling. Tunes nothing.

.venv/bin/python benchmarks/prompts.py            # writes results/prompts.json
.venv/bin/python benchmarks/prompts.py first      # writes results/prompts-first.json
"""

import argparse
import csv
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import results

from detectors.figures import exact_interval
from detectors.packs import load_manifest
from detectors.words import LINE, Words, load_word_lists, read_words
from moderation.settings import Settings

LIST: Final = Path(__file__).resolve().parent.parent / "tests" / "assets" / "prompts" / "list.tsv"
FROZEN: Final = LIST.with_name("FROZEN")
NEUTRAL: Final = "minors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the list and the categories that the signals found in it."""

    id: str
    language: str
    script: str
    label: str
    category: str
    found: frozenset[str]

    @property
    def right(self) -> bool:
        """As the list's README says: the own category; nothing; or minors alone. Words about minors are neutral."""
        others = self.found - {NEUTRAL}
        if self.label == "flag":
            return self.category in others
        return not others and (self.label == "benign" or NEUTRAL in self.found)

    @property
    def routed(self) -> bool:
        """Whether the outcome is right though the category may be another: a flagged line goes to people at all."""
        return bool(self.found - {NEUTRAL}) if self.label == "flag" else self.right


def main() -> None:
    """Measure and write the figures; ids of the lines that came out wrong, never their text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", choices=("first",), help="keep the figures as those of the first run")
    run = parser.parse_args().run
    began = results.circumstances()
    figures = measure()
    path = results.save(f"prompts-{run}" if run else "prompts", began, figures)
    _print(figures)
    print(f"\n{path}")


def measure() -> dict[str, object]:
    """Read every line with the shipped word lists. Raises ValueError when the list is not the frozen one."""
    content = LIST.read_bytes()
    if hashlib.sha256(content).hexdigest() != FROZEN.read_text(encoding="utf-8").split()[0]:
        raise ValueError("the list is not the frozen one")
    settings = Settings()
    words = Words.load(load_manifest(settings.models), load_word_lists(settings.policies_dir() / "words"))
    words.meaning.margins(["a first text, so that the prototypes are encoded"])
    rows = list(csv.DictReader(content.decode().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    started = time.process_time()
    lines = [_read(row, words) for row in rows]
    seconds = time.process_time() - started
    return {
        "list_sha256": hashlib.sha256(content).hexdigest(),
        "word_lists": words.lists.version,
        "line": LINE,
        "cpu_ms_per_text": round(seconds / len(lines) * 1000, 1),
        "overall": _share(lines),
        "overall_any_category": _share(lines, routed=True),
        "by_language": _by(lines, lambda line: line.language),
        "by_label": _by(lines, lambda line: line.label),
        "flagged_by_category": _by([line for line in lines if line.label == "flag"], lambda line: line.category),
        "benign_by_subject": _by([line for line in lines if line.label == "benign"], lambda line: line.category),
        "by_language_and_label": _by(lines, lambda line: f"{line.language} {line.label}"),
        "evasive_spelling": _share([line for line in lines if line.id.endswith("-evasion")]),
        "false_alarms_by_category": dict(
            sorted(Counter(c for line in lines if line.label != "flag" for c in line.found - {NEUTRAL}).items())
        ),
        "wrong": [line.id for line in lines if not line.right],
    }


def _read(row: Mapping[str, str], words: Words) -> Line:
    signals = read_words({"prompt": row["text"]}, words.lists, words.meaning)
    found = {signal.name.removeprefix("words.") for signal in signals if signal.samples[0].value >= LINE}
    return Line(
        id=row["id"],
        language=row["language"],
        script=row["script"],
        label=row["label"],
        category=row["category"],
        found=frozenset(found),
    )


def _share(lines: Sequence[Line], *, routed: bool = False) -> dict[str, object]:
    right = sum(line.routed if routed else line.right for line in lines)
    low, high = exact_interval(right, len(lines))
    return {
        "right": right,
        "of": len(lines),
        "share": round(right / len(lines), 4),
        "interval_95": [round(low, 4), round(high, 4)],
    }


def _by(lines: Sequence[Line], key: Callable[[Line], str]) -> dict[str, object]:
    return {name: _share([line for line in lines if key(line) == name]) for name in sorted(set(map(key, lines)))}


def _print(figures: Mapping[str, object]) -> None:
    for part in ("by_language", "by_label", "flagged_by_category", "benign_by_subject", "by_language_and_label"):
        table = figures[part]
        assert isinstance(table, dict)
        rows = [[name, share["right"], share["of"], share["share"]] for name, share in table.items()]
        results.print_table(part.replace("_", " "), [[part.rpartition("_")[2], "right", "of", "share"], *rows])
    for part in ("overall", "overall_any_category", "evasive_spelling", "cpu_ms_per_text", "false_alarms_by_category"):
        print(f"{part.replace('_', ' ')}: {figures[part]}")


if __name__ == "__main__":
    main()

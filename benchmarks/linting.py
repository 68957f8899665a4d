"""How long `moderation policy lint` takes: 500 rules with their cases, one area of up to 1,000, expressions, a start.

Times are CPU seconds of one core in this process; `command` is the whole command in a process of its own.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import results

from moderation.policy.catalogue import example_folder
from moderation.policy.lint import lint
from moderation.policy.loader import load_ruleset
from moderation.policy.vocabulary import render

TARGETS: Final = {"seconds_for_500_rules": 1.0}
TODAY: Final = date(2026, 1, 1)
_HEAD: Final = "language: 1\nowner: policy-team\ndescription: for a benchmark\nqueue: explicit\nrequires: []\nrules:\n"
_THEN: Final = "{outcome: review, reasons: [explicit_content]}"
#: What rules look like: a line, a line in time, parts, branches, a person, a fact, an exception of a part.
SHAPES: Final = (
    "{{signal: explicit.score, at_least: 0.{n:04d}}}",
    "{{signal: scene.violence, at_least: 0.{n:04d}, for: {n}ms}}",
    "{{all: [{{signal: explicit.score, at_least: 0.{n:04d}}}, {{signal: words.sexual, at_least: 0.5}}]}}",
    "{{any: [{{signal: scene.gore, at_least: 0.{n:04d}, in: 2 of 5}}, {{signal: words.violence, at_least: 0.9}}]}}",
    "{{all: [{{person: not_consented, person.kind: cameo}}, {{signal: explicit.low, at_least: 0.{n:04d}}}]}}",
    "{{all: [{{fact: lineage.depth, above: {n}}}, {{not: {{signal: drawn.score, at_least: 0.{n:04d}}}}}]}}",
)
EXPRESSION: Final = "{{expr: 'explicit.score.exists(s, s.value >= 0.{n:04d} && s.time_ms >= {n})'}}"


def write_folder(folder: Path, areas: int, rules: int, shapes: tuple[str, ...] = SHAPES) -> None:
    """Write so many areas of so many rules, each with a case where it fires and one where it does not."""
    folder.mkdir(parents=True)
    (folder / "vocabulary.yaml").write_text(render(), encoding="utf-8")
    for area in range(areas):
        place = folder / f"area_{area}"
        place.mkdir()
        texts = {"policy.yaml": _HEAD, "cases.yaml": "cases:\n"}
        for n in range(1, rules + 1):
            when = shapes[n % len(shapes)].format(n=n)
            texts["policy.yaml"] += f"  - rule: rule_{n}\n    when: {when}\n    then: {_THEN}\n"
        # One file holds 256 KiB: rules of a large area share their cases.
        for first in range(1, rules + 1, 1 if rules <= 100 else 10):
            names = ", ".join(f"rule_{n}" for n in range(first, min(first + (rules > 100) * 9, rules) + 1))
            given = 'given: {signals: {explicit.score: "0.1x8 0.95x3"}}'
            texts["cases.yaml"] += f"  - {{case: fires {first}, {given}, must_fire: [{names}]}}\n"
            texts["cases.yaml"] += f"  - {{case: keeps still {first}, {given}, must_not_fire: [{names}]}}\n"
        for name, text in texts.items():
            (place / name).write_text(text, encoding="utf-8")
        for name in ("en", "fr", "ar"):
            (place / f"guidance.{name}.md").write_text(example_folder()["area/guidance.en.md"], encoding="utf-8")


def seconds(work: Callable[[], object], times: int) -> dict[str, float]:
    """Do it so many times, after once; the least, the median and the greatest CPU seconds."""
    work()
    spent = []
    for _ in range(times):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return {
        "least": round(min(spent), 3),
        "median": round(statistics.median(spent), 3),
        "greatest": round(max(spent), 3),
    }


def measure(root: Path, times: int) -> dict[str, Any]:
    """Write folders below `root` and lint each."""
    figures: dict[str, Any] = {}
    layouts = {"500_rules_in_5_areas": (5, 100), "500_rules_in_1_area": (1, 500)}
    for name, (areas, rules) in layouts.items():
        folder = root / name
        write_folder(folder, areas, rules)
        figures[name] = seconds(lambda folder=folder: lint(folder, today=TODAY), times)  # type: ignore[misc]
    loading = root / "500_rules_in_5_areas"
    figures["of_which_loading"] = seconds(lambda: load_ruleset(loading), times)
    figures["command"] = command(loading, times)
    growth = {}
    for rules in (250, 500, 1000):
        folder = root / f"one_area_{rules}"
        write_folder(folder, 1, rules)
        growth[str(rules)] = seconds(lambda folder=folder: lint(folder, today=TODAY), times)  # type: ignore[misc]
    figures["one_area_of_rules"] = growth
    write_folder(root / "expressions", 1, 100, (EXPRESSION,))
    figures["100_expressions_compiled_once"] = seconds(lambda: lint(root / "expressions", today=TODAY), times)
    return figures


def command(folder: Path, times: int) -> dict[str, float]:
    """Time the whole command, in seconds on the clock."""
    spent = []
    for _ in range(times):
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "moderation", "policy", "lint", str(folder)], check=False, stdout=-3)
        spent.append(time.monotonic() - began)
    return {"least": round(min(spent), 2), "median": round(statistics.median(spent), 2)}


def main() -> int:
    """Measure, print, write `results/linting.json`; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    began = results.circumstances()
    with tempfile.TemporaryDirectory() as root:
        figures = measure(Path(root), times)
    results.save("linting", began, {"targets": TARGETS, **figures})
    lines: list[list[object]] = [["what", "least s", "median s"]]
    for name, figure in figures.items():
        parts: dict[str, Any] = figure if name == "one_area_of_rules" else {"": figure}
        lines += [[f"{name} {part}".strip(), spent["least"], spent["median"]] for part, spent in parts.items()]
    results.print_table("moderation policy lint", lines)
    slowest = max(figures[name]["median"] for name in ("500_rules_in_5_areas", "500_rules_in_1_area"))
    return int(slowest > TARGETS["seconds_for_500_rules"])


if __name__ == "__main__":
    sys.exit(main())

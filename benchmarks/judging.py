"""What judging costs: 500 rules of many shapes on clips of 240 samples a signal, on one core; and loading such rules.

Times are CPU times of the one thread that judges, so that what else the machine does counts little. A judgement is
all of `decide`: from a fact record that nothing was asked of yet to a decision with its trace.
"""

import argparse
import gc
import random
import statistics
import string
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import results

from detectors.base import FaceState, State, VoiceState
from moderation.facts import (
    Candidate,
    Consent,
    FaceFact,
    FactRecord,
    PersonFact,
    PersonKind,
    Sample,
    Segment,
    ShotStart,
    SignalFact,
    SubmissionFacts,
    VoiceCandidate,
    VoiceFact,
)
from moderation.policy.engine import Ruleset, decide
from moderation.policy.loader import Folder, UnusablePolicies, compile_folder
from moderation.policy.vocabulary import FILE, render

RULES: Final = 500
SAMPLES: Final = 240
EVERY_MS: Final = 250
AREAS: Final = 10
CLIPS: Final = 40
TARGET: Final = {"judgement_p95_ms": 15}
FRAMES: Final = (
    "explicit.score", "scene.violence", "scene.gore", "scene.weapon", "scene.hate_symbol", "scene.drawn",
    "drawn.score", "explicit.high",
)  # fmt: skip
WORDS: Final = ("words.minors", "words.sexual", "words.violence", "words.hate", "words.scam", "words.self_harm")
FACES: Final = {"face.age": (22.0, 50.0), "minor.score": (0.0, 0.4), "face.match_distance": (0.4, 1.3)}
PEOPLE: Final = ("per_a", "per_b", "per_c")
#: One rule's body a paragraph; what stands after $ is drawn for each rule.
SHAPES: Final = tuple(
    # A text of paragraphs, for it is read as policies are.
    """\
when: {signal: $frame, at_least: $line}

when: {signal: $frame, above: $line, for: ${ms}ms}

when: {signal: $frame, at_least: $line, in: 3 of 5}

when: {signal: $frame, at_least: $line, share_of_clip: $share}

when: {signal: face.age, below: $years}

when: {signal: face.age, at_most: $years, for: ${ms}ms}

when: {signal: $frame, equals: $line}

when: {signal: $words, at_least: $line}

when: {all: [{signal: $frame, at_least: $line}, {signal: $words, at_least: $share}]}

when: {any: [{signal: $frame, above: $line}, {signal: $other, above: $line, in: 2 of 4}, {face: absent}]}

when: {all: [{signal: $frame, at_least: $line}, {not: {signal: $other, at_least: $share, for: ${ms}ms}}]}

when:
  all:
    - {any: [{signal: $frame, at_least: $line, for: ${ms}ms}, {signal: $words, at_least: $line}]}
    - {any: [{signal: face.age, below: $years}, {face: unread}]}

when: {person: not_consented, face: matched}

when: {person: [not_consented, revoked], person.kind: [cameo, public_figure], face: [matched, possible]}

when: {person.declared: true, face: absent}

when: {person: not_consented, voice: [matched, possible]}

when: {fact: submission.market, one_of: [$market, AQ]}

when: {all: [{fact: submission.market, one_of: {list: markets}}, {signal: $words, above: $line}]}

when: {all: [{fact: minors.uncleared_faces, at_least: $count}, {signal: $frame, at_least: $line}]}

when: {fact: fingerprint.takedown_share, at_least: $share}

when: {all: [{macro: young}, {signal: $frame, at_least: $line, in: 2 of 3}]}

when: {all: [{signal: $frame, at_least: $line, for: ${ms}ms}, {signal: $other, at_least: $share}], within: same_shot}

when:
  all: [{signal: face.age, below: $years}, {signal: minor.score, at_least: $line}, {person: not_consented}]
  within: same_person

when: {expr: 'duration_ms > 90000.0 && lineage.depth >= $count.0'}

exceptions: [{exception: e, owner: o, why: w, expires: 2030-01-01, when: {fact: submission.generator, equals: g$count}}]
when: {signal: $frame, at_least: $line, in: 4 of 8}

mode: shadow
since: 2026-01-01
when: {signal: $frame, at_least: $line, for: ${ms}ms}
""".split("\n\n")  # noqa: SIM905
)
THENS: Final = (
    "{outcome: review, reasons: [explicit_content]}",
    "{outcome: review, reasons: [explicit_content], priority: 70, deadline: 4h}",
    "{outcome: allow, notes: [young_looking], audience: [not_for_teens]}",
    "{outcome: review, reasons: [violence], markets: [DE, FR]}",
    "{outcome: allow, sample_rate: 0.01}",
)
HEAD: Final = """\
language: 1
owner: benchmark
description: for measuring
queue: explicit
requires: [explicit.score]
lists: {markets: [FR, BE, CH, CA]}
macros: {young: {any: [{signal: face.age, below: 21}, {signal: minor.score, at_least: 0.6}]}}
rules:
"""


def write_rules(count: int, chance: random.Random) -> Folder:
    """Write `count` rules in turn of every shape, spread over the areas; some markets have overlays."""
    texts = {FILE: render()}
    each = count // AREAS
    for area in range(AREAS):
        rules = "".join(_rule(area * each + number, chance) for number in range(each))
        first = f"rule_{area * each}"
        overlay = f"  - {{overlay: o, owner: o, why: w, markets: [SA], change: [{{rule: {first}, off: true}}]}}\n"
        texts[f"area_{area}/policy.yaml"] = f"{HEAD}{rules}overlays:\n{overlay}"
    return Folder(root="", texts=texts)


def _rule(number: int, chance: random.Random) -> str:
    frame, other = chance.sample(FRAMES, 2)
    drawn = {
        "frame": frame,
        "other": other,
        "words": chance.choice(WORDS),
        "line": round(chance.uniform(0.4, 0.99), 2),
        "share": round(chance.uniform(0.05, 0.9), 2),
        "years": chance.randint(12, 25),
        "ms": chance.choice((400, 500, 1000, 2000)),
        "count": chance.randint(1, 5),
        "market": chance.choice(("FR", "DE", "SA", "US", "JP", "BR")),
    }
    body = textwrap.indent(string.Template(SHAPES[number % len(SHAPES)]).substitute(drawn), "    ")
    return f"  - rule: rule_{number}\n{body.rstrip()}\n    then: {THENS[number % len(THENS)]}\n"


def draw_record(number: int, chance: random.Random, *, loud: float) -> FactRecord:
    """Draw a clip of a minute: each frame signal at 240 instants, four faces, two voices, twelve shots.

    `loud` is the share of frame signals and words that are high at some time; the others stay low.
    """
    span = SAMPLES * EVERY_MS
    signals = {name: _signal(_walk(chance, loud=chance.random() < loud)) for name in FRAMES}
    signals |= {name: _signal([_word(chance, loud)]) for name in WORDS}
    signals |= {name: _of_faces(chance, *bounds) for name, bounds in FACES.items()}
    found = _signal([0.99] * SAMPLES)
    return FactRecord(
        org="default",
        clip=f"clip_{number}",
        judged_at="2026-11-22T12:00:00+00:00",
        duration_ms=span,
        phase="public",
        submission=SubmissionFacts(
            creator="c", generator="g1", locale="fr-FR", market=chance.choice(("FR", "US", "SA"))
        ),
        signals={**signals, "face.detection": found, "voice.match_distance": found},
        faces=tuple(_face(track, span, chance) for track in range(4)),
        voices=tuple(_voice(number, span, chance) for number in range(2)),
        people={person: _person(chance, loud) for person in PEOPLE},
        shots=tuple(ShotStart(shot * span // 12, shot) for shot in range(12)),
        lineage={"depth": number % 4, "withdrawn_parents": 0},
        fingerprint={"frames": 20, "takedown_share": 0.0},
    )


def _walk(chance: random.Random, *, loud: bool) -> list[float]:
    """Walk about as scores of neighbouring frames do: near nought, or up and down the whole scale."""
    top, value, values = (1.0, 0.5, []) if loud else (0.25, 0.1, [])
    for _ in range(SAMPLES):
        value = min(top, max(0.0, value + chance.gauss(0, top / 12)))
        values.append(value)
    return values


def _word(chance: random.Random, loud: float) -> float:
    return chance.uniform(0.5, 1) if chance.random() < loud else chance.uniform(0, 0.3)


def _person(chance: random.Random, loud: float) -> PersonFact:
    consent = Consent.NOT_CONSENTED if chance.random() < loud else Consent.CONSENTED
    return PersonFact(kind=PersonKind.CAMEO, consent=consent, declared=True)


def _of_faces(chance: random.Random, low: float, high: float) -> SignalFact:
    samples = (Sample(at * 4 * EVERY_MS, chance.uniform(low, high), track) for track in range(3) for at in range(60))
    return SignalFact(state=State.MEASURED, model="m", version="1", samples=tuple(samples))


def _signal(values: list[float]) -> SignalFact:
    samples = tuple(Sample(index * EVERY_MS, value) for index, value in enumerate(values))
    return SignalFact(state=State.MEASURED, model="m", version="1", samples=samples)


def _face(track: int, span: int, chance: random.Random) -> FaceFact:
    state = (FaceState.MATCHED, FaceState.POSSIBLE, FaceState.UNMATCHED, FaceState.UNREAD)[track]
    near = (Candidate(person=chance.choice(PEOPLE), distance=0.5, state=state),) if track < 2 else ()
    return FaceFact(track=track, start_ms=0, end_ms=span, state=state, candidates=near)


def _voice(number: int, span: int, chance: random.Random) -> VoiceFact:
    near = VoiceCandidate(person=chance.choice(PEOPLE), distance=0.7, state=VoiceState.MATCHED)
    return VoiceFact(voice=number, state=VoiceState.MATCHED, segments=(Segment(0, span),), candidates=(near,))


def timed(work: Callable[[], object]) -> float:
    """Return the CPU milliseconds that this thread spent."""
    began = time.thread_time()
    work()
    return 1000 * (time.thread_time() - began)


def load(folder: Folder) -> Ruleset:
    """Compile, as the service does when rules change."""
    ruleset, findings = compile_folder(folder)
    if ruleset is None:
        raise UnusablePolicies(findings)
    return ruleset


def measure(rules: int, clips: int, rounds: int) -> dict[str, object]:
    """Load the rules three times; judge usual clips, clips without a market, and clips that half the rules catch."""
    chance = random.Random(5)
    folder = write_rules(rules, chance)
    usual = [draw_record(number, chance, loud=0.06) for number in range(clips)]
    nowhere = [replace(record, submission=replace(record.submission, market=None)) for record in usual]
    loud = [draw_record(number, chance, loud=0.8) for number in range(clips)]
    loading = [timed(lambda: load(folder)) for _ in range(3)]
    ruleset = load(folder)
    return {
        "rules": len(ruleset.judges),
        "shapes": len(SHAPES),
        "samples_a_signal": SAMPLES,
        "load_ms": round(statistics.median(loading), 1),
        "usual": judging(ruleset, usual, rounds),
        "without_a_market": judging(ruleset, nowhere, rounds),
        "loud": judging(ruleset, loud, rounds),
        "targets": TARGET,
    }


def judging(ruleset: Ruleset, records: list[FactRecord], rounds: int) -> dict[str, float]:
    """Judge every clip `rounds` times, after a first time that does not count.

    A core that works for others too is slow now and then: beside all judgements stand the quickest of each clip.
    """
    entries = [len(decide(record, ruleset).trace) for record in records]
    gc.collect()
    times = [[timed(partial(decide, record, ruleset)) for _ in range(rounds)] for record in records]
    every, quickest = [one for own in times for one in own], [min(own) for own in times]
    return {
        "clips": len(records),
        "judgements": len(every),
        "entries_of_the_trace_p50": statistics.median(entries),
        "judgement_p50_ms": round(statistics.median(every), 2),
        "judgement_p95_ms": _p95(every),
        "quickest_p50_ms": round(statistics.median(quickest), 2),
        "quickest_p95_ms": _p95(quickest),
    }


def _p95(values: list[float]) -> float:
    return round(statistics.quantiles(values, n=20)[-1], 2)


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=RULES)
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    began = results.circumstances()
    figures = measure(arguments.rules, arguments.clips, arguments.rounds)
    results.print_table("judging", [("figure", "value"), *((name, str(value)) for name, value in figures.items())])
    if not arguments.no_save:
        results.save("judging", began, figures)


if __name__ == "__main__":
    main()

"""How long a backtest, a comparison of two policy sets, a search for a threshold and a replay take over stored records.

Makes its records itself, in the shape of those of the sample clips: 20 to 240 looks, up to four faces, words, voices.
"""

import argparse
import hashlib
import json
import random
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import results
from meters import Meter, database_meter
from states import passing_state

from detectors.base import FaceState, State
from moderation.assembly import open_services
from moderation.decisions import Decision, Outcome, Reason
from moderation.facts import FaceFact, FactRecord, Manifests, Sample, SignalFact, SubmissionFacts
from moderation.policy.engine import Ruleset, decide
from moderation.policy.loader import Folder, compile_folder, read_folder
from moderation.rehearsing.backtesting import backtest
from moderation.rehearsing.scope import Scope
from moderation.rehearsing.seeking import seek
from moderation.replaying import replay_decisions
from moderation.services import Services
from moderation.settings import Settings

ORG: Final = "default"
CLIPS: Final = 100_000
#: Different records; each is stored under as many ids as it takes, and every row is fetched, read and judged.
CONTENTS: Final = 4_000
DAYS: Final = 30
LOOK_MS: Final = 250
HOURS: Final = 24.0
SEEK: Final = "explicit.any_frame"
WORDS: Final = ("election", "hate", "minors", "scam", "self_harm", "sexual", "violence", "weapons")
FAR: Final = ("others", "takedown", "withdrawn", "withheld")


def draw_record(rng: random.Random) -> FactRecord:
    """Make one record: most are harmless, some doubtful, a few bad."""
    looks = int(20 * 12 ** rng.random())
    clip_ms = looks * LOOK_MS
    level = rng.choices((0.03, 0.15, 0.45), (92, 6, 2))[0]
    faces = rng.choices(range(5), (45, 35, 12, 5, 3))[0]
    ages = [rng.choices((16.0, 24.0, 38.0), (1, 9, 90))[0] for _ in range(faces)]

    def measured(samples: list[Sample], model: str) -> SignalFact:
        return SignalFact(state=State.MEASURED, model=model, version="1.0", samples=tuple(samples))

    def frames(middle: float, every: int = 1) -> list[Sample]:
        values = ((at, min(1.0, max(0.0, rng.gauss(middle, 0.05)))) for at in range(0, looks, every))
        return [Sample(at * LOOK_MS, value) for at, value in values]

    def tracks(values: list[float], spread: float) -> list[Sample]:
        few = range(0, looks, max(1, looks // 6))
        return [
            Sample(at * LOOK_MS, max(0.0, rng.gauss(value, spread)), track)
            for at in few
            for track, value in enumerate(values)
        ]

    signals = {
        "explicit.score": measured(frames(level), "open_nsfw"),
        "face.detection": measured(frames(0.9 if faces else 0.02), "yunet"),
        "text.detection": measured(frames(0.1, 2), "ppocr"),
        "voice.speech": measured(frames(0.5), "silero_vad"),
        "drawn.score": measured(frames(0.01, 8), "drawn_mobilenet"),
        "face.age": measured(tracks(ages, 1.5), "age_v1+age_faceapi"),
        "minor.score": measured(tracks([0.6 if age < 18 else 0.02 for age in ages], 0.01), "age_faceapi"),
        "face.match_distance": measured(tracks([1.2] * faces, 0.05), "auraface"),
        **{name: measured([], "yunet") for name in ("face.drawn", "face.unread", "sampling.unseen")},
        "voice.match_distance": measured([], "dvector_lite"),
        "explicit.probability": SignalFact(state=State.NOT_MEASURED, note="never calibrated"),
        "speech.text": SignalFact(state=State.NOT_MEASURED),
    }
    for word in WORDS:
        signals[f"words.{word}"] = measured([Sample(0, float(rng.random() < 0.004))], "lexicon")
    return FactRecord(
        org=ORG,
        clip=CLIP,
        judged_at="2026-11-01T00:00:00+00:00",
        duration_ms=clip_ms,
        phase="public",
        submission=SubmissionFacts(creator="ana", prompt="a quiet lake at dawn", title="lake", locale="en"),
        signals=signals,
        faces=tuple(
            FaceFact(track=track, start_ms=0, end_ms=clip_ms, state=FaceState.UNMATCHED) for track in range(faces)
        ),
        manifests=Manifests(detectors="d" * 64, gallery="2", lexicon="sha256:757c887b9cb05cc6"),
        fingerprint={
            "frames": looks,
            "takedown_near_share": 0.0,
            "takedown_list": "",
            **{f"{source}_{figure}": 0.0 for source in FAR for figure in ("share", "target_share")},
            **{f"{source}_distance": 256 for source in FAR},
        },
    )


#: Stands in a content for the id that each of its rows gets.
CLIP: Final = "clip_" + "0" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A record and its decision as they are stored, but for the clip's id and the hash."""

    facts: str
    decision: str
    outcome: str
    hash: str

    def under(self, clip: str) -> tuple[str, str, str]:
        """Return facts, their hash and the decision under another id."""
        facts = self.facts.replace(CLIP, clip)
        digest = hashlib.sha256(facts.encode()).hexdigest()
        return facts, digest, self.decision.replace(self.hash, digest)


def contents(ruleset: Ruleset, number: int) -> list[Content]:
    """Make and judge so many different records; the same ones every time."""
    rng = random.Random(5)
    made = []
    for _ in range(number):
        facts = draw_record(rng)
        decision = decide(facts, ruleset)
        text = decision.to_bytes().decode()
        made.append(
            Content(facts=facts.to_bytes().decode(), decision=text, outcome=decision.outcome, hash=facts.digest())
        )
    return made


def fill(services: Services, ruleset: Ruleset, clips: int) -> float:
    """Store the history: clips over thirty days, a person's answer to one case in ten; returns mean bytes of facts."""
    kept, now = contents(ruleset, min(CONTENTS, clips)), services.clock.now()
    with services.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations (org_id) values (%s) on conflict do nothing", [ORG])
        tx.pg.execute(
            "insert into moderation.policy_versions (org_id, version, body, first_used_at) values (%s, %s, %s, %s)",
            [ORG, ruleset.version, ruleset.bundle, now],
        )
        for table, columns, rows in _tables(kept, clips, ruleset.version, now):
            with tx.pg.cursor().copy(f"copy moderation.{table} ({columns}) from stdin".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
            results.tell(f"{table} are there")
    with services.database.system_transaction() as tx:
        tx.pg.execute("analyze")
    return sum(len(content.facts) for content in kept) / len(kept)


Rows = Iterator[tuple[object, ...]]


def _tables(kept: list[Content], clips: int, version: str, now: datetime) -> Iterator[tuple[str, str, Rows]]:
    def each() -> Iterator[tuple[int, str, Content, datetime]]:
        for number in range(clips):
            clip = "clip_" + hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()
            at = now - timedelta(days=DAYS * (clips - number) / (clips + 1))
            yield number, clip, kept[number % len(kept)], at

    def decisions() -> Rows:
        for number, clip, content, at in each():
            _, digest, body = content.under(clip)
            yield ORG, f"dec_{number}", clip, 1, content.outcome, body, "rule", "bench", digest, version, at
            if content.outcome == "review" and number % 10 == 0:
                said = Outcome.BLOCK if number % 20 == 0 else Outcome.ALLOW
                answer = Decision(outcome=said, facts_hash=digest, reasons=(Reason(code="explicit_content"),))
                text = answer.to_bytes().decode()
                yield ORG, f"dec_{number}p", clip, 2, str(said), text, "person", "bench", digest, None, at

    yield (
        "clips",
        "org_id, clip_id, status, created_at, updated_at",
        ((ORG, clip, "released", at, at) for _, clip, _, at in each()),
    )
    yield (
        "facts",
        "org_id, clip_id, facts_hash, body, judged_at",
        (
            (ORG, clip, digest, facts, at)
            for _, clip, content, at in each()
            for facts, digest, _ in [content.under(clip)]
        ),
    )
    columns = (
        "org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, facts_hash, policy_version, created_at"
    )
    yield "decisions", columns, decisions()


def loosened(folder: Path) -> Ruleset:
    """The shipped policies with one threshold moved."""
    kept = read_folder(folder)
    area = "explicit/policy.yaml"
    changed = {**kept.texts, area: kept.texts[area].replace("at_least: 0.30", "at_least: 0.35")}
    ruleset, findings = compile_folder(Folder(root="", texts=changed))
    if ruleset is None or changed == kept.texts:
        raise RuntimeError(f"the shipped policies no longer fit this benchmark: {findings}")
    return ruleset


def timed(meter: Meter, clips: int, act: Callable[[], dict[str, object]]) -> dict[str, object]:
    """Time one act: seconds by the clock, CPU of the judges and of the database, records a second."""
    used, began = meter.read(), time.monotonic()
    found = act()
    seconds, cost = time.monotonic() - began, meter.read() - used
    cpu = cost.service + cost.decoders
    return {
        "seconds": round(seconds, 2),
        "a_second": round(clips / seconds),
        "cpu_judging": round(cpu, 2),
        "cpu_database": round(cost.database, 2),
        "cpu_ms_a_clip": round(1000 * (cpu + cost.database) / clips, 3),
        "peak_mib": peaks(),
        **found,
    }


def peaks() -> dict[str, int]:
    """Return the most memory (MiB) that this process ever had, and any of those that judged for it."""
    usages = {"here": resource.RUSAGE_SELF, "largest_judge": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(who).ru_maxrss // 1024 for name, who in usages.items()}


def measure(services: Services, clips: int, processes: int, meter: Meter) -> dict[str, object]:
    """Fill a state and time all four over it."""
    ruleset, other = services.ruleset, loosened(services.settings.policies_dir())
    results.tell(f"storing {clips} records")
    size = fill(services, ruleset, clips)
    now = services.clock.now()
    scope = Scope(since=now - timedelta(days=DAYS + 1), until=now)

    def tick(done: int, total: int) -> None:
        if done % 5000 == 0:
            results.tell(f"{done} of {total}")

    def rehearse(old: Ruleset | None, new: Ruleset) -> dict[str, object]:
        report = backtest(services, ORG, new, scope, old=old, processes=processes, progress=tick)
        return {"judged": report.judged, "changed": report.changed.hits}

    def search() -> dict[str, object]:
        found = seek(services, ORG, ruleset, scope, rule=SEEK, hours=HOURS, processes=processes, progress=tick)
        return {"judged": found.judged, "threshold": found.best.threshold if found.best else None}

    def replay() -> dict[str, object]:
        done = replay_decisions(services, ORG, processes=processes, progress=tick)
        return {"equal": done.equal, "different": done.differing, "unreadable": done.unread}

    acts: dict[str, Callable[[], dict[str, object]]] = {
        "backtest": lambda: rehearse(None, other),
        "diff": lambda: rehearse(ruleset, other),
        "seek": search,
        "replay": replay,
    }
    figures: dict[str, object] = {"clips": clips, "processes": processes, "bytes_of_facts": round(size)}
    for name, act in acts.items():
        figures[name] = timed(meter, clips, act)
        results.tell(f"{name}: {json.dumps(figures[name])}")
    return figures


def main() -> None:
    """Measure, write `results/backtest.json`, print it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clips", type=int, default=CLIPS)
    arguments.add_argument("--processes", type=int, default=2)
    asked = arguments.parse_args()
    began = results.circumstances()
    with passing_state() as state, open_services(Settings(env="development", state=state)) as services:
        figures = measure(services, asked.clips, asked.processes, database_meter(state))
    path = results.save("backtest", began, figures)
    lines = [(name, *(figure.values() if isinstance(figure, dict) else (figure,))) for name, figure in figures.items()]
    for line in lines:
        results.tell("  ".join(map(str, line)))
    print(f"\n{path}")


if __name__ == "__main__":
    main()

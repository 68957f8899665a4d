"""How many harmless clips go to people under the shipped rules, by cause, and what the same rules let through.

Both sets go through the real pipeline in this process, as `moderation check` does. Explicit content and minors are in
neither set: what the rules make of those is not measured here.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import cv2
import licensed_stills
import results
import review_clips
from official_portraits import SOURCES
from review_clips import Plan
from review_members import REGISTRY, Members
from states import passing_state
from still_motion import FPS

from detectors.figures import exact_interval
from moderation import consent
from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.clips import Status
from moderation.db import queries
from moderation.enrolment import register_person
from moderation.samples.footage import write_footage
from moderation.samples.portraits import portrait
from moderation.samples.speech import speak
from moderation.settings import Settings
from moderation.verdicts import read_verdict

if TYPE_CHECKING:
    from moderation.services import Services

Registries = Mapping[str, Mapping[str, tuple[str | Path, ...]]]
ORG, BY = "default", "bench"
RECORDS = queries("records")
GOAL: Final = 0.015
#: Where a clip waits for a person, or a rule already stopped it.
SEEN_BY_PEOPLE: Final = frozenset({Status.IN_REVIEW, Status.WITHHELD})
UNSHOWN: Final = (
    "explicit content",
    "minors",
    "photographs of violence and weapons",
    "words about weapons: their rule keeps a clip from teens and asks nobody",
    "voices of real people",
    "footage of people in motion: every face is a still photograph, a painting or a drawing that the camera moves over",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What became of one clip, and why."""

    plan: Plan
    status: str
    causes: tuple[str, ...]
    rules: tuple[str, ...]
    extremes: Mapping[str, tuple[float, float]]
    seconds: float

    @property
    def by_people(self) -> bool:
        """Whether a person would see it, or it was stopped."""
        return self.status in SEEN_BY_PEOPLE

    def to_json(self) -> dict[str, object]:
        """The clip as the result file tells it."""
        return {
            "clip": self.plan.name,
            "group": self.plan.group,
            "status": self.status,
            "causes": self.causes,
            "rules": self.rules,
            "signals": self.extremes,
        }


def look_at(services: "Services", plans: Sequence[Plan], registries: Registries, folder: Path) -> list[Seen]:
    """Take every clip through the pipeline, registry by registry."""
    seen = []
    for registry in sorted({plan.registry for plan in plans}):
        register(services, registries[registry])
        for plan in (plan for plan in plans if plan.registry == registry):
            seen.append(look_at_one(services, plan, folder))
            results.tell(f"{len(seen)}/{len(plans)} {plan.name}: {seen[-1].status} {' '.join(seen[-1].rules)}")
    return seen


def look_at_one(services: "Services", plan: Plan, folder: Path) -> Seen:
    """Make one clip and take it to its verdict."""
    path = folder / f"{plan.name}.mp4"
    sound = None
    if plan.spoken:
        locale, sentence = plan.spoken
        sound = speak(sentence, locale, services.settings.models)
    write_footage(path, plan.draw(services.settings.models), fps=FPS, sound=sound)
    began = time.monotonic()
    clip = check_file(services, ORG, BY, path, plan.submission)
    verdict = read_verdict(services, ORG, clip.clip_id)
    path.unlink()
    held = cast("Mapping[str, object] | None", verdict["held"])
    causes = (str(held["cause"]),) if held else _reasons(verdict)
    status = str(verdict["status"])
    told = status in SEEN_BY_PEOPLE
    return Seen(
        plan=plan,
        status=status,
        causes=causes,
        rules=_rules(services, clip.clip_id) if told else (),
        extremes=_extremes(verdict) if told else {},
        seconds=time.monotonic() - began,
    )


def register(services: "Services", registry: Mapping[str, tuple[str | Path, ...]]) -> None:
    """Forget everybody who is registered and register these public figures. Raises Unprocessable for a bad picture."""
    with services.database.transaction(ORG) as tx:
        for person in consent.list_people(tx, services.vault):
            consent.erase_person(tx, services.clock.now(), person.person_id, by=BY)
    with tempfile.TemporaryDirectory(prefix="bench-people-") as scratch:
        for name, stills in registry.items():
            images = [_image(still, Path(scratch), services.settings.models) for still in stills]
            register_person(services, ORG, name=name, kind="public_figure", images=images, by=BY)


def summarise(seen: Sequence[Seen], *, wanted: bool) -> dict[str, object]:
    """Counts and exact 95 % intervals of a set; `wanted` says whether its clips should be seen by people."""
    counted = [one for one in seen if one.by_people is not wanted]
    low, high = exact_interval(len(counted), len(seen))
    groups = {one.plan.group: [0, 0] for one in seen}
    for one in seen:
        groups[one.plan.group][0] += one.by_people is not wanted
        groups[one.plan.group][1] += 1
    return {
        "clips": len(seen),
        "missed" if wanted else "to_people": len(counted),
        "share": round(len(counted) / len(seen), 4),
        "interval_95": [round(low, 4), round(high, 4)],
        "by_group": {group: {"counted": counts[0], "clips": counts[1]} for group, counts in groups.items()},
        "by_cause": dict(Counter(cause for one in seen if one.by_people for cause in one.causes).most_common()),
        "by_rule": dict(Counter(rule for one in seen if one.by_people for rule in one.rules).most_common()),
        "counted": [one.to_json() for one in counted],
    }


def main() -> None:
    """Run the sets, write `results/review_load.json`, print the table. Exits 1 when a clip reached no verdict.

    An argument names a folder with the photographs of `official_portraits.py`; their clips then join both sets.
    """
    began, clock = results.circumstances(), time.monotonic()
    members = Members(Path(sys.argv[1])) if len(sys.argv) > 1 else None
    benign, positive = review_clips.benign(), review_clips.positive()
    registries: dict[str, Mapping[str, tuple[str | Path, ...]]] = {**review_clips.REGISTRIES}
    if members:
        benign, positive = members.benign() + benign, members.positive() + positive
        registries[REGISTRY] = members.registry()
    sets = {"benign": benign, "positive": positive, "painted_registry": review_clips.painted_strangers()}
    with tempfile.TemporaryDirectory(prefix="bench-review-") as scratch, passing_state() as state:
        settings = Settings(env="development", state=state)
        with open_services(settings) as services:
            seen: dict[str, list[Seen]] = {}
            for name, plans in sets.items():
                seen[name] = look_at(services, plans, registries, Path(scratch))
                # What is done is kept, should the rest be stopped.
                results.save("review_load", began, figures_of(seen))
    shown = {
        "registries": {name: sorted(people) for name, people in registries.items()},
        "credits": licensed_stills.credits_of(licensed_stills.STILLS) + ([*SOURCES.values()] if members else []),
        "seconds": round(time.monotonic() - clock, 1),
    }
    figures = {**figures_of(seen), **shown}
    path = results.save("review_load", began, figures)
    _print(figures)
    print(f"\n{path}")
    if figures["without_verdict"]:
        sys.exit("some clips reached no verdict: the shares above are not the rules'")


def figures_of(seen: Mapping[str, Sequence[Seen]]) -> dict[str, object]:
    """Every set summarised, and what the sets do not show."""
    everything = [one for part in seen.values() for one in part]
    return {
        "goal": GOAL,
        **{name: summarise(part, wanted=name == "positive") for name, part in seen.items()},
        "without_verdict": [one.to_json() for one in everything if one.status not in _SETTLED],
        "unshown": UNSHOWN,
        "pipeline_seconds": round(sum(one.seconds for one in everything), 1),
    }


_SETTLED: Final = SEEN_BY_PEOPLE | {Status.RELEASED}


def _image(still: str | Path, folder: Path, cache: Path) -> Path:
    if isinstance(still, Path):
        return still
    if licensed_stills.STILLS[still].carrier is None:
        return portrait(still, cache)
    path = folder / f"{still}.png"
    cv2.imwrite(str(path), licensed_stills.picture(still, cache))
    return path


def _reasons(verdict: Mapping[str, object]) -> tuple[str, ...]:
    decision = cast("Mapping[str, list[Mapping[str, object]]] | None", verdict["decision"])
    # A reason may stand there once for every face.
    return tuple(sorted({str(reason["code"]) for reason in decision["reasons"]})) if decision else ()


def _rules(services: "Services", clip_id: str) -> tuple[str, ...]:
    """The rules that asked for a person, with what they rest on when it could not be told."""
    with services.database.transaction(ORG) as tx:
        row = tx.pg.execute(RECORDS.latest_decision, {"clip": clip_id}).fetchone()
    trace = json.loads(row[2])["trace"] if row else []
    return tuple(
        f"{entry['policy']}.{entry['rule']}" + ("" if entry["truth"] == "true" else f" ({entry['truth']})")
        for entry in trace
        if entry["outcome"] in {"review", "block"} and not entry.get("shadow")
    )


def _extremes(verdict: Mapping[str, object]) -> dict[str, tuple[float, float]]:
    """Smallest and largest sample of every signal that has samples other than nought."""
    signals = cast("Mapping[str, Mapping[str, list[list[float]]]]", verdict["signals"])
    spans = {name: [sample[1] for sample in signal.get("samples") or []] for name, signal in signals.items()}
    return {
        name: (round(min(values), 4), round(max(values), 4)) for name, values in spans.items() if values and any(values)
    }


def _print(figures: Mapping[str, object]) -> None:
    for part, told in (("benign", "to people"), ("positive", "missed"), ("painted_registry", "to people")):
        summary = cast("Mapping[str, Mapping[str, Mapping[str, int]]]", figures[part])
        lines: list[tuple[object, ...]] = [("group", told, "clips")]
        lines += [(group, counts["counted"], counts["clips"]) for group, counts in summary["by_group"].items()]
        whole = cast("Mapping[str, object]", summary)
        lines.append(("all", whole["missed" if part == "positive" else "to_people"], whole["clips"]))
        results.print_table(f"{part}: {whole['share']} (95 %: {whole['interval_95']})", lines)
        for kind in ("by_cause", "by_rule"):
            results.print_table(f"{part}, {kind[3:]} of what people see", [("", ""), *summary[kind].items()])


if __name__ == "__main__":
    main()

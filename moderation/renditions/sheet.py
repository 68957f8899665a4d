"""What there is to see and hear of a case, as one document: addresses, times and numbers. Makes nothing."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, cast

from moderation import review
from moderation.db import Transaction
from moderation.renditions.bases import find, moments_in, report_of
from moderation.renditions.sight import demand_sight, veil_only
from moderation.verdicts import Verdict, gather
from watermark.filmstrip import COLUMNS, ROWS, times_of
from watermark.loudness import STEP_MS

if TYPE_CHECKING:
    from moderation.decisions import Decision
    from moderation.scoring import Analysis
    from moderation.services import Services

#: From which share of a quarter of a second on it counts as speech.
_SPOKEN: Final = 0.5
#: More flashes within a second than WCAG 2.3.1 lets pass.
MOST_FLASHES: Final = 3


def sheet(services: "Services", org: str, case_id: str, who: review.Reviewer) -> dict[str, object]:
    """Everything a page can show of a case. What is not made yet is made when its address is first asked for.

    Without a marked file there is nothing to show, and every entry is empty. Raises as `demand_sight`.
    """
    with services.database.transaction(org) as tx:
        case = review.read_case(tx, case_id)
        opened, verdict = review.opening_decision(tx, case), gather(tx, case.clip_id)
        return sheet_of(tx, services.clock.now(), case, who, opened, verdict)


def sheet_of(
    tx: Transaction, now: datetime, case: review.Case, who: review.Reviewer, opened: "Decision", verdict: Verdict
) -> dict[str, object]:
    """The same for who has read the case already, with what opened it and its clip's verdict."""
    demand_sight(tx, now, case, who)
    marked = find(tx, case.clip_id, "marked") is not None
    notes = report_of(tx, case.clip_id, "strip") or {}
    moments = moments_in(verdict.analysis, opened) if marked else []
    veiled_only = veil_only(tx, case)
    ready = find(tx, case.clip_id, "veiled") is not None
    base = f"/v1/cases/{case.case_id}/renditions"
    duration_ms = int(cast("int | None", (verdict.clip.probe or {}).get("duration_ms")) or 0)
    times = notes.get("times_ms") or times_of(duration_ms)
    return {
        "veiled": {"url": f"{base}/veiled", "ready": ready} if marked else None,
        "strip": {"url": f"{base}/strip", "columns": COLUMNS, "rows": ROWS, "times_ms": times} if marked else None,
        "stills": [
            {"n": n, "url": f"{base}/still_{n}", "at_ms": moment["start_ms"], "label": moment["label"]}
            for n, moment in enumerate(moments, 1)
        ],
        "unveiled": [] if veiled_only or not marked else ["revealed", "cartoon", "sound"],
        "flashes": _flashes(notes),
        "sound": {"step_ms": STEP_MS, "loudness_db": notes["loudness_db"]} if notes.get("loudness_db") else None,
        "turns": turns(verdict.analysis) if verdict.analysis else [],
    }


def _flashes(notes: Mapping[str, object]) -> dict[str, object] | None:
    """None while nobody counted: silence is no zero."""
    if "flashes" not in notes:
        return None
    most = cast("int", notes["flashes"])
    return {"most_in_a_second": most, "from_ms": notes["flashing_from_ms"], "warn": most > MOST_FLASHES}


def turns(analysis: "Analysis") -> list[list[int | None]]:
    """Stretches of speech as [start ms, end ms, voice]: of known voices where some are told apart, else of anybody."""
    told: list[list[int | None]] = [
        [start, end, cast("int", voice["voice"])]
        for voice in analysis.voices
        for start, end in cast("list[tuple[int, int]]", voice["segments"])
    ]
    return sorted(told or _spoken(analysis), key=lambda turn: (turn[0] or 0, turn[1] or 0))


def _spoken(analysis: "Analysis") -> list[list[int | None]]:
    signal = cast("Mapping[str, Any]", analysis.signals.get("voice.speech", {}))
    samples = [(int(sample[0]), float(sample[1])) for sample in signal.get("samples", [])]
    step = min((after[0] - before[0] for before, after in pairwise(samples)), default=0)
    found: list[list[int | None]] = []
    for at, share in samples:
        if share < _SPOKEN:
            continue
        if found and at - (found[-1][1] or 0) <= step // 2:
            found[-1][1] = at + step
        else:
            found.append([at, at + step, None])
    return found

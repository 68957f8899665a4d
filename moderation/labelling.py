"""What a clip's labels say and keep clear of. Settled once, before marking, and kept with the rendition.

The verifier reads it from there: later settings and later looks change nothing about a mark that is in the picture.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from moderation.clips import Clip, Submission
from moderation.db import queries
from moderation.errors import Outage, Unprocessable
from moderation.policy.regions import EU
from moderation.settings import Marking, Settings
from watermark.implicit_label import ImplicitLabel
from watermark.lettering import CannotDraw, Fonts, render, undrawable
from watermark.payload import Payload
from watermark.placing import KeptClear, keep_out
from watermark.stamp import LABELS, StartLabel, VisibleSpec, draw_start, handle

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")
#: How long before and after the instant at which it was seen a face is kept clear.
FACE_MS: Final = 500
#: A start label must be tall enough in the narrowest frame, which is a square.
SQUARE: Final = 1000
#: The face a font is tried with.
TRIED_PX: Final = 24


def fonts_of(marking: Marking) -> Fonts:
    """The font files that are asked after the packaged ones."""
    return tuple(str(path) for path in marking.fonts)


def words(settings: Settings) -> Mapping[str, str]:
    """How to say "AI-generated", by language: our own words and the operator's."""
    return {**LABELS, **settings.marking.labels}


def language_of(settings: Settings, locale: str) -> str:
    """The configured language that a clip is labelled in: its locale's, else the first."""
    language = locale.partition("-")[0].lower()
    return language if language in settings.languages else settings.languages[0]


def start_label(marking: Marking, market: str | None) -> StartLabel | None:
    """The words that the start of a clip for this market must show, one line for each region that asks for some."""
    names = sorted(markets_of(marking, market) & set(marking.start_labels))
    asked = [marking.start_labels[name] for name in names]
    if not asked:
        return None
    text = "\n".join(dict.fromkeys(each.text for each in asked))
    return StartLabel(text=text, until_ms=round(1000 * max(each.seconds for each in asked)))


def markets_of(marking: Marking, market: str | None) -> set[str]:
    """The markets that a clip is for: its own, those of every clip, and `EU` for any of its members."""
    markets = {*marking.markets, *([market] if market else [])}
    return markets | ({"EU"} if markets & EU else set())


def implicit_label(marking: Marking, clip: Clip) -> str | None:
    """The text of the label that the container's metadata must hold, None where no market asks for one.

    It names services and the clip by its public id; nothing in it is said of a person.
    """
    asked = marking.implicit_label
    if not markets_of(marking, clip.market) & set(asked.markets):
        return None
    label = ImplicitLabel(
        producer=asked.producer or marking.provider,
        produce_id=clip.clip_id,
        propagator=asked.propagator,
        propagate_id=clip.clip_id if asked.propagator else "",
    )
    return label.text()


def faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """What of the visible mark cannot be drawn here: each part, and the reason."""
    marking, fonts = settings.marking, fonts_of(settings.marking)
    for language in settings.languages:
        text = words(settings).get(language)
        if text is None:
            yield f"language {language}", f"no words for it: set MODERATION_MARKING__LABELS__{language.upper()}"
        elif fault := _fault(text, language, fonts):
            yield f"language {language}", fault
    if fault := _fault(marking.platform_name, "en", fonts):
        yield "platform name", fault
    for market in marking.markets:
        if fault := start_fault(marking, market):
            yield f"start label of {market}", fault


def _fault(text: str, locale: str, fonts: Fonts) -> str | None:
    try:
        render(text, TRIED_PX, locale, fonts)
    except CannotDraw as error:
        return str(error)
    return None


def start_fault(marking: Marking, market: str | None) -> str | None:
    """Why the start label of a market cannot be drawn, None when it can or there is none."""
    asked = start_label(marking, market)
    try:
        if asked is not None:
            draw_start(asked.text, SQUARE, SQUARE, fonts_of(marking))
    except CannotDraw as error:
        return str(error)
    return None


def demand_drawable(settings: Settings) -> None:
    """Refuse to start where a configured language, the platform's name or a start label cannot be drawn."""
    found = [f"{part}: {fault}" for part, fault in faults(settings)]
    if found:
        raise Outage("visible_mark", f"the visible mark cannot be drawn: {'; '.join(found)}")


def demand_label(settings: Settings, submission: Submission) -> None:
    """Refuse at the door what could only be marked with letters missing. Raises Unprocessable."""
    marking = settings.marking
    if fault := start_fault(marking, submission.market):
        raise Unprocessable(
            f"the market {submission.market} asks for a label that cannot be drawn here: {fault}", field="market"
        )
    missing = undrawable(submission.creator or "", fonts_of(marking))
    if missing and marking.undrawable_handles == "refuse":
        raise Unprocessable(f"no font here has these letters of the creator: {missing}", field="creator")


def wording(services: "Services", clip: Clip) -> dict[str, object]:
    """What a clip's mark says by the settings of now, as JSON."""
    settings, language = services.settings, language_of(services.settings, clip.locale)
    start = start_label(settings.marking, clip.market)
    return {
        "platform": settings.marking.platform_name,
        "locale": language,
        "label": words(settings)[language],
        "start": {"text": start.text, "until_ms": start.until_ms} if start else None,
        "handle": _handle_state(clip.creator or "", fonts_of(settings.marking)),
        "avoid": [],
    }


def _handle_state(creator: str, fonts: Fonts) -> str:
    """A handle with letters left out could be somebody else's: it is drawn whole or not at all."""
    if undrawable(creator, fonts):
        return "left_out"
    return "drawn" if handle(creator, fonts) else "none"


def settle(services: "Services", clip: Clip) -> dict[str, object]:
    """What a clip's mark says and keeps clear of: of faces and captions where detectors have looked already."""
    with services.database.transaction(clip.org_id) as tx:
        row = tx.pg.execute(SQL.latest_analysis, {"clip": clip.clip_id}).fetchone()
    boxes = kept_clear(json.loads(row[0])) if row else ()
    return wording(services, clip) | {"avoid": list(keep_out(boxes))}


def kept_clear(analysis: Mapping[str, Any]) -> Iterator[KeptClear]:
    """The boxes of an analysis: faces about the instants they were seen at, writing for as long as the clip was seen.

    Writing is read on few frames; captions change their words and stay in their strip.
    """
    for face in analysis["faces"]:
        for at, x, y, width, height in face["boxes"]:
            yield KeptClear(start_ms=at - FACE_MS, end_ms=at + FACE_MS, x=x, y=y, width=width, height=height)
    end_ms = max(analysis["seen_ms"], default=0) + 1
    for x, y, width, height in (text["box"] for text in analysis["texts"] if text["box"]):
        yield KeptClear(start_ms=0, end_ms=end_ms, x=x, y=y, width=width, height=height)


def visible_spec(
    services: "Services", clip: Clip, payload: Payload, report: Mapping[str, Any] | None = None
) -> VisibleSpec:
    """The visible mark of a clip: re-derivable from the clip's record, its rendition's report and the mark key."""
    report = report or {}
    said: Mapping[str, Any] = report.get("visible") or wording(services, clip)
    return VisibleSpec(
        platform=said["platform"],
        creator=(clip.creator or "") if said["handle"] == "drawn" else "",
        locale=said["locale"],
        label=said["label"],
        mark_id=payload.mark_id,
        key=services.mark_keys[payload.key_version],
        start=StartLabel(**said["start"]) if said["start"] else None,
        avoid=tuple(said["avoid"]),
        size=(report["width"], report["height"]) if "width" in report else None,
        fonts=fonts_of(services.settings.marking),
    )

"""Everything the case page shows, read in one go. Says nothing of how it looks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from moderation import renditions, review
from moderation.api.auth import reviewer_of
from moderation.background import Background, read_background
from moderation.db.clips import read_clip
from moderation.decisions import Outcome
from moderation.timelines import Line
from moderation.verdicts import document, gather
from review_ui.guidance import Guidance, read_guidance
from review_ui.timeline import (
    Lane,
    Looks,
    Moment,
    Said,
    SoundLane,
    acted_on,
    figure,
    lanes,
    lines_of,
    looks,
    moments,
    silent,
    sound,
    transcript,
)
from review_ui.translating import marked

if TYPE_CHECKING:
    from moderation.clips import Clip
    from moderation.db import Transaction
    from moderation.decisions import Decision, RuleTrace
    from moderation.keys import Principal
    from moderation.services import Services

MINOR_SAFETY: Final = "minor_safety"
OUTCOMES: Final = ("allow", "block", "restrict")
#: Frames a second of a clip whose rate nobody could tell.
USUAL_FPS: Final = 24.0
#: What a specialist goes through before deciding; ticks of their own, never sent.
CHECKLIST: Final = (
    marked("Decide as soon as you know enough; nothing has to be watched to the end."),
    marked("Do not copy, describe in detail or pass on what you saw."),
    marked("Report it by your organisation's procedure where the law asks for it, before you decide."),
    marked("Keep to this page: the clip's bytes are kept as evidence by the service."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one kind, in words before any picture: where, and the figure furthest beyond its line."""

    label: str
    spans: str
    figure: str
    line: str
    side: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Where the renditions of a case are; stills by the key of their moment."""

    veiled: str = ""
    strip: str = ""
    stills: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One case as one reviewer sees it."""

    case: review.Case
    opened: "Decision"
    clip: dict[str, object]
    words: dict[str, str | None]
    findings: list[Finding]
    lanes: list[Lane]
    silent: list[str]
    looks: Looks | None
    sound: SoundLane | None
    transcript: list[Said]
    moments: list[Moment]
    media: Media
    #: The most flashes in one second, when there are enough to warn of.
    flashes: int
    rules: list["RuleTrace"]
    guidance: list[Guidance]
    background: Background
    #: Registered people seen, heard or declared.
    people: frozenset[str]
    #: `mine`, `free`, `held` by a colleague, or `closed`.
    state: str
    holder: str
    #: Why there is nothing to look at; empty when there is.
    unseen: str
    frame_s: float
    portrait: bool
    rest_due: bool = False
    two_person: bool = False

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What may be decided. A hash match is lifted by the list it stands on, not here."""
        return ("block",) if self.case.queue == review.HASH_QUEUE else OUTCOMES

    @property
    def specialist(self) -> bool:
        """Whether only specialists get here."""
        return self.case.queue in {MINOR_SAFETY, review.HASH_QUEUE}

    @property
    def may_reveal(self) -> bool:
        """Whether the server would show more than the veil: to its holder, and never what is only for specialists."""
        return self.state == "mine" and not self.specialist and not self.unseen

    @property
    def checklist(self) -> tuple[str, ...]:
        """What a specialist goes through first."""
        return CHECKLIST if self.specialist else ()

    @property
    def duration_ms(self) -> int:
        """Length of the clip; 1 when nobody could tell."""
        return max(1, cast("int | None", self.clip["duration_ms"]) or 1)


def read_view(services: "Services", principal: "Principal", case_id: str, language: str) -> CaseView:
    """Read a case. Raises NotFound, Forbidden for a queue that is not this reviewer's."""
    with services.database.transaction(principal.org) as tx:
        return view_of(services, tx, principal, case_id, language)


def view_of(services: "Services", tx: "Transaction", principal: "Principal", case_id: str, language: str) -> CaseView:
    """The same within a transaction."""
    reviewer, now = reviewer_of(principal), services.clock.now()
    case = review.read_case(tx, case_id)
    review.demand_access(tx, case.queue, reviewer)
    opened, stored = review.opening_decision(tx, case), read_clip(tx, case.clip_id)
    verdict = gather(tx, case.clip_id)
    clip, lines, acted = document(verdict), lines_of(opened.trace), acted_on(opened.trace)
    state = _state(services, principal, case)
    unseen = _unseen(case, state, marked=renditions.find(tx, case.clip_id, "marked") is not None)
    sheet: dict[str, Any] = {} if unseen else {"veiled": f"/v1/cases/{case_id}/renditions/veiled"}
    shown, rules, people = moments(clip, acted), acting_rules(opened), _people(clip, stored)
    return CaseView(
        case=case,
        opened=opened,
        clip=clip,
        words=review.words_of(tx, case.clip_id),
        findings=findings(shown, lines),
        lanes=lanes(clip, lines),
        silent=silent(clip, lines),
        looks=looks(clip),
        sound=sound(clip, _loudness(sheet)),
        transcript=transcript(verdict.analysis.texts if verdict.analysis else ()),
        moments=shown,
        media=_media(sheet),
        flashes=int((sheet.get("flashes") or {}).get("most_in_a_second", 0)),
        rules=rules,
        guidance=_guidance(services, rules, language),
        background=read_background(tx, now, stored, people),
        people=people,
        state=state,
        holder=case.lease_holder or "",
        unseen=unseen,
        frame_s=_frame_s(stored),
        portrait=_portrait(stored),
    )


def acting_rules(opened: "Decision") -> list["RuleTrace"]:
    """The rules that had a part in bringing the clip here."""
    return [entry for entry in opened.trace if entry.acts and entry.outcome not in {None, Outcome.ALLOW}]


def findings(shown: Iterable[Moment], lines: Mapping[str, Line]) -> list[Finding]:
    """Moments of one kind as one finding: said with its seconds, in the order in which the kinds first appear."""
    kinds: dict[str, list[Moment]] = {}
    for moment in shown:
        kinds.setdefault(moment.label, []).append(moment)
    return [_finding(label, found, lines.get(found[0].signal)) for label, found in kinds.items()]


def _finding(label: str, found: list[Moment], line: Line | None) -> Finding:
    spans = ", ".join(f"{moment.clock}\u2013{moment.until}" for moment in found)
    if line is None:
        return Finding(label=label, spans=spans, figure="", line="", side="above")
    worst = (max if line.above else min)(moment.peak for moment in found)
    side = "above" if line.above else "below"
    return Finding(label=label, spans=spans, figure=figure(worst, line), line=figure(line.value, line), side=side)


def _state(services: "Services", principal: "Principal", case: review.Case) -> str:
    if case.state != "open":
        return "closed"
    if not case.held(services.clock.now()):
        return "free"
    return "mine" if case.lease_holder == principal.principal else "held"


def _unseen(case: review.Case, state: str, *, marked: bool) -> str:
    if case.queue == review.HASH_QUEUE:
        return "known_illegal"
    if state == "held":
        return "held"
    return "" if marked else "unmarked"


def _people(clip: Mapping[str, object], stored: "Clip") -> frozenset[str]:
    seen = [*cast("list[dict[str, Any]]", clip["faces"]), *cast("list[dict[str, Any]]", clip["voices"])]
    return frozenset({each["person"] for each in seen if each.get("person")} | set(stored.cameos))


def _loudness(sheet: Mapping[str, Any]) -> list[float]:
    """Loudness between 0 and 1, from decibels below full scale; silence is 60 below."""
    found = sheet.get("sound") or {}
    return [min(1.0, max(0.0, 1 + value / 60)) for value in found.get("loudness_db", ())]


def _media(sheet: Mapping[str, Any]) -> Media:
    stills = {still["n"]: still["url"] for still in sheet.get("stills") or ()}
    return Media(veiled=sheet.get("veiled") or "", strip=(sheet.get("strip") or {}).get("url", ""), stills=stills)


def _guidance(services: "Services", rules: Iterable["RuleTrace"], language: str) -> list[Guidance]:
    folder = services.settings.policies_dir()
    areas = dict.fromkeys(rule.policy for rule in rules)
    return [text for area in areas if (text := read_guidance(folder, area, language)) is not None]


def _frame_s(stored: "Clip") -> float:
    fps = cast("float", (stored.probe or {}).get("fps") or USUAL_FPS)
    return 1 / fps


def _portrait(stored: "Clip") -> bool:
    probe = cast("dict[str, int]", stored.probe or {})
    return probe.get("height", 0) > probe.get("width", 0)

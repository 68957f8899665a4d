"""Everything the case page shows, read in one go. Says nothing of how it looks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from moderation import exposure, renditions, review
from moderation.api.auth import reviewer_of
from moderation.background import Background, read_background
from moderation.code_names import code_names
from moderation.db.clips import read_clip
from moderation.decisions import Outcome
from moderation.errors import Forbidden, NotFound
from moderation.review import batches
from moderation.review.escalation import takes_two
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
OUTCOMES: Final = ("allow", "block", "restrict", "escalate")
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
    #: Stills over the whole clip in one picture, row after row.
    strip: str = ""
    columns: int = 1
    rows: int = 1
    stills: Mapping[int, str] = field(default_factory=dict)
    #: Whether the server unveils anything of it to whoever holds the case.
    unveiled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was done with the case, or said of it, by whom as colleagues know them."""

    who: str
    action: str
    at: datetime
    question: str = ""
    outcome: str = ""
    reason: str = ""
    note: str = ""


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
    #: The most flashes in one second where that is too many, else 0.
    flashes: int
    rules: list["RuleTrace"]
    guidance: list[Guidance]
    background: Background
    #: Registered people seen, heard or declared.
    people: frozenset[str]
    #: `mine`, `free`, `held` by a colleague, or `closed`.
    state: str
    holder: str
    history: list[Told]
    #: What colleagues think, where this reviewer may see it.
    opinions: list[Told]
    #: Why there is nothing to look at; empty when there is.
    unseen: str
    frame_s: float
    portrait: bool
    #: Whether approving and limiting take two people here.
    two_person: bool
    #: Queues whose people may be asked.
    groups: list[str]
    #: Open cases of the same clip, nearly, that may be decided alike.
    similar: tuple[batches.Similar, ...]
    rest_due: bool
    #: What the case that would be dealt next will show first.
    upcoming: Media

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What may be decided. A hash match is lifted by the list it stands on, not here."""
        return OUTCOMES[1:2] if self.case.queue == review.HASH_QUEUE else OUTCOMES

    @property
    def specialist(self) -> bool:
        """Whether only specialists get here."""
        return self.case.queue in {MINOR_SAFETY, review.HASH_QUEUE}

    @property
    def may_reveal(self) -> bool:
        """Whether the server would show more than the veil: to its holder, and never what is only for specialists."""
        return self.state == "mine" and self.media.unveiled

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
    reviewer = reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        queue = review.demand_access(tx, case.queue, reviewer)
        read = _Reading(services=services, tx=tx, principal=principal, reviewer=reviewer, case=case)
        view = _view(read, queue, language)
        following = read.upcoming()
    media = sheet_of(services, principal, case_id) if not view.unseen else {}
    return replace(
        view,
        media=_media(media),
        sound=sound(view.clip, _loudness(media), media.get("turns", ())),
        flashes=_flashes(media),
        upcoming=_media(sheet_of(services, principal, following)) if following else Media(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Who reads which case, in which transaction."""

    services: "Services"
    tx: "Transaction"
    principal: "Principal"
    reviewer: review.Reviewer
    case: review.Case

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    def state(self) -> str:
        if self.case.state != "open":
            return "closed"
        if not self.case.held(self.now):
            return "free"
        return "mine" if self.case.lease_holder == self.principal.principal else "held"

    def unseen(self) -> str:
        if self.case.queue == review.HASH_QUEUE:
            return "known_illegal"
        if self.state() == "held":
            return "held"
        return "" if renditions.find(self.tx, self.case.clip_id, "marked") is not None else "unmarked"

    def told(self) -> tuple[list[Told], list[Told]]:
        """What was done with the case, and what others think of it, with code names."""
        acts = review.history(self.tx, self.case, self.reviewer)
        views = review.opinions_to_show(self.tx, self.case, self.reviewer)
        names = code_names(self.tx, {*(act.actor for act in acts), *(view.reviewer for view in views)})
        done = [
            Told(who=names.get(a.actor, ""), action=a.action, at=a.at, question=str(a.body.get("question", "")))
            for a in acts
        ]
        thought = [
            Told(
                who=names.get(view.reviewer, ""),
                action="answered",
                at=view.answered_at,
                outcome=view.outcome,
                reason=view.reason or "",
                note=view.note,
            )
            for view in views
        ]
        return done, thought

    def holder(self) -> str:
        holder = self.case.lease_holder
        return code_names(self.tx, [holder]).get(holder, "") if holder else ""

    def groups(self) -> list[str]:
        """Whom the case may be handed to: colleagues of a queue one sees, and always those of minor safety."""
        lines = review.list_queues(self.tx, self.now, self.reviewer, empty=True)
        return list(dict.fromkeys([MINOR_SAFETY, *(line.name for line in lines if line.name != review.HASH_QUEUE)]))

    def similar(self) -> tuple[batches.Similar, ...]:
        terms = review.terms_of(self.services.settings)
        return batches.similar(self.tx, terms, self.now, self.case, self.reviewer) if self.state() == "mine" else ()

    def rest_due(self) -> bool:
        caps = exposure.caps_of(self.services.settings)
        stands = exposure.standing(self.tx, self.now, self.principal.principal, caps)
        return stands.run_ms >= stands.run_cap_ms

    def upcoming(self) -> str:
        """The case that would be dealt next, to be made ready; none where nothing may be shown of it."""
        if self.state() != "mine" or self.case.queue in {MINOR_SAFETY, review.HASH_QUEUE}:
            return ""
        terms = review.terms_of(self.services.settings)
        found = review.peek(self.tx, terms, self.now, self.case.queue, self.reviewer, beside=self.case.case_id)
        return found or ""


def _view(read: _Reading, queue: review.Queue, language: str) -> CaseView:
    """Everything but what there is to see and hear."""
    opened, stored = review.opening_decision(read.tx, read.case), read_clip(read.tx, read.case.clip_id)
    verdict = gather(read.tx, read.case.clip_id)
    clip, lines, acted = document(verdict), lines_of(opened.trace), acted_on(opened.trace)
    shown, rules, people = moments(clip, acted), acting_rules(opened), _people(clip, stored)
    done, thought = read.told()
    return CaseView(
        case=read.case,
        opened=opened,
        clip=clip,
        words={"prompt": stored.prompt, "title": stored.title, "locale": stored.locale},
        findings=findings(shown, lines),
        lanes=lanes(clip, lines),
        silent=silent(clip, lines),
        looks=looks(clip),
        sound=None,
        transcript=transcript(verdict.analysis.texts if verdict.analysis else ()),
        moments=shown,
        media=Media(),
        flashes=0,
        rules=rules,
        guidance=_guidance(read.services, rules, language),
        background=read_background(read.tx, read.now, stored, people),
        people=people,
        state=read.state(),
        holder=read.holder(),
        history=done,
        opinions=thought,
        unseen=read.unseen(),
        frame_s=_frame_s(stored),
        portrait=_portrait(stored),
        two_person=takes_two(review.terms_of(read.services.settings), queue),
        groups=read.groups(),
        similar=read.similar(),
        rest_due=read.rest_due(),
        upcoming=Media(),
    )


def sheet_of(services: "Services", principal: "Principal", case_id: str) -> dict[str, Any]:
    """What there is to see and hear of a case; nothing where this reviewer may see nothing."""
    try:
        found = renditions.sheet(services, principal.org, case_id, reviewer_of(principal))
    except (Forbidden, NotFound):
        return {}
    return cast("dict[str, Any]", found)


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


def _people(clip: Mapping[str, object], stored: "Clip") -> frozenset[str]:
    seen = [*cast("list[dict[str, Any]]", clip["faces"]), *cast("list[dict[str, Any]]", clip["voices"])]
    return frozenset({each["person"] for each in seen if each.get("person")} | set(stored.cameos))


def _loudness(sheet: Mapping[str, Any]) -> list[float]:
    """Loudness between 0 and 1, from decibels below full scale; silence is 60 below."""
    found = sheet.get("sound") or {}
    return [min(1.0, max(0.0, 1 + value / 60)) for value in found.get("loudness_db", ())]


def _media(sheet: Mapping[str, Any]) -> Media:
    strip = sheet.get("strip") or {}
    return Media(
        veiled=(sheet.get("veiled") or {}).get("url", ""),
        strip=strip.get("url", ""),
        columns=strip.get("columns", 1),
        rows=strip.get("rows", 1),
        stills={still["n"]: still["url"] for still in sheet.get("stills") or ()},
        unveiled=bool(sheet.get("unveiled")),
    )


def _flashes(sheet: Mapping[str, Any]) -> int:
    found = sheet.get("flashes") or {}
    return int(found["most_in_a_second"]) if found.get("warn") else 0


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

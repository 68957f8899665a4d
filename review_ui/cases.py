"""Everything the case page shows, read in one go. Says nothing of how it looks."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from moderation import consent, portraits, review
from moderation.api.auth import reviewer_of
from moderation.casefile import MINOR_SAFETY, Ahead, CaseFile, read_casefile
from moderation.decisions import Outcome
from moderation.errors import NotFound
from moderation.timelines import Line
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
    from moderation.decisions import Decision, RuleTrace
    from moderation.keys import Principal
    from moderation.services import Services

OUTCOMES: Final = ("allow", "block", "restrict", "escalate")
#: Frames a second of a clip whose rate nobody could tell.
USUAL_FPS: Final = 24.0
#: So many faces are shown beside whom they may be.
COMPARED: Final = 4
#: So many moments have a still.
STILLS: Final = 4
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

    @property
    def pictures(self) -> tuple[str, ...]:
        """The addresses of all that is a picture."""
        return (self.strip, *self.stills.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One case as one reviewer sees it; what is only passed on is read from its `file`."""

    file: CaseFile
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
    frame_s: float
    portrait: bool

    @property
    def case(self) -> review.Case:
        """The case itself."""
        return self.file.case

    @property
    def opened(self) -> "Decision":
        """The decision that brought it here."""
        return self.file.opened

    @property
    def clip(self) -> dict[str, object]:
        """The clip's document."""
        return self.file.clip

    @property
    def state(self) -> str:
        """Whose it is."""
        return self.file.state

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What may be decided. A hash match is lifted by the list it stands on, not here."""
        return OUTCOMES[1:2] if self.case.queue == review.HASH_QUEUE else OUTCOMES

    @property
    def alike(self) -> list[dict[str, Any]]:
        """Faces and voices that may be one of several people, none of whom may be named alone."""
        found = cast(
            "list[dict[str, Any]]", [*cast("list[Any]", self.clip["faces"]), *cast("list[Any]", self.clip["voices"])]
        )
        return [each for each in found if each.get("candidates")]

    @property
    def compared(self) -> list[dict[str, Any]]:
        """Faces that may be somebody registered, as they are shown beside whoever they may be; a few."""
        analysis = self.file.verdict.analysis
        faces = [] if analysis is None or self.file.unseen else analysis.faces
        return [face for face in faces if face["candidates"] and face["boxes"]][:COMPARED]

    @property
    def specialist(self) -> bool:
        """Whether only specialists get here."""
        return self.case.queue in {MINOR_SAFETY, review.HASH_QUEUE}

    @property
    def may_reveal(self) -> bool:
        """Whether the server would show more than the veil: to its holder, and never what is only for specialists."""
        return self.state == "mine" and self.media.unveiled

    @property
    def sound_after(self) -> str:
        """The signal under whose lane the sound's lane stands: the last one of voices, else the last one."""
        names = [lane.signal for lane in self.lanes]
        voices = [name for name in names if name.startswith("voice.")]
        return (voices or names or [""])[-1]

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
    return view_of(services, read_casefile(services, principal.org, case_id, reviewer_of(principal)), language)


def view_of(services: "Services", file: CaseFile, language: str) -> CaseView:
    """A case that was read as its page shows it."""
    clip, trace, stored, sheet = file.clip, file.opened.trace, file.verdict.clip, file.sheet
    lines, shown, rules = lines_of(trace), moments(clip, acted_on(trace)), acting_rules(file.opened)
    return CaseView(
        file=file,
        findings=findings(shown, lines),
        lanes=lanes(clip, lines),
        silent=silent(clip, lines),
        looks=looks(clip),
        sound=sound(clip, _loudness(sheet), sheet.get("turns", ())),
        transcript=transcript(file.verdict.analysis.texts if file.verdict.analysis else ()),
        moments=shown,
        media=_media(sheet),
        flashes=_flashes(sheet),
        rules=rules,
        guidance=_guidance(services, rules, language),
        frame_s=_frame_s(stored),
        portrait=_portrait(stored),
    )


def credits_of(services: "Services", principal: "Principal", people: Iterable[str]) -> dict[str, str]:
    """Of whom a picture is kept, with its source and licence; for those who keep the registry."""
    if not principal.may("likeness"):
        return {}
    with services.database.transaction(principal.org) as tx:
        found = {person: portraits.find(tx, services.vault, person) for person in people}
    return {person: f"{each.source} ({each.licence})" for person, each in found.items() if each}


def names_of(services: "Services", principal: "Principal", people: Iterable[str]) -> dict[str, str]:
    """What people are called, for those who keep the registry; everybody else tells them by their numbers."""
    if not principal.may("likeness"):
        return {}
    found = {}
    with services.database.transaction(principal.org) as tx:
        for person in people:
            # Who was erased since has no name any more.
            with suppress(NotFound):
                found[person] = consent.read_person(tx, services.vault, person).name
    return found


def first_seen(ahead: Ahead) -> Media:
    """What the next case shows first: addresses only, as what is asked for there is made there."""
    base = f"/v1/cases/{ahead.case_id}/renditions"
    stills = {n: f"{base}/still_{n}" for n in range(1, min(STILLS, len(ahead.moments_ms)) + 1)}
    return Media(veiled=f"{base}/veiled", strip=f"{base}/strip", stills=stills)


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

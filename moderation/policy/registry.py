"""What rules may speak of: signals, facts, queues, reason and note codes. The code's side of `vocabulary.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: `frame`: looked at on every sampled frame, so no samples means nobody looked. `face`: on every readable face.
#: `some`: on some faces only. `text`: on the submission's texts, at time 0. `some` and `text` may well be empty.
Per = Literal["frame", "face", "some", "text"]
FactType = Literal["text", "number", "flag"]
Basis = Literal["terms", "law"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalEntry:
    """A signal: what it is measured on, its scale, and whether a rule may block on it without a person."""

    per: Per
    low: float = 0.0
    high: float = 1.0
    may_block: bool = True
    #: A signal of faces that says of a track why this one is silent there, so that its silence is no gap.
    unless: str = ""
    #: Between which lines its errors were measured (its model card says how); None where nobody measured any.
    measured: tuple[float, float] | None = None
    means: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactEntry:
    """A fact of the submission, the account or the lineage; `values` closes the list where there is one."""

    type: FactType
    values: tuple[str, ...] = ()
    means: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A queue of cases. The order of the registry is the order of precedence: earlier queues get the clip."""

    specialists: bool = False
    means: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundEntry:
    """On what a statement of reasons rests for a reason: the operator's terms or a law, and which clause of it."""

    basis: Basis
    clause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Everything a rule may name."""

    signals: Mapping[str, SignalEntry]
    facts: Mapping[str, FactEntry]
    queues: Mapping[str, QueueEntry]
    reasons: Mapping[str, str]
    notes: Mapping[str, str]
    #: By reason. An operator's own words, so unlike the rest they are what the file says, not what the code says.
    grounds: Mapping[str, GroundEntry] = field(default_factory=dict)

    def rank(self, queue: str | None) -> int:
        """Return the queue's place in the order of precedence; none comes last."""
        names = list(self.queues)
        return names.index(queue) if queue is not None and queue in self.queues else len(names)


def _words(means: str) -> SignalEntry:
    return SignalEntry(per="text", may_block=False, means=means)


def _unmeasured(means: str, per: Per = "frame") -> SignalEntry:
    """A signal of a network whose errors on this service's clips nobody has measured: no block without a person."""
    return SignalEntry(per=per, may_block=False, means=means)


def _claim(of: str) -> SignalEntry:
    """What the platform says, unchecked; given for some clips only, and never in the place of our own look."""
    return SignalEntry(per="text", may_block=False, means=f"how sure the platform says it is of {of}; unchecked")


#: What a detector at another address may be agreed to speak of; its own scores are mapped to these names.
_ELSEWHERE = {
    "explicit": "explicit content",
    "violence": "violence or gore",
    "hate": "hate",
    "self_harm": "self-harm or suicide",
    "minor": "a minor who is seen",
    "weapon": "weapons",
    "risk": "any risk",
}

SIGNALS: dict[str, SignalEntry] = {
    "explicit.score": SignalEntry(per="frame", measured=(0.05, 0.95), means="how sexually explicit the frame looks"),
    "explicit.probability": SignalEntry(
        per="frame", means="probability that the frame is explicit; not measured before `moderation calibrate`"
    ),
    "explicit.parts": SignalEntry(
        per="frame",
        may_block=False,
        means="how surely an exposed body part is in the frame; not measured without its pack",
    ),
    "face.detection": SignalEntry(per="frame", means="how sure it is that a face is there, 0 where none is"),
    "face.match_distance": SignalEntry(
        per="some", high=4.0, measured=(0.35, 0.65), means="distance to the nearest registered person"
    ),
    "drawn.score": SignalEntry(per="frame", may_block=False, means="how drawn the frame looks; few frames of a shot"),
    "face.age": SignalEntry(
        per="face",
        high=120.0,
        unless="face.drawn",
        measured=(1, 80),
        means="apparent age in years, the lower of the nets' opinions",
    ),
    "face.drawn": SignalEntry(
        per="some", may_block=False, means="1 where a face is drawn, so that its age is not measured"
    ),
    "face.unread": SignalEntry(per="some", means="1 where a face is there but too small or poor to be read"),
    "minor.score": SignalEntry(
        per="face", unless="face.drawn", means="share of the nets' belief that the face is under 18; uncalibrated"
    ),
    "explicit.low": _unmeasured("how sure the network is of suggestive content or more, by the GPU pack"),
    "explicit.medium": _unmeasured("how sure the network is of partly nude content or more, by the GPU pack"),
    "explicit.high": _unmeasured("how sure the network is of explicit content, by the GPU pack"),
    "explicit.second": _unmeasured("a quick second opinion on explicit content, by the GPU pack"),
    "age.minor": _unmeasured("how sure it is that a face is a minor's, by the GPU pack", per="some"),
    "age.under_21": _unmeasured("how sure it is that a face is under 21, by the GPU pack", per="some"),
    "scene.violence": _unmeasured("how much the frame resembles violence rather than sport, play or stage"),
    "scene.gore": _unmeasured("how much the frame resembles gore rather than food, medicine or make-up"),
    "scene.weapon": _unmeasured("how much the frame resembles a weapon rather than tools or toys"),
    "scene.hate_symbol": _unmeasured("how much the frame resembles a symbol of hate rather than other signs"),
    "scene.drawn": _unmeasured("how much the frame resembles a drawing rather than a photograph"),
    "scene.character": _unmeasured("how much the frame resembles a rights holder's character that is listed"),
    "work.similarity": _unmeasured("cosine to the nearest picture of a rights holder's work, by the GPU pack"),
    **{f"remote.{name}": _unmeasured(f"{of}, by a detector at another address") for name, of in _ELSEWHERE.items()},
    "platform.nsfw": _claim("sexual content"),
    "platform.violence": _claim("violence or gore"),
    "platform.hate": _claim("hate"),
    "platform.self_harm": _claim("self-harm or suicide"),
    "platform.minors": _claim("minors"),
    "platform.risk": _claim("any risk of its own reckoning"),
    "text.detection": SignalEntry(
        per="some", may_block=False, means="how surely writing was read off the frame, 0 where none was"
    ),
    "speech.text": SignalEntry(
        per="some",
        may_block=False,
        means="how surely words were heard where they begin; not measured without a detector that writes down speech",
    ),
    "voice.speech": SignalEntry(per="some", may_block=False, means="share of a quarter of a second that is speech"),
    "voice.match_distance": SignalEntry(
        per="some",
        high=2.0,
        may_block=False,
        measured=(0.7, 0.95),
        means="distance of a voice to the nearest registered one",
    ),
    "sampling.unseen": SignalEntry(
        per="some", may_block=False, means="1 where something new was shown that the budget did not allow to look at"
    ),
    "words.minors": _words("texts speak of minors"),
    "words.sexual": _words("texts speak of sexual things"),
    "words.violence": _words("texts speak of violence or gore"),
    "words.hate": _words("texts insult or threaten a protected group"),
    "words.election": _words("texts mislead about an election or how to vote"),
    "words.self_harm": _words("texts speak of self-harm or suicide"),
    "words.scam": _words("texts sound like a scam"),
    "words.weapons": _words("texts speak of weapons"),
}

FACTS: dict[str, FactEntry] = {
    "phase": FactEntry(type="text", values=("public", "draft"), means="whether the clip is to be public or a draft"),
    "duration_ms": FactEntry(type="number", means="length of the clip in milliseconds"),
    "known_illegal": FactEntry(type="flag", means="the bytes are on a list of known illegal material"),
    "submission.creator_age_band": FactEntry(type="text", means="age band of the creator, as the platform says it"),
    "submission.generator": FactEntry(type="text", means="name of the generator"),
    "submission.locale": FactEntry(type="text", means="language tag, such as fr or ar-EG"),
    "submission.market": FactEntry(type="text", means="country the clip is for, such as FR"),
    "submission.visibility": FactEntry(type="text", values=("public", "draft"), means="visibility asked for"),
    "submission.purpose": FactEntry(type="text", means="what the clip is for, in the platform's word"),
    "submission.cameos": FactEntry(type="number", means="number of people the submission declares"),
    "submission.parents": FactEntry(type="number", means="number of clips this one was made from"),
    "lineage.depth": FactEntry(type="number", means="how many generations of remixes stand before this clip"),
    "lineage.withdrawn_parents": FactEntry(type="number", means="ancestors that were withdrawn or withheld"),
    "lineage.unknown_parents": FactEntry(type="number", means="ancestors that were named and are no clips of ours"),
    "lineage.no_remix_parents": FactEntry(type="number", means="clips it was made from that must not be remixed"),
    "account.clips": FactEntry(type="number", means="clips that this creator handed in before"),
    "account.released_clips": FactEntry(type="number", means="clips of this creator that were released"),
    "account.blocked_clips": FactEntry(type="number", means="clips of this creator that are withheld"),
    "account.days": FactEntry(type="number", means="whole days since this creator's first clip"),
}


def _likeness(source: str, of: str) -> dict[str, FactEntry]:
    """What fingerprints say of one source; distances in bits of 256, shares of 1."""
    return {
        f"fingerprint.{source}_share": FactEntry(type="number", means=f"share of the clip's frames that are in {of}"),
        f"fingerprint.{source}_target_share": FactEntry(
            type="number", means=f"largest share of one picture or video in {of} that the clip shows"
        ),
        f"fingerprint.{source}_distance": FactEntry(
            type="number", means=f"least distance in bits to {of}; 256 when nothing is near"
        ),
    }


FACTS |= {
    "minors.uncleared_faces": FactEntry(
        type="number", means="faces not cleared as adults: under 25, unread, drawn, or nobody looked whether drawn"
    ),
    "minors.unchecked": FactEntry(
        type="flag", means="some face reads as an adult's while nobody looked whether it is drawn"
    ),
    "minors.explicit_beside": FactEntry(
        type="number", means="highest explicit score while a face is in sight that is not cleared as an adult's"
    ),
}
FACTS |= {
    "named.public_figures": FactEntry(
        type="number", means="public figures whom the prompt or title names and who have not allowed it"
    ),
    "named.protected_people": FactEntry(type="number", means="people nobody may depict whom the prompt or title names"),
    "named.cameos": FactEntry(
        type="number", means="other registered people whom the prompt or title names and who have not allowed it"
    ),
    "named.works": FactEntry(
        type="number", means="rights holders' works and characters that the prompt or title names"
    ),
    "named.alike": FactEntry(
        type="number", means="of the public figures so named, those whom a face or voice of the clip resembles"
    ),
    "named.who": FactEntry(type="text", means="ids of the people and works that the prompt or title names"),
}
FACTS |= {
    "fingerprint.frames": FactEntry(type="number", means="frames that fingerprints can tell apart; 0 says nothing"),
    **_likeness("takedown", "takedown lists"),
    "fingerprint.takedown_near_share": FactEntry(type="number", means="share of frames that resemble takedown lists"),
    "fingerprint.takedown_list": FactEntry(type="text", means="name of the takedown list that is nearest"),
    **_likeness("works", "rights holders' works"),
    "fingerprint.works_work": FactEntry(type="text", means="id of the rights holder's work that is nearest"),
    **_likeness("withheld", "clips of ours that were withheld"),
    **_likeness("withdrawn", "other creators' clips of ours that were withdrawn"),
    **_likeness("others", "other creators' released clips of ours"),
}

QUEUES: dict[str, QueueEntry] = {
    "known_illegal": QueueEntry(specialists=True, means="known illegal material; no renditions are shown"),
    "minor_safety": QueueEntry(specialists=True, means="minors and young-looking people"),
    "likeness": QueueEntry(means="people in the registry"),
    "explicit": QueueEntry(means="nudity and sexual content"),
    "words": QueueEntry(means="prompts and titles"),
    "rights": QueueEntry(means="rights holders"),
    "takedown": QueueEntry(means="what was taken down before"),
    "failures": QueueEntry(means="clips that the system could not look at in full"),
}

REASONS: dict[str, str] = {
    "explicit_content": "nudity or sexual content",
    "public_figure_likeness": "a public figure who has not allowed it",
    "unconsented_likeness": "a registered person who has not allowed it",
    "consent_revoked": "a registered person who took the consent back",
    "consent_limit": "a use that a registered person's consent does not cover",
    "removal_asked": "somebody whom the clip may show asked to have it taken out",
    "protected_person": "a person nobody may depict",
    "minor_safety": "a young-looking or unreadable person beside words about minors",
    "minor_sexualised": "a young-looking or unreadable person in a sexual context",
    "known_illegal": "known illegal material",
    "rights_holder": "likeness managed by a rights holder",
    "voice_likeness": "a registered person's voice",
    "takedown_copy": "a picture or video that was taken down before",
    "takedown_notice": "what somebody's notice asks to be taken down",
    "prompt_text": "what the prompt or title says",
    "violence": "violence or gore",
    "hate": "hate",
    "self_harm": "self-harm or suicide",
    "detector_unavailable": "something needed could not be measured",
    "processing_failed": "the clip could not be processed in full",
    "undetermined": "a rule could not be told either way",
}

#: What only a person may give as a reason; no rule can.
REASONS_OF_PEOPLE: dict[str, str] = {
    "no_violation": "nothing against the rules",
    "false_match": "the resemblance is a mistake",
    "consented": "the person has allowed it",
    "context_allowed": "the context makes it acceptable",
}

NOTES: dict[str, str] = {
    "young_looking": "somebody looks under 25; not shown to teens",
    "unread_face": "a face could not be read; not shown to teens",
    "drawn_face": "a drawn face, whose age is not measured; not shown to teens",
    "cameo_not_visible": "a declared person was not seen",
    "undeclared_likeness": "a registered person was seen whom the submission does not name",
    "public_figure_named": "the prompt or title names a public figure who has not allowed it",
    "possible_voice": "a voice resembles a registered person's, too little to ask anybody",
    "weapons_in_text": "the prompt or title speaks of weapons; not shown to teens",
    "lifelike_person": "a real person is shown or heard, with their consent",
    "label_duty": "the law of a market wants a label that nobody can miss",
    "not_measured": "no detector is configured for a signal",
    "copy_of_withheld": "it shows what a clip showed that was withheld",
    "copy_of_withdrawn": "it shows what another creator's clip showed that was withdrawn",
}


def _terms(clause: str) -> GroundEntry:
    return GroundEntry(basis="terms", clause=clause)


def _law(clause: str) -> GroundEntry:
    return GroundEntry(basis="law", clause=clause)


#: A beginning; operators put the clauses of their own terms and the laws that bind them in their vocabulary.
GROUNDS: dict[str, GroundEntry] = {
    "explicit_content": _terms("no nudity or sexual content"),
    "public_figure_likeness": _terms("no likeness of a public figure without their permission"),
    "unconsented_likeness": _terms("no likeness of anybody without their permission"),
    "consent_revoked": _terms("permission for a likeness may be taken back at any time"),
    "consent_limit": _terms("a likeness is used as its person allowed and not beyond"),
    "removal_asked": _terms("a person may have any clip that shows them taken out"),
    "protected_person": _terms("no likeness of a person who may not be depicted"),
    "minor_safety": _terms("no content that endangers minors"),
    "minor_sexualised": _law("sexual depictions of minors are unlawful, generated ones included"),
    "known_illegal": _law("material that a competent authority has listed as unlawful"),
    "rights_holder": _law("rights of the person or rights holder shown"),
    "voice_likeness": _terms("no voice of anybody without their permission"),
    "takedown_copy": _terms("no copies of what was taken down"),
    "takedown_notice": _law("unlawful content of which the service has been given notice"),
    "prompt_text": _terms("no prompt or title that asks for what is not allowed"),
    "violence": _terms("no violence or gore for its own sake"),
    "hate": _terms("no hate against a group of people"),
    "self_harm": _terms("no encouragement of self-harm or suicide"),
    "detector_unavailable": _terms("every clip is looked at before it is published"),
    "processing_failed": _terms("every clip is looked at before it is published"),
    "undetermined": _terms("every clip is looked at before it is published"),
}

VOCABULARY = Vocabulary(signals=SIGNALS, facts=FACTS, queues=QUEUES, reasons=REASONS, notes=NOTES, grounds=GROUNDS)

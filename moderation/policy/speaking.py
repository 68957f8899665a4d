"""A voice and whose it may be, compiled to a question: the leaf that asks who is heard."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from detectors.base import VoiceState
from moderation.decisions import Cause, Leaf, Span
from moderation.facts import Consent, PersonFact, VoiceFact
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import VOICE_SIGNAL, VoiceLeaf
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth, both, either

_NEAR = frozenset({VoiceState.MATCHED, VoiceState.POSSIBLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One voice and one person it may be; or a voice and nobody."""

    voice: VoiceFact
    state: VoiceState
    person: str | None = None
    distance: float | None = None
    #: None although `person` is set: the record does not say who that is.
    known: PersonFact | None = None


def utterances(exhibits: Exhibits) -> Iterator[Utterance]:
    """Yield every voice with everybody it may be, as far as the exhibits take it in."""
    return (each for each in _everybody(exhibits) if exhibits.hears(each.person, each.voice.segments))


def _everybody(exhibits: Exhibits) -> Iterator[Utterance]:
    for voice in exhibits.facts.voices:
        for near in voice.candidates:
            known = exhibits.facts.people.get(near.person)
            yield Utterance(voice=voice, state=near.state, person=near.person, distance=near.distance, known=known)
        if not voice.candidates:
            yield Utterance(voice=voice, state=voice.state)


def compile_voice(leaf: VoiceLeaf) -> tuple[Callable[[Exhibits], Truth], Callable[[Exhibits, Truth], Leaf]]:
    """True where one voice meets all that is named. Consent is that of the voice, never of the face."""
    states = frozenset(leaf.voices) or _NEAR

    def meets(utterance: Utterance) -> Truth:
        return _meets(utterance, leaf) if utterance.state in states else FALSE

    def ask(exhibits: Exhibits) -> Truth:
        truth = either(meets(utterance) for utterance in utterances(exhibits))
        return truth if truth is TRUE else max(truth, exhibits.silence(VOICE_SIGNAL))

    says = _says(leaf)

    def describe(exhibits: Exhibits, truth: Truth) -> Leaf:
        of_note = [utterance for utterance in utterances(exhibits) if meets(utterance) is truth]
        causes = () if truth is TRUE else _unknown(exhibits, of_note)
        spans = tuple(span for utterance in of_note for span in _spans(utterance))
        return Leaf(says=says, truth=truth.word, spans=spans, causes=causes)

    return ask, describe


def _meets(utterance: Utterance, leaf: VoiceLeaf) -> Truth:
    if not (leaf.kinds or leaf.consents or leaf.declared is not None):
        return TRUE
    person = utterance.known
    if person is None:
        return FALSE if utterance.person is None else UNDETERMINED
    fits = (not leaf.kinds or person.kind in leaf.kinds) and leaf.declared in (None, person.declared)
    return both((TRUE if fits else FALSE, _consents(person.voice, leaf.consents)))


def _consents(consent: Consent | None, wanted: tuple[Consent, ...]) -> Truth:
    if not wanted or consent in wanted:
        return TRUE
    return UNDETERMINED if consent in (None, Consent.UNDETERMINED) else FALSE


def _spans(utterance: Utterance) -> list[Span]:
    return [
        Span(start_ms=start_ms, end_ms=end_ms, peak=utterance.distance, track=None, person=utterance.person)
        for start_ms, end_ms in utterance.voice.segments
    ]


def _unknown(exhibits: Exhibits, of_note: list[Utterance]) -> tuple[Cause, ...]:
    named = sorted({utterance.person for utterance in of_note if utterance.person is not None})
    people = tuple(Cause(kind="person", name=person, state="undetermined") for person in named)
    return people + exhibits.gaps(VOICE_SIGNAL)


def _says(leaf: VoiceLeaf) -> str:
    parts = {"voice": leaf.voices, "person.kind": leaf.kinds, "person": leaf.consents}
    said = [f"{key} {' or '.join(map(str, values))}" for key, values in parts.items() if values]
    if leaf.declared is not None:
        said.append("person.declared" if leaf.declared else "not person.declared")
    return ", ".join(said)

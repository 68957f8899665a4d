"""The three kinds of leaf compiled: a signal over time, a person or face, a single fact."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import assert_never

from detectors.base import FaceState
from moderation.decisions import Cause, Leaf, Span
from moderation.facts import Consent, Scalar
from moderation.policy.exhibits import Appearance, Exhibits
from moderation.policy.model import (
    ABSENT,
    Anywhere,
    FactLeaf,
    OftenIn,
    PersonLeaf,
    Quantifier,
    ShareOfClip,
    SignalLeaf,
    Sustained,
    Within,
)
from moderation.policy.timeline import COMPARE, COULD_HOLD, Series, holds, spans
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth, both, either
from moderation.policy.views import gap_in_parts

Ask = Callable[[Exhibits], Truth]
Describe = Callable[[Exhibits, Truth], Leaf]
_MATCHING = frozenset({FaceState.MATCHED, FaceState.POSSIBLE, FaceState.UNMATCHED, ABSENT})
_NOBODY = frozenset({FaceState.UNMATCHED, FaceState.UNREAD})
#: States that say somebody was not found: worth nothing when the search failed.
_NOT_FOUND = frozenset({FaceState.UNMATCHED, ABSENT})


def compile_signal(leaf: SignalLeaf) -> tuple[Ask, Describe]:
    """True where some series holds; else false only if the signal was measured throughout.

    That is sound for a failed signal with some samples: every quantifier is met for good once it is met.
    """
    comparator, threshold, quantifier = leaf.comparator, leaf.threshold, leaf.quantifier
    signal, could_hold = leaf.signal, COULD_HOLD[comparator]

    def ask(exhibits: Exhibits) -> Truth:
        if could_hold(*exhibits.reach(signal), threshold) and any(_holding(leaf, exhibits)):
            return TRUE
        return exhibits.silence(signal)

    says = f"{signal} {comparator} {threshold:g}{_says_how(quantifier)}"

    def describe(exhibits: Exhibits, truth: Truth) -> Leaf:
        held = _holding(leaf, exhibits) if truth is TRUE else ()
        stretches = [spans(series, comparator, threshold, quantifier) for series in held]
        return Leaf(
            says=says,
            truth=truth.word,
            spans=tuple(chain.from_iterable(found for found, _ in stretches)),
            left_out=sum(more for _, more in stretches),
            causes=() if truth is TRUE else exhibits.gaps(signal),
            name=signal,
            comparator=comparator,
            against=(threshold,),
        )

    return ask, describe


def rules_out(leaf: SignalLeaf) -> Callable[[Exhibits, Within], bool]:
    """Tell from the whole clip's extremes that the leaf is false in each of its parts: none reaches further.

    A part in which the signal has a gap leaves it open.
    """
    signal, threshold, could_hold = leaf.signal, leaf.threshold, COULD_HOLD[leaf.comparator]

    def hopeless(exhibits: Exhibits, within: Within) -> bool:
        return not could_hold(*exhibits.reach(signal), threshold) and not gap_in_parts(exhibits, within, signal)

    return hopeless


def _holding(leaf: SignalLeaf, exhibits: Exhibits) -> Iterator[Series]:
    """Give the series on which the leaf holds."""
    for series in exhibits.series(leaf.signal):
        if holds(series, leaf.comparator, leaf.threshold, leaf.quantifier, exhibits.clip_ms):
            yield series


def _says_how(quantifier: Quantifier) -> str:
    match quantifier:
        case Anywhere():
            return ""
        case Sustained(ms):
            return f" for {ms}ms"
        case OftenIn(hits, window):
            return f" in {hits} of {window}"
        case ShareOfClip(share):
            return f" share_of_clip {share:g}"
        case _:
            assert_never(quantifier)


def compile_person(leaf: PersonLeaf) -> tuple[Ask, Describe]:
    """True where one appearance meets all that is named; a face nobody could read is nobody in particular."""
    faces = frozenset(leaf.faces) or _default_faces(leaf)
    needs = ("face.detection", "face.match_distance") if faces & _MATCHING else ("face.detection",)

    def meets(exhibits: Exhibits, appearance: Appearance) -> Truth:
        if appearance.face not in faces:
            return FALSE
        truth = _meets(appearance, leaf)
        if truth is TRUE and appearance.face in _NOT_FOUND and exhibits.silence(*needs):
            return UNDETERMINED
        return truth

    def ask(exhibits: Exhibits) -> Truth:
        truth = either(meets(exhibits, appearance) for appearance in exhibits.appearances)
        return truth if truth is TRUE else max(truth, exhibits.silence(*needs))

    says = _says_who(leaf)

    def describe(exhibits: Exhibits, truth: Truth) -> Leaf:
        of_note = [appearance for appearance in exhibits.appearances if meets(exhibits, appearance) is truth]
        causes = () if truth is TRUE else _unknown(exhibits, of_note, needs)
        return Leaf(says=says, truth=truth.word, spans=tuple(map(_span, of_note)), causes=causes)

    return ask, describe


def _default_faces(leaf: PersonLeaf) -> frozenset[str]:
    named = leaf.kinds or leaf.consents or leaf.declared is not None
    return frozenset({FaceState.MATCHED, FaceState.POSSIBLE} if named else set(FaceState))


def _meets(appearance: Appearance, leaf: PersonLeaf) -> Truth:
    asked = leaf.kinds or leaf.consents or leaf.declared is not None
    if not asked:
        return TRUE
    person = appearance.known
    if person is None:
        return FALSE if appearance.person is None and appearance.face in _NOBODY else UNDETERMINED
    return both(
        (
            _flag(not leaf.kinds or person.kind in leaf.kinds),
            _flag(leaf.declared is None or person.declared is leaf.declared),
            _consents(person.consent, leaf.consents),
        ),
    )


def _flag(value: bool) -> Truth:  # noqa: FBT001 - it is the value that is turned
    return TRUE if value else FALSE


def _consents(consent: Consent, wanted: tuple[Consent, ...]) -> Truth:
    if not wanted or consent in wanted:
        return TRUE
    return UNDETERMINED if consent is Consent.UNDETERMINED else FALSE


def _span(appearance: Appearance) -> Span:
    return Span(
        start_ms=appearance.start_ms,
        end_ms=appearance.end_ms,
        peak=appearance.distance,
        track=appearance.track,
        person=appearance.person,
    )


def _unknown(exhibits: Exhibits, of_note: list[Appearance], needs: tuple[str, ...]) -> tuple[Cause, ...]:
    named = sorted({str(appearance.person) for appearance in of_note})
    people = tuple(Cause(kind="person", name=person, state="undetermined") for person in named)
    return people + tuple(gap for signal in needs for gap in exhibits.gaps(signal))


def _says_who(leaf: PersonLeaf) -> str:
    parts = {
        "face": leaf.faces,
        "person.kind": leaf.kinds,
        "person": leaf.consents,
    }
    said = [f"{key} {' or '.join(map(str, values))}" for key, values in parts.items() if values]
    if leaf.declared is not None:
        said.append("person.declared" if leaf.declared else "not person.declared")
    return ", ".join(said)


def compile_fact(leaf: FactLeaf) -> tuple[Ask, Describe]:
    """Undetermined where the fact is not known, unless that is the question."""
    name, test = leaf.fact, _fact_test(leaf)

    def ask(exhibits: Exhibits) -> Truth:
        return test(exhibits.fact(name))

    said = Leaf(
        says=f"{name} {leaf.comparator} {', '.join(map(str, leaf.operands))}",
        truth=UNDETERMINED.word,
        name=name,
        comparator=leaf.comparator,
        against=leaf.operands,
    )

    def describe(exhibits: Exhibits, truth: Truth) -> Leaf:
        causes = () if truth is TRUE else (Cause(kind="fact", name=name, state="unknown"),)
        return replace(said, truth=truth.word, causes=causes, value=exhibits.fact(name))

    return ask, describe


def _fact_test(leaf: FactLeaf) -> Callable[[Scalar], Truth]:
    if leaf.comparator == "known":
        return lambda value: _flag((value is not None) is leaf.operands[0])
    if leaf.comparator == "equals" or leaf.comparator == "one_of":  # noqa: PLR1714 - narrows the type
        return lambda value: UNDETERMINED if value is None else _flag(value in leaf.operands)
    compare, threshold = COMPARE[leaf.comparator], leaf.operands[0]

    def test(value: Scalar) -> Truth:
        if not isinstance(value, int | float) or not isinstance(threshold, int | float):
            return UNDETERMINED
        return _flag(compare(value, threshold))

    return test

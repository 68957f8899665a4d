"""Conditions in CEL: the only file that knows the library. What cannot be worked out is undetermined, never false.

CEL's own logic is Kleene's: an error is absorbed by `||` beside true and by `&&` beside false, and else comes out.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

from detectors.base import FaceState
from moderation.decisions import Cause, Leaf
from moderation.facts import Consent, PersonFact
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import ABSENT, ExpressionLeaf
from moderation.policy.registry import FACTS, SIGNALS, Vocabulary
from moderation.policy.speaking import utterances
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth
from moderation.policy.wording import EXTREMES, LISTS, NEEDS, Reading, WordingError, known_names, read_wording

#: Where the library is had from when it is not installed.
MISSING = "expressions need the optional package: pip install 'countersign-moderation[cel]'"
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNLIKE = re.compile(
    r"found no matching overload for '(?:_(?:[<>]=?|[=!]=)_|@in)' applied to '\((double|int|list\(double\)), (\w+)"
)
_NUMBERS = frozenset({"int", "double"})
_ABSENT_VALUE = "No value with name"
_SILENT: Mapping[str, object] = {"": [], EXTREMES[0]: -inf, EXTREMES[1]: inf}
#: Enough that each comparison is met once, with the types that real facts have.
_TYPICAL = {
    "time_ms": 0,
    "value": 0.5,
    "track": 1,
    "start_ms": 0,
    "end_ms": 1,
    "distance": 0.5,
    "declared": True,
    "voice": 1,
    "segments": [{"start_ms": 0, "end_ms": 1}],
}


class ExpressionError(Exception):
    """An expression that cannot be used; `row` and `column` (from 1) are places in its text."""

    def __init__(self, message: str, row: int = 1, column: int = 1, *, code: str = "bad-expression") -> None:
        self.row = row
        self.column = column
        self.code = code
        self.instead = ""
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A compiled expression and what it reads."""

    text: str
    reading: Reading
    #: Makes values by name ready; what comes of it may be used again by every expression that reads the same names.
    bind: Callable[[Mapping[str, object]], object]
    #: Takes bound values; gives true or false, or None with what went wrong.
    run: Callable[[object], tuple[bool | None, str]]


@lru_cache(maxsize=4096)
def _compiled(text: str, signals: frozenset[str], facts: frozenset[str]) -> Expression:
    return _compile(text, _vocabulary_of(signals, facts))


def _vocabulary_of(signals: frozenset[str], facts: frozenset[str]) -> Vocabulary:
    return Vocabulary(
        signals={name: entry for name, entry in SIGNALS.items() if name in signals},
        facts={name: entry for name, entry in FACTS.items() if name in facts},
        queues={},
        reasons={},
        notes={},
    )


def compile_text(text: str, vocabulary: Vocabulary) -> Expression:
    """Check and compile one expression. Raises ExpressionError with the place of what is wrong."""
    return _compiled(text, frozenset(vocabulary.signals), frozenset(vocabulary.facts))


def _compile(text: str, vocabulary: Vocabulary) -> Expression:
    try:
        reading = read_wording(text, vocabulary)
    except WordingError as error:
        row = text.count("\n", 0, error.at) + 1
        problem = ExpressionError(str(error), row, error.at - text.rfind("\n", 0, error.at), code=error.code)
        problem.instead = error.instead
        raise problem from None
    program, bind = _program(text, frozenset(vocabulary.signals), frozenset(vocabulary.facts))

    def run(bound: object) -> tuple[bool | None, str]:
        return _evaluate(program, bound)

    _, said = run(bind({name: _typical(name, vocabulary) for name in reading.names}))
    if "o matching overload" in said or "invalid regular expression" in said:
        raise ExpressionError(f"cannot be worked out: {said.partition(':')[2].strip()}")
    return Expression(text=text, reading=reading, bind=bind, run=run)


def _typical(name: str, vocabulary: Vocabulary) -> object:
    if name in LISTS:
        return [{field: _TYPICAL.get(field, "") for field in LISTS[name]}]
    if name in vocabulary.facts:
        return {"text": "", "number": 1.5, "flag": False}[vocabulary.facts[name].type]
    if name in vocabulary.signals:
        return [{field: _TYPICAL[field] for field in ("time_ms", "value", "track")}]
    return 0.5


@lru_cache(maxsize=8)
def _environment(signals: frozenset[str], facts: frozenset[str], *, loose: bool) -> Any:
    """Everything an expression may name, with its type; `loose` leaves the types of numbers open."""
    cel = _library()
    kinds = cel.Type
    number = kinds.DYN if loose else kinds.DOUBLE
    of_facts = {"text": kinds.STRING, "number": number, "flag": kinds.BOOL}
    rows = kinds.List(kinds.Map(kinds.STRING, kinds.DYN))
    vocabulary = _vocabulary_of(signals, facts)

    def kind(name: str) -> object:
        if name in vocabulary.facts:
            return of_facts[vocabulary.facts[name].type]
        return rows if name in vocabulary.signals or name in LISTS else number

    return cel.NewEnv(variables={name: kind(name) for name in known_names(vocabulary)})


def _library() -> Any:
    try:
        from cel_expr_python import cel  # noqa: PLC0415 - an optional package
    except ImportError:
        raise ExpressionError(MISSING, code="no-cel") from None
    return cel


def _program(text: str, signals: frozenset[str], facts: frozenset[str]) -> tuple[Any, Any]:
    """Compile with strict types; where only whole and broken numbers are compared, let them meet at run time."""
    environment = _environment(signals, facts, loose=False)
    try:
        program = environment.compile(text)
    except RuntimeError as error:
        faults = _ERROR.findall(str(error))
        if not faults or not all(_only_numbers(message) for _, _, message in faults):
            raise _refusal(error) from None
        environment = _environment(signals, facts, loose=True)
        try:
            program = environment.compile(text)
        except RuntimeError as again:
            raise _refusal(again) from None
    if program.return_type().name() != "BOOL":
        raise ExpressionError("must be true or false in the end: compare it with something")
    return program, environment.Activation


def _only_numbers(message: str) -> bool:
    match = _UNLIKE.match(message)
    return match is not None and match[2] in {*_NUMBERS, "list"}


def _refusal(error: RuntimeError) -> ExpressionError:
    found = _ERROR.search(str(error))
    if found is None:
        return ExpressionError(str(error).splitlines()[0].partition(": ")[2] or str(error))
    row, column, message = int(found[1]), int(found[2]), found[3]
    problem = ExpressionError(message, row, column)
    if "'(double, int)'" in message or "'(int, double)'" in message:
        problem.instead = "write whole numbers with a point beside broken ones (1.0), and without beside counts (1)"
    return problem


def _evaluate(program: Any, bound: object) -> tuple[bool | None, str]:
    try:
        result = program.eval(bound).value()
    except Exception as error:  # noqa: BLE001 - a budget that is spent, or whatever else: not known
        return None, str(error)
    return (result, "") if isinstance(result, bool) else (None, str(result))


def compile_expression(leaf: ExpressionLeaf) -> tuple[Callable[[Exhibits], Truth], Callable[[Exhibits, Truth], Leaf]]:
    """Turn the leaf into questions. What was not looked at is missing from its values, so that CEL meets an error."""
    expression = _compiled(leaf.text, leaf.known_signals, leaf.known_facts)

    def ask(exhibits: Exhibits) -> Truth:
        result, _ = expression.run(_bound(expression, exhibits))
        return UNDETERMINED if result is None else TRUE if result else FALSE

    def describe(exhibits: Exhibits, truth: Truth) -> Leaf:
        causes = () if truth is TRUE else _causes(expression, exhibits)
        return Leaf(says=f"expr {leaf.text}", truth=truth.word, causes=causes)

    return ask, describe


def _bound(expression: Expression, exhibits: Exhibits) -> object:
    """Return the values an expression reads, bound once for all that read the same."""
    names = expression.reading.names
    if names not in exhibits.bound:
        exhibits.bound[names] = expression.bind(_values(expression, exhibits))
    return exhibits.bound[names]


def _values(expression: Expression, exhibits: Exhibits) -> dict[str, object]:
    """Return what is known of the names that the expression reads; the rest is left out."""
    return {name: value for name in expression.reading.names if (value := _value(name, exhibits)) is not None}


def _value(name: str, exhibits: Exhibits) -> object:
    if name in NEEDS:
        return None if exhibits.silence(*NEEDS[name]) else list(_ROWS[name](exhibits))
    if name in FACTS:
        return _number(exhibits.fact(name))
    extreme, _, signal = name.partition(".") if name not in SIGNALS else ("", "", name)
    if exhibits.silence(signal):
        return None
    series = exhibits.series(signal)
    if extreme:
        chosen = [one.top if extreme == EXTREMES[0] else one.bottom for one in series]
        return (max if extreme == EXTREMES[0] else min)(chosen, default=_SILENT[extreme])
    samples = exhibits.facts.signals[signal].samples
    return [{"time_ms": at, "value": float(value), **_known(track=track)} for at, value, track in samples]


def _number(value: object) -> object:
    # The checker was told that numbers are broken ones.
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _known(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _person(known: PersonFact | None, person: str | None) -> dict[str, object]:
    """Return the fields of a person: nobody has empty ones, and what the record does not tell is left out."""
    if person is None:
        return {"person": "", "kind": "", "consent": "", "declared": False}
    if known is None:
        return {"person": person}
    return _known(person=person, kind=str(known.kind), consent=_told(known.consent), declared=known.declared)


def _told(consent: Consent | None) -> str | None:
    return None if consent in (None, Consent.UNDETERMINED) else str(consent)


def _faces(exhibits: Exhibits) -> Iterator[dict[str, object]]:
    for face in exhibits.appearances:
        if face.face == ABSENT:
            continue
        whose = {} if face.face is FaceState.UNREAD and face.person else _person(face.known, face.person)
        seen = {"track": face.track, "start_ms": face.start_ms, "end_ms": face.end_ms, "state": str(face.face)}
        yield _known(**seen, distance=face.distance) | whose


def _people(exhibits: Exhibits) -> Iterator[dict[str, object]]:
    for person, known in sorted(exhibits.facts.people.items()):
        yield _person(known, person) | _known(voice_consent=_told(known.voice))


def _voices(exhibits: Exhibits) -> Iterator[dict[str, object]]:
    for heard in utterances(exhibits):
        whose = _person(heard.known, heard.person)
        whose.pop("consent", None)
        voice = None if heard.known is None else _told(heard.known.voice)
        said = _known(voice=heard.voice.voice, state=str(heard.state), distance=heard.distance)
        segments = [{"start_ms": start, "end_ms": end} for start, end in heard.voice.segments]
        consent = _known(consent="" if heard.person is None else voice)
        yield said | whose | consent | {"segments": segments}


_ROWS: Mapping[str, Callable[[Exhibits], Iterator[dict[str, object]]]] = {
    "faces": _faces,
    "people": _people,
    "voices": _voices,
}


def _causes(expression: Expression, exhibits: Exhibits) -> tuple[Cause, ...]:
    """Say why it cannot be told: what was not looked at, facts nobody knows, or the expression itself."""
    reading = expression.reading
    gaps = tuple(gap for signal in sorted(reading.signals) for gap in exhibits.gaps(signal))
    unknown = tuple(
        Cause(kind="fact", name=fact, state="unknown") for fact in sorted(reading.facts) if exhibits.fact(fact) is None
    )
    own = () if _would_tell(expression, exhibits) else (Cause(kind="expression", name=expression.text, state="failed"),)
    return gaps + unknown + own


def _would_tell(expression: Expression, exhibits: Exhibits) -> bool:
    """Tell whether the gaps alone leave it open: with silence in their place it is true or false.

    Else a fault of the expression would hide behind a signal that nobody requires.
    """
    values = _values(expression, exhibits)
    if len(values) == len(expression.reading.names):
        return False
    for name in expression.reading.names - values.keys():
        first = name.partition(".")[0]
        values[name] = _SILENT[first] if first in EXTREMES else _SILENT[""]
    missing_facts = any(exhibits.fact(fact) is None for fact in expression.reading.facts)
    return missing_facts or expression.run(expression.bind(values))[0] is not None

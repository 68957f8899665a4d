"""Reads conditions: `all`, `any`, `not`, macros, and the kinds of leaf, each checked against the vocabulary."""

import re
from collections.abc import Mapping

from detectors.base import FaceState, VoiceState
from moderation.facts import Consent, PersonKind, Scalar
from moderation.policy.expressions import ExpressionError, compile_text
from moderation.policy.fields import Fields
from moderation.policy.model import (
    ABSENT,
    COMPARATORS,
    FACT_COMPARATORS,
    VOICE_SIGNAL,
    WITHIN,
    All,
    AnyOf,
    Anywhere,
    Comparator,
    Condition,
    ExpressionLeaf,
    FactLeaf,
    Not,
    OftenIn,
    PersonLeaf,
    Quantifier,
    ShareOfClip,
    SignalLeaf,
    Sustained,
    VoiceLeaf,
)
from moderation.policy.names import MAX_HEIGHT, MAX_LEAVES, Macro
from moderation.policy.registry import FactEntry, Vocabulary
from moderation.policy.source import Mapping as MappingNode
from moderation.policy.source import Node
from moderation.policy.source import Scalar as ScalarNode

QUANTIFIERS = ("for", "in", "anywhere", "share_of_clip")
MEASURE_KEYS = (*COMPARATORS, *QUANTIFIERS)
PERSON_KEYS = ("person", "person.kind", "person.declared", "face")
VOICE_KEYS = ("person", "person.kind", "person.declared", "voice")
BRANCHES = ("all", "any", "not")
MACRO = "macro"
DURATION = re.compile(r"(\d{1,6})(?:\.(\d{1,3}))?(ms|s)")
OFTEN = re.compile(r"(\d{1,3}) of (\d{1,3})")
#: Consent states a rule may ask for. "undetermined" is none of them: it makes the rule undetermined.
CONSENTS = tuple(str(consent) for consent in Consent if consent is not Consent.UNDETERMINED)
FACES = (*map(str, FaceState), ABSENT)


def read_condition(fields: Fields, node: Node, vocabulary: Vocabulary) -> Condition | None:
    """Read a condition; None when it has faults, which are then among the findings."""
    keys = [str(key.value) for key, _ in node.entries] if isinstance(node, MappingNode) else []
    if any(key in BRANCHES for key in keys):
        return _branch(fields, node, vocabulary)
    if MACRO in keys:
        return _macro(fields, node, vocabulary)
    if not fields.names.admit(1):
        fields.fault(node, "too-large", f"more than {MAX_LEAVES} questions in one rule, or too many in the area")
        return None
    return _leaf(fields, node, vocabulary, keys)


def _leaf(fields: Fields, node: Node, vocabulary: Vocabulary, keys: list[str]) -> Condition | None:
    if "signal" in keys:
        return _signal(fields, node, vocabulary)
    if "voice" in keys:
        return _voice(fields, node, vocabulary)
    if any(key in PERSON_KEYS for key in keys):
        return _person(fields, node)
    if "fact" in keys or "expr" in keys:
        return (_fact if "fact" in keys else _expression)(fields, node, vocabulary)
    starts = (*BRANCHES, MACRO, "signal", "fact", "expr", *PERSON_KEYS, "voice")
    fields.mapping(node, starts, what="a condition")
    if not keys:
        fields.fault(node, "wrong-type", f"a condition must have one of {', '.join(starts)}")
    return None


def _branch(fields: Fields, node: Node, vocabulary: Vocabulary) -> Condition | None:
    found = fields.mapping(node, (*BRANCHES, "within"), what="a condition with all, any or not") or {}
    kind = fields.only_one(found, BRANCHES, node, "a condition")
    if kind is None:
        return None
    word = fields.word(found["within"], "`within`", WITHIN) if "within" in found else None
    if "within" in found and kind != "all":
        fields.fault(found["within"], "unknown-key", "`within` goes with `all` only")
    if kind == "not":
        part = read_condition(fields, found["not"], vocabulary)
        return None if part is None else Not(part)
    items = fields.items(found[kind], f"`{kind}`")
    parts = [read_condition(fields, item, vocabulary) for item in items]
    whole = tuple(part for part in parts if part is not None)
    if len(whole) != len(items) or not whole:
        return None
    within = next((known for known in WITHIN if known == word), None)
    if within is not None and any(map(_expresses, whole)):
        message = "an expression reads the whole clip: it cannot stand within one shot or one person"
        fields.fault(node, "expression-within", message)
    return All(whole, within) if kind == "all" else AnyOf(whole)


def _expresses(condition: Condition) -> bool:
    match condition:
        case All(parts) | AnyOf(parts):
            return any(map(_expresses, parts))
        case Not(part):
            return _expresses(part)
        case _:
            return isinstance(condition, ExpressionLeaf)


def _macro(fields: Fields, node: Node, vocabulary: Vocabulary) -> Condition | None:
    names = fields.names
    found = fields.mapping(node, (MACRO,), what="a macro") or {}
    name = fields.word(found[MACRO], "macro", names.macros, "unknown-macro") if MACRO in found else None
    macro = None if name is None else names.macros.get(name)
    if macro is None:
        return None
    macro.used = True
    if macro in macro.fields.names.open:
        fields.fault(node, "cycle", f"the macro `{name}` leads back to itself")
        return None
    if not macro.read:
        _read_macro(macro, vocabulary)
    if names.open:
        names.open[-1].height = max(names.open[-1].height, macro.height + 1)
    if len(names.open) + macro.height > MAX_HEIGHT:
        fields.fault(node, "too-deep", f"more than {MAX_HEIGHT} macros inside one another")
        return None
    if not names.admit(macro.leaves):
        fields.fault(node, "too-large", f"with `{name}` written out, more than {MAX_LEAVES} questions in one rule")
        return None
    return macro.condition


def _read_macro(macro: Macro, vocabulary: Vocabulary) -> None:
    """Read a macro once, with the names of its own file; its faults stand where it is written, not where it is used."""
    macro.read = True
    names = macro.fields.names
    if len(names.open) < MAX_HEIGHT:
        names.open.append(macro)
        macro.condition = read_condition(macro.fields, macro.node, vocabulary)
        names.open.pop()


def _signal(fields: Fields, node: Node, vocabulary: Vocabulary) -> SignalLeaf | None:
    found = fields.mapping(node, ("signal", *MEASURE_KEYS), what="a signal condition") or {}
    signal = fields.word(found["signal"], "signal", vocabulary.signals, "unknown-signal") if "signal" in found else None
    quantifier = _quantifier(fields, node, found)
    line = _line(fields, node, found, signal, vocabulary)
    if not any(comparator in found for comparator in COMPARATORS):
        fields.fault(node, "no-comparator", f"a signal needs one of {', '.join(COMPARATORS)}")
    if signal is None or line is None or quantifier is None:
        return None
    return SignalLeaf(signal=signal, comparator=line[0], threshold=line[1], quantifier=quantifier)


def read_measure(fields: Fields, node: Node, leaf: SignalLeaf, vocabulary: Vocabulary) -> SignalLeaf | None:
    """Return the leaf as an overlay changes it: another line, another quantifier, or both. None for faults."""
    before = len(fields.findings)
    found = fields.mapping(node, MEASURE_KEYS, what="a change of a signal condition") or {}
    line = _line(fields, node, found, leaf.signal, vocabulary)
    quantified = any(key in found for key in QUANTIFIERS)
    quantifier = _quantifier(fields, node, found) if quantified else leaf.quantifier
    if not found and len(fields.findings) == before:
        fields.fault(node, "no-effect", f"this changes nothing: give it one of {', '.join(MEASURE_KEYS)}")
    if len(fields.findings) > before or quantifier is None:
        return None
    comparator, threshold = line or (leaf.comparator, leaf.threshold)
    return SignalLeaf(signal=leaf.signal, comparator=comparator, threshold=threshold, quantifier=quantifier)


def _line(
    fields: Fields, node: Node, found: Mapping[str, Node], signal: str | None, vocabulary: Vocabulary
) -> tuple[Comparator, float] | None:
    """Read comparator and threshold; None when there is none, or it has faults."""
    way = fields.only_one(found, COMPARATORS, node, "a signal condition")
    entry = None if signal is None else vocabulary.signals.get(signal)
    if way is None or entry is None:
        return None
    threshold = fields.number(found[way], f"`{way}` of {signal}", entry.low, entry.high)
    return None if threshold is None else (_comparator(way), threshold)


def _comparator(word: str) -> Comparator:
    return next(comparator for comparator in COMPARATORS if comparator == word)


def _quantifier(fields: Fields, node: Node, found: Mapping[str, Node]) -> Quantifier | None:
    match fields.only_one(found, QUANTIFIERS, node, "a signal condition"):
        case "for":
            ms = read_duration(fields, found["for"], "`for`")
            return None if ms is None else Sustained(ms)
        case "in":
            return _often(fields, found["in"])
        case "share_of_clip":
            share = fields.number(found["share_of_clip"], "`share_of_clip`", 0.001, 1)
            return None if share is None else ShareOfClip(share)
        case "anywhere":
            if fields.flag(found["anywhere"], "`anywhere`") is not True:
                fields.fault(found["anywhere"], "wrong-value", "`anywhere` can only be true: leave it out")
                return None
    return Anywhere()


def read_duration(fields: Fields, node: Node, what: str) -> int | None:
    """Read a duration such as 400ms or 1.5s as milliseconds, of at least one."""
    text = fields.text(node, what)
    if text is None:
        return None
    match = DURATION.fullmatch(text)
    ms = 0 if match is None else _milliseconds(*match.groups())
    if ms < 1:
        fields.fault(node, "wrong-value", f"{what} must be a duration such as 400ms or 1.5s, not `{text}`")
        return None
    return ms


def _milliseconds(whole: str, part: str | None, unit: str) -> int:
    if unit == "ms":
        return int(whole) if part is None else 0
    return int(whole) * 1000 + int((part or "0").ljust(3, "0"))


def _often(fields: Fields, node: Node) -> OftenIn | None:
    text = fields.text(node, "`in`")
    match = None if text is None else OFTEN.fullmatch(text)
    hits, window = (0, 0) if match is None else map(int, match.groups())
    if not 1 <= hits <= window:
        fields.fault(node, "wrong-value", f"`in` must be such as `3 of 5`, not `{text}`")
        return None
    return OftenIn(hits, window)


def _person(fields: Fields, node: Node) -> PersonLeaf | None:
    before = len(fields.findings)
    found = fields.mapping(node, PERSON_KEYS, what="a person condition") or {}
    faces = _words(fields, found, "face", FACES)
    kinds = _words(fields, found, "person.kind", tuple(map(str, PersonKind)))
    consents = _words(fields, found, "person", CONSENTS)
    declared = fields.flag(found["person.declared"], "`person.declared`") if "person.declared" in found else None
    if len(fields.findings) > before:
        return None
    return PersonLeaf(
        faces=tuple(ABSENT if face == ABSENT else FaceState(face) for face in faces),
        kinds=tuple(map(PersonKind, kinds)),
        consents=tuple(map(Consent, consents)),
        declared=declared,
    )


def _voice(fields: Fields, node: Node, vocabulary: Vocabulary) -> VoiceLeaf | None:
    before = len(fields.findings)
    found = fields.mapping(node, VOICE_KEYS, what="a voice condition") or {}
    voices = _words(fields, found, "voice", tuple(map(str, VoiceState)))
    kinds = _words(fields, found, "person.kind", tuple(map(str, PersonKind)))
    consents = _words(fields, found, "person", CONSENTS)
    declared = fields.flag(found["person.declared"], "`person.declared`") if "person.declared" in found else None
    if VOICE_SIGNAL not in vocabulary.signals:
        fields.fault(node, "unknown-signal", f"voices are compared by {VOICE_SIGNAL}, which the vocabulary leaves out")
    if len(fields.findings) > before:
        return None
    return VoiceLeaf(
        voices=tuple(map(VoiceState, voices)),
        kinds=tuple(map(PersonKind, kinds)),
        consents=tuple(map(Consent, consents)),
        declared=declared,
    )


def _words(fields: Fields, found: Mapping[str, Node], key: str, known: tuple[str, ...]) -> list[str]:
    items = fields.one_or_more(found[key], f"`{key}`") if key in found else ()
    return [word for item in items if (word := fields.word(item, f"`{key}`", known)) is not None]


def _fact(fields: Fields, node: Node, vocabulary: Vocabulary) -> FactLeaf | None:
    found = fields.mapping(node, ("fact", *FACT_COMPARATORS), what="a fact condition") or {}
    name = fields.word(found["fact"], "fact", vocabulary.facts, "unknown-fact") if "fact" in found else None
    way = fields.only_one(found, FACT_COMPARATORS, node, "a fact condition")
    if way is None:
        fields.fault(node, "no-comparator", f"a fact needs one of {', '.join(FACT_COMPARATORS)}")
    if name is None or way is None:
        return None
    operands = _operands(fields, found[way], way, name, vocabulary.facts[name])
    if not operands or None in operands:
        return None
    comparator = next(known for known in FACT_COMPARATORS if known == way)
    return FactLeaf(fact=name, comparator=comparator, operands=operands)


def _expression(fields: Fields, node: Node, vocabulary: Vocabulary) -> ExpressionLeaf | None:
    found = fields.mapping(node, ("expr",), what="an expression") or {}
    written = found.get("expr")
    text = None if written is None else fields.text(written, "`expr`")
    if text is None or not isinstance(written, ScalarNode):
        return None
    try:
        expression = compile_text(text, vocabulary)
    except ExpressionError as error:
        fields.fault_at(*written.place(error.row, error.column), error.code, str(error), error.instead)
        return None
    return ExpressionLeaf(
        text=text,
        signals=expression.reading.signals,
        known_signals=frozenset(vocabulary.signals),
        known_facts=frozenset(vocabulary.facts),
    )


def _operands(fields: Fields, node: Node, way: str, name: str, entry: FactEntry) -> tuple[Scalar, ...]:
    if way == "known":
        return (fields.flag(node, "`known`"),)
    if way not in ("equals", "one_of") and entry.type != "number":
        fields.fault(node, "wrong-type", f"{name} is no number: use equals, one_of or known")
        return ()
    items = fields.items(node, "`one_of`") if way == "one_of" else (node,)
    return tuple(_operand(fields, item, name, entry) for item in items)


def _operand(fields: Fields, node: Node, name: str, entry: FactEntry) -> Scalar:
    if entry.type == "flag":
        return fields.flag(node, name)
    if entry.type == "number":
        return fields.number(node, name, 0, 1e12)
    return fields.word(node, name, entry.values) if entry.values else fields.text(node, name)

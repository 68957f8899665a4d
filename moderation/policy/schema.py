"""JSON Schemas of the policy files, made from the grammar's own tables and the registry, so that an editor completes.

A schema knows less than the reader: it sees one file, and no place where two parts do not fit. It must never refuse
what the reader takes.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import Final

from detectors.base import VoiceState
from moderation.decisions import Outcome
from moderation.facts import PersonKind
from moderation.policy.actions import DEADLINE, LABELS, NAME, PHASES, THEN
from moderation.policy.areas import HEAD, NEEDED
from moderation.policy.grammar import (
    BRANCHES,
    CONSENTS,
    DURATION,
    FACES,
    MACRO,
    OFTEN,
    PERSON_KEYS,
    QUANTIFIERS,
    VOICE_KEYS,
)
from moderation.policy.model import COMPARATORS, FACT_COMPARATORS, MODES, REMEDIES, WITHIN
from moderation.policy.overlays import CHANGE, OVERLAY
from moderation.policy.regions import LOCALE, MARKETS
from moderation.policy.registry import VOCABULARY, FactEntry
from moderation.policy.rules import EXCEPTION, RULE
from moderation.policy.schema_cases import case_file
from moderation.policy.schema_parts import Schema, closed, either, exactly, listed, named, text, words
from moderation.policy.shorthand import SECTIONS as SHORTHAND
from moderation.policy.vocabulary import BASES, GROUNDS
from moderation.policy.vocabulary import SECTIONS as VOCABULARY_SECTIONS
from moderation.policy.wording import MAX_LENGTH

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_DATE: Final = r"^\d{4}-\d{2}-\d{2}$"


def schemas() -> Mapping[str, str]:
    """Return the text of each schema file by its name."""
    made = {
        "policy.json": _policy(),
        "shared.json": _shared(),
        "cases.json": case_file(),
        "vocabulary.json": _vocabulary(),
    }
    return {name: json.dumps({"$schema": _DRAFT, **schema}, indent=1) + "\n" for name, schema in made.items()}


def _policy() -> Schema:
    head: dict[str, Schema] = {
        "language": {"const": 1, "description": "the version of the language"},
        "owner": text("the team that answers for it"),
        "description": text("what it watches for, and what its signals are worth"),
        "queue": _ref("queue"),
        "requires": {**listed(_ref("signal"), least=0), "description": "signals without which it cannot be judged"},
        "on_undetermined": _ref("stricter"),
        **_names(),
        "rules": {"type": "array", "items": _ref("rule"), "minItems": 1},
        "overlays": {"type": "array", "items": _ref("overlay"), "minItems": 1},
    }
    return {**closed(head, NEEDED, HEAD), "title": "Policy of one area", "definitions": _definitions()}


def _shared() -> Schema:
    head: dict[str, Schema] = {"language": {"const": 1}, "description": text("what it is for"), **_names()}
    definitions = {name: part for name, part in _definitions().items() if name not in ("rule", "overlay", "then")}
    return {**closed(head, ("language",)), "title": "Names that areas share", "definitions": definitions}


def _names() -> dict[str, Schema]:
    values: Schema = {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1}
    sections = {"lists": named(NAME, values), "macros": named(NAME, _ref("condition"))}
    return {section: sections[section] for section in SHORTHAND}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _definitions() -> dict[str, Schema]:
    return {
        "signal": words({name: entry.means for name, entry in VOCABULARY.signals.items()}),
        "queue": words({name: entry.means for name, entry in VOCABULARY.queues.items()}),
        "outcome": words(map(str, Outcome)),
        "stricter": words(str(outcome) for outcome in Outcome if outcome.strictness >= Outcome.REVIEW.strictness),
        "duration": {"type": "string", "pattern": f"^{DURATION.pattern}$", "examples": ["400ms", "1.5s"]},
        "date": {"type": "string", "pattern": _DATE, "examples": ["2027-01-31"]},
        "list": closed({"list": {"type": "string", "pattern": f"^{NAME.pattern}$"}}, ("list",)),
        "condition": _condition(),
        "measure": _measure(),
        "then": _then(),
        "rule": _rule(),
        "exception": _exception(),
        "overlay": _overlay(),
    }


def _condition() -> Schema:
    parts = {"all": _several(), "any": _several(), "not": _ref("condition"), "within": words(WITHIN)}
    branches = [closed({"all": parts["all"], "within": parts["within"]}, ("all",))]
    branches += [closed({branch: parts[branch]}, (branch,)) for branch in BRANCHES if branch != "all"]
    macro = closed({MACRO: text("the name of a macro")}, (MACRO,))
    expression = closed({"expr": {**text("a condition in CEL"), "maxLength": MAX_LENGTH}}, ("expr",))
    return {"anyOf": [_signal(), *_facts(), _person(), _voice(), *branches, macro, expression]}


def _several() -> Schema:
    return {"type": "array", "items": _ref("condition"), "minItems": 1}


def _signal() -> Schema:
    """A signal with exactly one comparator inside its scale, and at most one quantifier."""
    leaf = closed({"signal": _ref("signal"), **_comparison({"type": "number"}), **_quantifiers()}, ("signal",))
    return {**leaf, **exactly(COMPARATORS), "allOf": [*_scales(), _at_most_one(QUANTIFIERS)]}


def _comparison(number: Schema) -> dict[str, Schema]:
    return {str(comparator): number for comparator in COMPARATORS}


def _quantifiers() -> dict[str, Schema]:
    share: Schema = {"type": "number", "minimum": 0.001, "maximum": 1}
    return {
        "for": {**_ref("duration"), "description": "for so long without a break"},
        "in": {"type": "string", "pattern": f"^{OFTEN.pattern}$", "examples": ["3 of 5"]},
        "anywhere": {"const": True},
        "share_of_clip": share,
    }


def _scales() -> list[Schema]:
    scales: dict[tuple[float, float], list[str]] = {}
    for name, entry in VOCABULARY.signals.items():
        scales.setdefault((entry.low, entry.high), []).append(name)
    return [
        {
            "if": {"properties": {"signal": {"enum": names}}, "required": ["signal"]},
            "then": {"properties": _comparison({"minimum": low, "maximum": high})},
        }
        for (low, high), names in scales.items()
    ]


def _at_most_one(keys: Iterable[str]) -> Schema:
    return {"not": {"anyOf": [{"required": list(pair)} for pair in combinations(keys, 2)]}}


def _measure() -> Schema:
    """What an overlay changes of a signal's question."""
    change = closed({**_comparison({"type": "number"}), **_quantifiers()})
    return {**change, "minProperties": 1, "allOf": [_at_most_one(COMPARATORS), _at_most_one(QUANTIFIERS)]}


def _facts() -> list[Schema]:
    """One leaf for the facts of each type, and one for each fact whose values are known."""
    open_facts = {
        kind: [n for n, e in VOCABULARY.facts.items() if e.type == kind and not e.values] for kind in _OPERANDS
    }
    leaves = [_fact(names, _OPERANDS[kind], numeric=kind == "number") for kind, names in open_facts.items() if names]
    fixed = {name: entry for name, entry in VOCABULARY.facts.items() if entry.values}
    return leaves + [_fact([name], _fixed(entry), numeric=False) for name, entry in fixed.items()]


_OPERANDS: Final[Mapping[str, Schema]] = {
    "text": {"type": "string"},
    "number": {"type": "number", "minimum": 0},
    "flag": {"type": "boolean"},
}


def _fixed(entry: FactEntry) -> Schema:
    return {"enum": list(entry.values)}


def _fact(names: list[str], operand: Schema, *, numeric: bool) -> Schema:
    ways: dict[str, Schema] = {
        "equals": operand,
        "one_of": either(listed(operand), _ref("list")),
        "known": {"type": "boolean"},
    }
    ways |= _comparison(operand) if numeric else {}
    kept: dict[str, Schema] = {way: ways[way] for way in FACT_COMPARATORS if way in ways}
    fact = words({name: VOCABULARY.facts[name].means for name in names})
    return {**closed({"fact": fact, **kept}, ("fact",)), **exactly(kept)}


def _one_or_more(known: Collection[str]) -> Schema:
    return either(words(known), listed(words(known)), _ref("list"))


def _person() -> Schema:
    asked = {**_who(), "face": _one_or_more(FACES)}
    return {**closed(asked, (), PERSON_KEYS), "minProperties": 1}


def _voice() -> Schema:
    return closed({**_who(), "voice": _one_or_more(list(map(str, VoiceState)))}, ("voice",), VOICE_KEYS)


def _who() -> dict[str, Schema]:
    return {
        "person": _one_or_more(CONSENTS),
        "person.kind": _one_or_more(list(map(str, PersonKind))),
        "person.declared": {"type": "boolean"},
    }


def _then() -> Schema:
    market: Schema = {"enum": ["EU", *sorted(MARKETS)]}
    keys: dict[str, Schema] = {
        "outcome": _ref("outcome"),
        "reasons": _said(VOCABULARY.reasons),
        "notes": _said(VOCABULARY.notes),
        "queue": _ref("queue"),
        "priority": {"type": "integer", "minimum": 0, "maximum": 100, "description": "higher first; 50 when unsaid"},
        "audience": either(listed(words(list(LABELS))), _ref("list")),
        "deadline": {"type": "string", "pattern": f"^{DEADLINE.pattern}$", "examples": ["30m", "4h", "2d"]},
        "remedies": {**listed(words(REMEDIES)), "description": "not available yet"},
        "sample_rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "markets": either(listed(market), _ref("list")),
        "visibility": _one_or_more(PHASES),
    }
    return {**closed(keys, ("outcome",), THEN), "allOf": _fitting()}


def _fitting() -> list[Schema]:
    """What each outcome needs, and what does not go with it."""
    asks: Schema = {"properties": {"outcome": {"enum": ["review", "block"]}}, "required": ["outcome"]}
    allows: Schema = {"properties": {"outcome": {"const": "allow"}}, "required": ["outcome"]}
    restricts: Schema = {"properties": {"outcome": {"const": "restrict"}}, "required": ["outcome"]}
    return [
        {"if": asks, "then": {"required": ["reasons"]}},
        {"if": restricts, "then": {"required": ["reasons", "audience"]}},
        {"if": allows, "then": {"not": {"required": ["reasons"]}}},
    ]


def _said(known: Mapping[str, str]) -> Schema:
    params: Schema = named(NAME, {"type": ["string", "number", "boolean", "null"]})
    long = closed({"code": words(known), "params": params}, ("code",))
    return either(listed(either(words(known), long)), _ref("list"))


def _rule() -> Schema:
    keys: dict[str, Schema] = {
        "rule": _name("the rule's name"),
        "description": text("when it fires, and why there"),
        "when": _ref("condition"),
        "then": _ref("then"),
        "on_undetermined": _ref("stricter"),
        "exceptions": {"type": "array", "items": _ref("exception"), "minItems": 1},
        "mode": words(MODES),
        "since": _ref("date"),
    }
    shadow: Schema = {"properties": {"mode": {"const": "shadow"}}, "required": ["mode"]}
    return {**closed(keys, ("rule", "when", "then"), RULE), "allOf": [{"if": shadow, "then": {"required": ["since"]}}]}


def _name(means: str) -> Schema:
    return {"type": "string", "pattern": f"^{NAME.pattern}$", "description": means}


def _exception() -> Schema:
    keys: dict[str, Schema] = {
        "exception": _name("the exception's name"),
        "owner": text("who answers for it"),
        "expires": {**_ref("date"), "description": "the last day on which it holds"},
        "why": text("why it is made"),
        "when": _ref("condition"),
    }
    return closed(keys, EXCEPTION, EXCEPTION)


def _overlay() -> Schema:
    changes: dict[str, Schema] = {
        "rule": text("the rule that is otherwise here"),
        "off": {"const": True},
        "signals": {"type": "object", "propertyNames": _ref("signal"), "additionalProperties": _ref("measure")},
        "when": _ref("condition"),
        # Laid over the rule's own, so nothing of it is needed.
        "then": {"type": "object", "properties": {key: {} for key in THEN}, "additionalProperties": False},
        "on_undetermined": _ref("stricter"),
    }
    change = {**closed(changes, ("rule",), CHANGE), "minProperties": 2}
    locale: Schema = {"type": "string", "pattern": f"^{LOCALE.pattern}$"}
    keys: dict[str, Schema] = {
        "overlay": _name("the overlay's name"),
        "owner": text("who answers for it"),
        "why": text("why it is made"),
        "markets": either(listed({"enum": ["EU", *sorted(MARKETS)]}), _ref("list")),
        "locales": either(listed(locale), _ref("list")),
        "change": {"type": "array", "items": change, "minItems": 1},
        "rules": {"type": "array", "items": _ref("rule"), "minItems": 1},
    }
    needs = [{"anyOf": [{"required": [key]} for key in pair]} for pair in (("markets", "locales"), ("change", "rules"))]
    return {**closed(keys, ("overlay", "owner", "why"), OVERLAY), "allOf": needs}


def _vocabulary() -> Schema:
    """What a vocabulary lists; what it says of a name is compared with the code when it is read."""
    lists: dict[str, Schema] = {
        section: {
            "type": "object",
            "propertyNames": {"enum": list(getattr(VOCABULARY, section))},
            "additionalProperties": {"type": ["object", "string"]},
        }
        for section in VOCABULARY_SECTIONS
    }
    ground = closed({"basis": words(BASES), "clause": text("the clause or the law")}, ("basis", "clause"))
    lists[GROUNDS] = {
        "type": "object",
        "propertyNames": {"enum": list(VOCABULARY.reasons)},
        "additionalProperties": ground,
    }
    needed = ("language", *VOCABULARY_SECTIONS)
    return {**closed({"language": {"const": 1}, **lists}, needed), "title": "Everything a rule may name"}

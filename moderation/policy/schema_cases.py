"""The JSON Schema of case files. Which rules there are it cannot know: it sees one file."""

from detectors.base import FaceState, State, VoiceState
from moderation.decisions import Outcome
from moderation.facts import Consent, PersonKind
from moderation.policy.actions import DEADLINE, PHASES
from moderation.policy.cases import CASE, EXPECT
from moderation.policy.grammar import DURATION
from moderation.policy.regions import MARKETS
from moderation.policy.registry import VOCABULARY
from moderation.policy.schema_parts import Schema, closed, either, listed, text, words
from moderation.policy.staging import FACE, GIVEN, PERSON, SUBMISSION, TEXTS, TIMELINE, VOICE


def case_file() -> Schema:
    """Return the schema of a `cases.yaml`."""
    rules = listed(text("the name of a rule"))
    keys: dict[str, Schema] = {
        "case": text("what it shows"),
        "given": _given(),
        "must_fire": rules,
        "must_not_fire": rules,
        "undetermined": rules,
        "expect": _expect(),
        "known_gap": either({"const": True}, text("why it is not so yet")),
    }
    expects: Schema = {"anyOf": [{"required": [k]} for k in ("must_fire", "must_not_fire", "undetermined", "expect")]}
    case = {**closed(keys, ("case", "given"), CASE), **expects}
    return {
        **closed({"cases": {"type": "array", "items": case, "minItems": 1}}, ("cases",)),
        "title": "Examples of an area",
        "definitions": {"timeline": _timeline(), "duration": {"type": "string", "pattern": f"^{DURATION.pattern}$"}},
    }


def _timeline() -> Schema:
    pattern = rf"^\s*({TIMELINE.pattern})(\s+({TIMELINE.pattern}))*\s*$"
    notation: Schema = {"type": "string", "pattern": pattern, "examples": ["0.1x8 0.95x3 _x2"]}
    return either(notation, {"type": "number", "minimum": 0}, words([State.FAILED, State.NOT_MEASURED]))


def _timelines() -> Schema:
    return {
        "type": "object",
        "propertyNames": {"enum": list(VOCABULARY.signals)},
        "additionalProperties": {"$ref": "#/definitions/timeline"},
    }


def _given() -> Schema:
    duration: Schema = {"$ref": "#/definitions/duration"}
    keys: dict[str, Schema] = {
        "every": {**duration, "description": "from one sample to the next; 250ms when unsaid"},
        "signals": _timelines(),
        "shots": {**listed(duration), "description": "where shots begin after the first"},
        "texts": closed({name: text("read by the word lists") for name in TEXTS}),
        "faces": listed(_face()),
        "voices": listed(_voice()),
        "people": {"type": "object", "additionalProperties": _person()},
        "submission": _submission(),
        "phase": words(PHASES),
        "known_illegal": {"type": "boolean"},
        **{group: _group(group) for group in ("lineage", "account", "named", "fingerprint")},
    }
    return closed(keys, (), GIVEN)


def _face() -> Schema:
    keys: dict[str, Schema] = {
        "state": words(map(str, FaceState)),
        "person": text("one of the case's people"),
        "distance": {"type": "number", "minimum": 0, "maximum": 4},
        "signals": _timelines(),
        "unaged": {"type": "boolean"},
    }
    return closed(keys, ("state",), FACE)


def _voice() -> Schema:
    keys: dict[str, Schema] = {"state": words(map(str, VoiceState)), "person": text("one of the case's people")}
    return closed(keys, ("state",), VOICE)


def _person() -> Schema:
    consent = words(map(str, Consent))
    keys: dict[str, Schema] = {
        "kind": words(map(str, PersonKind)),
        "consent": consent,
        "declared": {"type": "boolean"},
        "voice": consent,
    }
    return closed(keys, ("kind", "consent"), PERSON)


def _submission() -> Schema:
    keys: dict[str, Schema] = {name: text("what the platform said") for name in SUBMISSION}
    return closed({**keys, "visibility": words(PHASES)}, (), SUBMISSION)


def _group(group: str) -> Schema:
    names = [name.partition(".")[2] for name in VOCABULARY.facts if name.startswith(f"{group}.")]
    return closed({name: {"type": ["string", "number", "boolean", "null"]} for name in names})


def _expect() -> Schema:
    codes = listed({"type": "string"}, least=0)
    flag: Schema = {"type": "boolean"}
    keys: dict[str, Schema] = {
        "outcome": words(map(str, Outcome)),
        "reasons": codes,
        "notes": codes,
        "queue": text("the queue it goes to"),
        "priority": {"type": "integer", "minimum": 0, "maximum": 100},
        "deadline": {"type": "string", "pattern": f"^{DEADLINE.pattern}$", "examples": ["30m", "4h", "2d"]},
        "markets_withheld": listed({"enum": ["EU", *sorted(MARKETS)]}, least=0),
        **dict.fromkeys(("teens", "adults_only", "no_remix"), flag),
    }
    return closed(keys, (), EXPECT)

"""`policies/vocabulary.yaml`: what policy teams may name, written from the registry and checked against it."""

import json
from collections.abc import Mapping
from dataclasses import replace

from moderation.policy.fields import Fields, similar
from moderation.policy.registry import VOCABULARY, FactEntry, GroundEntry, QueueEntry, SignalEntry, Vocabulary
from moderation.policy.source import Mapping as MappingNode
from moderation.policy.source import Node, Plain, parse, plain

FILE = "vocabulary.yaml"
SECTIONS = ("signals", "facts", "queues", "reasons", "notes")
GROUNDS = "grounds"
BASES = ("terms", "law")
_HEADER = """\
# yaml-language-server: $schema=schema/vocabulary.json
# Everything a rule may name. Made from the registry in the code and checked against it when policies are loaded:
# a name that stands only here, or that says something else here, is refused. Names may be taken out.
#
# signals: `per` frame = looked at on every frame; face = on every readable face; some = on some faces; text = on texts.
#          `measured` = between which lines its errors are known (model cards).
#          `blocks: false` = not reliable enough to block a clip without a person.
# queues:  in the order of precedence; a clip that several rules want looked at goes to the first.
# grounds: on what a statement of reasons rests, by reason: put the clauses of your own terms and laws here.
"""


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _described(entry: SignalEntry | FactEntry | QueueEntry | str) -> dict[str, Plain] | str:
    match entry:
        case SignalEntry():
            bounds: list[Plain] = [_number(entry.low), _number(entry.high)]
            tried: dict[str, Plain] = {"measured": [_number(line) for line in entry.measured]} if entry.measured else {}
            return {"per": entry.per, "range": bounds, **tried, "blocks": entry.may_block, "means": entry.means}
        case FactEntry():
            values: dict[str, Plain] = {"values": list(entry.values)} if entry.values else {}
            return {"type": entry.type, **values, "means": entry.means}
        case QueueEntry():
            return {"specialists": entry.specialists, "means": entry.means}
        case str():
            return entry


def _registered(vocabulary: Vocabulary, section: str) -> Mapping[str, SignalEntry | FactEntry | QueueEntry | str]:
    entries: Mapping[str, SignalEntry | FactEntry | QueueEntry | str] = getattr(vocabulary, section)
    return entries


def grounds_of(text: str) -> Mapping[str, GroundEntry]:
    """Return the grounds that a team wrote into its `vocabulary.yaml`; none where they cannot be read.

    Raises SourceError for a text that is no YAML.
    """
    tree = parse(text, FILE)
    entries = tree.entries if isinstance(tree, MappingNode) else ()
    found = next((node for key, node in entries if key.value == GROUNDS), None)
    fields = Fields(FILE)
    return {} if found is None else _grounds(fields, found)


def current(text: str) -> str:
    """Return a vocabulary's text brought up to date: what the code says of every name, and the team's own grounds.

    What the team took out comes back; a reason without a ground gets the shipped one.
    """
    grounds = {**VOCABULARY.grounds, **grounds_of(text)}
    return render(replace(VOCABULARY, grounds={name: grounds[name] for name in VOCABULARY.reasons if name in grounds}))


def render(vocabulary: Vocabulary = VOCABULARY) -> str:
    """Return the text of `vocabulary.yaml`."""
    lines = [_HEADER + "language: 1"]
    for section in SECTIONS:
        lines.append(f"\n{section}:")
        lines += [f"  {name}: {_flow(_described(e))}" for name, e in _registered(vocabulary, section).items()]
    lines.append(f"\n{GROUNDS}:")
    lines += [f"  {name}: {_flow({'basis': e.basis, 'clause': e.clause})}" for name, e in vocabulary.grounds.items()]
    return "\n".join(lines) + "\n"


def _flow(described: dict[str, Plain] | str) -> str:
    if isinstance(described, str):
        return json.dumps(described)
    return "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in described.items()) + "}"


def read_vocabulary(fields: Fields, node: Node) -> Vocabulary:
    """Read the file; what it lists and the registry knows is the vocabulary, everything else is a finding."""
    needed = ("language", *SECTIONS)
    found = fields.mapping(node, (*needed, GROUNDS), needed, "the vocabulary") or {}
    if "language" in found:
        fields.whole(found["language"], "`language`", 1, 1)
    listed = {section: _section(fields, section, found[section]) for section in SECTIONS if section in found}
    kept = {
        section: {n: e for n, e in _registered(VOCABULARY, section).items() if n in listed.get(section, ())}
        for section in SECTIONS
    }
    if "queues" in found and listed["queues"] != list(kept["queues"]):
        fields.fault(found["queues"], "queue-order", f"the order of precedence is {', '.join(kept['queues'])}")
    grounds = _grounds(fields, found[GROUNDS]) if GROUNDS in found else {}
    return Vocabulary(**kept, grounds=grounds)  # type: ignore[arg-type]  # sections keep the registry's own entries


def _grounds(fields: Fields, node: Node) -> dict[str, GroundEntry]:
    grounds: dict[str, GroundEntry] = {}
    for key, value in fields.named(node, f"`{GROUNDS}`"):
        reason = fields.word(key, "reason", VOCABULARY.reasons, "unknown-reason")
        found = fields.mapping(value, ("basis", "clause"), ("basis", "clause"), "a ground") or {}
        word = fields.word(found["basis"], "`basis`", BASES) if "basis" in found else None
        clause = fields.text(found["clause"], "`clause`") if "clause" in found else None
        if reason is not None and word is not None and clause is not None:
            grounds[reason] = GroundEntry(basis="law" if word == "law" else "terms", clause=clause)
    return grounds


def _section(fields: Fields, section: str, node: Node) -> list[str]:
    registered = _registered(VOCABULARY, section)
    names: list[str] = []
    for key, value in fields.named(node, f"`{section}`"):
        name = str(key.value)
        if name not in registered:
            message = f"the code knows no {section} `{name}`{similar(name, registered)}"
            fields.fault(key, "not-in-registry", message)
        elif _meaning(plain(value)) != _meaning(_described(registered[name])):
            fields.fault(value, "vocabulary-differs", f"`{name}` is {_flow(_described(registered[name]))} in the code")
        else:
            names.append(name)
    return names


def _meaning(described: Plain) -> Plain:
    """Leave out the words for people, which may be put better without changing what is meant."""
    if isinstance(described, dict):
        return {key: value for key, value in described.items() if key != "means"}
    return None

"""The conditions of a rule one by one, as they stand in its file, each with its place. Judges a part, never a clip."""

from collections.abc import Iterator
from dataclasses import dataclass

from moderation.policy.conditions import Compiled, compile_condition
from moderation.policy.dialect import Dialect, entry
from moderation.policy.exhibits import Exhibits
from moderation.policy.grammar import read_condition
from moderation.policy.source import Mapping, Node, Scalar, Sequence

_DOWNWARD = ("at_most", "below")


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One condition of a rule: the whole, a branch of it, or a leaf."""

    says: str
    line: int
    column: int
    #: How many branches stand around it.
    depth: int
    leaf: bool
    node: Mapping
    condition: Compiled


def rule_nodes(tree: Node) -> dict[str, Mapping]:
    """Return the rules of a policy file as they are written, by name."""
    listed = entry(tree, "rules")
    items = listed.items if isinstance(listed, Sequence) else ()
    named = ((entry(item, "rule"), item) for item in items if isinstance(item, Mapping))
    return {str(name.value): item for name, item in named if isinstance(name, Scalar)}


def branches(when: Node, dialect: Dialect, depth: int = 0) -> Iterator[Branch]:
    """Yield the condition and every one within it, outermost first; a macro is what it stands for."""
    when = dialect.written_out(when)
    condition = read_condition(dialect.fields(), when, dialect.vocabulary)
    if condition is None or not isinstance(when, Mapping):
        return
    parts = _parts(when)
    yield Branch(
        says=_says(when),
        line=when.line,
        column=when.column,
        depth=depth,
        leaf=not parts,
        node=when,
        condition=compile_condition(condition),
    )
    for part in parts:
        yield from branches(part, dialect, depth + 1)


def _parts(node: Mapping) -> tuple[Node, ...]:
    for kind in ("all", "any"):
        if isinstance(parts := entry(node, kind), Sequence):
            return parts.items
    inner = entry(node, "not")
    return () if inner is None else (inner,)


def _says(node: Mapping) -> str:
    kind = next((str(key.value) for key, _ in node.entries if key.value in ("all", "any", "not")), None)
    within = entry(node, "within")
    if kind is None:
        return flow(node)
    return kind if within is None else f"{kind} within {flow(within)}"


def flow(node: Node) -> str:
    """Write a node on one line, as one would in a policy."""
    match node:
        case Scalar(value=bool() as flag):
            return str(flag).lower()
        case Scalar(value=value):
            return f"{value:g}" if isinstance(value, float) else str(value)
        case Sequence(items=items):
            return f"[{', '.join(map(flow, items))}]"
        case Mapping(entries=entries):
            return f"{{{', '.join(f'{key.value}: {flow(value)}' for key, value in entries)}}}"


def explain(when: Node, exhibits: Exhibits, dialect: Dialect) -> list[str]:
    """Return a line for every condition of a rule: what it came to, what it says, and what was seen."""
    return [
        f"{'  ' * branch.depth}{branch.condition.ask(exhibits).word}: {branch.says}{_seen(branch.node, exhibits)}"
        for branch in branches(when, dialect)
    ]


def _seen(leaf: Mapping, exhibits: Exhibits) -> str:
    """Say what a leaf was compared with: the value nearest to holding, and when; or the fact."""
    fact, signal = entry(leaf, "fact"), entry(leaf, "signal")
    if isinstance(fact, Scalar):
        return f" - it is {exhibits.fact(str(fact.value))}"
    if not isinstance(signal, Scalar):
        return ""
    name = str(signal.value)
    if gaps := exhibits.gaps(name):
        return f" - {gaps[0].state}"
    downward = any(key.value in _DOWNWARD for key, _ in leaf.entries)
    points = [
        (value, time)
        for series in exhibits.series(name)
        for value, time in zip(series.lows if downward else series.highs, series.times, strict=True)
    ]
    if not points:
        return " - no sample"
    value, time = min(points) if downward else min(points, key=lambda point: (-point[0], point[1]))
    return f" - {'lowest' if downward else 'highest'} {value:g} at {time} ms"

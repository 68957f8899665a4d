"""Typed access to a parsed tree. What does not fit becomes a finding with its place, never an exception."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from moderation.policy.model import Finding
from moderation.policy.names import MAX_AREA_VALUES, Names
from moderation.policy.source import Mapping as MappingNode
from moderation.policy.source import Node, Scalar, Sequence

#: Findings of one file that are kept, and of these, how many say which known word is near: nobody reads more.
MAX_FINDINGS = 500
MAX_HINTS = 100
#: Missing keys that have a code of their own.
_LACKING = {"owner": "no-owner", "expires": "no-expiry"}
_NAMES = {str: "a word or text", float: "a number", bool: "true or false", int: "a whole number"}


def nearest(word: str, known: Collection[str]) -> str:
    """Return the known word that is most like this one, or nothing."""
    return "".join(difflib.get_close_matches(word, known, n=1, cutoff=0.6))


def similar(word: str, known: Collection[str]) -> str:
    """Return " - did you mean `x`?" for the nearest known word, or nothing."""
    return _meant(nearest(word, known))


def _meant(near: str) -> str:
    return f" - did you mean `{near}`?" if near else ""


class Fields:
    """Reads one file's tree and collects what is wrong with it."""

    def __init__(self, path: str, names: Names | None = None) -> None:
        self.path = path
        self.findings: list[Finding] = []
        #: Samples that the cases of a file were given so far.
        self.instants = 0
        #: The lists and macros that the file may use.
        self.names = Names() if names is None else names

    def fault(self, node: Node, code: str, message: str, suggestion: str = "") -> None:
        """Record a finding at the node's place; the suggestion is what to write there instead."""
        self.fault_at(node.line, node.column, code, message, suggestion)

    def fault_at(self, line: int, column: int, code: str, message: str, suggestion: str = "") -> None:
        """Record a finding at a place (from 1) inside a text."""
        if len(self.findings) == MAX_FINDINGS:
            code, message, suggestion = "too-large", f"more than {MAX_FINDINGS} faults: mend those before this one", ""
        if len(self.findings) <= MAX_FINDINGS:
            found = Finding(path=self.path, line=line, column=column, code=code, message=message, suggestion=suggestion)
            self.findings.append(found)

    def mapping(
        self,
        node: Node,
        allowed: Collection[str],
        needed: Collection[str] = (),
        what: str = "this",
    ) -> dict[str, Node] | None:
        """Return the mapping's values by key; unknown and missing keys are findings."""
        if not isinstance(node, MappingNode):
            self.fault(node, "wrong-type", f"{what} must be a mapping of {', '.join(allowed)}")
            return None
        found: dict[str, Node] = {}
        for key, value in node.entries:
            name = str(key.value)
            if name in allowed:
                found[name] = value
            else:
                near = self._nearest(name, allowed)
                self.fault(key, "unknown-key", f"{what} has no key `{name}`{_meant(near)}", near)
        for name in needed:
            if name not in found:
                self.fault(node, _LACKING.get(name, "missing-key"), f"{what} lacks `{name}`")
        return found

    def named(self, node: Node, what: str) -> Iterator[tuple[Scalar, Node]]:
        """Yield key and value of a mapping whose keys are names of one's own."""
        if isinstance(node, MappingNode):
            yield from node.entries
        else:
            self.fault(node, "wrong-type", f"{what} must be a mapping")

    def items(self, node: Node, what: str, *, least: int = 1) -> tuple[Node, ...]:
        """Return the items of a list, or those of the named one in `{list: name}`; a short one is a finding."""
        if isinstance(node, MappingNode) and [key.value for key, _ in node.entries] == ["list"]:
            return self._listed(node)
        if not isinstance(node, Sequence):
            self.fault(node, "wrong-type", f"{what} must be a list")
            return ()
        if len(node.items) < least:
            self.fault(node, "empty-list", f"{what} must have at least {least} item")
        return node.items

    def _listed(self, node: MappingNode) -> tuple[Node, ...]:
        name = self.word(node.entries[0][1], "list", self.names.lists, "unknown-list")
        entry = None if name is None else self.names.lists.get(name)
        if entry is None:
            return ()
        entry.used = True
        self.names.area_values += len(entry.items)
        if self.names.area_values > MAX_AREA_VALUES:
            self.fault(node, "too-large", f"the lists of one area stand for more than {MAX_AREA_VALUES} values")
            return ()
        # A value that does not fit is a fault of the place that uses it: elsewhere it may fit well.
        return tuple(replace(item, line=node.line, column=node.column) for item in entry.items)

    def one_or_more(self, node: Node, what: str) -> tuple[Node, ...]:
        """Return the items of a list, or the single thing that stands instead of one."""
        return (node,) if isinstance(node, Scalar) else self.items(node, what)

    def text(self, node: Node, what: str) -> str | None:
        """Return a text that is not empty."""
        value = self._scalar(node, str, what)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, str):
            self.fault(node, "wrong-value", f"{what} is empty")
        return None

    def flag(self, node: Node, what: str) -> bool | None:
        """Return true or false."""
        value = self._scalar(node, bool, what)
        return value if isinstance(value, bool) else None

    def number(self, node: Node, what: str, low: float, high: float) -> float | None:
        """Return a number from `low` to `high`."""
        value = self._scalar(node, float, what)
        if not isinstance(value, int | float):
            return None
        if not low <= value <= high:
            self.fault(node, "out-of-range", f"{what} is {value:g}, outside {low:g} to {high:g}")
            return None
        return float(value)

    def whole(self, node: Node, what: str, low: int, high: int) -> int | None:
        """Return a whole number from `low` to `high`."""
        value = self._scalar(node, int, what)
        checked = None if value is None else self.number(node, what, low, high)
        return None if checked is None else int(checked)

    def word(self, node: Node, what: str, known: Collection[str], code: str = "wrong-value") -> str | None:
        """Return a word out of a closed list."""
        value = self.text(node, what)
        if value is None or value in known:
            return value
        near = self._nearest(value, known)
        hint = _meant(near) or f" - one of {', '.join(known)}" * (len(known) <= 8)
        self.fault(node, code, f"{what} `{value}` is not known{hint}", near)
        return None

    def _nearest(self, word: str, known: Collection[str]) -> str:
        """Return the nearest known word while there are few faults: a text full of faults must not take minutes."""
        return nearest(word, known) if len(self.findings) < MAX_HINTS else ""

    def only_one(self, found: Mapping[str, Node], keys: Collection[str], at: Node, what: str) -> str | None:
        """Return which one of `keys` is there; several are a finding at `at`."""
        there = [key for key in keys if key in found]
        if len(there) > 1:
            self.fault(at, "several", f"{what}: {' and '.join(there)} cannot stand together")
        return there[0] if there else None

    def _scalar(self, node: Node, kind: type, what: str) -> str | float | bool | None:
        value = node.value if isinstance(node, Scalar) else None
        kinds = (int, float) if kind is float else (kind,)
        # In Python a flag is an int; in a policy it is not.
        if isinstance(value, kinds) and isinstance(value, bool) is (kind is bool):
            return value
        self.fault(node, "wrong-type", f"{what} must be {_NAMES[kind]}")
        return None

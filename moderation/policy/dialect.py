"""What the conditions of one area are read with again, piece by piece: the vocabulary and the names it may use."""

from collections.abc import Mapping
from dataclasses import dataclass

from moderation.policy.fields import Fields
from moderation.policy.names import Names
from moderation.policy.registry import Vocabulary
from moderation.policy.shorthand import SECTIONS, SHARED, names_beside, read_names, read_shared
from moderation.policy.source import Mapping as MappingNode
from moderation.policy.source import Node, Scalar, Sequence, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One area's language. Reading counts what names add up to, so every reading starts with counts of its own."""

    vocabulary: Vocabulary
    shared: Names
    own: Names

    @classmethod
    def of(cls, texts: Mapping[str, str], tree: Node, vocabulary: Vocabulary) -> "Dialect":
        """Return the language of an area that was read without faults; `texts` are the folder's."""
        shared = Fields("")
        if SHARED in texts:
            read_shared(shared, parse(texts[SHARED], SHARED))
        area = Fields("", names_beside(shared.names))
        read_names(area, {key: value for key in SECTIONS if (value := entry(tree, key)) is not None})
        return cls(vocabulary=vocabulary, shared=shared.names, own=area.names)

    def fields(self) -> Fields:
        """Return what a piece of the area's file is read with."""
        return Fields("", names_beside(self.own))

    def file_fields(self) -> Fields:
        """Return what the whole file is read with; it gives its own names itself."""
        return Fields("", names_beside(self.shared))

    def written_out(self, node: Node) -> Node:
        """Return the condition that a macro stands for, or the values that a list does; anything else as it is."""
        name = entry(node, "macro")
        if isinstance(name, Scalar) and (macro := self.own.macros.get(str(name.value))):
            return self.written_out(macro.node)
        name = entry(node, "list")
        if isinstance(name, Scalar) and (listed := self.own.lists.get(str(name.value))):
            return Sequence(items=listed.items, line=node.line, column=node.column)
        return node


def entry(node: Node, key: str) -> Node | None:
    """Return the value under a key of a mapping; None where there is none."""
    entries = node.entries if isinstance(node, MappingNode) else ()
    return next((value for name, value in entries if name.value == key), None)

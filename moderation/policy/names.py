"""What the files of a policy folder may call by name: lists of values and conditions. Counts what their use adds up to.

Names keep texts short; they must not let a short text become a huge rule, so every use is counted and bounded.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moderation.policy.model import Condition, Finding
from moderation.policy.source import Node, Scalar

if TYPE_CHECKING:
    from moderation.policy.fields import Fields

#: Leaves of one rule, or of one named condition, with everything written out.
MAX_LEAVES = 500
#: Leaves of one area's rules, and values that its rules take out of lists, with everything written out.
MAX_AREA_LEAVES = 20_000
MAX_AREA_VALUES = 100_000
#: Named conditions inside named conditions.
MAX_HEIGHT = 6


@dataclass(slots=True, kw_only=True)
class NamedList:
    """A list of values and where it stands."""

    items: tuple[Scalar, ...]
    path: str
    line: int
    column: int
    used: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Macro:
    """A named condition: its text, and once somebody asked for it the condition. None then means that it has faults."""

    fields: "Fields"
    node: Node
    line: int
    column: int
    used: bool = False
    read: bool = False
    condition: Condition | None = None
    leaves: int = 0
    height: int = 1


@dataclass(slots=True, kw_only=True)
class Names:
    """The names that one file may use: the shared ones and its own."""

    lists: dict[str, NamedList] = field(default_factory=dict)
    macros: dict[str, Macro] = field(default_factory=dict)
    #: The macros that are being read, innermost last.
    open: list[Macro] = field(default_factory=list)
    #: Of the rule that is being read, and of all the area's rules.
    leaves: int = 0
    area_leaves: int = 0
    area_values: int = 0

    def admit(self, leaves: int) -> bool:
        """Count leaves towards what is being read; False once there are too many."""
        if self.open:
            self.open[-1].leaves += leaves
            return self.open[-1].leaves <= MAX_LEAVES
        self.leaves += leaves
        self.area_leaves += leaves
        return self.leaves <= MAX_LEAVES and self.area_leaves <= MAX_AREA_LEAVES

    def unused(self) -> list[Finding]:
        """Return a finding for each name that nothing used."""
        lists = [_unused(entry.path, entry, f"the list `{name}`") for name, entry in self.lists.items()]
        macros = [_unused(entry.fields.path, entry, f"the macro `{name}`") for name, entry in self.macros.items()]
        return [finding for finding in (*lists, *macros) if finding is not None]


def _unused(path: str, entry: NamedList | Macro, what: str) -> Finding | None:
    if entry.used:
        return None
    message = f"{what} is used nowhere: use it or remove it"
    return Finding(path=path, line=entry.line, column=entry.column, code="unused-name", message=message)

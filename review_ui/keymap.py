"""The keys of the pages: which action has which key, and a reviewer's own choice. Knows no page and no browser."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup

from review_ui.translating import marked

#: Keys that belong to every page, whatever else it has.
EVERYWHERE: Final = ""
LISTS: Final = "lists"
CASE: Final = "case"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An action that has a key: `page` is where, `label` an English message, `fixed` a key that cannot be chosen."""

    action: str
    key: str
    page: str
    label: str
    fixed: bool = False


def _keys(page: str, **actions: tuple[str, str]) -> list[Key]:
    return [Key(action=action, key=key, page=page, label=label) for action, (key, label) in actions.items()]


KEYS: Final = (
    *_keys(
        EVERYWHERE,
        help=("?", marked("Show the keys")),
        search=("/", marked("Search")),
        pause=("p", marked("Take a break")),
    ),
    Key(action="queues", key="g q", page=EVERYWHERE, label=marked("Go to the queues"), fixed=True),
    *_keys(LISTS, next_row=("j", marked("Next row")), previous_row=("k", marked("Previous row"))),
    Key(action="rows", key="↑ ↓", page=LISTS, label=marked("Next and previous row"), fixed=True),
    Key(action="open_row", key="Enter", page=LISTS, label=marked("Open or start the row"), fixed=True),
    *_keys(
        CASE,
        play=(" ", marked("Play or pause")),
        reveal=("r", marked("Reveal, while held down")),
        previous_moment=("[", marked("Previous flagged moment")),
        next_moment=("]", marked("Next flagged moment")),
        frame_back=(",", marked("One frame back")),
        frame_on=(".", marked("One frame on")),
        loop=("o", marked("Loop the moment")),
        speed=("s", marked("Speed")),
        sound=("m", marked("Sound")),
        colour=("g", marked("Colour")),
        cartoon=("c", marked("Cartoon rendition")),
        allow=("a", marked("Approve")),
        block=("b", marked("Block")),
        restrict=("l", marked("Limit")),
        escalate=("e", marked("Escalate for a second opinion")),
        reason=("w", marked("Choose a reason")),
        note=("n", marked("Write a note")),
        skip=("x", marked("Skip, back to the queue")),
        undo=("u", marked("Undo the last decision")),
        take=("t", marked("Take this case")),
    ),
    Key(action="moments", key="1…9", page=CASE, label=marked("Jump to a flagged moment"), fixed=True),
)
BY_ACTION: Final = {key.action: key for key in KEYS}


#: What may be chosen as a key: one that every keyboard writes, and none of the digits, which are for moments.
CHOOSABLE: Final = re.compile(r"[a-z ,.;'\[\]/\\=?-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """Why a chosen key cannot be: `other` is the action that has it, empty where it is no key that can be chosen."""

    action: str
    other: str


def clashes(chosen: Mapping[str, str]) -> list[Clash]:
    """What is wrong with a reviewer's own keys, by action: nothing where every page stays free of doubles."""
    found = []
    for action, key in chosen.items():
        if action not in BY_ACTION or BY_ACTION[action].fixed or not CHOOSABLE.fullmatch(key):
            found.append(Clash(action=action, other=""))
            continue
        rivals = [other for other in KEYS if other.action != action and _meet(other, BY_ACTION[action])]
        found += [Clash(action=action, other=at.action) for at in rivals if chosen.get(at.action, at.key) == key]
    return found


def _meet(one: Key, other: Key) -> bool:
    """Whether two actions can be on one page."""
    return one.page == other.page or EVERYWHERE in {one.page, other.page}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMap:
    """One reviewer's keys: what they chose instead of the usual ones, by action; `on` is whether they want any."""

    chosen: Mapping[str, str] = field(default_factory=dict)
    on: bool = True

    def of(self, action: str) -> str:
        """The key of an action. Raises KeyError for an action that has none."""
        return self.chosen.get(action, BY_ACTION[action].key)

    def attributes(self, action: str) -> Markup:
        """What makes an element react to its key; nothing while keys are off."""
        key = self.of(action)
        if not self.on:
            return Markup()
        if len(key) > 1:
            # One key after another cannot be said in aria-keyshortcuts, where a blank means "or".
            return Markup(' data-key="{}"').format(key)
        return Markup(' data-key="{}" aria-keyshortcuts="{}"').format(key, spoken(key))

    def hint(self, action: str) -> Markup:
        """The key as it is shown inside its button; nothing while keys are off."""
        return Markup('<kbd aria-hidden="true">{}</kbd>').format(shown(self.of(action))) if self.on else Markup()

    def on_page(self, page: str) -> list[tuple[str, str]]:
        """Keys and messages of a page and of every page, for the dialog that shows them."""
        wanted = [key for key in KEYS if key.page in {EVERYWHERE, page}]
        return [(shown(self.of(key.action)), key.label) for key in wanted]


def shown(key: str) -> str:
    """A key as it is written on a button."""
    return "␣" if key == " " else key.upper() if len(key) == 1 or " " in key else key


def spoken(key: str) -> str:
    """A key as `aria-keyshortcuts` wants it."""
    return "Space" if key == " " else key.upper()

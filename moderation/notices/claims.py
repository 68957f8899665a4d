"""What a notice says: its kind, what the law wants with it, and the sentences for what is missing. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal["intimate_image", "illegal_content", "likeness", "rights_holder", "counter_notice"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
#: Kinds that hide their clip until a person has decided.
HIDING: Final = frozenset[Kind]({"intimate_image", "likeness"})
#: How a case ranks among others; from 80 on material counts as severe.
PRIORITY: Final[Mapping[str, int]] = {
    "intimate_image": 80,
    "likeness": 70,
    "illegal_content": 60,
    "rights_holder": 40,
    "counter_notice": 40,
}
MOST_CHARACTERS: Final = 10_000
LINE_CHARACTERS: Final = 300
_CONTACT: Final = re.compile(r"[^@\s]{1,128}@[^@\s]+\.[^@\s.]{2,}")
#: By kind, what it must have besides the clip and a statement of good faith. TAKE IT DOWN Act, section 3(a)(1);
#: Digital Services Act, article 16(2).
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "intimate_image": ("signature", "contact", "explanation"),
    "likeness": ("signature", "contact", "explanation"),
    "illegal_content": ("name", "contact", "explanation"),
    "rights_holder": ("name", "contact", "explanation"),
    "counter_notice": ("explanation",),
}
#: Of a notice about abuse of children nobody need say who they are (Digital Services Act, article 16(2)(c)).
NAMELESS: Final = frozenset({"name", "contact"})

Fault = Literal["missing", "too_long", "no_address", "no_good_faith"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One notice as it was filed. `contact` is an e-mail address; `location` is where the clip was seen."""

    kind: Kind
    explanation: str = ""
    #: Where in the clip, or at which address: in the sender's own words.
    location: str = ""
    good_faith: bool = False
    child_protection: bool = False
    name: str = ""
    contact: str = ""
    #: A typed name stands for a signature (15 U.S.C. 7006(5)).
    signature: str = ""

    @property
    def identity(self) -> dict[str, str]:
        """Who filed it: never for reviewers."""
        return {"name": self.name, "contact": self.contact, "signature": self.signature}

    @property
    def words(self) -> dict[str, object]:
        """What it says: for whoever decides."""
        return {
            "explanation": self.explanation,
            "location": self.location,
            "good_faith": self.good_faith,
            "child_protection": self.child_protection,
        }


def faults(claim: Claim) -> dict[str, Fault]:
    """What a notice lacks to be valid, by field; nothing when it is."""
    return dict(_faults(claim))


def _faults(claim: Claim) -> Iterator[tuple[str, Fault]]:
    excused = NAMELESS if claim.kind == "illegal_content" and claim.child_protection else frozenset[str]()
    for name in REQUIRED[claim.kind]:
        if name not in excused and not getattr(claim, name).strip():
            yield name, "missing"
    for name in ("name", "contact", "signature", "location"):
        if len(getattr(claim, name)) > LINE_CHARACTERS:
            yield name, "too_long"
    if len(claim.explanation) > MOST_CHARACTERS:
        yield "explanation", "too_long"
    if claim.contact.strip() and not _CONTACT.fullmatch(claim.contact.strip()):
        yield "contact", "no_address"
    if not claim.good_faith:
        yield "good_faith", "no_good_faith"

"""The codes of case and reviewer that a person's renditions bear: a leaked copy tells whose it was, to us alone."""

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from moderation.db import queries

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("renditions")

#: Crockford's base 32: no letter that is taken for a digit.
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_REVIEWER_LENGTH: Final = 6
#: So much of a case's id is on its page, too.
_CASE_LENGTH: Final = 8


def codes(services: "Services", org: str, case_id: str, principal: str) -> str:
    """What is drawn into the renditions of one case for one person: the case's code and theirs."""
    return f"{case_code(case_id)} {reviewer_code(services, org, principal)}"


def case_code(case_id: str) -> str:
    """The end of a case's id, as its page shows it."""
    return case_id[-_CASE_LENGTH:].upper()


def reviewer_code(services: "Services", org: str, principal: str) -> str:
    """A code that names a person to this deployment and nobody else: 30 bits under a key of the vault."""
    told = f"{org}:{principal}".encode()
    number = int.from_bytes(hmac.new(services.vault.derive("trace"), told, hashlib.sha256).digest()[:8])
    return "".join(_LETTERS[number >> 5 * place & 31] for place in range(_REVIEWER_LENGTH))


def whose(services: "Services", org: str, code: str) -> list[str]:
    """The principals, of those who were ever shown something, whose code this is; read aloud, O may be 0 and I be 1."""
    wanted = code.strip().upper().translate(str.maketrans("OIL", "011"))
    with services.database.transaction(org) as tx:
        people = [principal for (principal,) in tx.pg.execute(SQL.people_shown).fetchall()]
    return sorted(each for each in people if reviewer_code(services, org, each) == wanted)

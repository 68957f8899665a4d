"""Passkeys of people at their own page (WebAuthn level 3): registering one, entering by it, signing an answer.

Decides who signed what; what follows from it is decided elsewhere. Private keys never leave people's devices.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag

from moderation import asking, audit, owners
from moderation.consent.people import lock_person
from moderation.db import Transaction, queries
from moderation.errors import Conflict, Forbidden, Unprocessable
from moderation.ids import new_id

if TYPE_CHECKING:
    from moderation.outbox import Enqueuer
    from moderation.owners import Owner
    from moderation.services import Services
    from moderation.vault import Vault

SQL = queries("owners")
#: How long somebody may take over their device's dialog.
TAKES: Final = timedelta(minutes=5)
CHALLENGE_BYTES: Final = 32
MOST_PASSKEYS: Final = 20
BRAND: Final = "Countersign"


class NotSigned(Unprocessable):
    """What the browser sent was not signed by a passkey of yours for this very thing."""

    code = "not_signed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """This service as passkeys know it: the name they are bound to, and the origin of its pages."""

    host: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A registered passkey as its person sees it."""

    passkey_id: str
    created_at: datetime
    used_at: datetime | None


def party_at(address: str) -> Party | None:
    """The party at an address such as `https://example.org`; None where no passkey works: for a bare IP address."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if not host or ":" in host or host.replace(".", "").isdigit():
        return None
    return Party(host=host, origin=f"{parts.scheme}://{parts.netloc}")


def passkeys_of(tx: Transaction, person: str) -> list[Passkey]:
    """A person's passkeys, oldest first."""
    found = tx.pg.execute(SQL.passkeys, {"person": person}).fetchall()
    return [Passkey(passkey_id=line[0], created_at=line[4], used_at=line[5]) for line in found]


def seal_challenge(vault: "Vault", now: datetime, purpose: str) -> tuple[bytes, str]:
    """A fresh challenge, and the same sealed for the browser to bring back within `TAKES`."""
    fresh = secrets.token_bytes(CHALLENGE_BYTES)
    body = {"challenge": fresh.hex(), "until": (now + TAKES).timestamp()}
    return fresh, base64.urlsafe_b64encode(vault.seal(json.dumps(body).encode(), f"passkey:{purpose}")).decode()


def open_challenge(vault: "Vault", now: datetime, purpose: str, sealed: str) -> bytes:
    """The challenge that was sealed for this purpose. Raises NotSigned when it is none of ours or too old."""
    try:
        body = json.loads(vault.open(base64.urlsafe_b64decode(sealed), f"passkey:{purpose}"))
    except (binascii.Error, InvalidTag, ValueError) as error:
        raise NotSigned from error
    if now.timestamp() > body["until"]:
        raise NotSigned("this took too long; begin again")
    return bytes.fromhex(body["challenge"])


def registration(tx: Transaction, party: Party, owner: "Owner", challenge: bytes, called: str) -> dict[str, object]:
    """What the browser is asked to make (`PublicKeyCredentialCreationOptionsJSON`); `called` is shown by the device."""
    from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415 (half a second to import)
    from webauthn.helpers import structs  # noqa: PLC0415

    options = generate_registration_options(
        rp_id=party.host,
        rp_name=BRAND,
        user_id=owner.person.encode(),
        user_name=called,
        challenge=challenge,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=key) for key in _credentials(tx, owner.person)],
    )
    return cast("dict[str, object]", json.loads(options_to_json(options)))


def demand_may_add(tx: Transaction, owner: "Owner") -> None:
    """A link alone adds the first passkey only: who stole a link must not outlast it.

    Holds the person: of two who register at once, the second counts the first one's, and where all were removed
    meanwhile the session ended. Raises Unauthorised, Forbidden, Conflict.
    """
    lock_person(tx, owner.person)
    owners.demand_standing(tx, owner)
    there = len(_credentials(tx, owner.person))
    if there and owner.method != "passkey":
        raise Forbidden("enter by a passkey of yours to add another")
    if there >= MOST_PASSKEYS:
        raise Conflict(f"there are {MOST_PASSKEYS} passkeys already")


def register(
    tx: Transaction, now: datetime, party: Party, owner: "Owner", challenge: bytes, credential: Mapping[str, object]
) -> str:
    """Keep the passkey that a browser made for `challenge`. Raises NotSigned, Unauthorised, Forbidden, Conflict."""
    from webauthn import verify_registration_response  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    demand_may_add(tx, owner)
    try:
        made = verify_registration_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise NotSigned from error
    passkey = new_id("pk")
    keys = {"credential": made.credential_id, "public_key": made.credential_public_key, "sign_count": made.sign_count}
    line = {"org": tx.org, "passkey": passkey, "person": owner.person, "now": now}
    if tx.pg.execute(SQL.insert_passkey, {**line, **keys}).fetchone() is None:
        raise Conflict("this passkey is registered already")
    audit.record(tx, now, owner.actor, "owner.passkey_added", owner.person, passkey=passkey)
    return passkey


def assertion(party: Party, challenge: bytes, credentials: list[bytes]) -> dict[str, object]:
    """What the browser is asked to sign (`PublicKeyCredentialRequestOptionsJSON`); any passkey when none are named."""
    from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415
    from webauthn.helpers import structs  # noqa: PLC0415

    options = generate_authentication_options(
        rp_id=party.host,
        challenge=challenge,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in credentials],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return cast("dict[str, object]", json.loads(options_to_json(options)))


def enter(services: "Services", party: Party, challenge: bytes, credential: Mapping[str, object]) -> str:
    """Begin the session of whoever's passkey signed `challenge`; returns its cookie. Raises NotSigned, Unauthorised."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        found = tx.pg.execute(SQL.passkey_by_credential, {"credential": _raw_id(credential)}).fetchone()
    if found is None:
        raise NotSigned
    org, person = found[0], found[1]
    with services.database.transaction(org) as tx:
        lock_person(tx, person)
        signed = demand_signed(tx, now, party, person, challenge, credential)
        return owners.begin(tx, now, person, "passkey", challenge=challenge, passkey=signed.passkey_id)


def demand_signed(
    tx: Transaction, now: datetime, party: Party, person: str, challenge: bytes, credential: Mapping[str, object]
) -> asking.Signed:
    """A passkey of this person signed this very challenge, the device having made sure of them. Raises NotSigned."""
    from webauthn import verify_authentication_response  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    found = tx.pg.execute(SQL.passkey_by_credential, {"credential": _raw_id(credential)}).fetchone()
    if found is None or found[1] != person:
        raise NotSigned
    _, _, passkey, public_key, count = found
    try:
        verified = verify_authentication_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            credential_public_key=bytes(public_key),
            credential_current_sign_count=count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise NotSigned from error
    used = {"passkey": passkey, "sign_count": verified.new_sign_count, "now": now}
    if tx.pg.execute(SQL.use_passkey, used).fetchone() is None:
        raise NotSigned
    return asking.Signed(passkey_id=passkey, credential=credential)


def answer(
    tx: Transaction,
    enqueuer: "Enqueuer",
    now: datetime,
    party: Party,
    question: asking.Question,
    said: asking.Said,
    credential: Mapping[str, object],
) -> None:
    """Write down an answer that a passkey signed. Raises NotSigned, Conflict as `asking.answer`.

    Clip and person are held before the passkey (decision 0047): who erases the person removes their passkeys last.
    """
    asking.hold(tx, question.question_id, question.clip_id)
    challenge = asking.challenge(question, said)
    signed = demand_signed(tx, now, party, question.person_id, challenge, credential)
    asking.answer(tx, enqueuer, now, question, said, signed)


def forget(tx: Transaction, now: datetime, person: str, *, by: str) -> int:
    """Remove all of a person's passkeys, as when the device was lost; returns how many there were.

    Whoever holds the device may be on the page just now: sessions and unused links end too. Raises NotFound.
    """
    lock_person(tx, person)
    removed = len(tx.pg.execute(SQL.remove_passkeys, {"person": person, "now": now}).fetchall())
    sessions, links = owners.shut_out(tx, now, person)
    audit.record(tx, now, by, "owner.passkeys_removed", person, passkeys=removed, sessions=sessions, links=links)
    return removed


def credentials_of(tx: Transaction, person: str) -> list[bytes]:
    """The credential ids of a person's passkeys."""
    return _credentials(tx, person)


def _credentials(tx: Transaction, person: str) -> list[bytes]:
    return [bytes(line[1]) for line in tx.pg.execute(SQL.passkeys, {"person": person}).fetchall()]


def _raw_id(credential: Mapping[str, Any]) -> bytes:
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415

    try:
        return base64url_to_bytes(str(credential["rawId"]))
    except (KeyError, ValueError) as error:
        raise NotSigned from error

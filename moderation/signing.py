"""Who signs and whom we believe, by the settings: the development authority, a key file, or a program with a key.

Nothing else reads signing keys. What cannot be used is an outage, so that clips wait and nobody is asked.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from moderation.errors import Outage
from watermark.authority import AuthorityError
from watermark.credentials import Signer, Trust
from watermark.signers import CommandKey, FileKey, SignerUnusable, demand_profile, read_chain, root_of, signer_with

if TYPE_CHECKING:
    from moderation.services import Services
    from moderation.settings import Marking


def open_signer(services: "Services") -> Signer:
    """The signer of the settings, its certificates checked. Raises Outage("signer")."""
    marking = services.settings.marking
    try:
        if marking.signing.chain is None:
            authority = services.authority
            return Signer(
                sign=authority.sign, chain_pem=authority.chain_pem, timestamp_url=marking.timestamp_url or None
            )
        chain = read_chain(marking.signing.chain)
        demand_profile(chain, services.clock.now())
        return signer_with(_key(marking), chain, timestamp_url=marking.timestamp_url or None)
    except (SignerUnusable, AuthorityError) as error:
        raise Outage("signer", str(error)) from error


def open_trust(services: "Services") -> Trust:
    """The trust lists of the settings. Raises Outage("signer")."""
    marking = services.settings.marking
    try:
        return Trust(
            own_pem=_own_roots(services),
            others_pem=_listed(marking.trusted_roots),
            timestamps_pem=_listed(marking.timestamp_roots),
        )
    except (SignerUnusable, AuthorityError) as error:
        raise Outage("signer", str(error)) from error


def kind_of_signer(marking: "Marking") -> str:
    """`development`, `file` or `command`."""
    if marking.signing.chain is None:
        return "development"
    return "command" if marking.signing.command else "file"


def _key(marking: "Marking") -> FileKey | CommandKey:
    settings = marking.signing
    if settings.key is not None:
        return FileKey.read(settings.key)
    return CommandKey(arguments=settings.command, timeout_seconds=settings.timeout_seconds)


def _own_roots(services: "Services") -> str:
    settings = services.settings.marking.signing
    if settings.roots is not None:
        return read_chain(settings.roots)
    if settings.chain is None:
        return services.authority.root_pem
    root = root_of(read_chain(settings.chain))
    if root is None:
        raise SignerUnusable("the signing chain ends without its root: name it in MODERATION_MARKING__SIGNING__ROOTS")
    return root


def _listed(path: Path | None) -> str:
    return "" if path is None else read_chain(path)

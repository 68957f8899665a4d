"""The way in: to the provider, back from it, and what the person may do here. Makes no session and no cookie."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moderation.errors import NotFound
from moderation.keys import Principal
from moderation.login.attempts import Attempt, open_attempt
from moderation.login.identity import read_claims, roles_of
from moderation.login.provider import Provider
from moderation.login.refusals import LoginRefused
from moderation.settings import OidcSettings, RoleSettings

if TYPE_CHECKING:
    from moderation.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """Somebody whom the provider vouches for: who they are here, and which queues their roles name."""

    principal: Principal
    #: None where a role leaves every general queue open.
    queues: tuple[str, ...] | None
    back: str


def begin(services: "Services", redirect: str, back: str) -> tuple[str, str]:
    """Where to send the browser, and what it must keep until it comes back. Raises NotFound, Outage."""
    attempt = Attempt.begin(services.clock.now(), back)
    address = _provider(services).address_for(
        redirect, state=attempt.state, nonce=attempt.nonce, verifier=attempt.verifier
    )
    return address, attempt.seal(services.vault)


def finish(services: "Services", redirect: str, sealed: str, answer: Mapping[str, str]) -> Entrant:
    """Who came back from the provider. Raises LoginRefused, Outage, NotFound where none is configured."""
    provider, now = _provider(services), services.clock.now()
    attempt = open_attempt(services.vault, sealed, now)
    named = provider.metadata().get("authorization_response_iss_parameter_supported") is True
    code = attempt.demand_answer(answer, provider.settings.issuer, issuer_named=named)
    tokens = provider.exchange(code, attempt.verifier, redirect)
    claims = read_claims(provider, tokens, attempt.nonce, now.timestamp())
    roles = granted(provider.settings, roles_of(provider, tokens, claims))
    principal = Principal(
        org=roles[0].organisation,
        principal=name_of(provider.settings.issuer, claims["sub"]),
        scopes=frozenset(scope for role in roles for scope in role.scopes),
        kind="person",
    )
    return Entrant(principal=principal, queues=_queues(roles), back=attempt.back)


def granted(settings: OidcSettings, values: Iterable[str]) -> list[RoleSettings]:
    """The roles that these values stand for. Raises LoginRefused for none, or for roles of two organisations."""
    roles = [settings.roles[value] for value in dict.fromkeys(values) if value in settings.roles]
    if not roles:
        raise LoginRefused("role")
    if len({role.organisation for role in roles}) > 1:
        raise LoginRefused("role", "roles of two organisations")
    return roles


def name_of(issuer: str, subject: str) -> str:
    """The principal of a provider's subject: the same at every log-in, and no name, address or number of anybody."""
    digest = hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()
    return f"person-{digest[:24]}"


def _queues(roles: list[RoleSettings]) -> tuple[str, ...] | None:
    reviewing = [role for role in roles if role.scopes & {"review", "specialist"}]
    if any(role.queues is None for role in reviewing):
        return None
    return tuple(dict.fromkeys(queue for role in reviewing for queue in role.queues or ()))


def _provider(services: "Services") -> Provider:
    if services.login_provider is None:
        raise NotFound("no log-in provider is configured here")
    return services.login_provider

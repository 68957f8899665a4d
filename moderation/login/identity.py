"""Who somebody is, from a provider's ID token: checked against its keys, never merely read."""

from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from moderation.login.provider import Provider, Tokens
from moderation.login.refusals import LoginRefused

#: Signatures that need the provider's private key; `none` and shared secrets are no proof of who signed.
ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
]


def read_claims(provider: Provider, tokens: Tokens, nonce: str, now: float) -> dict[str, Any]:
    """The checked claims of an ID token (OpenID Connect Core 1.0, 3.1.3.7). Raises LoginRefused, Outage."""
    try:
        token = _decode(provider, tokens.id_token)
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": provider.settings.issuer},
                "aud": {"essential": True, "value": provider.settings.client_id},
                "sub": {"essential": True},
            },
            params={
                "nonce": nonce,
                "client_id": provider.settings.client_id,
                "access_token": tokens.access_token,
            },
        )
        claims.validate(now=int(now), leeway=provider.settings.clock_skew_seconds)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise LoginRefused("token", f"{type(error).__name__} {error}") from error
    _demand_alone(claims.get("aud"), provider.settings.client_id)
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise LoginRefused("token", "its subject is no text")
    return dict(claims)


def roles_of(provider: Provider, tokens: Tokens, claims: dict[str, Any]) -> list[str]:
    """The values of the claim that names roles: of the ID token, else of userinfo for the same subject."""
    path = provider.settings.claim
    found = _at(claims, path)
    if found is None:
        told = provider.userinfo(tokens.access_token)
        if told and told.get("sub") != claims["sub"]:
            raise LoginRefused("token", "userinfo speaks of somebody else")
        found = _at(told, path)
    if isinstance(found, str):
        return [found]
    return [value for value in found if isinstance(value, str)] if isinstance(found, list) else []


def _decode(provider: Provider, text: str) -> jwt.Token:
    """Check the signature; a key that is unknown may be new: the provider is asked once more."""
    keys: KeySet = provider.keys()
    try:
        return jwt.decode(text, keys, algorithms=ALGORITHMS)
    except InvalidKeyIdError:
        return jwt.decode(text, provider.keys(afresh=True), algorithms=ALGORITHMS)


def _demand_alone(audience: object, client_id: str) -> None:
    """A token for others as well could have been handed on by them."""
    if audience not in (client_id, [client_id]):
        raise LoginRefused("token", "it is for others too")


def _at(claims: dict[str, Any], path: str) -> object:
    """The value of a claim; a name with dots is tried whole before it leads into objects."""
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return found

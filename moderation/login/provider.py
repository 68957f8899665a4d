"""An OpenID Connect provider, as its discovery document describes it: where to send people, what its keys are.

Believes no token by itself; asks nobody but the configured issuer and the addresses that it names.
"""

import json
import threading
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from moderation.clock import Clock
from moderation.errors import Outage
from moderation.login.refusals import LoginRefused
from moderation.settings import OidcSettings

MAX_BYTES: Final = 1024 * 1024
#: How long what the provider says of itself is believed, and how soon unknown keys are asked for again.
DOCUMENT_SECONDS: Final = 3600.0
KEYS_SECONDS: Final = 10.0
DOWN: Final = "login"
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a code was worth."""

    id_token: str
    access_token: str


class Provider:
    """One provider. Keeps its discovery document for an hour and its keys until one is asked for that is not there."""

    def __init__(self, settings: OidcSettings, clock: Clock, *, plain_loopback: bool) -> None:
        self.settings = settings
        self._clock = clock
        self._plain_loopback = plain_loopback
        self._lock = threading.Lock()
        # Reading the list of authorities costs more than a log-in; SSL_CERT_FILE names a company's own.
        self._trusted = httpx.create_ssl_context()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def metadata(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0, section 4). Raises Outage when it is unusable."""
        with self._lock:
            known = self._metadata
            if known is None or self._age(known[0]) > DOCUMENT_SECONDS:
                known = self._metadata = (self._time(), self._read_metadata())
            return known[1]

    def keys(self, *, afresh: bool = False) -> KeySet:
        """The provider's keys; `afresh` asks again, yet not more often than every ten seconds. Raises Outage."""
        uri = self.metadata()["jwks_uri"]
        with self._lock:
            known = self._keys
            old = known is None or self._age(known[0]) > (KEYS_SECONDS if afresh else DOCUMENT_SECONDS)
            if known is None or old:
                known = self._keys = (self._time(), self._read_keys(uri))
            return known[1]

    def address_for(self, redirect: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where to send a browser that shall log in: authorization code with PKCE (RFC 7636, S256)."""
        return str(
            prepare_grant_uri(
                self.metadata()["authorization_endpoint"],
                self.settings.client_id,
                "code",
                redirect_uri=redirect,
                scope=list(dict.fromkeys(["openid", *self.settings.scopes])),
                state=state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                code_challenge_method="S256",
            )
        )

    def exchange(self, code: str, verifier: str, redirect: str) -> Tokens:
        """Hand in a code for tokens. Raises LoginRefused when the provider does not take it, Outage when it is down."""
        body = prepare_token_request("authorization_code", redirect_uri=redirect, code=code, code_verifier=verifier)
        form = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        url, headers, sent = self._client().prepare("POST", self.metadata()["token_endpoint"], form, body)
        answer = self._ask("POST", url, headers, sent.encode())
        if "error" in answer:
            raise LoginRefused("answer", str(answer["error"])[:80])
        tokens = answer.get("id_token"), answer.get("access_token")
        if not all(isinstance(token, str) and token for token in tokens):
            raise LoginRefused("answer", "no id_token or no access_token")
        return Tokens(id_token=str(tokens[0]), access_token=str(tokens[1]))

    def userinfo(self, access_token: str) -> dict[str, Any]:
        """What the provider's userinfo says, empty where it has none. Raises Outage."""
        address = self.metadata().get("userinfo_endpoint")
        return {} if address is None else self._read(address, {"Authorization": f"Bearer {access_token}"})

    def _client(self) -> ClientAuth:
        """How this service says who it is (RFC 6749, 2.3.1)."""
        ours, offered = self.settings, self.metadata().get("token_endpoint_auth_methods_supported")
        basic = not isinstance(offered, list) or "client_secret_basic" in offered
        with_secret = "client_secret_basic" if basic else "client_secret_post"
        secret = ours.client_secret.get_secret_value() if ours.client_secret else None
        return ClientAuth(ours.client_id, secret, with_secret if secret else "none")

    def _read_metadata(self) -> dict[str, Any]:
        issuer = self.settings.issuer
        self._demand_safe("issuer", issuer)
        found = self._read(get_well_known_url(issuer, external=True))
        if found.get("issuer") != issuer:
            raise Outage(DOWN, f"the provider calls itself {found.get('issuer')!r}, not {issuer!r}")
        try:
            described = OpenIDProviderMetadata(found)
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not isinstance(described.get(name), str):
                    raise Outage(DOWN, f"the provider's discovery document names no {name}")
        except ValueError as error:
            raise Outage(DOWN, f"the provider's discovery document is wrong: {error}") from error
        for name in _ENDPOINTS:
            if name in found:
                self._demand_safe(name, str(found[name]))
        return found

    def _read_keys(self, uri: str) -> KeySet:
        try:
            return KeySet.import_key_set(cast("Any", self._read(uri)))
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise Outage(DOWN, f"the provider's keys cannot be read: {error}") from error

    def _read(self, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        found = self._ask("GET", url, {"Accept": "application/json", **(headers or {})})
        if "error" in found:
            raise Outage(DOWN, f"the log-in provider refuses {url}")
        return found

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> dict[str, Any]:
        """The document that an address answers, or for 4xx at most its `error`. Follows nothing, trusts no proxy."""
        try:
            with (
                httpx.Client(timeout=self.settings.timeout_seconds, trust_env=False, verify=self._trusted) as client,
                client.stream(method, url, headers=headers, content=body) as answer,
            ):
                found = _document(answer)
                if not (answer.is_success or (answer.is_client_error and "error" in found)):
                    answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Outage(DOWN, f"the log-in provider does not answer at {url}: {error}") from error
        return found

    def _demand_safe(self, name: str, url: str) -> None:
        """Secrets travel over TLS; only a development service may ask its own machine in the clear."""
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return
        if not (self._plain_loopback and parts.scheme == "http" and _is_loopback(parts.hostname or "")):
            raise Outage(DOWN, f"the provider's {name} must be an https address, not {url!r}")

    def _time(self) -> float:
        return self._clock.now().timestamp()

    def _age(self, at: float) -> float:
        return abs(self._time() - at)


def _document(answer: httpx.Response) -> dict[str, Any]:
    found = json.loads(_bounded(answer))
    if not isinstance(found, dict):
        raise ValueError("the answer is no object")  # noqa: TRY004 (of what was sent, not of our own types)
    return found


def _bounded(answer: httpx.Response) -> bytes:
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise ValueError("the answer is too long")
    return bytes(body)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

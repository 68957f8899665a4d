"""Log-in tokens and sessions of reviewers: signed, short-lived, naming a principal. Grants nothing by itself."""

from typing import TYPE_CHECKING

from itsdangerous import BadSignature, URLSafeTimedSerializer

from moderation.errors import Unauthorised

if TYPE_CHECKING:
    from moderation.services import Services

#: How long a development log-in link works: as long as somebody may sit beside the terminal that printed it.
LOGIN_SECONDS = 12 * 3600
SESSION_SECONDS = 12 * 3600


def login_token(services: "Services") -> str:
    """Make the token of a development log-in link."""
    return _signer(services, "login").dumps("dev")


def check_login_token(services: "Services", token: str) -> str:
    """Return the principal a log-in token names. Raises Unauthorised, always so outside development."""
    if not services.settings.development:
        raise Unauthorised("development log-in is off here")
    return _read(services, "login", token, LOGIN_SECONDS)


def session_cookie(services: "Services", principal: str) -> str:
    """Make the signed value of a session cookie."""
    return _signer(services, "session").dumps(principal)


def check_session(services: "Services", cookie: str) -> str:
    """Return the principal of a session cookie. Raises Unauthorised."""
    return _read(services, "session", cookie, SESSION_SECONDS)


def _signer(services: "Services", purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(services.vault.derive(purpose).hex(), salt=f"countersign.{purpose}")


def _read(services: "Services", purpose: str, text: str, seconds: int) -> str:
    try:
        principal = _signer(services, purpose).loads(text, max_age=seconds)
    except BadSignature as error:
        raise Unauthorised("this log-in is not valid any more; ask for a new link") from error
    if not isinstance(principal, str):
        raise Unauthorised("this log-in is not valid")
    return principal

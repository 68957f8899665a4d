"""Who asks: an API key, or a reviewer's session, meet in one `Principal`. A scope is demanded here and nowhere else."""

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from moderation.errors import Forbidden, Unauthorised
from moderation.keys import Principal, authenticate
from moderation.review import Reviewer
from moderation.services import Services

#: How `review_ui` tells which reviewer a request's session belongs to: set on `app.state.session_principal`.
SessionPrincipal = Callable[[Request], Principal | None]
#: How `review_ui` tells a request's session itself, empty where it carries none: `app.state.session_cookie`.
SessionCookie = Callable[[Request], str]
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(scheme_name="key", auto_error=False, description="An API key; its scopes decide what it may do.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def services_of(request: Request) -> Services:
    """The services of this process."""
    return cast("Services", request.app.state.services)


def who(request: Request, credentials: Credentials) -> Principal | None:
    """Who asks; None when the request carries neither key nor session. Raises Unauthorised for a key that is none."""
    if credentials is not None:
        return authenticate(services_of(request), credentials.credentials)
    if "authorization" in request.headers:
        raise Unauthorised
    principal = cast("SessionPrincipal", request.app.state.session_principal)(request)
    if principal is not None and request.method not in SAFE_METHODS:
        _demand_same_origin(request)
    return principal


def credential_of(request: Request) -> str:
    """What a request proves itself by, as it was sent: a key, or a session; empty where it has neither."""
    key = request.headers.get("authorization", "")
    return key or cast("SessionCookie", request.app.state.session_cookie)(request)


def _demand_same_origin(request: Request) -> None:
    """A session rides along with any page's request; one that changes something must come from our own pages."""
    if request.headers.get("sec-fetch-site") != "same-origin":
        raise Forbidden("a session may change things from this service's own pages only; use a key")


Anyone = Annotated[Principal | None, Depends(who)]


def demand(*scopes: str) -> Callable[[Principal | None], Principal]:
    """A dependency that lets a request in when its principal holds one of these scopes."""

    def demanded(principal: Anyone) -> Principal:
        if principal is None:
            raise Unauthorised
        if not principal.may(*scopes):
            raise Forbidden(f"this needs the scope {' or '.join(scopes)}", scopes=list(scopes))
        return principal

    return demanded


Services_ = Annotated[Services, Depends(services_of)]
Submitter = Annotated[Principal, Depends(demand("submit"))]
Reader = Annotated[Principal, Depends(demand("read"))]
Decider = Annotated[Principal, Depends(demand("review", "specialist"))]
Registrar = Annotated[Principal, Depends(demand("likeness"))]
Admin = Annotated[Principal, Depends(demand("admin"))]


def reviewer_of(principal: Principal) -> Reviewer:
    """The same principal as the queue knows it."""
    return Reviewer(principal=principal.principal, specialist=principal.may("specialist"))

"""Pages on which a passkey signs: entering, adding one, answering a question. Whether it did is decided elsewhere."""

import json
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from moderation import asking, consent, passkeys, registered
from moderation.api.auth import services_of
from moderation.api.rates import at_most
from moderation.errors import NotFound, Unauthorised
from moderation.passkeys import NotSigned, Party
from review_ui.owner import demand_own_form, keep_cookie, own_page, party_of, signing, visiting
from review_ui.routes import PageRoute
from review_ui.security import Field

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(at_most(60, "mine"))])
#: The largest answer of an authenticator that is read.
MOST: Final = 16_384
Credential = Annotated[str, Form(max_length=MOST)]
ANSWERS: Final[tuple[asking.Said, ...]] = ("yes", "no")


@router.get("/mine/enter")
def ask_in(request: Request, said: str = "") -> Response:
    """The door. A link is used up by a press, so that nothing that looks at links in advance uses it up."""
    return door(request, said=said)


def door(request: Request, *, said: str = "", status: int = 200) -> Response:
    """Open the door by a link, whose secret only the browser knows until it is sent, or by a passkey."""
    party, services = party_of(request), services_of(request)
    challenge, sealed = passkeys.seal_challenge(services.vault, services.clock.now(), "enter")
    options = passkeys.assertion(party, challenge, []) if party else None
    shown = {"said": said, "party": party, "options": options, "sealed": sealed}
    return own_page(request, "mine/enter.html", None, status=status, **shown)


@router.post("/mine/passkey")
def enter(request: Request, sealed: Field, credential: Credential, form_token: Field = "") -> Response:
    """Turn a signature into a session."""
    demand_own_form(request, form_token)
    services = services_of(request)
    try:
        challenge = passkeys.open_challenge(services.vault, services.clock.now(), "enter", sealed)
        cookie = passkeys.enter(services, demand_party(request), challenge, read(credential))
    except (NotSigned, Unauthorised):
        return door(request, said="unsigned", status=401)
    answer = RedirectResponse("/mine", status_code=303)
    keep_cookie(request, answer, cookie)
    return answer


@router.get("/mine/passkeys")
def ask_passkey(request: Request) -> Response:
    """Begin to register a passkey."""
    owner, party, services = visiting(request), party_of(request), services_of(request)
    challenge, sealed = passkeys.seal_challenge(services.vault, services.clock.now(), f"register:{owner.session_id}")
    with services.database.transaction(owner.org) as tx:
        there = passkeys.passkeys_of(tx, owner.person)
        may = not there or owner.method == "passkey"
        called = consent.read_person(tx, services.vault, owner.person).name
        options = passkeys.registration(tx, party, owner, challenge, called) if party and may else None
    return own_page(request, "mine/passkeys.html", owner, party=party, may=may, options=options, sealed=sealed)


@router.post("/mine/passkeys")
def register(request: Request, sealed: Field, credential: Credential, form_token: Field = "") -> Response:
    """Keep the passkey that the device made."""
    owner, services = signing(request, form_token), services_of(request)
    now = services.clock.now()
    challenge = passkeys.open_challenge(services.vault, now, f"register:{owner.session_id}", sealed)
    with services.database.transaction(owner.org) as tx:
        passkeys.register(tx, now, demand_party(request), owner, challenge, read(credential))
    return RedirectResponse("/mine?said=registered", status_code=303)


@router.get("/mine/questions/{question_id}")
def ask(request: Request, question_id: str) -> Response:
    """One question, with the veiled clip, and an answer to sign for each way."""
    owner, party, services = visiting(request), party_of(request), services_of(request)
    with services.database.transaction(owner.org) as tx:
        question = asking.read_question(tx, question_id, owner.person)
        mine = passkeys.credentials_of(tx, owner.person)
        words = registered.pseudonyms_of(tx, [question.clip_id])
    options = {
        said: passkeys.assertion(party, asking.challenge(question, said), mine) for said in ANSWERS if party and mine
    }
    return own_page(
        request,
        "mine/question.html",
        owner,
        question=question,
        options=options,
        pseudonym=words.get(question.clip_id, ""),
        still_open=question.is_open(services.clock.now()),
    )


@router.post("/mine/questions/{question_id}/{said}")
def answer(request: Request, question_id: str, said: str, credential: Credential, form_token: Field = "") -> Response:
    """Record a signed answer."""
    owner, party, services = signing(request, form_token), demand_party(request), services_of(request)
    if said not in ANSWERS:
        raise NotFound("there is no such answer")
    now, meant = services.clock.now(), ANSWERS[ANSWERS.index(said)]
    with services.database.transaction(owner.org) as tx:
        question = asking.read_question(tx, question_id, owner.person)
        passkeys.answer(tx, services.enqueuer, now, party, question, meant, read(credential))
    return RedirectResponse("/mine?said=answered", status_code=303)


def read(credential: str) -> dict[str, object]:
    """What the browser sent as an authenticator's answer. Raises NotSigned."""
    try:
        found = json.loads(credential)
    except (ValueError, RecursionError) as error:
        raise NotSigned from error
    if not isinstance(found, dict):
        raise NotSigned
    return found


def demand_party(request: Request) -> Party:
    """This service as passkeys know it. Raises NotSigned where none work."""
    party = party_of(request)
    if party is None:
        raise NotSigned("passkeys do not work at this address")
    return party

"""A reviewer's own page: how clips begin, keys, language and contrast, queues they do not want. Nobody else sees it."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from moderation import exposure, review
from moderation import preferences as kept
from moderation.api.auth import reviewer_of, services_of
from moderation.errors import Unprocessable
from moderation.exposure import Standing
from moderation.keys import Principal
from moderation.preferences import EVERYWHERE, Look, Preferences
from moderation.quality.care import read_own as read_own_days
from moderation.quality.feedback import Feedback, read_feedback
from moderation.review.reviewers import read_profile
from review_ui import charts
from review_ui.desk import caps_for, desks_of, read_desk
from review_ui.keymap import BY_ACTION, KEYS, Clash, clashes, shown
from review_ui.login import YEAR, set_cookie
from review_ui.rendering import LANGUAGE_COOKIE, Toast, page, queue_name, words_of
from review_ui.routes import PageRoute, acting, reading
from review_ui.security import Field
from review_ui.translating import Words

router = APIRouter(include_in_schema=False, route_class=PageRoute)
#: How a blank is written where a key is chosen.
BLANK: Final = "␣"


@router.get("/me")
def own(request: Request, area: str = EVERYWHERE, said: str = "") -> Response:
    """The reviewer's choices; `area` is the queue whose look is shown."""
    return show(request, reading(request), area=area, said=said)


async def entered(request: Request) -> FormData:
    """A form whose fields depend on what there is."""
    return await request.form(max_files=0, max_fields=200)


#: How far back one's own exposure is shown.
CARE: Final = timedelta(days=14)
Entered = Annotated[FormData, Depends(entered)]


@router.post("/me/look")
def choose_look(request: Request, form: Entered) -> Response:
    """Keep how clips of an area begin, or, with `drop`, that it has no look of its own."""
    principal = acting(request, str(form.get("form_token", "")))
    area = str(form.get("area", EVERYWHERE))
    if area not in areas(request, principal):
        raise Unprocessable("this is no queue of yours")
    look = None if form.get("drop") else read_look(form)
    keep(request, principal, read_own(request, principal).with_look(area, look))
    return RedirectResponse(f"/me?area={area}&said=kept#look", status_code=303)


def read_look(form: FormData) -> Look:
    """The look that a form describes; a box that is not ticked is not sent. Raises Unprocessable."""
    veil, speed = form.get("veil"), form.get("speed")
    if veil not in kept.VEILS or speed not in {str(speed) for speed in kept.SPEEDS}:
        raise Unprocessable("this is no choice of the page")
    ticked = {name: name in form for name in kept.FLAGS}
    return Look(veil=str(veil), speed=float(str(speed)), **ticked)


@router.post("/me/keys")
def choose_keys(request: Request, fields: Entered) -> Response:
    """Keep which keys the reviewer wants; keys that clash are refused with what they clash with."""
    form = {name: str(value) for name, value in fields.items()}
    principal = acting(request, form.get("form_token", ""))
    given = {key.action: form.get(f"key.{key.action}", "") for key in KEYS if not key.fixed}
    chosen = {action: read_key(text) for action, text in given.items() if read_key(text) != BY_ACTION[action].key}
    on = "keys_on" in form
    if wrong := clashes(chosen):
        tongue = words_of(request)
        problems = {clash.action: tell(tongue, clash, chosen.get(clash.action, "")) for clash in wrong}
        return show(request, principal, status=422, typed=given, problems=problems, keys_on=on)
    keep(request, principal, replace(read_own(request, principal), keys=chosen, keys_on=on))
    return RedirectResponse("/me?said=kept#keys-chosen", status_code=303)


@router.post("/me/reading")
def choose_reading(
    request: Request,
    language: Field = "",
    direction: Field = "auto",
    contrast: Field = "auto",
    motion: Field = "auto",
    colours: Field = "auto",
    form_token: Field = "",
) -> Response:
    """Keep the reader's language, direction, contrast, motion and colours."""
    principal = acting(request, form_token)
    given = {"language": language, "direction": direction, "contrast": contrast, "motion": motion, "colours": colours}
    if any(value not in kept.CHOICES[name] for name, value in given.items()):
        raise Unprocessable("this is no choice of the page")
    keep(
        request,
        principal,
        replace(
            read_own(request, principal),
            language=language,
            direction=direction,
            contrast=contrast,
            motion=motion,
            colours=colours,
        ),
    )
    answer = RedirectResponse("/me?said=kept#reading", status_code=303)
    if language:
        set_cookie(request, answer, LANGUAGE_COOKIE, language, YEAR)
    else:
        answer.delete_cookie(LANGUAGE_COOKIE, path="/")
    return answer


@router.post("/me/queues")
def choose_queues(request: Request, form: Entered) -> Response:
    """Keep which queues the reviewer does not want to be dealt."""
    principal = acting(request, str(form.get("form_token", "")))
    left_out = [str(name) for name in form.getlist("out")]
    if not set(left_out) <= set(areas(request, principal)) - {EVERYWHERE}:
        raise Unprocessable("this is no queue of yours")
    with services_of(request).database.transaction(principal.org) as tx:
        kept.opt_out(tx, principal.principal, left_out)
    desks_of(request).forget(principal)
    return RedirectResponse("/me?said=kept#queues", status_code=303)


def read_care(
    request: Request, principal: Principal, tongue: Words
) -> tuple[charts.Chart, tuple[Feedback, ...], Standing]:
    """The reviewer's own unveiled minutes by day, their answers to golden cases, and how they stand."""
    services = services_of(request)
    now, caps = services.clock.now(), caps_for(services, principal)
    with services.database.transaction(principal.org) as tx:
        days = read_own_days(tx, principal.principal, now - CARE, now)
        feedback = read_feedback(tx, principal.principal, now)
        standing = exposure.standing(tx, now, principal.principal, caps)
    bars = [
        charts.Bar(
            label=day.day.isoformat(),
            value=day.ms / 60_000,
            said=tongue.gettext("%(n)s min", n=minutes(day.ms)),
            line=caps.day.total_seconds() / 60,
        )
        for day in days
    ]
    head = (tongue.gettext("Day"), tongue.gettext("Unveiled"))
    return charts.bars(tongue.gettext("Unveiled minutes a day"), head, bars), feedback, standing


def minutes(ms: int) -> str:
    """Milliseconds as minutes, to a tenth where it is little."""
    return f"{ms / 60_000:.1f}" if 0 < ms < 600_000 else str(ms // 60_000)


def areas(request: Request, principal: Principal) -> list[str]:
    """What a look can be chosen for: everything, and each queue of this reviewer."""
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        lines = review.list_queues(tx, services.clock.now(), reviewer_of(principal), empty=True)
        profile = read_profile(tx, principal.principal)
    # Queues somebody does not want are not listed to be worked on, but must stand here to be wanted again.
    declined = profile.opted_out if profile else []
    return [EVERYWHERE, *dict.fromkeys([*(line.name for line in lines), *declined])]


def read_own(request: Request, principal: Principal) -> Preferences:
    """The reviewer's choices as they are stored now."""
    with services_of(request).database.transaction(principal.org) as tx:
        profile = read_profile(tx, principal.principal)
    return kept.from_json(profile.preferences if profile else {})


def keep(request: Request, principal: Principal, preferences: Preferences) -> None:
    """Store the reviewer's choices and use them from now on."""
    with services_of(request).database.transaction(principal.org) as tx:
        kept.keep(tx, principal.principal, preferences)
    desks_of(request).forget(principal)


def read_key(text: str) -> str:
    """A key as it was typed: small letters, and a blank by its sign or its name."""
    return " " if text in {" ", BLANK} or text.strip().lower() == "space" else text.strip().lower()


def tell(tongue: Words, clash: Clash, key: str) -> str:
    """Say what is wrong with a chosen key, and what to do."""
    if not clash.other:
        return tongue.gettext(
            "This is not a key to choose: type one letter from A to Z or one of , . ; ' [ ] / \\ - = ?"
        )
    other = tongue.gettext(BY_ACTION[clash.other].label)
    return tongue.gettext(
        "“%(key)s” is the key of “%(action)s”. Choose another, or change that one too.", key=shown(key), action=other
    )


def show(
    request: Request,
    principal: Principal,
    *,
    area: str = EVERYWHERE,
    said: str = "",
    status: int = 200,
    typed: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
    keys_on: bool | None = None,
) -> Response:
    """The page, with what was entered when it was refused."""
    tongue, desk = words_of(request), read_desk(request, principal)
    mine, every = desk.preferences, areas(request, principal)
    chosen = {key.action: mine.keys.get(key.action, key.key) for key in KEYS}
    written = {action: BLANK if key == " " else key for action, key in (typed or chosen).items()}
    names = {name: queue_name(tongue, name) if name else tongue.gettext("Everywhere") for name in every}
    days, feedback, standing = read_care(request, principal, tongue)
    return page(
        request,
        "me/page.html",
        principal,
        status=status,
        desk=desk,
        areas=names,
        area=area if area in every else EVERYWHERE,
        look=mine.look(area),
        own_look=area in mine.looks,
        veils=kept.VEILS,
        speeds=kept.SPEEDS,
        choosable=[key for key in KEYS if not key.fixed],
        written=written,
        problems=problems or {},
        keys_on=mine.keys_on if keys_on is None else keys_on,
        left_out=desk.opted_out,
        days=days,
        feedback=feedback,
        standing=standing,
        minutes=minutes,
        toast=Toast(text=tongue.gettext("Saved.")) if said == "kept" else None,
    )

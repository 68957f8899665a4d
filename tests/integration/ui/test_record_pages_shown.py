"""Search, the audit log, creators, verify and the log-in in a browser: whole, legible, accessible, with no script needed."""

import re

import pytest
from oidc_provider import CLIENT, SECRET, OidcProvider

from moderation import audit_checks, descent, sessions
from moderation.settings import Login, OidcSettings
from review_ui.app import create_app

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

LONG = "Donaudampfschifffahrtsgesellschaftskapitän " * 6


def addresses(pages) -> dict[str, str]:
    """The pages of this part, each with something on it."""
    with pages.services.database.transaction("default") as tx:
        (pseudonym,) = tx.pg.execute("select pseudonym from moderation.creators limit 1").fetchone()
        (place,) = tx.pg.execute(
            "select shard || '-' || seq from moderation.audit_entries where action = 'decision.taken' limit 1"
        ).fetchone()
        clip, *others = (row[0] for row in tx.pg.execute("select clip_id from moderation.clips order by 1").fetchall())
        for how in ("declared", "copy"):
            for other in others:
                descent.join(tx, other, [clip], how, pages.services.clock.now())
    return {
        "search": "/search",
        "search-empty": "/search?status=refused&words=nothing",
        "search-wrong": "/search?number=12&since=2026-11-01",
        "audit": "/audit",
        "audit-entry": f"/audit/{place}",
        "creator": f"/creators/{pseudonym}",
        "lineage": f"/clips/{clip}/lineage?direction=descendants",
        "verify-number": "/verify?number=0a1b2c3d4e5f",
        "metrics": "/metrics-board",
    }


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_records_fit_and_are_accessible(
    open_browser, pages, draw_case, assert_accessible, assert_layout, shoot, sizes, locale, portrait_clip
):
    for number in range(3):
        draw_case(pages, prompt=LONG if number else "قطة على الجدار", creator=f"creator {number}")
    audit_checks.check(pages.services, "default", by="dev")
    page = open_browser(pages, locale=locale)
    page.watch.forgiven += ["404", "422"]
    wrong: dict[str, str] = {}

    def look(check, name: str, size: tuple[int, int], scheme: str = "light") -> None:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)
        try:
            check(page)
        except AssertionError as error:
            wrong[f"{name} {size[0]} {scheme}"] = str(error)[:2000]

    for name, path in {**addresses(pages), "verify-answer": "/verify"}.items():
        page.goto(path)
        if name == "verify-answer":
            page.locator("#file").set_input_files(portrait_clip)
            page.locator("form[enctype] button").click()
            page.locator("li [data-state]").first.wait_for()
        for size in sizes:
            look(assert_layout, name, size)
        for size, scheme in ((sizes[-1], "light"), (sizes[0], "light"), (sizes[0], "dark")):
            look(assert_accessible, f"{name} axe", size, scheme)
        shoot(page, name)
    assert wrong == {}


def test_search_and_verify_need_no_script(open_browser, pages, draw_case, portrait_clip):
    draw_case(pages, prompt="Shapes over hills")
    page = open_browser(pages, java_script_enabled=False)
    page.goto("/search")
    page.get_by_text("More filters").click()
    assert page.get_by_label("Policy version").is_visible()
    page.get_by_label(re.compile("Words in prompt")).fill("shapes hills")
    page.get_by_role("button", name="Search").click()
    assert "words=shapes+hills" in page.url
    assert page.get_by_role("row").count() == 2
    with page.expect_download() as kept:
        page.get_by_role("button", name="CSV").click()
    assert "Shapes over hills" in kept.value.path().read_text()
    page.goto("/verify")
    page.get_by_label("File").set_input_files(portrait_clip)
    page.get_by_role("button", name="Look", exact=True).click()
    assert page.locator("li [data-state]").count() == 4
    page.goto("/audit")
    page.get_by_role("button", name="Check chain").click()
    assert page.get_by_text("every hash as it must be").is_visible()


@pytest.mark.parametrize("script", [True, False])
def test_a_log_in_at_another_site_leads_back_with_its_session(run_app, open_browser, script):
    """The provider is at localhost, the service at 127.0.0.1: other sites, so that a Strict cookie is put to the test."""
    provider = OidcProvider("localhost")
    roles = {"moderators": {"scopes": ["review"]}}
    said = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "roles": roles}
    pages = run_app(create_app, login=Login(oidc=OidcSettings.model_validate(said)))
    page = open_browser(pages, log_in=False, java_script_enabled=script)
    page.watch.forgiven += ["asked of another host"]
    page.goto("/search?status=held")
    page.get_by_role("link", name="Log in with your organisation").click()
    page.wait_for_url("**/search?status=held")
    assert page.get_by_role("heading", name="Search").is_visible()
    cookie = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "countersign_session")
    called = sessions.read_session(pages.services, cookie).code_name
    page.get_by_role("button", name=called).click()
    page.get_by_role("button", name="Log out").click()
    assert page.get_by_text("You have logged out").is_visible()
    page.goto("/queues")
    assert "/login" in page.url
    provider.close()


def test_a_broken_chain_is_shown_to_a_lead(open_browser, pages, assert_accessible, shoot):
    with pages.services.database.system_transaction() as tx:
        tx.pg.execute("alter table moderation.audit_entries disable trigger audit_entries_append_only")
        tx.pg.execute("update moderation.audit_entries set body = replace(body, 'clip.received', 'clip.accepted')")
    audit_checks.check(pages.services, "default", by="dev")
    page = open_browser(pages)
    page.goto("/queues")
    page.get_by_role("link", name="See where").click()
    assert page.get_by_text("its content was changed").first.is_visible()
    assert_accessible(page)
    shoot(page, "audit-broken")

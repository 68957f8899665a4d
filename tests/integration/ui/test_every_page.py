"""Every page in every size, light and dark, in a left-to-right and a right-to-left language: whole, legible, reachable."""

import pytest

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

#: Pages with an address that needs nothing else; `{case}` is the case before a likeness reviewer.
PAGES = {
    "login": "/login",
    "queues": "/queues",
    "queue": "/queues/likeness",
    "queue-empty": "/queues/words",
    "case": "/review/{case}",
    "me": "/me",
    "me-of-a-queue": "/me?area=likeness",
    "break": "/break",
    "search": "/search",
    "audit": "/audit",
    "metrics": "/metrics-board",
    "likeness": "/likeness",
    "notice": "/notice",
    "notice-state": "/notice/state",
    "appeal": "/appeal",
    "verify": "/verify",
    "not-found": "/review/case_0",
}


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_every_page_fits_and_is_accessible(open_browser, pages, assert_accessible, assert_layout, shoot, sizes, locale):
    with pages.services.database.transaction("default") as tx:
        (case,) = tx.pg.execute("select case_id from moderation.cases where queue = 'likeness'").fetchone()
    page = open_browser(pages, locale=locale)
    page.watch.forgiven += ["404"]
    wrong: dict[str, str] = {}

    def look(check, name: str, width: int, height: int, scheme: str = "light") -> None:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        try:
            check(page)
        except AssertionError as error:
            wrong[f"{name} {width} {scheme}"] = str(error)[:2000]

    for name, path in PAGES.items():
        page.goto(path.format(case=case))
        assert page.evaluate("document.documentElement.lang") == locale
        for size in sizes:
            look(assert_layout, name, *size)
        for size, scheme in ((sizes[-1], "light"), (sizes[0], "light"), (sizes[0], "dark")):
            look(assert_accessible, f"{name} axe", *size, scheme)
        shoot(page, name)
    assert wrong == {}

"""The checks of pages find what they are for: each is shown a page with one thing wrong."""

from pathlib import Path

import pytest
from playwright.sync_api import Error

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

LAYOUT = (Path(__file__).parent / "layout.js").read_text()
WRONG = {
    "the page is": "<p><img width=3000 height=9 alt=''></p>",
    "cut off": "<p class=cut>words that go on and on and on and on and on and on</p>",
    "text leaves": "<button class=tight>unbreakable_words_without_any_blank</button>",
    "smaller than 24 px": "<button class=tiny>x</button>",
    "lie on one another": "<p><button>one and only</button><button class=pulled>another</button></p>",
}
SHEET = """
.cut { inline-size: 8rem; overflow: hidden; white-space: nowrap } .tight { inline-size: 4rem }
.tiny { min-block-size: 0; padding: 0; line-height: 1 } .pulled { margin-inline-start: -2rem }
"""


@pytest.fixture
def mangle(open_browser, pages):
    """Load a page and put other content into it, as an attacker or a bad template would."""

    def put(html: str):
        page = open_browser(pages, log_in=False, bypass_csp=True)
        page.goto("/login")
        page.evaluate(
            """([html, sheet]) => {
              const styles = new CSSStyleSheet();
              styles.replaceSync(sheet);
              document.adoptedStyleSheets.push(styles);
              document.querySelector('#content').setHTMLUnsafe(html);
            }""",
            [html, SHEET],
        )
        return page

    return put


def test_each_fault_of_layout_is_found(mangle, assert_layout):
    page = mangle("<p>all is well</p>")
    assert_layout(page)
    for told, html in WRONG.items():
        page.evaluate("(html) => document.querySelector('#content').setHTMLUnsafe(html)", html)
        found = page.evaluate(LAYOUT)
        assert any(told in problem for problem in found), (told, found)
        with pytest.raises(AssertionError):
            assert_layout(page)


def test_what_is_not_accessible_is_found(mangle, assert_accessible):
    page = mangle("<h1>Heading</h1><p>all is well</p>")
    assert_accessible(page)
    page.evaluate("document.querySelector('#content').setHTMLUnsafe('<input><img src=\"/static/icon.svg\">')")
    with pytest.raises(AssertionError, match="image-alt"):
        assert_accessible(page)


def test_a_page_is_looked_at_once_its_style_sheet_has_come(open_browser, pages, assert_layout, assert_accessible):
    def dawdle(route):
        page.wait_for_timeout(1500)
        route.continue_()

    page = open_browser(pages)
    page.route("**/*.css*", dawdle)
    for look in (assert_layout, assert_accessible):
        page.goto("/verify", wait_until="commit")
        page.locator("#file").wait_for()
        assert page.evaluate(LAYOUT), "the style sheet did not come late"
        look(page)


def test_what_the_content_policy_refuses_is_found(open_browser, pages):
    page = open_browser(pages)
    page.evaluate("document.head.append(Object.assign(document.createElement('style'), {textContent: 'p {}'}))")
    page.evaluate(
        "document.head.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.2:9/x.png'}))"
    )
    with pytest.raises(Error, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<p>'")
    page.wait_for_timeout(300)
    told = " ".join(page.watch.complaints())
    assert "style-src" in told
    assert "img-src" in told
    assert "/csp-report" in told
    page.watch.said.clear()


def test_markup_without_the_nonce_does_nothing(open_browser, pages):
    page = open_browser(pages)
    page.watch.forgiven += ["hx-csp", "Missing|blocked"]
    page.evaluate(
        """() => {
          const button = document.createElement('button');
          button.id = 'slipped';
          button.setAttribute('hx-get', '/likeness');
          button.textContent = 'press';
          document.querySelector('#content').append(button);
          htmx.process(button);
        }"""
    )
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#slipped").click()
    page.wait_for_timeout(300)
    assert asked == []
    assert page.locator("#slipped").get_attribute("hx-get") is None

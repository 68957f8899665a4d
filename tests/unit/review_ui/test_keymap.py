"""The keys: no two actions of a page share one, and every key that a page has is known."""

import re
from pathlib import Path

import pytest

import review_ui
from review_ui.keymap import BY_ACTION, CASE, EVERYWHERE, KEYS, LISTS, KeyMap

TEMPLATES = Path(review_ui.__file__).parent / "templates"


@pytest.mark.parametrize("page", [EVERYWHERE, LISTS, CASE])
def test_no_two_actions_of_a_page_have_one_key(page):
    keys = [key.key for key in KEYS if key.page in {EVERYWHERE, page}]
    assert sorted(set(keys)) == sorted(keys)


def test_every_action_that_a_template_names_is_known():
    named = set()
    for path in TEMPLATES.rglob("*.html"):
        named |= set(re.findall(r"\b(?:key|kbd)\(\"(\w+)\"", path.read_text()))
    assert named - set(BY_ACTION) == set()


def test_a_chosen_key_is_written_and_shown_and_keys_can_be_off():
    mine = KeyMap(chosen={"block": "z"})
    assert mine.attributes("block") == ' data-key="z" aria-keyshortcuts="Z"'
    assert mine.hint("block") == '<kbd aria-hidden="true">Z</kbd>'
    assert mine.attributes("play") == ' data-key=" " aria-keyshortcuts="Space"'
    assert mine.hint("play") == '<kbd aria-hidden="true">␣</kbd>'
    off = KeyMap(on=False)
    assert (off.attributes("block"), off.hint("block")) == ("", "")
    with pytest.raises(KeyError):
        mine.attributes("no_such_action")


def test_the_dialog_shows_what_the_page_has():
    shown = dict(KeyMap(chosen={"block": "z"}).on_page(CASE))
    assert shown["Z"] == "Block"
    assert "J" not in shown
    assert shown["G Q"] == "Go to the queues"

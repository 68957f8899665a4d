"""What verify found, in sentences: every state in every language, and nothing softened or made up."""

from itertools import product

import pytest

from moderation.messages import LANGUAGES, catalogue
from moderation.telling import tell, tell_layers
from watermark.reading import LayerState

NAMES = ("c2pa", "invisible", "visible", "fingerprint")


def answer(origin: str = "unknown", **layers: dict[str, object]) -> dict[str, object]:
    nothing = {name: {"state": "not_found"} for name in NAMES}
    return {"origin": origin, "clip_id": "clip_1" if origin == "ours" else None, "layers": nothing | layers}


@pytest.mark.parametrize(("language", "origin"), list(product(LANGUAGES, ("ours", "other", "unknown"))))
def test_an_origin_is_one_sentence(language: str, origin: str):
    said = tell(answer(origin), language)
    assert said == catalogue(language)[f"verify.origin.{origin}"].replace("{clip_id}", "clip_1")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_transplanted_mark_is_said_plainly(language: str):
    said = tell(answer(invisible={"state": "transplanted"}), language)
    assert catalogue(language)["verify.transplanted"] in said
    assert catalogue(language)["verify.origin.unknown"] in said


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("verify.part", answer("ours", fingerprint={"state": "found", "extent": "part"})),
        ("verify.budget", answer(invisible={"state": "not_checked", "reason": "budget"})),
        ("verify.revoked", answer("ours") | {"consent_state": "revoked"}),
    ],
)
def test_what_limits_an_answer_is_said(key: str, found: dict[str, object]):
    for language in LANGUAGES:
        assert catalogue(language)[key] in tell(found, language)
        assert catalogue(language)[key] not in tell(answer("ours", fingerprint={"state": "found"}), language)


@pytest.mark.parametrize(("language", "state"), list(product(LANGUAGES, LayerState)))
def test_every_state_of_every_layer_has_words(language: str, state: LayerState):
    said = tell_layers(answer(**{name: {"state": str(state)} for name in NAMES}, rivagan={"state": "found"}), language)
    assert [name for name, _ in said][:4] == [
        catalogue(language)[f"verify.layer.{name}"] for name in ("c2pa", "invisible", "fingerprint", "visible")
    ]
    assert said[-1] == ("rivagan", catalogue(language)["verify.state.found"])
    assert {finding for _, finding in said[:4]} == {catalogue(language)[f"verify.state.{state}"]}


def test_a_layer_that_was_cut_short_says_why():
    said = dict(tell_layers(answer(invisible={"state": "not_checked", "reason": "budget"}), "en"))
    assert said["Invisible mark"] == "not checked: the time ran out"

"""What a clip's visible mark says: its language, the regions' start labels, and what is refused rather than misdrawn."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from moderation import labelling
from moderation.canary import stand_in
from moderation.clips import Submission
from moderation.diagnosis import languages
from moderation.errors import Outage, Unprocessable
from moderation.settings import ImplicitLabelSettings, Marking, Settings, StartLabelSettings
from watermark.placing import keep_out


def settings(languages=("en", "fr", "ar"), **marking):
    return Settings(languages=languages, marking=Marking(**marking))


@pytest.mark.parametrize(
    ("locale", "language"), [("ar-MA", "ar"), ("FR", "fr"), ("de", "en"), ("zh-Hans", "en"), ("en", "en")]
)
def test_a_clip_is_labelled_in_its_language_or_the_first(locale, language):
    assert labelling.language_of(settings(), locale) == language
    assert labelling.language_of(settings(languages=("fr",)), locale) == "fr"


@pytest.mark.parametrize(
    ("market", "markets", "text"),
    [
        (None, (), None),
        ("US", (), None),
        ("FR", (), "AI GENERATED"),
        ("US", ("EU",), "AI GENERATED"),
        ("CN", (), "AI生成"),
        ("CN", ("DE",), "AI生成\nAI GENERATED"),
        ("DE", ("FR", "EU"), "AI GENERATED"),
    ],
)
def test_a_region_s_label_stands_at_the_start_of_what_is_for_it(market, markets, text):
    label = labelling.start_label(Marking(markets=markets), market)
    assert (label.text if label else None) == text
    assert label is None or label.until_ms >= 2000


def test_what_ships_can_be_drawn():
    assert list(labelling.faults(settings(markets=("EU",)))) == []
    labelling.demand_drawable(settings())


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"languages": ("en", "es")}, "language es"),
        ({"languages": ("en", "zh"), "labels": {"zh": "人工智能生成"}}, "language zh"),
        ({"platform_name": "云"}, "platform name"),
        ({"markets": ("CN",)}, "start label of CN"),
        (
            {"markets": ("US",), "start_labels": {"US": StartLabelSettings(text="MADE BY A MACHINE, ALL OF IT")}},
            "start label of US",
        ),
        ({"markets": ("CN",), "fonts": ("/nowhere/han.ttf",)}, "start label of CN"),
    ],
)
def test_what_cannot_be_drawn_stops_the_start_and_is_named(changes, part):
    wrong = settings(**changes)
    with pytest.raises(Outage, match=part):
        labelling.demand_drawable(wrong)
    assert part in [finding.name for finding in languages(wrong) if not finding.fine]


def test_a_further_language_is_words_in_a_setting():
    spanish = settings(languages=("en", "es"), labels={"es": "Generado por IA"})
    labelling.demand_drawable(spanish)
    assert labelling.words(spanish)[labelling.language_of(spanish, "es-MX")] == "Generado por IA"


def test_a_market_whose_label_cannot_be_drawn_is_refused_at_the_door():
    with pytest.raises(Unprocessable, match="U\\+751F") as refused:
        labelling.demand_label(settings(), Submission(market="CN"))
    assert refused.value.params == {"field": "market"}
    labelling.demand_label(settings(start_labels={"CN": StartLabelSettings(text="AI")}), Submission(market="CN"))
    labelling.demand_label(settings(), Submission(market="FR"))


@pytest.mark.parametrize(
    ("creator", "refused"), [("小明", True), ("sunny🌞", True), ("éléonore", False), ("ليلى", False)]
)
def test_a_handle_that_cannot_be_written_whole_is_refused_where_that_is_asked(creator, refused):
    labelling.demand_label(settings(), Submission(creator=creator))
    strict = settings(undrawable_handles="refuse")
    if not refused:
        labelling.demand_label(strict, Submission(creator=creator))
        return
    with pytest.raises(Unprocessable) as problem:
        labelling.demand_label(strict, Submission(creator=creator))
    assert problem.value.params == {"field": "creator"}


ANALYSIS = {
    "faces": [{"boxes": [[2600, 0.4, 0.1, 0.1, 0.2]]}],
    "texts": [{"box": [0.1, 0.8, 0.8, 0.1]}, {"box": None}],
    "seen_ms": [0, 500, 6000],
}


def test_faces_are_kept_clear_about_their_time_and_writing_throughout():
    boxes = list(labelling.kept_clear(ANALYSIS))
    assert [(box.start_ms, box.end_ms) for box in boxes] == [(2100, 3100), (0, 6001)]
    first, second, third = keep_out(boxes)
    # A face may be in both stretches that its half second reaches into; the strip of writing is in all.
    assert first == second != third != ""


@pytest.mark.parametrize(
    ("market", "markets", "asking", "asked"),
    [
        ("CN", (), ("CN",), True),
        (None, ("CN",), ("CN",), True),
        ("FR", (), ("EU",), True),
        ("FR", (), ("CN",), False),
        (None, (), ("CN",), False),
        ("CN", (), (), False),
    ],
)
def test_the_implicit_label_is_for_the_markets_that_ask(market, markets, asking, asked):
    marking = Marking(markets=markets, implicit_label=ImplicitLabelSettings(markets=asking))
    clip = replace(stand_in(datetime.now(UTC)), market=market)
    text = labelling.implicit_label(marking, clip)
    assert (text is not None) == asked
    if text is not None:
        said = json.loads(text)
        assert (said["Label"], said["ContentProducer"], said["ProduceID"]) == ("1", marking.provider, clip.clip_id)
        assert (said["ContentPropagator"], said["PropagateID"]) == ("", "")

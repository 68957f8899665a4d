from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import DetectorUnavailable, State, Subject
from detectors.folding import fold, readings
from detectors.words import Lexicon, Words, find_words, load_lexicon, read_words

LEXICON = Path(__file__).parents[3] / "policies" / "words" / "lexicon.yaml"


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return load_lexicon(LEXICON)


def categories(text, lexicon):
    return {hit.category for hit in find_words({"prompt": text}, lexicon)}


@pytest.mark.parametrize(
    "text",
    [
        "a child on a swing",
        "a 16yo on the beach",
        "a 16 year-old singer",
        "une petite fille qui court",
        "un garçon de 12 ans",
        "une ÉCOLIÈRE",
        "أطفال يبنون قلعة رملية",
        "بالأطفال في المدرسة",
        "عمرها ١٢ سنة",
        "طفلـــة",
        "g1rl, sch00lgirl!!",
        "1olita",
        "chi\u200bld",
        "c h i l d",
        "school-girl",
        "sch\u043e\u043elgirl",
        "\uff43\uff48\uff49\uff4c\uff44",
    ],
)
def test_minors_are_read_in_every_disguise(text, lexicon):
    assert "minors" in categories(text, lexicon)


@pytest.mark.parametrize("text", ["p0rn", "p.o.r.n", "p.0.r.n", "po*rn", "pooorn", "n u d e", "une femme nue", "عارِيَة"])
def test_sexual_words_are_read_in_every_disguise(text, lexicon):
    assert "sexual" in categories(text, lexicon)


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("a murder in the library", "violence"),
        ("un salut nazi", "hate"),
        ("انتحار", "self_harm"),
        ("double your bitcoin today", "scam"),
        ("un fusil d'assaut", "weapons"),
    ],
)
def test_every_category_is_read(text, category, lexicon):
    assert category in categories(text, lexicon)


@pytest.mark.parametrize(
    "text",
    [
        "A cat playing piano on the beach",
        "assess the classic Essex grapefruit",
        "a woman of 25 years old",
        "امرأة عمرها ٣٠ سنة",
        "un chat qui joue du piano au sein de l'orchestre",
        "قطة تعزف البيانو على الشاطئ",
        "the president endorsing a cryptocurrency",
        "1985 was a year",
    ],
)
def test_plain_texts_are_not_flagged(text, lexicon):
    assert categories(text, lexicon) == set()


def test_a_number_is_an_age_only_beside_its_word(lexicon):
    assert categories("17 ans", lexicon) == {"minors"}
    assert categories("18 ans", lexicon) == set()
    assert categories("17 oranges", lexicon) == set()
    assert categories("9" * 6000 + " ans", lexicon) == set()


def test_signals_name_the_lexicon_and_say_one_or_zero(lexicon):
    signals = {signal.name: signal for signal in read_words({"prompt": "a child", "title": "calm"}, lexicon)}
    assert set(signals) == {f"words.{category}" for category in lexicon.categories}
    assert all(signal.state is State.MEASURED and signal.model == lexicon.model for signal in signals.values())
    values = {name: [(s.time_ms, s.value) for s in signal.samples] for name, signal in signals.items()}
    assert values.pop("words.minors") == [(0, 1.0)]
    assert all(samples == [(0, 0.0)] for samples in values.values())


@pytest.mark.parametrize("texts", [{}, {"prompt": ""}, {"prompt": " \n", "title": ""}])
def test_no_text_is_not_a_zero(texts, lexicon):
    for signal in read_words(texts, lexicon):
        assert signal.state is State.NOT_MEASURED
        assert signal.samples == ()
        assert signal.note == "no text was given"


def test_the_detector_reads_the_subject(lexicon):
    inspection = Words(lexicon).open(Subject(duration_ms=1000, texts={"title": "une bombe"}))
    inspection.see([])
    said = {signal.name: signal.samples[0].value for signal in inspection.finish().signals}
    assert said["words.weapons"] == 1.0
    assert said["words.hate"] == 0.0


def test_the_version_follows_the_file(tmp_path, lexicon):
    edited = tmp_path / "lexicon.yaml"
    edited.write_bytes(LEXICON.read_bytes() + b"\n# another\n")
    assert load_lexicon(edited).version != lexicon.version


def test_the_lexicon_finds_its_own_terms(lexicon):
    Words(lexicon).self_check()


def test_a_lexicon_that_lost_its_index_fails_its_check(lexicon):
    crippled = Lexicon(
        version="x", categories=lexicon.categories, by_first={"other": next(iter(lexicon.by_first.values()))}, loose=()
    )
    with pytest.raises(DetectorUnavailable, match="own term"):
        Words(crippled).self_check()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version: 2\ncategories: {}",
        "version: 1\ncategories: {a: {en: [12]}}",
        "version: 1\ncategories: {a: {en: ['!!']}}",
        "{",
        "version: 1\ncategories: {}\nextra: 1",
    ],
)
def test_a_damaged_lexicon_stops_the_start(text, tmp_path):
    path = tmp_path / "lexicon.yaml"
    path.write_text(text)
    with pytest.raises(DetectorUnavailable):
        load_lexicon(path)


def test_a_missing_lexicon_stops_the_start(tmp_path):
    with pytest.raises(DetectorUnavailable):
        load_lexicon(tmp_path / "none.yaml")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_folding_is_stable_and_never_fails(text):
    assert fold(fold(text)) == fold(text)
    assert readings(text) == readings(text)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_a_flagged_word_between_blanks_is_found_whatever_stands_around_it(before, after):
    assert any("child" in reading for reading in readings(f"{before} child {after}"))

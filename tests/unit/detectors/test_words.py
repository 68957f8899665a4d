import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import DetectorUnavailable, State, Subject
from detectors.folding import fold, readings
from detectors.lexicon import Lexicon
from detectors.manifests import Manifest
from detectors.words import WordLists, Words, load_word_lists, read_words

WORDS = Path(__file__).parents[3] / "policies" / "words"


@pytest.fixture(scope="module")
def lists() -> WordLists:
    return load_word_lists(WORDS)


@pytest.fixture(scope="module")
def lexicon(lists: WordLists) -> Lexicon:
    return lists.lexicon


@pytest.fixture(scope="module")
def detector(lists: WordLists, embedded_pack: Manifest) -> Words:
    return Words.load(embedded_pack, lists)


@pytest.fixture(scope="module")
def say(detector: Words):
    """Give the value of each category for one text."""

    def values(text: str) -> dict[str, float]:
        signals = read_words({"prompt": text}, detector.lists, detector.meaning)
        return {signal.name.removeprefix("words."): signal.samples[0].value for signal in signals}

    return values


def categories(text, lexicon):
    return {hit.category for hit in lexicon.find({"prompt": text})}


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


def test_signals_name_the_lists_and_stay_uncalibrated(detector):
    lists = detector.lists
    found = read_words({"prompt": "a child", "title": "calm"}, lists, detector.meaning)
    signals = {signal.name: signal for signal in found}
    assert set(signals) == set(detector.signals) == {f"words.{category}" for category in lists.categories}
    assert all(signal.state is State.MEASURED and signal.model == lists.model for signal in found)
    assert lists.model.calibration == "none"
    samples = {name: signal.samples for name, signal in signals.items()}
    assert all([sample.time_ms for sample in each] == [0] for each in samples.values())
    assert samples["words.minors"][0].value == 1.0
    assert all(each[0].value < 0.5 for name, each in samples.items() if name != "words.minors")


@pytest.mark.parametrize("texts", [{}, {"prompt": ""}, {"prompt": " \n", "title": ""}])
def test_no_text_is_not_a_zero(texts, detector):
    for signal in read_words(texts, detector.lists, detector.meaning):
        assert signal.state is State.NOT_MEASURED
        assert signal.samples == ()
        assert signal.note == "no text was given"


def test_the_detector_reads_the_subject(detector):
    inspection = detector.open(Subject(duration_ms=1000, texts={"title": "une bombe artisanale"}))
    inspection.see([])
    said = {signal.name: signal.samples[0].value for signal in inspection.finish().signals}
    assert said["words.weapons"] == 1.0
    assert said["words.hate"] < 0.5


@pytest.mark.parametrize("file", ["lexicon.yaml", "prototypes.yaml"])
def test_the_version_follows_both_files(file, tmp_path, lists):
    for name in ("lexicon.yaml", "prototypes.yaml"):
        (tmp_path / name).write_bytes((WORDS / name).read_bytes() + (b"\n# another\n" if name == file else b""))
    assert load_word_lists(tmp_path).version != lists.version


def test_the_detector_finds_its_own_terms_and_probe(detector):
    detector.self_check()


def test_a_lexicon_that_lost_its_index_fails_its_check(lists, detector):
    crippled = dataclasses.replace(lists.lexicon, _folded=Lexicon.of("x", [], [])._folded)
    broken = Words(dataclasses.replace(lists, lexicon=crippled), detector.meaning.encoder)
    with pytest.raises(DetectorUnavailable, match="own term"):
        broken.self_check()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_folding_is_stable_and_never_fails(text):
    assert fold(fold(text)) == fold(text)
    assert readings(text) == readings(text)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_a_flagged_word_between_blanks_is_found_whatever_stands_around_it(before, after):
    assert any("child" in reading for reading in readings(f"{before} child {after}"))

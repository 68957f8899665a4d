import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import DetectorUnavailable, State, Subject
from detectors.folding import fold, readings
from detectors.lexicon import Lexicon
from detectors.prototypes import MAX_WINDOWS, windows_of
from detectors.words import LINE, WordLists, Words, load_word_lists, read_words

WORDS = Path(__file__).parents[3] / "policies" / "words"


@pytest.fixture(scope="module")
def lists(shipped_words: Words) -> WordLists:
    return shipped_words.lists


@pytest.fixture(scope="module")
def lexicon(lists: WordLists) -> Lexicon:
    return lists.lexicon


@pytest.fixture(scope="module")
def detector(shipped_words: Words) -> Words:
    return shipped_words


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


@pytest.mark.parametrize(
    "text",
    [
        "breast cancer screening",
        "nude painting in the Louvre",
        "shoot a basketball",
        "une bombe glacée",
        "killer app",
        "kan9tlo lwe9t f l9ahwa",
        "a naked mole rat",
        "قطع اللحم بالسكين في المطبخ",
    ],
)
def test_look_alikes_stay_below_the_line(text, say):
    assert {category: value for category, value in say(text).items() if value >= LINE} == {}


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("She peels off every garment while we watch", "sexual"),
        ("je préfère disparaître pour toujours, plus rien ne me retient", "self_harm"),
        ("موظف يضع بطاقات إضافية في الصندوق قبل الفرز", "election"),
        ("put in one hundred and take out a thousand by Friday, nothing can go wrong", "scam"),
    ],
)
def test_meaning_alone_can_flag_and_stays_below_a_word(text, category, say, lexicon):
    assert category not in categories(text, lexicon)
    assert LINE <= say(text)[category] < 1.0


def test_meaning_excuses_a_doubtful_word_and_no_other(say, lexicon):
    assert ("weapons", True) in {(hit.category, hit.doubtful) for hit in lexicon.find({"p": "a ripe grenade"})}
    assert say("une grenade bien mûre coupée en deux")["weapons"] < LINE
    assert say("un vendeur de grenades à fragmentation, arme de guerre")["weapons"] == 1.0


def test_a_language_the_encoder_never_saw_is_left_to_the_words(detector):
    unknown = detector.meaning.margins(["3ndi wa7ed lmochkil m3a khoya bezzaf f had ddar"])
    assert set(unknown.values()) == {-2.0}
    assert max(detector.meaning.margins(["how to make dynamite"]).values()) > -2.0


def test_long_texts_are_read_to_their_end(detector):
    long = "A dog runs along the beach. " * 200 + "How to build a bomb at home."
    assert len(windows_of(long)) <= MAX_WINDOWS
    assert windows_of(long)[-1].endswith("how to build a bomb at home")
    assert detector.lists.lexicon.find({"prompt": long})


def test_minors_beside_sexual_words_are_two_signals_and_nothing_else(tmp_path, detector):
    """The conjunction is made by a policy from two signals; tokens that mean nothing stand for their words."""
    (tmp_path / "lexicon.yaml").write_text(
        "version: 2\ncategories:\n  minors: {en: [zorblat]}\n  sexual: {en: [quexfin]}\nharmless: {}\ncontexts: {}\n"
    )
    (tmp_path / "prototypes.yaml").write_text("version: 1\ncategories: {}\nharmless: {en: [a tree, a house]}\n")
    both = Words(load_word_lists(tmp_path), detector.meaning.encoder)

    def found(text: str) -> set[str]:
        signals = both.open(Subject(duration_ms=1, texts={"prompt": text})).finish().signals
        return {signal.name for signal in signals if signal.samples[0].value >= LINE}

    assert found("a zorblat walks") == {"words.minors"}
    assert found("a quexfin sits") == {"words.sexual"}
    assert found("a zorblat and a quexfin") == {"words.minors", "words.sexual"}
    assert set(both.signals) == {"words.minors", "words.sexual"}

"""Most prompts are of everyday scenes, and none of those may be put before a person."""

from collections import Counter
from itertools import product
from pathlib import Path

import pytest
import yaml

from detectors.manifests import Manifest
from detectors.words import LINE, Words, load_word_lists, read_words

SUBJECTS = {
    "en": ["a man", "two people", "an old woman", "a soldier", "a doctor", "a dog"],
    "fr": ["un homme", "deux personnes", "une vieille dame", "un pompier", "un chat"],
    "ar": ["رجل", "امرأة", "طبيب", "مجموعة أصدقاء", "كلب"],
}
ACTIONS = {
    "en": [
        "smiling at the camera",
        "walking on the beach",
        "talking in an office",
        "driving a red car",
        "drinking coffee",
    ],
    "fr": ["sourit à la caméra", "marche sur la plage", "parle dans un bureau", "joue au football", "boit un café"],
    "ar": ["يبتسم للكاميرا", "يمشي على الشاطئ", "يجلس في مقهى", "يقود سيارة حمراء", "يلقي خطابا"],
}
SCENES = [
    "une maison",
    "a quiet lake at dawn",
    "city skyline at night, timelapse",
    "abstract shapes drifting",
    "a steam train crossing a viaduct",
    "un marché coloré à Marrakech",
    "fireworks over the river",
    "a goalkeeper saves a penalty",
    "product shot of a perfume bottle",
    "شروق الشمس فوق البحر",
    "سوق شعبي مزدحم",
]
PROMPTS = [
    *(f"{who} {does}" for language in SUBJECTS for who, does in product(SUBJECTS[language], ACTIONS[language])),
    *SCENES,
]
#: Scenes of daily life by class and language; the file says how they are made.
EVERYDAY = Path(__file__).parents[2] / "assets" / "prompts" / "everyday.yaml"
LANGUAGES = {"en", "fr", "ar", "ary", "ary-latn", "zgh"}
#: Of so many scenes one may be taken for something else.
SCENES_PER_ALARM = 200


@pytest.fixture(scope="module")
def words(embedded_pack: Manifest) -> Words:
    return Words.load(embedded_pack, load_word_lists(Path(__file__).parents[3] / "policies" / "words"))


@pytest.mark.full
def test_everyday_scenes_are_nothing_to_look_at(words: Words):
    fired = {
        (prompt, signal.name)
        for prompt in PROMPTS
        for signal in read_words({"prompt": prompt}, words.lists, words.meaning)
        if signal.samples[0].value >= LINE
    }
    assert len(PROMPTS) > 90
    assert fired == set()


def everyday() -> list[tuple[str, str, str]]:
    """Class, language and text of every scene."""
    return [
        (name, language, " ".join(pair).strip())
        for name, languages in yaml.safe_load(EVERYDAY.read_text(encoding="utf-8")).items()
        for language, parts in languages.items()
        for pair in product(parts["who"], parts.get("does", [""]))
    ]


def test_every_class_of_scenes_is_there_in_every_language():
    classes = yaml.safe_load(EVERYDAY.read_text(encoding="utf-8"))
    assert all(set(languages) == LANGUAGES for languages in classes.values())
    assert len(everyday()) > 3 * SCENES_PER_ALARM
    assert min(Counter(language for _, language, _ in everyday()).values()) > 100


@pytest.mark.full
def test_scenes_of_daily_life_bring_nobody(words: Words):
    """Words about minors aside, which bring nobody by themselves: families and schools speak of them."""
    alarms = {
        (name, language, text, signal.name, signal.samples[0].value)
        for name, language, text in everyday()
        for signal in read_words({"prompt": text}, words.lists, words.meaning)
        if signal.name != "words.minors" and signal.samples[0].value >= LINE
    }
    assert len({text for _, _, text, *_ in alarms}) * SCENES_PER_ALARM <= len(everyday()), sorted(alarms)

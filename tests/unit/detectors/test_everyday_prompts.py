"""Most prompts are of everyday scenes, and none of those may be put before a person."""

from itertools import product
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def words(embedded_pack: Manifest) -> Words:
    return Words.load(embedded_pack, load_word_lists(Path(__file__).parents[3] / "policies" / "words"))


def test_everyday_scenes_are_nothing_to_look_at(words: Words):
    fired = {
        (prompt, signal.name)
        for prompt in PROMPTS
        for signal in read_words({"prompt": prompt}, words.lists, words.meaning)
        if signal.samples[0].value >= LINE
    }
    assert len(PROMPTS) > 90
    assert fired == set()

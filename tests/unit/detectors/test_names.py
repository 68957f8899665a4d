"""Names are found however they are written, and other words are not taken for them."""

import time

import pytest

from detectors.names import NameIndex, fit

NAMES = {
    "per_hypatia": ["Hypatia of Alexandria", "Hypatia", "Ὑπατία", "هيباتيا", "Гипатия"],
    "per_sina": ["Ibn Sina", "Avicenna", "ابن سينا", "Авиценна"],
    "per_rahman": ["عبد الرحمن الداخل", "Abd al-Rahman"],
    "per_curie": ["Marie Skłodowska-Curie", "Marie Curie"],
    "per_basho": ["松尾芭蕉", "Bashō Matsuo"],
    "wrk_pip": ["Captain Pip"],
}


@pytest.fixture(scope="module")
def index() -> NameIndex:
    made = NameIndex()
    for id_, names in NAMES.items():
        made.learn(id_, names)
    return made


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("hypatia teaching in the street", "per_hypatia"),
        ("HYPATÍA at dawn", "per_hypatia"),
        ("a statue of H y p a t i a", "per_hypatia"),
        ("hyp4tia dances", "per_hypatia"),
        ("ἡ ὙΠΑΤΊΑ", "per_hypatia"),
        ("هيباتيا في السوق", "per_hypatia"),
        ("مع هِيبَاتِيا", "per_hypatia"),
        ("وهيباتيا تمشي", "per_hypatia"),
        ("Гипатия на площади", "per_hypatia"),
        ("ibn-sina reads", "per_sina"),
        ("IbnSina reads", "per_sina"),
        ("كتاب ابن سينا", "per_sina"),
        ("كتاب لابن سينا", "per_sina"),
        ("إبن سينا", "per_sina"),
        ("АВИЦЕННА", "per_sina"),
        ("قصر عبدالرحمن الداخل", "per_rahman"),
        ("عبد الرحمان", None),
        ("Abd-al-Rahman's palace", "per_rahman"),
        ("Marie Sklodowska Curie in her laboratory", "per_curie"),
        ("marie-curie", "per_curie"),
        ("俳人松尾芭蕉の旅", "per_basho"),
        ("basho matsuo", "per_basho"),
        ("captain_pip on a boat", "wrk_pip"),
        ("captain of a pipe", None),
        ("a marie and a curie of radium apart: curie marie", None),
        ("a quiet lake", None),
        ("", None),
    ],
)
def test_a_name_is_found_as_people_write_it(index, text, who):
    assert {hit.id for hit in index.find({"prompt": text})} == ({who} if who else set())


def test_each_text_is_named(index):
    found = index.find({"prompt": "hypatia meets ibn sina", "title": "Hypatia"})
    assert [(hit.id, hit.source) for hit in found] == [
        ("per_hypatia", "prompt"),
        ("per_hypatia", "title"),
        ("per_sina", "prompt"),
    ]


def test_names_are_replaced_and_taken_out():
    index = NameIndex()
    index.learn("a", ["Hypatia", "松尾"])
    index.learn("b", ["Hypatia"])
    index.learn("a", ["Ibn Sina"])
    assert [hit.id for hit in index.find({"p": "hypatia 松尾 ibn sina"})] == ["a", "b"]
    index.learn("a", ())
    index.learn("b", ())
    assert len(index) == 0
    assert index.find({"p": "hypatia 松尾 ibn sina"}) == ()


@pytest.mark.parametrize(
    ("name", "long_enough"), [("Bo", False), ("Ali", False), ("Pelé", True), ("芭蕉", True), ("!", False)]
)
def test_a_short_name_is_not_looked_for(name, long_enough):
    assert fit(name) is long_enough
    index = NameIndex()
    index.learn("x", [name])
    assert bool(index.find({"p": f"{name} here"})) is long_enough


def test_a_long_prompt_takes_a_bounded_time(index):
    began = time.process_time()
    for text in ("والبلد " * 3000, "ابن سينا " + "والليتيم " * 7 + "ابن سينا " * 2000):
        index.find({"prompt": text})
    assert time.process_time() - began < 5

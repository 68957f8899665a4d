"""Charts: what is drawn is what the table says; nothing for the page's policy to forbid; words in any direction."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.rehearsing.intervals import share_of
from review_ui.charts import (
    NOTHING,
    WIDTH,
    Bar,
    Chart,
    Range,
    Series,
    bars,
    histogram,
    intervals,
    lines,
    percent,
    range_of,
)
from review_ui.rendering import environment

few = settings(max_examples=30, deadline=None)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=80)


def parsed(chart: Chart) -> ET.Element:
    return ET.fromstring(str(chart.svg))


def of_class(chart: Chart, name: str) -> list[ET.Element]:
    return [element for element in parsed(chart).iter() if element.get("class") == name]


def test_bars_are_as_long_as_their_values_and_unknown_is_no_zero():
    chart = bars(
        "Waiting",
        ("Queue", "Cases"),
        [
            Bar(label="likeness", value=30, said="30", line=40),
            Bar(label="explicit", value=10, said="10"),
            Bar(label="appeals", value=None, said=NOTHING),
            Bar(label="sample", value=0, said="0"),
        ],
    )
    assert [float(bar.get("width") or 0) for bar in of_class(chart, "chart-bar")] == [WIDTH * 0.75, WIDTH / 4, 0]
    assert [float(mark.get("x1") or 0) for mark in of_class(chart, "chart-mark")] == [WIDTH]
    assert chart.rows[2] == ("appeals", NOTHING)


def test_a_share_without_cases_is_drawn_nowhere():
    rows = [range_of("v1", share_of(0, 0)), range_of("v2", share_of(9, 10))]
    chart = intervals("Golden answers", ("Version", "Right"), rows)
    (dot,) = of_class(chart, "chart-dot")
    assert float(dot.get("cx") or 0) == pytest.approx(6 + (WIDTH - 12) * 0.9, abs=0.1)
    assert chart.rows == (("v1", NOTHING), ("v2", "90 % (60 % – 98 %), n = 10"))


def test_what_is_not_known_leaves_a_gap():
    one = Series(name="arrived", values=[4, 2, None, 1, None, 5])
    chart = lines("Hours", "Hour", ["0", "1", "2", "3", "4", "5"], [one])
    drawn = of_class(chart, "chart-line-0")
    assert [element.tag for element in drawn] == ["polyline", "circle", "circle", "polyline"]
    assert [row[1] for row in chart.rows] == ["4", "2", NOTHING, "1", NOTHING, "5"]
    with pytest.raises(ValueError, match="one value for each tick"):
        lines("Hours", "Hour", ["0"], [one])


def test_lines_differ_by_more_than_colour():
    series = [Series(name=str(n), values=[1, 2]) for n in range(4)]
    drawn = [of_class(lines("t", "h", ["a", "b"], series), f"chart-line-{n}")[0] for n in range(4)]
    assert len({element.get("stroke-dasharray") for element in drawn}) == 4


def test_columns_are_as_tall_as_their_counts():
    chart = histogram("Exposure", ("Minutes", "Person-days"), [("0-1", 4), ("1-5", 2), ("5+", 0)])
    assert [float(bar.get("height") or -1) for bar in of_class(chart, "chart-bar")] == [200, 100, 0]


def test_percentages_keep_what_matters_of_small_shares():
    assert [percent(share) for share in (None, 0.0, 0.0004, 0.025, 0.5, 1.0)] == [
        NOTHING,
        "0 %",
        "0.04 %",
        "2.5 %",
        "50 %",
        "100 %",
    ]


@few
@given(words, st.lists(st.tuples(words, st.none() | st.floats(0, 1e9)), max_size=8))
def test_whatever_the_words_the_picture_is_whole_and_within_the_policy(title, rows):
    made = [
        bars(title, ("a", "b"), [Bar(label=name, value=value, said=str(value)) for name, value in rows]),
        intervals(title, ("a", "b"), [Range(label=n, value=v, low=v, high=v, said=str(v)) for n, v in rows], high=1e9),
        lines(title, "a", [name for name, _ in rows], [Series(name=title, values=[value for _, value in rows])]),
        histogram(title, ("a", "b"), [(name, int(value or 0)) for name, value in rows]),
    ]
    for chart in made:
        root = parsed(chart)
        assert root.get("role") == "img"
        assert root.find("title").text == (title or None)
        assert not [element for element in root.iter() if {"style", "onclick", "href"} & set(element.attrib)]
        assert len(chart.rows) == len(rows)
        xs = [float(v) for e in root.iter() for k, v in e.attrib.items() if k in {"x", "x1", "x2", "cx"}]
        assert all(-0.1 <= x <= WIDTH + 0.1 for x in xs)


def test_every_label_keeps_its_own_direction():
    chart = bars("العنوان", ("a", "b"), [Bar(label="إباحية 12", value=1, said="1")])
    texts = [element.text or "" for element in parsed(chart).iter("text")]
    assert all(text.startswith("\u2068") and text.endswith("\u2069") for text in texts)
    assert parsed(chart).get("direction") == "ltr"


def test_the_figure_has_the_same_figures_as_a_table():
    chart = bars("Waiting", ("Queue", "Cases"), [Bar(label="<b>likeness</b>", value=3, said="3")])
    macro = environment("en").get_template("chart.html").module.chart
    html = str(macro("Waiting", chart, "As a table", "Nothing yet"))
    assert "&lt;b&gt;likeness" in html
    assert "<b>" not in html
    assert re.findall(r"<td><bdi>(.*?)</bdi></td>", html) == ["3"]
    assert "Nothing yet" in str(macro("Waiting", bars("Waiting", ("a", "b"), []), "As a table", "Nothing yet"))

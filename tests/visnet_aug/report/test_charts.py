from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.report.charts import Bar, Mark, Series, bars, comparison, histogram

SVG = "{http://www.w3.org/2000/svg}"
ODD = "<b>\"&'"


def parse(svg: str) -> ET.Element:
    """Read an SVG as a browser does that finds it in a page."""
    return ET.fromstring(str(svg).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def rects(svg: str) -> list[dict[str, float]]:
    return [
        {name: float(rect.attrib[name]) for name in ("x", "y", "width", "height")}
        for rect in parse(svg).iter(f"{SVG}rect")
    ]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.integers(0, 10**6), min_size=5, max_size=5), min_size=1, max_size=4))
def test_bars_of_a_histogram_stand_on_each_other_within_the_chart(counts: list[list[int]]) -> None:
    series = [Series(f"{n}", f"f{n}", np.array(of)) for n, of in enumerate(counts)]
    svg = histogram("title", [0, 1, 2, 3, 4, 5], series, of="images")
    drawn = rects(svg)
    assert len(drawn) == sum(count > 0 for of in counts for count in of)
    for rect in drawn:
        assert 0 <= rect["x"] <= rect["x"] + rect["width"] <= 420
        assert 0 <= rect["y"] <= rect["y"] + rect["height"] <= 190
    tips = [tip.text or "" for tip in parse(svg).iter(f"{SVG}title")]
    assert sum(int(tip.split(": ")[1].split(" ")[0].replace(",", "")) for tip in tips) == (
        sum(map(sum, counts))
    )


def test_heights_are_shares_of_the_axis() -> None:
    series = [Series("all", "copies", np.array([40, 20, 0, 10]))]
    heights = [rect["height"] for rect in rects(histogram("t", [0, 1, 2, 3, 4], series, of="i"))]
    assert heights == pytest.approx([152, 76, 38], abs=0.2)


def test_limits_are_drawn_where_they_are_within_the_axis() -> None:
    series = [Series("all", "copies", np.array([1, 1]))]
    marks = [Mark(0.5, "here"), Mark(2, "beyond")]
    svg = histogram("title", [0, 0.5, 1], series, of="masks", marks=marks)
    (line,) = (one for one in parse(svg).iter(f"{SVG}line") if one.get("class") == "limit")
    assert float(line.attrib["x1"]) == pytest.approx((44 + 412) / 2)
    assert "beyond" not in svg


@pytest.mark.parametrize(
    ("edges", "whole", "said"),
    [
        ([0.0, 0.5, 1.0], False, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ([0.5, 3.5], True, ["1", "2", "3"]),
        ([0.5, 6.5], False, ["1", "2", "3", "4", "5", "6"]),
        ([-0.5, 34.5], True, ["0", "10", "20", "30"]),
        ([0.0, 1e6], False, ["0", "200000", "400000", "600000", "800000", "1e+06"]),
    ],
)
def test_axes_have_round_numbers(edges: list[float], whole: bool, said: list[str]) -> None:
    series = [Series("all", "copies", np.ones(len(edges) - 1, np.int64))]
    svg = histogram("title", edges, series, of="images", whole=whole)
    texts = parse(svg).iter(f"{SVG}text")
    assert [text.text for text in texts if text.get("text-anchor") == "middle"] == said


def test_bars_are_divided_into_their_parts() -> None:
    svg = bars("t", [Bar("one", "f0", [("a", 60), ("b", 40)]), Bar("two", "f1", [])], of="copies")
    first, second = rects(svg)
    assert second["x"] == pytest.approx(first["x"] + first["width"] + 1, abs=0.2)
    assert first["width"] / second["width"] == pytest.approx(1.5, abs=0.02)
    assert [text.text for text in parse(svg).iter(f"{SVG}text")] == ["one", "100", "two", "0"]


def test_a_comparison_draws_shares_even_of_nothing() -> None:
    some, none = np.array([1, 2, 1]), np.zeros(3, np.int64)
    for before, after in ((some, some * 1000), (some, none), (none, none)):
        paths = list(parse(comparison("title", before, after, "f0")).iter(f"{SVG}path"))
        assert [path.get("class") for path in paths] == ["before", "after f0"]
    same = [
        path.get("d") for path in parse(comparison("t", some, some * 9, "f0")).iter(f"{SVG}path")
    ]
    assert same[0] == same[1]


def test_names_in_charts_are_text() -> None:
    svg = histogram(ODD, [0, 1], [Series(ODD, ODD, np.array([1]))], of=ODD, marks=[Mark(1, ODD)])
    assert parse(svg).get("aria-label") == ODD
    svg = bars(ODD, [Bar(ODD, ODD, [(ODD, 1)])], of=ODD)
    assert ODD in [text.text for text in parse(svg).iter(f"{SVG}text")]
    assert parse(comparison(ODD, np.array([1]), np.array([1]), ODD)).get("aria-label") == ODD

import re
from collections import Counter
from xml.etree import ElementTree

import pytest

from app.contract.value import Verdict
from app.pictures.bland_altman import MARKERS, Scale, draw_bland_altman
from app.statistics.agreement import measure_agreement

VOLUMES: list[tuple[float, float, Verdict]] = [(210.0, 200.0, "ok"), (300.0, 304.0, "ok"), (400.0, 380.0, "review")]
SVG = "{http://www.w3.org/2000/svg}"


def draw(volumes: list[tuple[float, float, Verdict]]) -> ElementTree.Element:
    agreed = measure_agreement([measured for measured, _, _ in volumes], [true for _, true, _ in volumes])
    return ElementTree.fromstring(draw_bland_altman(volumes, agreed))


def test_every_case_has_a_point_where_its_difference_is() -> None:
    moved = [re.findall(r"[-\d.]+", path.get("transform", "")) for path in draw(VOLUMES).iter(f"{SVG}path")]
    points = [(float(place[0]), float(place[1])) for place in moved if len(place) == 2]
    first, second, third = points[:3]
    assert len(points) == 5  # three cases, and two verdicts in the legend
    assert first[0] < second[0] < third[0]
    assert third[1] < first[1] < second[1]


def test_bias_and_limits_are_said() -> None:
    text = " ".join(found.text or "" for found in draw(VOLUMES).iter(f"{SVG}text"))
    for words in ("3 cases: bias +8.7 mL", "upper limit", "lower limit", "ok (2)", "review (1)"):
        assert words in text


def test_every_case_axis_and_line_is_there_and_labelled() -> None:
    verdicts: tuple[Verdict, ...] = ("ok", "ok", "review", "reject", "ok")
    volumes = [(205.0 + 9 * n, 200.0 + 10 * n, verdict) for n, verdict in enumerate(verdicts)]
    agreed = measure_agreement([measured for measured, _, _ in volumes], [true for _, true, _ in volumes])
    drawing = draw_bland_altman(volumes, agreed)
    root = ElementTree.fromstring(drawing)
    marks = Counter(path.get("d") for path in root.iter(f"{SVG}path"))
    assert {verdict: marks[MARKERS[verdict]] - 1 for verdict in verdicts} == {"ok": 3, "review": 1, "reject": 1}
    words = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    for wanted in ("ok (3)", "review (1)", "reject (1)", f"bias {agreed.bias_ml:+.1f}"):
        assert wanted in words, words
    assert all(any(word.startswith(limit) for word in words) for limit in ("upper limit", "lower limit"))
    assert "bands: 95 % intervals" in words
    ticks = [float(word) for word in words if word.removeprefix("-").isdigit()]
    assert len(ticks) >= 6
    assert all(tick == round(tick) for tick in ticks)
    assert draw_bland_altman(volumes, agreed) == drawing
    assert len(drawing) < 40_000


def test_equal_volumes_can_be_drawn() -> None:
    assert len(list(draw([(200.0, 200.0, "ok"), (200.0, 200.0, "ok")]).iter(f"{SVG}path"))) > 2


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-47.0, 51.0), (150.0, 640.0)])
def test_ticks_are_few_and_within_the_scale(low: float, high: float) -> None:
    scale = Scale.around([low, high], 0, 100)
    assert 3 <= len(scale.ticks()) <= 7
    assert all(0 <= scale.at(tick) <= 100 for tick in scale.ticks())

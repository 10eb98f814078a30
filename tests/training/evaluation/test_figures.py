from xml.etree import ElementTree

from app.statistics.agreement import measure_agreement
from tests.training.results import result
from training.evaluation.figures import draw_bland_altman

SVG = "{http://www.w3.org/2000/svg}"


def test_every_case_axis_and_line_is_there_and_labelled() -> None:
    verdicts = ("ok", "ok", "review", "reject", "ok")
    results = [result(10 * n, 205.0 + 9 * n, verdict) for n, verdict in enumerate(verdicts)]
    agreed = measure_agreement([r.measured_ml for r in results], [r.true_ml for r in results])
    drawing = draw_bland_altman(results, agreed)
    root = ElementTree.fromstring(drawing)
    drawn = {
        group.get("id", "").removeprefix("cases_"): len(list(group.iter(f"{SVG}use")))
        for group in root.iter(f"{SVG}g")
        if group.get("id", "").startswith("cases_")
    }
    assert drawn == {"ok": 3, "review": 1, "reject": 1}
    words = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    for wanted in (
        "ok (3)",
        "review (1)",
        "reject (1)",
        "bias",
        "upper limit",
        "lower limit",
        f"{agreed.bias_ml:+.1f} mL",
    ):
        assert wanted in words, words
    assert "95 % interval of bias and limits" in words
    ticks = [
        float(word.replace("\N{MINUS SIGN}", "-")) for word in words if word.replace("\N{MINUS SIGN}", "").isdigit()
    ]
    assert len(ticks) >= 6
    assert all(tick == round(tick) for tick in ticks)
    assert draw_bland_altman(results, agreed) == drawing
    assert len(drawing) < 40_000

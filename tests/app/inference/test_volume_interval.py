"""The interval around a volume: as wide for every case, or wider where the outline is in doubt."""

import pytest
from pydantic import ValidationError

from app.contract.report import QualityNumbers
from app.inference.volume_interval import VolumeInterval, WidthByCase, WidthFactor, read_doubt

ENTROPY = WidthFactor(number="foreground_entropy", typical=0.2, least=0.1, exponent=0.5)
AGREEMENT = WidthFactor(number="context_agreement_dsc", typical=0.02, least=0.01, exponent=1.0)
INTERVAL = VolumeInterval(
    bias_percent=1.0,
    half_width_percent=8.0,
    floor_ml=5.0,
    by_case=WidthByCase(factors=(ENTROPY, AGREEMENT), cases=77, data="simulated"),
)


@pytest.mark.parametrize(
    ("agreement", "entropy", "width"),
    [
        (0.98, 0.2, 8.0),
        (0.98, 0.8, 16.0),
        (0.96, 0.2, 16.0),
        (0.96, 0.8, 32.0),
        (0.99, 0.1, 8.0 / 2 / 2**0.5),
        (1.0, 0.001, 8.0 / 2 / 2**0.5),
        (None, 0.8, 16.0),
    ],
)
def test_the_width_follows_the_numbers(agreement: float | None, entropy: float, width: float) -> None:
    numbers = QualityNumbers(context_agreement_dsc=agreement, foreground_entropy=entropy)
    assert INTERVAL.find_half_width_percent(numbers) == pytest.approx(width)
    assert INTERVAL.around(200.0, numbers) == pytest.approx((198 - 2 * width, 198 + 2 * width))


def test_a_narrow_interval_has_its_floor() -> None:
    sure = QualityNumbers(context_agreement_dsc=1.0, foreground_entropy=0.0)
    assert INTERVAL.around(100.0, sure) == pytest.approx((94.0, 104.0))


def test_only_numbers_of_doubt_widen_it() -> None:
    assert read_doubt(QualityNumbers(context_agreement_dsc=0.98), "context_agreement_dsc") == pytest.approx(0.02)
    assert read_doubt(QualityNumbers(soft_volume_change=0.03), "soft_volume_change") == 0.03
    with pytest.raises(ValidationError):
        WidthFactor.model_validate(AGREEMENT.model_dump() | {"number": "components"})


def test_it_survives_its_file() -> None:
    assert VolumeInterval.model_validate_json(INTERVAL.model_dump_json()) == INTERVAL


def test_the_form_of_earlier_models_gives_one_width_for_all() -> None:
    interval = VolumeInterval.model_validate({"bias_percent": -0.417, "half_width_percent": 14.667, "floor_ml": 5.0})
    assert interval.by_case is None
    doubtful = QualityNumbers(context_agreement_dsc=0.7, foreground_entropy=0.9, soft_volume_change=0.3)
    for numbers in (QualityNumbers(), doubtful):
        low, high = interval.around(200.0, numbers)
        assert (low, high) == pytest.approx((200 * (1.00417 - 0.14667), 200 * (1.00417 + 0.14667)))

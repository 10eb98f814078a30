"""Quality of a measurement: numbers that predict failure, and the thresholds that judge them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from pydantic import Field

from app.contract.findings import Flag
from app.contract.report import QualityNumbers
from app.contract.value import VERDICTS, Value, Verdict
from app.imaging.growth import VALID_WEEKS, equivalent_circumference, head_circumference

LOOK_AT_IT = "look at the mask before using the volume"
SCAN_AGAIN = "scan again with the whole head well inside the field of view"
CHECK_AGE_AND_MASK = "check gestational age and mask"
CHECK_AGE = "check the gestational age"
WITHOUT_A_VOLUME = {LOOK_AT_IT: SCAN_AGAIN, CHECK_AGE_AND_MASK: CHECK_AGE}
"""Remedies for rejected measurements, which have no volume that could be used, in place of the usual ones."""
FIGURES = 3
"""Significant figures of a number beside its limit; more where the two would look equal."""


class Limit(Value):
    """The thresholds from which a number leads to the verdicts review and reject; None never does."""

    review: float | None = None
    reject: float | None = None

    def above(self, value: float) -> Verdict:
        """Judge a number that is bad where it is large."""
        return self._judge(lambda limit: value > limit)

    def below(self, value: float) -> Verdict:
        """Judge a number that is bad where it is small."""
        return self._judge(lambda limit: value < limit)

    def of(self, verdict: Verdict) -> float:
        """Return the threshold of a verdict that this limit gave, "review" or "reject"."""
        threshold = self.reject if verdict == "reject" else self.review
        if threshold is None:
            raise ValueError(f"this limit never gives the verdict {verdict}")
        return threshold

    def _judge(self, beyond: Callable[[float], bool]) -> Verdict:
        if self.reject is not None and beyond(self.reject):
            return "reject"
        return "review" if self.review is not None and beyond(self.review) else "ok"


class QualitySpec(Value):
    """The thresholds of every check, calibrated on the model's evaluation; a part of its manifest."""

    context_agreement_dsc: Limit = Limit(review=0.90, reject=0.60)
    level_volume_change: Limit = Limit(review=0.20, reject=0.60)
    foreground_entropy: Limit = Limit(review=0.45)
    components: Limit = Limit(review=3)
    outside_mass_fraction: Limit = Limit(review=0.15, reject=0.60)
    soft_volume_change: Limit = Limit(review=0.15, reject=0.50)
    ellipsoid_ratio: Limit = Limit(review=0.88, reject=0.60)
    pose_certainty: Limit = Limit()
    mask_doubts: Limit = Limit()
    half_width_percent: Limit = Limit()
    fov_contact_fraction: Limit = Limit(review=0.055, reject=0.16)
    fov_contact_note: float | None = 0.02
    smallest_ml: Limit = Limit(review=60.0, reject=40.0)
    largest_ml: Limit = Limit(review=600.0, reject=700.0)
    age_z: Limit = Limit(review=3.0)
    age_z_note: float | None = 2.0
    age_model_cv: float = Field(default=0.06, ge=0.0)


class Assessment(Value):
    """The verdict and every reason for it."""

    verdict: Verdict
    flags: tuple[Flag, ...]


def assess(
    numbers: QualityNumbers,
    volume_ml: float,
    spec: QualitySpec,
    gestational_age_weeks: float | None = None,
    half_width_percent: float | None = None,
) -> Assessment:
    """Judge a measurement from its numbers alone: the same numbers always give the same verdict.

    `half_width_percent` is that of the 95 % interval, None where it does not follow the case. The gravest findings come
    first. No flag states the volume, since a rejected measurement has none.
    """
    if volume_ml == 0:
        nothing = Flag(code="no_head_found", detail="nothing in the volume was taken for a head", remedy=SCAN_AGAIN)
        return Assessment(verdict="reject", flags=(nothing,))
    about_the_mask = list(_check_mask(numbers, spec))
    findings = [
        *_check_count(len(about_the_mask), spec),
        *about_the_mask,
        *_check_width(half_width_percent, spec),
        *_check_view(numbers, spec),
        *_check_size(volume_ml, spec),
        *_check_age(volume_ml, spec, gestational_age_weeks),
    ]
    findings.sort(key=lambda finding: VERDICTS.index(finding[0]), reverse=True)
    verdict = findings[0][0] if findings else VERDICTS[0]
    flags = tuple(flag for _, flag in findings)
    return Assessment(verdict=verdict, flags=tuple(map(_adapt_remedy, flags)) if verdict == "reject" else flags)


Finding = tuple[Verdict, Flag]


def _adapt_remedy(flag: Flag) -> Flag:
    return flag.model_copy(update={"remedy": WITHOUT_A_VOLUME.get(flag.remedy, flag.remedy)})


def _check_mask(numbers: QualityNumbers, spec: QualitySpec) -> Iterator[Finding]:
    """Yield findings from the agreement of the two levels and from the shape of the probability."""
    checks = (
        ("levels_disagree", "context_agreement_dsc", "below", "", "DSC {} between the two context levels"),
        ("levels_disagree_in_volume", "level_volume_change", "above", " %", "volume changed by {} between levels"),
        ("uncertain_outline", "foreground_entropy", "above", " bit", "mean entropy {} in and near the head"),
        ("several_components", "components", "above", "", "{} separate pieces look like a head"),
        ("probability_elsewhere", "outside_mass_fraction", "above", " %", "{} of the probability lies off the head"),
        ("soft_outline", "soft_volume_change", "above", " %", "volume depends by {} on the threshold"),
        ("implausible_shape", "ellipsoid_ratio", "below", " %", "the mask fills {} of the ellipsoid of its extent"),
        ("unclear_anatomy", "pose_certainty", "below", " %", "it is certain by {} where face and vertex lie"),
    )
    for code, name, side, unit, wording in checks:
        value = getattr(numbers, name)
        limit: Limit = getattr(spec, name)
        judged: Verdict = "ok" if value is None else getattr(limit, side)(value)
        if judged != "ok":
            found, allowed = _distinguish(value, limit.of(judged), unit)
            bound = "at least" if side == "below" else "at most"
            remedy = SCAN_AGAIN if judged == "reject" else LOOK_AT_IT
            yield judged, Flag(code=code, detail=f"{wording.format(found)}; limit: {bound} {allowed}", remedy=remedy)


def _distinguish(value: float, limit: float, unit: str) -> tuple[str, str]:
    """Format a number and the limit that it exceeds with as many figures as are needed to see the difference."""
    scale = 100 if unit == " %" else 1
    figures = FIGURES
    while _format_figures(value * scale, figures) == _format_figures(limit * scale, figures) and value != limit:
        figures += 1
    return _format_figures(value * scale, figures) + unit, _format_figures(limit * scale, figures) + unit


def _format_figures(value: float, figures: int) -> str:
    """Format the number in plain digits.

    >>> _figures(1234.5, 3), _figures(0.31849, 3), _figures(15.0, 3)
    ('1234', '0.318', '15')
    """
    if value == 0:
        return "0"
    decimals = max(0, figures - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def _check_count(count: int, spec: QualitySpec) -> Iterator[Finding]:
    """Yield a finding where more checks of the mask failed together than ever did for a good mask."""
    judged = spec.mask_doubts.above(count)
    if judged != "ok":
        allowed = _format_figures(spec.mask_doubts.of(judged), FIGURES)
        detail = f"{count} checks doubt the outline at once; limit: at most {allowed}"
        yield judged, Flag(code="many_doubts", detail=detail, remedy=SCAN_AGAIN)


def _check_width(half_width_percent: float | None, spec: QualitySpec) -> Iterator[Finding]:
    """Yield a finding where the 95 % interval is wider than that of nearly all good measurements."""
    if half_width_percent is None:
        return
    judged = spec.half_width_percent.above(half_width_percent)
    if judged != "ok":
        found, allowed = _distinguish(half_width_percent / 100, spec.half_width_percent.of(judged) / 100, " %")
        detail = f"the 95 % interval reaches {found} to either side of the volume; limit: at most {allowed}"
        yield judged, Flag(code="wide_interval", detail=detail, remedy=LOOK_AT_IT)


def count_mask_doubts(numbers: QualityNumbers, spec: QualitySpec) -> int:
    """Return how many checks of the mask failed."""
    return sum(1 for _ in _check_mask(numbers, spec))


def _check_view(numbers: QualityNumbers, spec: QualitySpec) -> Iterator[Finding]:
    """Yield a finding where so much of the surface meets the edge of the field of view that the head may be cut off."""
    contact = numbers.fov_contact_fraction
    if contact is None:
        return
    judged, missing = spec.fov_contact_fraction.above(contact), missing_fraction(contact)
    meets = "of the head's surface meets the edge of the field of view"
    lacks = f"a sphere cut off like this lacks {_format_figures(100 * missing, FIGURES - 1)} % of its volume"
    if judged != "ok":
        found, allowed = _distinguish(contact, spec.fov_contact_fraction.of(judged), " %")
        detail = f"{found} {meets}; limit: at most {allowed}; {lacks}"
        yield judged, Flag(code="truncated", detail=detail, remedy=SCAN_AGAIN)
    elif spec.fov_contact_note is not None and contact > spec.fov_contact_note:
        detail = f"{_format_figures(100 * contact, FIGURES)} % {meets}; {lacks}"
        yield "ok", Flag(code="touches_edge", detail=detail, remedy="check that the whole head is in view")


def missing_fraction(contact: float) -> float:
    """Return the fraction of a sphere's volume that a plane cuts off, from the cut's area over the sphere's surface.

    With R = 1 the cut's radius is a = 2 sqrt(contact), the cap's height h = 1 - sqrt(1 - a^2), its volume over the
    sphere's h^2 (3 - h) / 4. From a quarter on the plane has passed the centre: 1/2.
    """
    height = 1 - math.sqrt(max(0.0, 1 - 4 * contact))
    return height**2 * (3 - height) / 4


def _check_size(volume_ml: float, spec: QualitySpec) -> Iterator[Finding]:
    """Yield a finding where a fetal head rarely, or never, has this size."""
    judged = max(spec.smallest_ml.below(volume_ml), spec.largest_ml.above(volume_ml), key=VERDICTS.index)
    if judged == "reject":
        remedy = "check the spacing in the file's header; scan again"
        yield judged, Flag(code="implausible_volume", detail="no fetal head is of the size measured", remedy=remedy)
    elif judged == "review":
        detail = f"the volume lies outside the validated {spec.smallest_ml.review:g} to {spec.largest_ml.review:g} mL"
        yield judged, Flag(code="outside_validated_range", detail=detail, remedy=LOOK_AT_IT)


def _check_age(volume_ml: float, spec: QualitySpec, weeks: float | None) -> Iterator[Finding]:
    """Yield a finding where the size does not fit the stated gestational age."""
    if weeks is None or not VALID_WEEKS[0] <= weeks <= VALID_WEEKS[1]:
        return
    z = age_z(volume_ml, weeks, spec.age_model_cv)
    side = f"{'above' if z > 0 else 'below'} the mean at {weeks:.1f} weeks (derived, not a reference chart)"
    judged = spec.age_z.above(abs(z))
    if judged != "ok":
        detail = f"the head's size lies far {side}"
        yield judged, Flag(code="size_contradicts_age", detail=detail, remedy=CHECK_AGE_AND_MASK)
    elif spec.age_z_note is not None and abs(z) > spec.age_z_note:
        detail = f"the head's size lies more than {spec.age_z_note:g} SD {side}"
        yield "ok", Flag(code="size_unusual_for_age", detail=detail, remedy=CHECK_AGE)


def age_z(volume_ml: float, weeks: float, model_cv: float) -> float:
    """Return the z-score of the volume's equivalent head circumference against INTERGROWTH-21st.

    The SD combines the population's spread and the derivation's own uncertainty (`model_cv`, of volume).
    """
    expected = head_circumference(weeks)
    measured = equivalent_circumference(volume_ml)
    derivation_sd = expected.mean_mm * model_cv / 3
    return float((measured - expected.mean_mm) / (expected.sd_mm**2 + derivation_sd**2) ** 0.5)

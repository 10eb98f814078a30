"""The metrics of an evaluation, each defined once: field, title, the paper's value, format, and how it is computed.

A metric of masks is a line of `MaskMetrics`: it is stored with each case. One that follows from the volumes is a
property of `HeadVolumes` and a line of `MetricSummaries`: cases that were measured before have it as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

import numpy.typing as npt
from pydantic import Field

from app.contract.value import Value
from app.imaging import metrics
from app.imaging.postprocess import head_volume_ml
from app.imaging.volume import VolumeGeometry
from app.statistics.summary import MetricSummary, summarise_known

Each = TypeVar("Each")
"""What a metric is of which every case has a value: the value, or a summary of them."""
Known = TypeVar("Known")
"""The same of a metric that some cases lack, or None."""
OR_NONE = Field(default=None)


@dataclass(frozen=True, eq=False)
class ComparedMasks:
    """A mask and its truth, both (I, J, K), on one grid."""

    mask: npt.NDArray[Any]
    truth: npt.NDArray[Any]
    geometry: VolumeGeometry

    @cached_property
    def dsc(self) -> float:
        """The Dice similarity coefficient."""
        return metrics.dsc(self.mask, self.truth)

    @cached_property
    def distances(self) -> metrics.BoundaryDistances:
        """The distances between both surfaces."""
        return metrics.measure_boundary_distances(self.mask, self.truth, self.geometry.spacing_mm)


@dataclass(frozen=True)
class Metric:
    """Title, the value of the paper's full system and format in a table; how masks give it, None for volumes' own."""

    title: str
    paper: str
    form: str
    compute: Callable[[ComparedMasks], float | None] | None = None


class HeadVolumes(Value):
    """The volumes of one case in mL, of the truth inside the field of view."""

    true_ml: float
    measured_ml: float

    @property
    def volume_error_percent(self) -> float:
        """The absolute relative error of the measured volume."""
        return 100 * abs(self.measured_ml - self.true_ml) / self.true_ml


class MaskMetrics(Value, Generic[Each, Known]):
    """The metrics of one case's masks, or their summaries over cases."""

    dsc: Annotated[Each, Metric("DSC", "0.9605", ".4f", lambda masks: masks.dsc)]
    jaccard: Annotated[Each, Metric("Jaccard", "0.9242", ".4f", lambda masks: metrics.jaccard(masks.dsc))]
    conformity: Annotated[
        Known, Metric("Conformity", "0.9174", ".4f", lambda masks: metrics.conformity(masks.dsc)), OR_NONE
    ]
    adb_mm: Annotated[Known, Metric("Adb (mm)", "0.48", ".2f", lambda masks: masks.distances.adb_mm), OR_NONE]
    hdb_mm: Annotated[Known, Metric("Hdb (mm)", "4.61", ".2f", lambda masks: masks.distances.hdb_mm), OR_NONE]


class MetricSummaries(MaskMetrics[MetricSummary, MetricSummary | None]):
    """The summaries of all metrics over cases."""

    volume_error_percent: Annotated[MetricSummary, Metric("Volume error (%)", "3.40", ".2f")]


class CaseMetrics(MaskMetrics[float, float | None], HeadVolumes):
    """The volumes and metrics of one case."""


METRICS = {
    name: metric
    for name, field in MetricSummaries.model_fields.items()
    for metric in field.metadata
    if isinstance(metric, Metric)
}
"""Every metric by its field, in the order of the tables."""


def measure_masks(masks: ComparedMasks) -> dict[str, float | None]:
    """Return volumes and metrics as the members of `CaseMetrics`."""
    return {
        "true_ml": head_volume_ml(masks.truth, masks.geometry),
        "measured_ml": head_volume_ml(masks.mask, masks.geometry),
        **{name: metric.compute(masks) for name, metric in METRICS.items() if metric.compute is not None},
    }


def summarise_metrics(cases: Sequence[CaseMetrics]) -> dict[str, MetricSummary | None]:
    """Return the summary of each metric as the members of `MetricSummaries`; missing values are left out."""
    return {name: summarise_known([getattr(case, name) for case in cases]) for name in METRICS}

"""Measuring a head: preprocess, run the context levels, restore, assess."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.contract.findings import Biometry, Flag, HeadPose
from app.contract.report import QualityNumbers
from app.contract.value import Verdict
from app.imaging.arrays import Float32
from app.imaging.biometry import measure_biometry
from app.imaging.levels import LevelResult, LevelSpec, run_level
from app.imaging.pose import LEAST_CERTAINTY, find_pose
from app.imaging.postprocess import head_volume_ml, segment_mask
from app.imaging.preprocess import Preprocessed, PreprocessingSpec, preprocess
from app.imaging.quality import assess
from app.imaging.reliability import dsc, measure_reliability
from app.imaging.resample import resample
from app.imaging.volume import Volume, VolumeGeometry
from app.inference.clock import Clock, OnStage
from app.inference.errors import DamagedModel, SelfTestFailed
from app.inference.manifest import ModelManifest
from app.inference.model_store import StoredModel
from app.inference.precision import choose_precision
from app.inference.runtime.engine import CUDA
from app.inference.runtime.memory import give_back
from app.inference.runtime.network import Networks
from app.inference.runtime.session import RuntimeSettings, preferred_provider
from app.inference.runtime.stop import Stop

USUAL_EXTENT_MM = (167.2, 147.4, 98.0)
"""Of a volume of 440 x 388 x 258 voxels of 0.38 mm."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The mask, u8 (0/1) on the source's grid, and all measurements.

    `head_volume_ml` and its interval are None if the verdict is "reject". `mask_volume_ml` is the mask's volume
    whatever the verdict: for evaluation, never for a report. `level_probabilities` are float32 (I, J, K) on
    `preprocessed.geometry`.
    """

    mask: NDArray[np.uint8]
    head_volume_ml: float | None
    head_volume_interval_ml: tuple[float, float] | None
    mask_volume_ml: float
    verdict: Verdict
    flags: tuple[Flag, ...]
    quality: QualityNumbers
    biometry: Biometry | None
    pose: HeadPose | None
    timings_s: Mapping[str, float]
    level_probabilities: tuple[Float32, ...]
    preprocessed: Preprocessed


class HeadSegmenter:
    """A published model, loaded and ready to measure; its caller must run one inference at a time."""

    def __init__(self, model: StoredModel, settings: RuntimeSettings | None = None) -> None:
        """Load every context level; raise an `InferenceError` if one cannot be served."""
        settings = settings or RuntimeSettings()
        self.model = model
        self.manifest: ModelManifest = model.manifest
        self._wanted = choose_precision(settings, self.manifest)
        self._settings = replace(settings, precision=self._wanted)
        self._networks = Networks(model.levels_for(self._wanted), self.manifest, self._settings)

    @property
    def provider(self) -> str:
        """The execution provider in use; all of them if the levels differ."""
        return self._networks.provider

    @property
    def precision(self) -> str:
        """The precision of the first level."""
        return self._wanted if self._wanted == "fp16" else self._networks.precision

    @property
    def is_fallback(self) -> bool:
        """Whether provider or precision differ from what was requested or, for "auto", from the fastest."""
        return self.provider != preferred_provider(self._settings.provider) or self.precision != self._wanted

    def rest(self) -> None:
        """Return freed memory to the system; for the pause after a volume."""
        give_back()

    def warm_up(self) -> None:
        """On a GPU, run once on a volume of the usual size, so that memory and kernels are allocated before work.

        On a CPU the first volume takes no longer than the second.
        """
        if self.provider != CUDA:
            return
        self._levels(self._whole_volume, _striped_volume(self.manifest.preprocessing), Clock())

    def selftest(self) -> float:
        """Run the stored test vector on every voxel; return the largest difference, or raise `SelfTestFailed`.

        In single precision the difference counts, in a lower one the DSC of the masks.
        """
        volume, expected = _test_vector(self.model)
        found = self._levels(self._whole_volume, volume, Clock())[-1].probability
        difference = float(np.abs(found - expected[0, 0]).max())
        limits, threshold = self.manifest.selftest, self.manifest.postprocessing.threshold
        agreement = dsc(found >= threshold, expected[0, 0] >= threshold)
        passed = difference <= limits.tolerance if self.precision == "fp32" else agreement >= limits.mask_dsc
        if not passed:
            detail = f"the test vector's probability is off by {difference:.2g}, more than {limits.tolerance:.2g}"
            remedy = "choose another provider"
            if self.precision != "fp32":
                detail = f"the test vector's mask has DSC {agreement:.4f}, less than {limits.mask_dsc:g}"
                remedy = "set FETALHEAD_PRECISION=fp32"
            raise SelfTestFailed("selftest_failed", f"{detail} ({self.provider}, {self.precision})", remedy)
        return difference

    def segment(
        self,
        volume: Volume,
        gestational_age_weeks: float | None = None,
        on_stage: OnStage | None = None,
        stop: Stop | None = None,
    ) -> Segmentation:
        """Measure one volume; `on_stage` is called with each stage's name as it begins.

        Raise `NotMeasurable`; `Stopped` soon after `stop` was asked to end the work.
        """
        clock = Clock(on_stage, stop)
        rules = self.manifest.postprocessing
        with clock.stage("preprocess"):
            preprocessed = preprocess(volume, self.manifest.preprocessing)
        results = self._levels(self.manifest.levels, preprocessed.tensor, clock)
        levels = tuple(result.probability for result in results)
        with clock.stage("restore"):
            found = segment_mask(levels[-1], preprocessed, volume.geometry, rules)
            volume_ml = head_volume_ml(found.head, volume.geometry)
            pose = _find_pose(results[-1], preprocessed, rules.threshold)
            numbers = measure_reliability(levels, preprocessed, rules, pose)
            interval = self.manifest.volume_interval
            half_width = interval.find_half_width_percent(numbers) if interval and interval.by_case else None
            judged = assess(numbers, volume_ml, self.manifest.quality, gestational_age_weeks, half_width)
            spacing = preprocessed.orientation.apply(volume).geometry.spacing_mm
            biometry = None if judged.verdict == "reject" else measure_biometry(found.head, spacing)
        answered = judged.verdict != "reject"
        return Segmentation(
            mask=found.mask,
            head_volume_ml=volume_ml if answered else None,
            head_volume_interval_ml=interval.around(volume_ml, numbers) if answered and interval else None,
            mask_volume_ml=volume_ml,
            verdict=judged.verdict,
            flags=judged.flags,
            quality=numbers,
            biometry=biometry,
            pose=pose if pose is not None and answered and pose.certainty >= LEAST_CERTAINTY else None,
            timings_s=clock.timings_s(),
            level_probabilities=levels,
            preprocessed=preprocessed,
        )

    def probabilities(self, tensor: Float32, clock: Clock | None = None) -> tuple[Float32, ...]:
        """Return each level's probability, float32 (I, J, K), for a tensor (1, 1, I, J, K)."""
        return tuple(each.probability for each in self._levels(self.manifest.levels, tensor, clock or Clock()))

    @property
    def _whole_volume(self) -> list[LevelSpec]:
        """The levels, without regions."""
        return [level.everywhere for level in self.manifest.levels]

    def _levels(self, levels: Sequence[LevelSpec], tensor: Float32, clock: Clock) -> tuple[LevelResult, ...]:
        """Run level by level, each on its grid and in its region, with the probability of the one below (eq. 5)."""
        found: list[LevelResult] = []
        for index, level in enumerate(levels):
            with clock.stage(f"context_level_{index + 1}"):
                run, below = partial(self._networks.run, index, clock.stop), found[-1].probability if found else None
                found.append(run_level(level, run, tensor[0, 0], below, self.manifest.preprocessing))
        return tuple(found)


def _find_pose(last: LevelResult, preprocessed: Preprocessed, threshold: float) -> HeadPose | None:
    """Return the head's pose in the space of the file, where the last level tells places in the head."""
    if last.places is None:
        return None
    grid = preprocessed.geometry
    places = last.places.within(VolumeGeometry.from_spacing(grid.shape, grid.spacing_mm), grid)
    found = resample(Volume(last.probability, grid), places.geometry, fill="edge", antialias=False).data
    return find_pose(places, found >= threshold)


def _striped_volume(rules: PreprocessingSpec) -> Float32:
    """Return a striped volume (1, 1, I, J, K) of the usual extent; a constant one could not be normalised."""
    divisor = rules.shape_divisor
    i, j, k = (divisor * math.ceil(extent / rules.spacing_mm / divisor) for extent in USUAL_EXTENT_MM)
    volume = np.zeros((1, 1, i, j, k), np.float32)
    volume[..., ::2] = 1
    return volume


def _test_vector(model: StoredModel) -> tuple[Float32, Float32]:
    """Return input and expected probability, both (1, 1, I, J, K)."""
    try:
        with np.load(io.BytesIO(model.selftest), allow_pickle=False) as arrays:
            return arrays["volume"].astype(np.float32), arrays["probability"].astype(np.float32)
    except (KeyError, ValueError, OSError) as error:
        detail = f"{model.manifest.selftest.file} holds no test vector: {error}"
        raise DamagedModel("bad_selftest", detail, "publish the version again") from error

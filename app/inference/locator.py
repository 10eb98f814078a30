"""A cheap network that looks at the whole volume first, so that level 1 of an expensive model need not."""

from __future__ import annotations

import math

import numpy as np

from app.imaging.errors import NotMeasurable
from app.imaging.resample import Float32
from app.imaging.volume import Volume, VolumeGeometry, corresponding_box
from app.inference.coarse import CoarserGrid
from app.inference.focus import Box, Look, everything, head_box, rounded
from app.inference.manifest import Locator, ModelManifest
from app.inference.network import Network
from app.inference.session import RuntimeSettings
from app.inference.stop import Stop


class HeadLocator:
    """The locator of a model, loaded; for one thread at a time."""

    def __init__(self, content: bytes, rules: Locator, model: ModelManifest, settings: RuntimeSettings) -> None:
        """Load it; raise an `InferenceError` where it cannot be served."""
        self._rules, self._input = rules, model.input_name
        self.preprocessing = rules.preprocessing
        self._divisor = model.preprocessing.shape_divisor
        self._coarser = CoarserGrid(model.preprocessing.spacing_mm, rules.preprocessing)
        self.network = Network(content, (model.input_name,), model.output_name, settings)

    def look(self, tensor: Float32, stop: Stop | None = None) -> Look:
        """Return the box around the head and the locator's probability, both on the grid of a tensor (1, 1, I, J, K).

        Where nothing is found, or nothing is left of the volume on the coarse grid, the box is the whole grid.
        """
        grid = self._coarser.grid(tensor)
        try:
            coarse = self._coarser.seen(tensor)
        except NotMeasurable:
            return Look(everything(grid.shape), np.zeros(grid.shape, np.float32))
        probability = self.probability(coarse.data[None, None], stop)
        around = self._coarser.brought(Volume(probability, coarse.geometry), tensor)
        return Look(self._box(probability, coarse.geometry, grid), around)

    def probability(self, tensor: Float32, stop: Stop | None = None) -> Float32:
        """Return what the network says, float32 (I, J, K), of a tensor (1, 1, I, J, K) on its own grid."""
        answer: Float32 = self.network.run_held({self._input: tensor}, stop).numpy()[0, 0]
        return answer

    def _box(self, probability: Float32, coarse: VolumeGeometry, grid: VolumeGeometry) -> Box:
        """The head's box on the coarse grid, its margin with it, carried over to the model's grid."""
        margin = math.ceil(self._rules.margin_mm / self.preprocessing.spacing_mm)
        found = head_box(probability, self._rules.threshold, margin, 1)
        if found == everything(probability.shape):
            return everything(grid.shape)
        i, j, k = found
        region = coarse.cropped((i.start, j.start, k.start), (i.stop, j.stop, k.stop))
        return rounded(*corresponding_box(region, grid), grid.shape, self._divisor)

"""All figures of a comparison: which systems, which cases, which files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.imaging.preprocess import resample_mask_like
from training.benchmark.figures.meshes import MeshView, distance_meshes
from training.benchmark.figures.page import save
from training.benchmark.figures.slices import CaseView, contours, probabilities
from training.benchmark.figures.volumes import repeated_volumes, volume_agreement
from training.benchmark.tables import Measured
from training.evaluation.cases import CaseResult, stored_phantom
from training.evaluation.torch_segmenter import TorchSegmenter
from training.phantom import Phantom, SimulationRequest

ATTENTION = ("USegNet-DS", "USegNet-DS-HAS")
MESHES = ("2D-USegNet", "p-USegNet", "USegNet-DS-UAM", "USegNet-DS-HAS-Ctx")
FULL = "USegNet-DS-HAS-Ctx"


@dataclass(frozen=True)
class Gallery:
    """What figures are drawn from: results and trained networks by system, and the scans of the test set."""

    measured: Mapping[str, Measured]
    segmenters: Mapping[str, TorchSegmenter]
    requests: Sequence[SimulationRequest]
    cases: Path
    repeated: Sequence[CaseResult]

    def draw(self, folder: Path) -> list[tuple[Path, str]]:
        """Draw what the measured systems allow; returns files and captions.

        Cases are chosen by rank of the reference system's DSC, never by looks.
        """
        reference = FULL if FULL in self.measured else max(self.measured)
        drawn: list[tuple[Path, str]] = []
        pair = [name for name in ATTENTION if name in self.measured]
        if pair:
            drawn.append(self._contours(folder / "figure_6_contours.png", pair, reference))
            drawn.append(self._probabilities(folder / "figure_7_probabilities.png", pair, reference))
        compared = [name for name in MESHES if name in self.measured]
        if compared:
            drawn.append(self._compared_meshes(folder / "figure_4_surface_distances.png", compared, reference))
        drawn.append(self._six_meshes(folder / "figure_5_six_cases.png", reference))
        page = volume_agreement(self.measured[reference].test[0], reference)
        text = f"Figure 8: correlation and Bland-Altman agreement of the volumes by {reference}."
        drawn.append((save(page, folder / "figure_8_agreement.png"), text))
        if self.repeated:
            text = f"Figure 9: the volume of each fetus along three scan directions, by {FULL}."
            drawn.append((save(repeated_volumes(self.repeated, FULL), folder / "figure_9_reproducibility.png"), text))
        return drawn

    def _contours(self, path: Path, names: Sequence[str], reference: str) -> tuple[Path, str]:
        views = []
        for share in (0.25, 0.75):
            phantom = self._phantom(self._ranked(reference, share))
            masks = {n: self.segmenters[n](phantom.volume, None).mask.astype(np.float32) for n in names}
            image = np.asarray(phantom.volume.data / 255, np.float32)
            title = f"case {phantom.record.seed}: {phantom.record.look}"
            views.append(CaseView(title, image, phantom.truth.data.astype(np.float32), masks))
        text = "Figure 6: outlines on slices, cases at the lower and the upper quartile of DSC; truth in red."
        return save(contours(views), path), text

    def _probabilities(self, path: Path, names: Sequence[str], reference: str) -> tuple[Path, str]:
        phantom = self._phantom(self._ranked(reference, 0.5))
        answers = {}
        for name in names:
            prepared, levels = self.segmenters[name].probabilities(phantom.volume)
            answers[name] = levels[-1]
        image = prepared.tensor[0, 0]
        image = (image - image.min()) / max(float(np.ptp(image)), 1e-6)
        view = CaseView(f"case {phantom.record.seed}", image, resample_mask_like(phantom.truth, prepared), answers)
        return save(probabilities(view), path), "Figure 7: probability maps of the case of median DSC, truth outlined."

    def _compared_meshes(self, path: Path, names: Sequence[str], reference: str) -> tuple[Path, str]:
        rows = []
        for share in (0.25, 0.75):
            phantom = self._phantom(self._ranked(reference, share))
            rows.append([self._mesh(name, phantom, name) for name in names])
        page = distance_meshes(rows, "Distance from the found surface to the true one")
        return save(page, path), "Figure 4: surface distances of several systems on the cases of figure 6."

    def _six_meshes(self, path: Path, reference: str) -> tuple[Path, str]:
        views = []
        for share in np.linspace(0, 1, 6):
            phantom = self._phantom(self._ranked(reference, float(share)))
            title = f"{phantom.record.gestational_age_weeks:.0f} weeks, {phantom.record.look}"
            views.append(self._mesh(reference, phantom, title))
        page = distance_meshes([views[:3], views[3:]], f"{reference}: from the worst to the best of the test cases")
        text = f"Figure 5: surface distances of {reference} on six cases, from the lowest to the highest DSC."
        return save(page, path), text

    def _mesh(self, name: str, phantom: Phantom, title: str) -> MeshView:
        mask = self.segmenters[name](phantom.volume, None).mask
        return MeshView(title, mask > 0, phantom.truth.data > 0, phantom.truth.geometry.spacing_mm)

    def _ranked(self, name: str, share: float) -> int:
        """The seed of the test case at this rank of DSC, 0 the lowest."""
        scores = self.measured[name].by_case("dsc")
        order = sorted(scores, key=lambda case: scores[case])
        return order[round(share * (len(order) - 1))]

    def _phantom(self, seed: int) -> Phantom:
        request = next(request for request in self.requests if request.seed == seed)
        return stored_phantom(request, self.cases)

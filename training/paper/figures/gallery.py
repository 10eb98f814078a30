"""All figures of a comparison, with the choice of systems, cases and files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.imaging.orientation import intrinsic_orientation
from app.imaging.preprocess import resample_mask_like
from app.imaging.volume import Volume
from training.evaluation.cases import CaseResult
from training.evaluation.torch_segmenter import TorchSegmenter
from training.paper.figures.meshes import MeshRow, MeshView, draw_meshes
from training.paper.figures.page import save
from training.paper.figures.slices import CaseView, draw_contours, draw_probabilities
from training.paper.figures.volumes import draw_agreement, draw_repeated
from training.paper.scales import REPEATED
from training.paper.tables import SystemResults
from training.phantom import Phantom, SimulationRequest
from training.phantom.cohort import load_or_simulate

ATTENTION = ("USegNet-DS", "USegNet-DS-HAS")
MESHES = ("p-USegNet", "2D-USegNet", "USegNet-DS-UAM", "USegNet-DS-HAS-Ctx")
"""The systems of the mesh figures, in the order of the tables."""
ORIENTATION = "As served: i, j and k are the longest, the middle and the shortest side of the scan."
SIX = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Ranks of figure 5's cases."""


def choose_reference(measured: Mapping[str, SystemResults]) -> str:
    """Return the system whose DSC chooses cases and training seed: the paper's full one, else the best measured one."""
    return REPEATED if REPEATED in measured else max(measured, key=lambda name: measured[name].mean("dsc"))


@dataclass(frozen=True)
class Gallery:
    """The content of the figures: results by system, networks of one training seed, and the scans of the test set.

    `place` is that seed's place among the seeds of every system; `repeated` are the results of its networks on the
    reproducibility scans, or nothing.
    """

    measured: Mapping[str, SystemResults]
    segmenters: Mapping[str, TorchSegmenter]
    place: int
    requests: Sequence[SimulationRequest]
    cases: Path
    repeated: Sequence[CaseResult]

    def draw(self, folder: Path) -> list[tuple[Path, str]]:
        """Draw what the measured systems allow; return files and captions.

        Cases are chosen by rank of the reference system's DSC, never by appearance.
        """
        reference = choose_reference(self.measured)
        drawn: list[tuple[Path, str]] = []
        compared = [name for name in MESHES if name in self.measured]
        if compared:
            drawn.append(self._draw_compared_meshes(folder / "figure_4_surface_distances.png", compared, reference))
        drawn.append(self._draw_six_meshes(folder / "figure_5_six_cases.png", reference))
        pair = [name for name in ATTENTION if name in self.measured]
        if pair:
            drawn.append(self._draw_contours(folder / "figure_6_contours.png", pair, reference))
            drawn.append(self._draw_probabilities(folder / "figure_7_probabilities.png", pair, reference))
        page = draw_agreement(self.measured[reference].test[self.place], reference)
        text = (
            f"Figure 8: volumes by {reference} against the true ones, and their differences with bias and 95 % limits "
            "of agreement, in mL and per cent; bands are 95 % intervals."
        )
        drawn.append((save(page, folder / "figure_8_agreement.png"), text))
        if self.repeated:
            page = draw_repeated(self.repeated, REPEATED)
            text = f"Figure 9: the volume of each fetus along three scan directions, by {REPEATED}."
            drawn.append((save(page, folder / "figure_9_reproducibility.png"), text))
        seeds = self.measured[reference].seeds
        of = f", of {len(seeds)} that of median DSC" if len(seeds) > 1 else ""
        return [(path, f"{text} Training seed {seeds[self.place]}{of}.") for path, text in drawn]

    def _draw_contours(self, path: Path, names: Sequence[str], reference: str) -> tuple[Path, str]:
        views = []
        for share in (0.25, 0.75):
            phantom = self._load_phantom(self._find_rank(reference, share))
            orientation = intrinsic_orientation(phantom.volume)
            masks = {n: self.segmenters[n](phantom.volume, None).mask for n in names}
            oriented = {n: orientation.apply(Volume(mask, phantom.volume.geometry)).data for n, mask in masks.items()}
            image, truth = (orientation.apply(volume) for volume in (phantom.volume, phantom.truth))
            views.append(
                CaseView(
                    f"case {phantom.record.seed}, {phantom.record.look}",
                    np.asarray(image.data / 255, np.float32),
                    truth.data.astype(np.float32),
                    {n: mask.astype(np.float32) for n, mask in oriented.items()},
                    self._collect_scores(names, phantom.record.seed),
                    image.geometry.spacing_mm,
                )
            )
        text = (
            f"Figure 6: outlines on slices, their voxels' steps smoothed; cases at the lower and the upper quartile of "
            f"DSC by {reference}. {ORIENTATION}"
        )
        return save(draw_contours(views), path), text

    def _draw_probabilities(self, path: Path, names: Sequence[str], reference: str) -> tuple[Path, str]:
        phantom = self._load_phantom(self._find_rank(reference, 0.5))
        answers = {}
        for name in names:
            prepared, levels = self.segmenters[name].probabilities(phantom.volume)
            answers[name] = levels[-1]
        image = prepared.tensor[0, 0]
        view = CaseView(
            f"case {phantom.record.seed}, {phantom.record.look}",
            (image - image.min()) / max(float(np.ptp(image)), 1e-6),
            resample_mask_like(phantom.truth, prepared),
            answers,
            self._collect_scores(names, phantom.record.seed),
            prepared.geometry.spacing_mm,
        )
        text = (
            f"Figure 7: probability maps of the case of median DSC by {reference}, on the networks' grid, shown "
            f"smoothly; the truth is outlined. {ORIENTATION}"
        )
        return save(draw_probabilities(view), path), text

    def _draw_compared_meshes(self, path: Path, names: Sequence[str], reference: str) -> tuple[Path, str]:
        rows = []
        for share in (0.25, 0.75):
            phantom = self._load_phantom(self._find_rank(reference, share))
            scores = self._collect_scores(names, phantom.record.seed)
            views = [self._make_mesh(name, phantom, f"{name}, DSC {scores[name]:.3f}") for name in names]
            rows.append(MeshRow(f"case {phantom.record.seed}, {phantom.record.look}", views))
        page = draw_meshes(rows, "Distance from the found surface to the true one")
        text = "Figure 4: surface distances of systems on the cases of figure 6; colours and size are common to a row."
        return save(page, path, vector=False), text

    def _draw_six_meshes(self, path: Path, reference: str) -> tuple[Path, str]:
        views = []
        for share in SIX:
            phantom = self._load_phantom(self._find_rank(reference, share))
            record = phantom.record
            score = self._collect_scores([reference], record.seed)[reference]
            title = f"case {record.seed}, DSC {score:.3f}\n{record.gestational_age_weeks:.0f} weeks, {record.look}"
            views.append(self._make_mesh(reference, phantom, title))
        last = len(self.measured[reference].test[self.place]) - 1
        ranks = [str(1 + round(share * last)) for share in SIX]
        rows = [
            MeshRow(f"ranks {', '.join(ranks[part])} of {last + 1}", views[part]) for part in (slice(3), slice(3, None))
        ]
        page = draw_meshes(rows, f"{reference}: from the lowest to the highest DSC of the test cases")
        text = (
            f"Figure 5: surface distances of {reference} on six cases, from the lowest DSC in equal steps of rank to "
            "the highest; colours and size are common to a row."
        )
        return save(page, path, vector=False), text

    def _make_mesh(self, name: str, phantom: Phantom, title: str) -> MeshView:
        mask = self.segmenters[name](phantom.volume, None).mask
        return MeshView(title, mask > 0, phantom.truth.data > 0, phantom.truth.geometry.spacing_mm)

    def _collect_scores(self, names: Sequence[str], case: int) -> dict[str, float]:
        """Return the DSC of the drawn networks on a case."""
        return {n: next(r.dsc for r in self.measured[n].test[self.place] if r.seed == case) for n in names}

    def _find_rank(self, name: str, share: float) -> int:
        """Return the seed of the test case at this rank of the drawn network's DSC; 0 is the lowest."""
        order = sorted(self.measured[name].test[self.place], key=lambda result: result.dsc)
        return order[round(share * (len(order) - 1))].seed

    def _load_phantom(self, seed: int) -> Phantom:
        request = next(request for request in self.requests if request.seed == seed)
        return load_or_simulate(request, self.cases)

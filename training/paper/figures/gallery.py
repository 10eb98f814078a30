"""All figures of a comparison, with the choice of systems, cases and files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from app.imaging.orientation import intrinsic_orientation
from app.imaging.preprocess import resample_mask_like
from app.imaging.volume import Volume
from training.evaluation.cases import CaseResult
from training.evaluation.torch_segmenter import TorchSegmenter
from training.paper.figures.meshes import MeshView, draw_meshes
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
PAINTED = ("4_surface_distances", "5_six_cases")
"""The figures of meshes, which are not drawn as SVG: they have too many triangles."""
QUARTILES = (0.25, 0.75)
"""Ranks of the cases of figures 4 and 6."""
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
        seeds = self.measured[self.reference].seeds
        of = f", of {len(seeds)} that of median DSC" if len(seeds) > 1 else ""
        drawn = []
        for name, page, text in self._make_pages():
            path = save(page, folder / f"figure_{name}.png", vector=name not in PAINTED)
            drawn.append((path, f"Figure {name[0]}: {text} Training seed {seeds[self.place]}{of}."))
        return drawn

    @property
    def reference(self) -> str:
        """The name of the reference system."""
        return choose_reference(self.measured)

    def _make_pages(self) -> Iterator[tuple[str, Figure, str]]:
        """Yield the name, the page and the caption of each figure."""
        name = self.reference
        if compared := [system for system in MESHES if system in self.measured]:
            text = "surface distances of systems on the cases of figure 6; colours and size are common to a row."
            yield "4_surface_distances", self._draw_compared_meshes(compared), text
        text = (
            f"surface distances of {name} on six cases, from the lowest DSC in equal steps of rank to the highest; "
            "colours and size are common to a row."
        )
        yield "5_six_cases", self._draw_six_meshes(), text
        if pair := [system for system in ATTENTION if system in self.measured]:
            text = (
                f"outlines on slices, their voxels' steps smoothed; cases at the lower and the upper quartile of DSC "
                f"by {name}. {ORIENTATION}"
            )
            yield "6_contours", draw_contours([self._view_masks(pair, share) for share in QUARTILES]), text
            text = (
                f"probability maps of the case of median DSC by {name}, on the networks' grid, shown smoothly; the "
                f"truth is outlined. {ORIENTATION}"
            )
            yield "7_probabilities", draw_probabilities(self._view_probabilities(pair)), text
        text = (
            f"volumes by {name} against the true ones, and their differences with bias and 95 % limits of agreement, "
            "in mL and per cent; bands are 95 % intervals."
        )
        yield "8_agreement", draw_agreement(self.measured[name].test[self.place], name), text
        if self.repeated:
            text = f"the volume of each fetus along three scan directions, by {REPEATED}."
            yield "9_reproducibility", draw_repeated(self.repeated, REPEATED), text

    def _view_masks(self, names: Sequence[str], share: float) -> CaseView:
        phantom = self._load_phantom(share)
        orientation = intrinsic_orientation(phantom.volume)
        masks = {n: Volume(self.segmenters[n](phantom.volume, None).mask, phantom.volume.geometry) for n in names}
        image, truth = (orientation.apply(volume) for volume in (phantom.volume, phantom.truth))
        return CaseView(
            _name_case(phantom),
            np.asarray(image.data / 255, np.float32),
            truth.data.astype(np.float32),
            {n: orientation.apply(mask).data.astype(np.float32) for n, mask in masks.items()},
            self._collect_scores(names, phantom.record.seed),
            image.geometry.spacing_mm,
        )

    def _view_probabilities(self, names: Sequence[str]) -> CaseView:
        phantom = self._load_phantom(0.5)
        answers = {}
        for name in names:
            prepared, levels = self.segmenters[name].probabilities(phantom.volume)
            answers[name] = levels[-1]
        image = prepared.tensor[0, 0]
        return CaseView(
            _name_case(phantom),
            (image - image.min()) / max(float(np.ptp(image)), 1e-6),
            resample_mask_like(phantom.truth, prepared),
            answers,
            self._collect_scores(names, phantom.record.seed),
            prepared.geometry.spacing_mm,
        )

    def _draw_compared_meshes(self, names: Sequence[str]) -> Figure:
        rows = {}
        for phantom in map(self._load_phantom, QUARTILES):
            scores = self._collect_scores(names, phantom.record.seed)
            views = [self._make_mesh(name, phantom, f"{name}, DSC {scores[name]:.3f}") for name in names]
            rows[_name_case(phantom)] = views
        return draw_meshes(rows, "Distance from the found surface to the true one")

    def _draw_six_meshes(self) -> Figure:
        views = []
        for phantom in map(self._load_phantom, SIX):
            record = phantom.record
            score = self._collect_scores([self.reference], record.seed)[self.reference]
            title = f"case {record.seed}, DSC {score:.3f}\n{record.gestational_age_weeks:.0f} weeks, {record.look}"
            views.append(self._make_mesh(self.reference, phantom, title))
        count = len(self.measured[self.reference].test[self.place])
        ranks = [str(1 + round(share * (count - 1))) for share in SIX]
        halves = (slice(3), slice(3, None))
        rows = {f"ranks {', '.join(ranks[half])} of {count}": views[half] for half in halves}
        return draw_meshes(rows, f"{self.reference}: from the lowest to the highest DSC of the test cases")

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

    def _load_phantom(self, share: float) -> Phantom:
        """Load the test case at this rank of the reference's DSC."""
        seed = self._find_rank(self.reference, share)
        request = next(request for request in self.requests if request.seed == seed)
        return load_or_simulate(request, self.cases)


def _name_case(phantom: Phantom) -> str:
    return f"case {phantom.record.seed}, {phantom.record.look}"

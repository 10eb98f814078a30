"""Evaluating a published model case by case, by the service's own segmenter or over HTTP; resumable."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from app.client import FetalHead
from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Volume
from app.inference.segmenter import HeadSegmenter
from training.evaluation import metrics
from training.phantom import Phantom, SimulationRequest, simulate
from training.phantom.cohort import load_phantom, save_phantom

MM3_PER_ML = 1000.0
SPACING_DIGITS = 4


class Facts(BaseModel):
    """What is known of a case before it is measured; a case of one's own has a name and no simulation's particulars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    case: str | None = None
    subject_seed: int | None = None
    gestational_age_weeks: float | None = None
    family: str
    look: str
    truncated: bool = False


class CaseResult(Facts):
    """One evaluated case; volumes in mL, of the truth inside the field of view; the voxel's edges in mm."""

    true_ml: float
    measured_ml: float
    dsc: float
    jaccard: float
    conformity: float | None
    adb_mm: float | None
    hdb_mm: float | None
    verdict: str
    flags: tuple[str, ...] = ()
    quality: dict[str, float | None] = {}
    seconds: float
    spacing_mm: tuple[float, float, float] | None = None

    @property
    def volume_error_percent(self) -> float:
        """How far the measured volume is from the true one, without sign."""
        return 100 * abs(self.measured_ml / self.true_ml - 1)


@dataclass(frozen=True)
class Answer:
    """What a segmenter said about one volume: mask u8 (I, J, K) on the source grid, verdict, flags and numbers."""

    mask: npt.NDArray[np.uint8]
    verdict: str
    flags: tuple[str, ...]
    quality: dict[str, float | None]


Segment = Callable[[Volume, float | None], Answer]
"""(volume, gestational age in weeks or None) -> answer."""


def evaluate_cases(
    requests: Iterable[SimulationRequest], segment: Segment, journal: Path, phantoms: Path | None = None
) -> Iterator[CaseResult]:
    """Evaluate the cases that the journal (JSON lines) does not hold yet; yields every result in order."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    done = {result.seed: result for result in read_journal(journal)}
    for request in requests:
        if request.seed not in done:
            result = evaluate_case(stored_phantom(request, phantoms), request, segment)
            with journal.open("a", encoding="utf-8") as lines:
                lines.write(result.model_dump_json() + "\n")
            done[request.seed] = result
        yield done[request.seed]


def read_journal(journal: Path) -> list[CaseResult]:
    """Read the results of a journal; none where it does not exist yet."""
    if not journal.is_file():
        return []
    return [CaseResult.model_validate_json(line) for line in journal.read_text(encoding="utf-8").splitlines()]


def evaluate_case(phantom: Phantom, request: SimulationRequest, segment: Segment) -> CaseResult:
    """Segment one phantom on its own grid and compare with its truth."""
    record = phantom.record
    facts = Facts(
        seed=request.seed,
        subject_seed=request.subject_seed,
        gestational_age_weeks=record.gestational_age_weeks,
        family=record.family,
        look=record.look,
        truncated=record.truncated,
    )
    return judged_case(facts, phantom.volume, phantom.truth, segment)


def judged_case(facts: Facts, volume: Volume, truth: Volume, segment: Segment) -> CaseResult:
    """Segment one volume and compare with its truth (u8, the same grid)."""
    begun = perf_counter()
    answer = segment(volume, facts.gestational_age_weeks)
    seconds = perf_counter() - begun
    counts = metrics.overlap(answer.mask, truth.data)
    distances = metrics.boundary_distances(answer.mask, truth.data, truth.geometry.spacing_mm)
    ml = truth.geometry.voxel_volume_mm3 / MM3_PER_ML
    return CaseResult(
        **facts.model_dump(),
        true_ml=counts.truth * ml,
        measured_ml=counts.estimate * ml,
        dsc=metrics.dsc(counts),
        jaccard=metrics.jaccard(counts),
        conformity=metrics.conformity(counts),
        adb_mm=distances.adb_mm,
        hdb_mm=distances.hdb_mm,
        verdict=answer.verdict,
        flags=answer.flags,
        quality=answer.quality,
        seconds=seconds,
        spacing_mm=_rounded(truth.geometry.spacing_mm),
    )


def spacing_range(results: Iterable[CaseResult]) -> tuple[float, float] | None:
    """The smallest and the largest voxel edge (mm); None where a case tells none."""
    edges = [r.spacing_mm for r in results]
    known = [edge for edge in edges if edge is not None]
    if not known or len(known) < len(edges):
        return None
    return min(map(min, known)), max(map(max, known))


def _rounded(spacing_mm: tuple[float, float, float]) -> tuple[float, float, float]:
    """Without the digits that single precision in a file's header adds."""
    i, j, k = (round(edge, SPACING_DIGITS) for edge in spacing_mm)
    return i, j, k


def in_process(segmenter: HeadSegmenter) -> Segment:
    """Segment by the service's own steps in this process."""

    def segment(volume: Volume, weeks: float | None) -> Answer:
        found = segmenter.segment(volume, gestational_age_weeks=weeks)
        codes = tuple(flag.code for flag in found.flags)
        return Answer(found.mask, found.verdict, codes, found.quality.model_dump())

    return segment


def over_http(url: str, api_key: str | None = None) -> Segment:
    """Segment by a running service."""

    def segment(volume: Volume, weeks: float | None) -> Answer:
        with FetalHead(url, api_key=api_key) as service:
            found = service.segment(encode_volume(volume), gestational_age_weeks=weeks)
        codes = tuple(flag.code for flag in found.report.flags)
        mask = np.asarray(found.mask.dataobj, np.uint8)
        return Answer(mask, found.report.verdict, codes, found.report.quality.model_dump())

    return segment


def stored_phantom(request: SimulationRequest, folder: Path | None) -> Phantom:
    """The phantom of a request; kept in the folder, and read from it, where one is given."""
    if folder is None:
        return simulate(request)
    path = folder / f"{request.seed:08d}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        save_phantom(path, simulate(request))
    return load_phantom(path)

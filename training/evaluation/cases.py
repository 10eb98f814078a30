"""Evaluation of a published model case by case, with the service's segmenter or over HTTP; resumable."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from pydantic import Field

from app.client import FetalHead
from app.contract.value import Value, Verdict
from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Volume
from app.inference.segmenter import HeadSegmenter
from training.evaluation.metrics import CaseMetrics, ComparedMasks, measure_masks
from training.phantom import Phantom, SimulationRequest
from training.phantom.cohort import load_or_simulate

SPACING_DIGITS = 4
"""More digits come from single precision in a file's header."""


class Facts(Value):
    """The known facts of a case before it is measured; a case of own data has a name, but no simulation parameters."""

    seed: int
    case: str | None = None
    subject_seed: int | None = None
    gestational_age_weeks: float | None = None
    family: str
    look: str
    truncated: bool = False


class CaseResult(CaseMetrics, Facts):
    """One evaluated case; the voxel's edges in mm."""

    verdict: Verdict
    flags: tuple[str, ...] = ()
    quality: dict[str, float | None] = Field(default_factory=dict)
    seconds: float
    spacing_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class SegmenterResult:
    """A segmenter's result for one volume: mask u8 (I, J, K) on the source grid, verdict, flags and quality numbers."""

    mask: npt.NDArray[np.uint8]
    verdict: Verdict
    flags: tuple[str, ...]
    quality: dict[str, float | None]


Segment = Callable[[Volume, float | None], SegmenterResult]
"""A function (volume, gestational age in weeks or None) that returns a segmenter's result."""
ShowProgress = Callable[[Iterable[CaseResult], int, str], Iterable[CaseResult]]
"""A function (results, number, title) that returns the same results and shows a progress bar."""


def evaluate_cases(
    requests: Iterable[SimulationRequest], segment: Segment, journal: Path, phantoms: Path | None = None
) -> Iterator[CaseResult]:
    """Evaluate the cases that the journal (JSON lines) lacks; yield every result in order."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    done = {result.seed: result for result in read_journal(journal)}
    for request in requests:
        if request.seed not in done:
            result = evaluate_case(load_or_simulate(request, phantoms), request, segment)
            with journal.open("a", encoding="utf-8") as lines:
                lines.write(result.model_dump_json() + "\n")
            done[request.seed] = result
        yield done[request.seed]


def read_journal(journal: Path) -> list[CaseResult]:
    """Read the results of a journal, which may not exist yet."""
    if not journal.is_file():
        return []
    return [CaseResult.model_validate_json(line) for line in journal.read_text(encoding="utf-8").splitlines()]


def evaluate_case(phantom: Phantom, request: SimulationRequest, segment: Segment) -> CaseResult:
    """Segment one phantom on its own grid and compare the mask with its truth."""
    known = phantom.record.model_dump(include={"gestational_age_weeks", "family", "look", "truncated"})
    facts = Facts(seed=request.seed, subject_seed=request.subject_seed, **known)
    return judge_case(facts, phantom.volume, phantom.truth, segment)


def judge_case(facts: Facts, volume: Volume, truth: Volume, segment: Segment) -> CaseResult:
    """Segment one volume and compare the mask with its truth (u8, the same grid)."""
    begun = perf_counter()
    answer = segment(volume, facts.gestational_age_weeks)
    seconds = perf_counter() - begun
    i, j, k = (round(edge, SPACING_DIGITS) for edge in truth.geometry.spacing_mm)
    return CaseResult(
        **facts.model_dump(),
        **measure_masks(ComparedMasks(answer.mask, truth.data, truth.geometry)),
        verdict=answer.verdict,
        flags=answer.flags,
        quality=answer.quality,
        seconds=seconds,
        spacing_mm=(i, j, k),
    )


def find_spacing_range(results: Iterable[CaseResult]) -> tuple[float, float] | None:
    """Return the smallest and the largest voxel edge (mm), or None where a case has none."""
    edges = [r.spacing_mm for r in results]
    known = [edge for edge in edges if edge is not None]
    if not known or len(known) < len(edges):
        return None
    return min(map(min, known)), max(map(max, known))


def segment_in_process(segmenter: HeadSegmenter) -> Segment:
    """Return a function that segments with the service's own steps in this process."""

    def segment(volume: Volume, weeks: float | None) -> SegmenterResult:
        found = segmenter.segment(volume, gestational_age_weeks=weeks)
        codes = tuple(flag.code for flag in found.flags)
        return SegmenterResult(found.mask, found.verdict, codes, found.quality.model_dump())

    return segment


def segment_over_http(url: str, api_key: str | None = None) -> Segment:
    """Return a function that segments with a running service."""

    def segment(volume: Volume, weeks: float | None) -> SegmenterResult:
        with FetalHead(url, api_key=api_key) as service:
            found = service.segment(encode_volume(volume), gestational_age_weeks=weeks)
        codes = tuple(flag.code for flag in found.report.flags)
        mask = np.asarray(found.mask.dataobj, np.uint8)
        return SegmenterResult(mask, found.report.verdict, codes, found.report.quality.model_dump())

    return segment

"""Cases for training: a growing folder of phantoms, prepared exactly as serving prepares an upload."""

import json
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.imaging.arrays import Float64
from app.imaging.preprocess import Preprocessed, PreprocessingSpec, preprocess, resample_mask_like
from app.imaging.volume import Float3, Volume
from training.config.data import DataConfig
from training.phantom.cohort import load_phantom, phantom_file
from training.phantom.frame import HeadFrame


class DataError(Exception):
    """Cases that cannot be used; the message says which, what was expected and the remedy."""


@dataclass(frozen=True)
class Case:
    """One volume with its truth on the same grid; tissues are labels (0 where unknown), `frame` is the head's."""

    seed: int
    image: Volume
    truth: Volume
    tissues: Volume
    frame: HeadFrame | None = None


@dataclass(frozen=True)
class GridCase:
    """One case on the network's grid, all arrays (I, J, K).

    image float16 z-scores, truth float16 in [0, 1], tissues uint8 labels, field_of_view bool. `context`, float16 in
    [0, 1], is what the levels below say of the whole volume, where it is found beforehand; `middle` is the index about
    which the region lies that follows from it, None where the level sees the whole volume. `to_place`, where
    the head's frame is known, maps indices to places in it, see `anatomy`.
    """

    seed: int
    image: npt.NDArray[np.float16]
    truth: npt.NDArray[np.float16]
    tissues: npt.NDArray[np.uint8]
    field_of_view: npt.NDArray[np.bool_]
    spacing_mm: float
    context: npt.NDArray[np.float16] | None = None
    middle: Float3 | None = None
    to_place: npt.NDArray[np.float64] | None = None


class CaseSource(Protocol):
    """Where cases come from; a folder of phantoms, or a hospital's own volumes."""

    def seeds(self) -> list[int]:
        """Return the numbers of the cases that exist at this moment, ascending."""

    def load(self, seed: int) -> Case:
        """Read one case."""

    def record(self, seed: int) -> dict[str, Any]:
        """Return what is known of a case, without reading its voxels."""


class PhantomCache:
    """A folder of phantoms, one file for each seed, see `phantom.cohort`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._records: dict[int, dict[str, Any]] = {}

    def seeds(self) -> list[int]:
        """Return the seeds of the complete files that exist at this moment, ascending."""
        return sorted(int(path.stem) for path in self.folder.glob("*.npz") if path.stem.isdigit())

    def load(self, seed: int) -> Case:
        """Read one phantom; DataError when it is not there."""
        path = phantom_file(self.folder, seed)
        if not path.is_file():
            raise DataError(f"no phantom {path}; make it with `fetalhead-train cohort {self.folder}`")
        made = load_phantom(path)
        return Case(seed, made.volume, made.truth, made.tissues, made.record.frame)

    def record(self, seed: int) -> dict[str, Any]:
        """Return how a phantom was made."""
        if seed not in self._records:
            with np.load(phantom_file(self.folder, seed), allow_pickle=False) as stored:
                self._records[seed] = json.loads(str(stored["record"]))
        return self._records[seed]


def list_seeds(source: CaseSource, data: DataConfig) -> list[int]:
    """Return the numbers of the cases that may be seen: those of validation, and of the others what is not excluded.

    Where a number of cases is given, these are the first so many of each range.
    """
    seeds, excluded = source.seeds(), {*data.exclude_looks, *data.exclude_families}
    if excluded:
        kinds = ((seed, {} if seed in data.validation else source.record(seed)) for seed in seeds)
        seeds = [seed for seed, kind in kinds if excluded.isdisjoint((kind.get("look"), kind.get("family")))]
    if data.cases_at_most:
        ranges = zip(data.train, data.cases_at_most, strict=True)
        first = [seed for cases, most in ranges for seed in [seed for seed in seeds if seed in cases][:most]]
        seeds = sorted({*first, *(seed for seed in seeds if seed in data.validation)})
    return seeds


class GridCases:
    """Cases of some seeds on one network grid, kept in memory once prepared; new files are found now and then."""

    def __init__(
        self,
        source: CaseSource,
        data: DataConfig,
        wanted: Container[int],
        prepare: Callable[[Case], GridCase],
    ) -> None:
        self._source = source
        self._data = data
        self._wanted = wanted
        self._prepare = prepare
        self._prepared: dict[int, GridCase] = {}
        self._seeds: list[int] = []
        self._scanned_at = -np.inf

    def seeds(self) -> Sequence[int]:
        """Return the seeds that can be drawn now."""
        if monotonic() - self._scanned_at > 60 * self._data.rescan_minutes:
            self._seeds = [seed for seed in list_seeds(self._source, self._data) if seed in self._wanted]
            self._scanned_at = monotonic()
        return self._seeds

    def get(self, seed: int) -> GridCase:
        """Return one case on the grid, from memory where it was prepared before."""
        if seed not in self._prepared:
            if len(self._prepared) >= self._data.max_cases_in_memory:
                self._prepared.pop(next(iter(self._prepared)))
            self._prepared[seed] = self._prepare(self._source.load(seed))
        return self._prepared[seed]

    def draw(self, rng: np.random.Generator) -> GridCase:
        """Draw a case of those that exist now; DataError where there is none."""
        seeds = self.seeds()
        if not seeds:
            raise DataError("no case in the wanted range of seeds; make phantoms first or change data.train")
        return self.get(seeds[int(rng.integers(len(seeds)))])


def prepare(case: Case, spec: PreprocessingSpec) -> GridCase:
    """Run serving's preprocessing on a case and bring truth and tissues to the same grid."""
    return bring_to_grid(case, preprocess(case.image, spec), spec.spacing_mm)


def bring_to_grid(case: Case, prepared: Preprocessed, spacing_mm: float) -> GridCase:
    """Return the case with truth and tissues on the grid of its prepared image."""
    return GridCase(
        seed=case.seed,
        image=prepared.tensor[0, 0].astype(np.float16),
        truth=resample_mask_like(case.truth, prepared).astype(np.float16),
        tissues=resample_labels(case.tissues, prepared),
        field_of_view=prepared.field_of_view,
        spacing_mm=spacing_mm,
        to_place=_locate(case.frame, prepared),
    )


def resample_labels(labels: Volume, prepared: Preprocessed) -> npt.NDArray[np.uint8]:
    """Return the labels of the nearest voxel on the network grid (I, J, K); 0 outside of the volume."""
    oriented = prepared.orientation.apply(labels)
    to_source = np.linalg.inv(oriented.geometry.affine) @ prepared.geometry.affine
    result: npt.NDArray[np.uint8] = np.asarray(oriented.data, dtype=np.uint8)
    for axis, (n_in, n_out) in enumerate(zip(oriented.geometry.shape, prepared.geometry.shape, strict=True)):
        position = to_source[axis, axis] * np.arange(n_out) + to_source[axis, 3]
        index = np.floor(position + 0.5).astype(int)
        result = np.take(result, np.clip(index, 0, n_in - 1), axis=axis)
        outside = (index < 0) | (index >= n_in)
        result[(slice(None),) * axis + (outside,)] = 0
    return result


def _locate(frame: HeadFrame | None, prepared: Preprocessed) -> Float64 | None:
    """Return the matrix (3, 4) from indices of a prepared volume's grid to places in the head, mm."""
    if frame is None:
        return None
    _, front, vertex, _ = frame.to_head
    base = np.asarray([*frame.base]) @ frame.to_head  # the plane's normal and offset, in mm of the volume
    return np.stack([front, vertex, base]) @ prepared.geometry.affine

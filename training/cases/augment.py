"""Augmentation of one case: the parameters are drawn as a value, then applied.

The paper's flips, half turns and random erasing, and beyond them any-angle rotation, scaling, shadows, contrast,
speckle, gain and images painted from tissue labels: many looks transfer better than long training on one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from app.imaging import gamma
from app.imaging.postprocess import bounding_box
from app.imaging.preprocess import FIELD_OF_VIEW_LEVEL, PreprocessingSpec, fill_cavities, normalise
from training.cases import intensity
from training.cases.anatomy import Anatomy, sample_anatomy
from training.cases.sources import GridCase
from training.config.training import AugmentationConfig
from training.phantom.views import draw_rotation

Grid = tuple[int, int, int]
VISIBLE = 0.5
MIN_INSIDE = 100
CLOSE_MM, FAR_MM = 15.0, 60.0
"""How much of its surroundings a scan that is cut down to the head leaves at most: on most sides, and on the others."""
CLOSE_SIDES = 0.75


@dataclass(frozen=True)
class Pose:
    """Placement of the output grid in the case: input voxel = matrix @ (output voxel - centre) + anchor.

    The anchor is the middle of the case's region plus the jitter; of a whole volume its own middle, moved `toward_head`
    of the way to the head's centre.
    """

    matrix: npt.NDArray[np.float64]
    toward_head: float
    jitter_mm: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Augmentation:
    """All drawn parameters for one sample; the seed drives speckle and noise."""

    pose: Pose
    looks: tuple[intensity.Look, ...]
    synthesis: intensity.Synthesis | None
    crop: tuple[tuple[float, float], ...] | None
    seed: int
    close: tuple[tuple[float, float], ...] | None = None
    """Where the scan is cut down to the head: how many mm are left below and above it along each axis."""


@dataclass(frozen=True)
class Sample:
    """What a training step sees: volume, soft truth and, where the case has one, context; float32 (1, 1, I, J, K).

    `anatomy` is there where the head's frame is known.
    """

    volume: torch.Tensor
    truth: torch.Tensor
    context: torch.Tensor | None = None
    anatomy: Anatomy | None = None


def draw_augmentation(rng: np.random.Generator, config: AugmentationConfig) -> Augmentation:
    """Draw the parameters of one sample."""
    happens = rng.random(3)
    pose, close = _draw_pose(rng, config), None
    if config.close_crop_probability and rng.random() < config.close_crop_probability:
        pose, close = _permute_axes(rng, pose), tuple(_draw_margins(rng) for _ in range(3))
    return Augmentation(
        pose=pose,
        looks=intensity.draw_looks(rng, config),
        synthesis=intensity.draw_synthesis(rng) if happens[0] < config.synthesis_probability else None,
        crop=tuple(_draw_crop(rng) for _ in range(3)) if happens[1] < config.crop_probability else None,
        seed=int(rng.integers(2**31)),
        close=close,
    )


def augment(case: GridCase, drawn: Augmentation, shape: Grid, spec: PreprocessingSpec) -> Sample:
    """Apply drawn parameters to a case; the result lies on a grid of the given shape."""
    image, truth, inside, tissues, context = _resample_case(case, drawn, shape)  # each (I, J, K)
    seen = image if case.middle is None else image.clone()
    generator = torch.Generator().manual_seed(drawn.seed)
    if drawn.synthesis is not None:
        image = intensity.synthesise(image, tissues, drawn.synthesis, generator)
    for look in drawn.looks:
        image = look(image, generator)
    if drawn.crop is not None:
        kept = _mask_crop(shape, drawn.crop)
        inside, truth, context = inside & kept, truth * kept, context * kept
    if drawn.close is not None:
        inside = inside & _mask_around_head(truth, drawn.close, case.spacing_mm)
    image = image.clamp(0, 1) * inside
    if spec.median_grey is not None:  # as serving would, after the looks
        middle = spec.median_grey if case.middle is None else gamma.measure_middle(_sample(seen, inside))
        image = image ** gamma.find_exponent(_sample(image, inside), middle)
    served = _normalise_as_served(image, spec)
    if case.middle is not None:
        served = _normalise_region(served, seen, inside, case)
    below = None if case.context is None else context[None, None]
    return Sample(served[None, None], truth[None, None], below, _find_anatomy(case, drawn.pose, shape))


def make_plain_sample(case: GridCase) -> Sample:
    """Return the case as serving sees it, on its own grid."""
    image = torch.from_numpy(case.image.astype(np.float32))
    truth = torch.from_numpy(case.truth.astype(np.float32))
    context = None if case.context is None else torch.from_numpy(case.context.astype(np.float32))[None, None]
    return Sample(image[None, None], truth[None, None], context)


def fit_to_grid(case: GridCase, shape: Grid, spec: PreprocessingSpec) -> Sample:
    """Put a case on a grid of the given shape, without augmentation, its middle or that of its region on the grid's."""
    still = Augmentation(Pose(np.eye(3), 0.0, np.zeros(3)), (), None, None, 0)
    return augment(case, still, shape, spec)


def _draw_pose(rng: np.random.Generator, config: AugmentationConfig) -> Pose:
    """Draw rotation, scale, anisotropy and flips as one matrix."""
    matrix, toward_head = np.eye(3), 0.0
    if rng.random() < config.rotation_probability:
        matrix, toward_head = draw_rotation(rng, config.rotation_degrees), float(rng.uniform(0, 1))
    if config.half_turns:
        matrix = matrix @ np.diag([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)][rng.integers(4)])
    if config.flip:
        matrix = matrix @ np.diag(rng.choice([-1, 1], 3))
    size = np.exp(rng.uniform(*np.log(config.scale))) * np.exp(rng.normal(0, config.anisotropy, 3))
    jitter = rng.uniform(-config.translation_mm, config.translation_mm, 3)
    return Pose(matrix / size, toward_head, jitter)


def _draw_crop(rng: np.random.Generator) -> tuple[float, float]:
    """Draw the fractions of one axis between which the field of view is kept."""
    return float(rng.choice([0, rng.uniform(0, 0.2)])), float(rng.choice([1, rng.uniform(0.8, 1)]))


def _mask_crop(shape: Grid, crop: tuple[tuple[float, float], ...]) -> torch.Tensor:
    kept = torch.zeros(shape, dtype=torch.bool)
    kept[tuple(slice(round(low * n), round(high * n)) for (low, high), n in zip(crop, shape, strict=True))] = True
    return kept


def _permute_axes(rng: np.random.Generator, pose: Pose) -> Pose:
    """Permute and mirror the axes of a pose about the head: the extents of what is left order a served scan."""
    axes = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)
    return Pose(pose.matrix @ axes, 1.0, pose.jitter_mm)


def _draw_margins(rng: np.random.Generator) -> tuple[float, float]:
    """Draw how many mm are left below and above the head along one axis."""
    low, high = (float(rng.uniform(0, CLOSE_MM if rng.random() < CLOSE_SIDES else FAR_MM)) for _ in range(2))
    return low, high


def _mask_around_head(truth: torch.Tensor, close: tuple[tuple[float, float], ...], spacing_mm: float) -> torch.Tensor:
    """Return a box around the head (I, J, K) with these margins in mm; everything where there is no head."""
    kept = torch.zeros(truth.shape, dtype=torch.bool)
    box = zip(*bounding_box((truth > VISIBLE).numpy()), close, strict=True)
    bounds = ((max(0, start - round(a / spacing_mm)), stop + round(b / spacing_mm)) for start, stop, (a, b) in box)
    kept[tuple(slice(start, stop) for start, stop in bounds)] = True
    return kept


def _resample_case(
    case: GridCase, drawn: Augmentation, shape: Grid
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return image in [0, 1], soft truth, field of view, tissues and context on the posed grid (I, J, K)."""
    image = torch.from_numpy(case.image.astype(np.float32))
    floor, ceiling = image.min(), image.max()
    truth = torch.from_numpy(case.truth.astype(np.float32))
    inside = torch.from_numpy(case.field_of_view.astype(np.float32))
    context = truth if case.context is None else torch.from_numpy(case.context.astype(np.float32))
    scaled = (image - floor) / (ceiling - floor).clamp(min=1e-6)
    arrays = torch.stack((scaled, truth, inside, context)[: 3 if case.context is None else 4])  # (3 or 4, I, J, K)
    grid = make_sampling_grid(case, drawn.pose, shape)  # (1, I', J', K', 3)
    posed = functional.grid_sample(arrays[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    tissues = torch.zeros(shape, dtype=torch.long)
    if drawn.synthesis is not None:
        labels = torch.from_numpy(case.tissues.astype(np.float32))[None, None]
        tissues = functional.grid_sample(labels, grid, mode="nearest", padding_mode="zeros", align_corners=False)[
            0, 0
        ].long()
    return posed[0], posed[1].clamp(0, 1), posed[2] > VISIBLE, tissues, posed[-1].clamp(0, 1)


def _find_anatomy(case: GridCase, pose: Pose, shape: Grid) -> Anatomy | None:
    """Return the anatomy on the posed grid at half its resolution, where the head's frame is known."""
    if case.to_place is None:
        return None
    grid = make_sampling_grid(case, pose, shape, 2)  # (1, I'/2, J'/2, K'/2, 3)
    return sample_anatomy(case.to_place, case.tissues, grid, pose.matrix)


def make_sampling_grid(case: GridCase, pose: Pose, shape: Grid, step: int = 1) -> torch.Tensor:
    """Return where each output voxel reads the case, in grid_sample's coordinates (K, J, I): (1, I', J', K', 3).

    With a step, it is where each cube of so many voxels has its middle.
    """
    n_in = np.array(case.image.shape, dtype=np.float64)
    n_out = np.array(shape, dtype=np.float64)
    centre = (n_in - 1) / 2
    anchor = centre + pose.toward_head * (_find_head_centre(case, centre) - centre) + pose.jitter_mm / case.spacing_mm
    if case.middle is not None:
        anchor = np.asarray(case.middle) + pose.jitter_mm / case.spacing_mm
    elif not pose.jitter_mm.any() and pose.toward_head == 0:
        anchor = centre + ((n_in - n_out) % 2) / 2  # whole voxels: nothing is interpolated
    theta = np.zeros((3, 4))
    theta[:, :3] = np.diag(2 / n_in) @ pose.matrix @ np.diag(n_out / 2)
    theta[:, 3] = (anchor - centre) * 2 / n_in
    reordered = torch.from_numpy(theta[::-1, [2, 1, 0, 3]].astype(np.float32))[None]
    return functional.affine_grid(reordered, [1, 1, *(n // step for n in shape)], align_corners=False)


def _find_head_centre(case: GridCase, fallback: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the centre of mass of the truth in voxels, the fallback where there is no head."""
    return np.array(ndimage.center_of_mass(case.truth.astype(np.float32))) if case.truth.any() else fallback


def _sample(image: torch.Tensor, inside: torch.Tensor) -> npt.NDArray[np.float32]:
    """Return about one in ten echoes."""
    echoes: npt.NDArray[np.float32] = image[inside].numpy()[::10]
    return echoes[echoes > 0]


def _normalise_region(served: torch.Tensor, seen: torch.Tensor, inside: torch.Tensor, case: GridCase) -> torch.Tensor:
    """Normalise a region as serving does, by the whole volume's statistics, which the case's image has.

    What changed the looks is undone in mean and SD alone: `seen` is the region (I, J, K) before them, in [0, 1].
    """
    floor, ceiling = float(case.image.min()), float(case.image.max())
    values = (floor + seen * (ceiling - floor))[inside]
    if values.numel() < MIN_INSIDE:
        return served
    return served * values.std() + values.mean()


def _normalise_as_served(image: torch.Tensor, spec: PreprocessingSpec) -> torch.Tensor:
    """Cut an image in [0, 1] to its field of view and normalise it to z-scores by serving's own functions."""
    values = image.numpy()
    inside = fill_cavities(values > FIELD_OF_VIEW_LEVEL)
    if inside.sum() < MIN_INSIDE or values[inside].std() == 0:
        return torch.zeros_like(image)
    return torch.from_numpy(normalise(values, inside, spec.clip))

"""Distances from the found surface to the true one, painted on the head's mesh (figures 4 and 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from numpy.typing import NDArray

from training.benchmark.figures.page import new_page
from training.evaluation.surface import Surface, surface_of

Array = NDArray[np.float64]
LIGHT = np.array([0.4, -0.5, 0.77])
AMBIENT = 0.6
FINEST_MM = 2.0
"""A head of 100 mm has some 10,000 triangles at this step; finer ones are not seen."""


COLOURED = 0.98
ZOOM = 1.2
"""A row's largest mesh fills its panel."""


@dataclass(frozen=True)
class MeshView:
    """One estimate to paint: masks bool (I, J, K) and the grid's spacing in mm."""

    title: str
    estimate: NDArray[Any]
    truth: NDArray[Any]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class SurfaceDistances:
    """A mesh and each vertex's distance to the true surface, mm."""

    vertices: Array
    faces: NDArray[np.int32]
    distances: Array


@dataclass(frozen=True)
class RowScale:
    """What the meshes of a row share: colours of distances in mm, and the diagonal of the largest, mm."""

    colours: Normalize
    diagonal_mm: float


def distance_meshes(views: Sequence[Sequence[MeshView]], title: str) -> Figure:
    """One mesh per view, rows as given; those of a row share their colours and their size, to be compared.

    The colours end where `COLOURED` of the row's surface does: one far outlier would leave the rest in one colour.
    """
    columns = max(map(len, views))
    page = new_page(2.7 * columns, 3.2 * len(views) + 0.9, title)
    for row, line in enumerate(views):
        meshes = [surface_distances(view) for view in line]
        shared = _row_scale([mesh for mesh in meshes if mesh is not None])
        for column, (view, mesh) in enumerate(zip(line, meshes, strict=True)):
            ax: Any = page.add_subplot(len(views), columns, row * columns + column + 1, projection="3d")
            _paint(page, ax, view.title, mesh, shared)
    return page


def surface_distances(view: MeshView) -> SurfaceDistances | None:
    """The estimate's surface with its distances to the truth's; None where one of them is empty."""
    if not view.estimate.any() or not view.truth.any():
        return None
    found, true = (_surface(mask, view.spacing_mm) for mask in (view.estimate, view.truth))
    return SurfaceDistances(found.vertices, found.faces, np.abs(true.depth_mm(found.vertices)))


def _surface(mask: NDArray[Any], spacing_mm: tuple[float, float, float]) -> Surface:
    return surface_of(mask, spacing_mm, step=max(1, round(FINEST_MM / min(spacing_mm))))


def _row_scale(meshes: Sequence[SurfaceDistances]) -> RowScale:
    if not meshes:
        return RowScale(Normalize(0, 1), 1.0)
    largest = float(np.quantile(np.concatenate([mesh.distances for mesh in meshes]), COLOURED))
    return RowScale(Normalize(0, max(largest, 1e-6)), max(float(np.linalg.norm(np.ptp(m.vertices, 0))) for m in meshes))


def _paint(page: Figure, ax: Any, title: str, mesh: SurfaceDistances | None, shared: RowScale) -> None:
    ax.set_axis_off()
    ax.patch.set_visible(False)
    ax.set_title(title, fontsize=8)
    if mesh is None:
        ax.text2D(0.5, 0.5, "no head found", ha="center", transform=ax.transAxes)
        return
    triangles = mesh.vertices[mesh.faces]  # (m, 3, 3)
    colours = colormaps["turbo"](shared.colours(mesh.distances[mesh.faces].mean(axis=1)))
    colours[:, :3] *= _shade(triangles)[:, None]
    painted = Poly3DCollection(triangles, facecolors=colours, edgecolors="none", antialiased=False)
    painted.set_clip_on(False)
    ax.add_collection3d(painted)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    ax.set_box_aspect(high - low, zoom=ZOOM * float(np.linalg.norm(high - low)) / shared.diagonal_mm)
    scale = ScalarMappable(shared.colours, "turbo")
    bar = page.colorbar(scale, ax=ax, orientation="horizontal", shrink=0.75, pad=0.0, extend="max")
    mean, end = float(mesh.distances.mean()), float(shared.colours.vmax or 0)
    ticks = sorted({0.0, min(mean, end), end})
    bar.set_ticks(ticks, labels=["" if 0 < v < end else f"{v:.1f}" for v in ticks], fontsize=7)
    bar.set_label(f"mm, mean {mean:.1f}, largest {mesh.distances.max():.1f}", fontsize=7)


def _shade(triangles: Array) -> Array:
    """Brightness of each triangle under one lamp, 0 to 1."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(normals, axis=1)
    facing = np.abs(normals @ LIGHT) / np.where(length == 0, 1, length)
    return np.asarray(AMBIENT + (1 - AMBIENT) * np.clip(facing, 0, 1))

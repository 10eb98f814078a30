"""Distances from the found surface to the true one, painted on the head's mesh (figures 4 and 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from numpy.typing import NDArray

from app.imaging.arrays import Float64
from training.evaluation.probes.surface import extract_surface
from training.paper.figures.page import make_page

LIGHT = np.array([0.4, -0.5, 0.77])
AMBIENT = 0.6
FINEST_MM = 2.0
"""A head of 100 mm has some 10,000 triangles at this step; finer ones are not visible."""
COLOURED = 0.98
ZOOM = 1.1
"""At this zoom a row's largest mesh fills its panel without covering the title, even where it is long and upright."""
PANEL = 2.7
"""The side of a panel, inches."""
DRAWN_ON = (0.0, 0.0, 0.98, 1.0)
"""The drawn part of the page; the layout takes three-dimensional axes for narrower than they are."""


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

    vertices: Float64
    faces: NDArray[np.int32]
    distances: Float64


def draw_meshes(rows: Mapping[str, Sequence[MeshView]], title: str) -> Figure:
    """Draw one mesh per view, in rows by title; the meshes of a row share colours and size, to be comparable.

    The colours end at the quantile `COLOURED` of the row's distances: one outlier would leave the rest in one colour.
    """
    columns = max(map(len, rows.values()))
    page = make_page(PANEL * columns + 0.9, (PANEL + 0.45) * len(rows) + 0.7, title)
    page.set_layout_engine("constrained", rect=DRAWN_ON)
    for part, (name, views) in zip(page.subfigures(len(rows), 1, squeeze=False)[:, 0], rows.items(), strict=True):
        part.suptitle(f"\n{name}", fontsize=9)
        meshes = [measure_distances(view) for view in views]
        found = [mesh for mesh in meshes if mesh is not None]
        distances = np.concatenate([np.zeros(1), *(mesh.distances for mesh in found)])
        colours = Normalize(0, max(float(np.quantile(distances, COLOURED)), 1e-6))
        diagonal_mm = max((float(np.linalg.norm(np.ptp(mesh.vertices, 0))) for mesh in found), default=1.0)
        axes: list[Any] = [part.add_subplot(1, columns, n + 1, projection="3d") for n in range(len(views))]
        for ax, view, mesh in zip(axes, views, meshes, strict=True):
            _paint(ax, view.title, mesh, colours, diagonal_mm)
        bar = part.colorbar(ScalarMappable(colours, "turbo"), ax=axes, shrink=0.7, aspect=14, pad=0.01, extend="max")
        bar.set_label("distance [mm]", fontsize=8)
        bar.ax.tick_params(labelsize=8)
    return page


def measure_distances(view: MeshView) -> SurfaceDistances | None:
    """Return the estimate's surface with its distances to the truth's; None where one of them is empty."""
    if not view.estimate.any() or not view.truth.any():
        return None
    step = max(1, round(FINEST_MM / min(view.spacing_mm)))
    found, true = (extract_surface(mask, view.spacing_mm, step) for mask in (view.estimate, view.truth))
    return SurfaceDistances(found.vertices, found.faces, np.abs(true.depth_mm(found.vertices)))


def _paint(ax: Any, title: str, mesh: SurfaceDistances | None, colours: Normalize, diagonal_mm: float) -> None:
    ax.set_axis_off()
    ax.patch.set_visible(False)
    if mesh is None:
        ax.set_title(title, fontsize=8, pad=10)
        ax.text2D(0.5, 0.5, "no head found", ha="center", transform=ax.transAxes)
        return
    mean, largest = mesh.distances.mean(), mesh.distances.max()
    ax.set_title(f"{title}\nmean {mean:.1f}, largest {largest:.1f} mm", fontsize=8, pad=10)
    triangles = mesh.vertices[mesh.faces]  # (m, 3, 3)
    shown = colormaps["turbo"](colours(mesh.distances[mesh.faces].mean(axis=1)))
    shown[:, :3] *= _shade(triangles)[:, None]
    painted = Poly3DCollection(triangles, facecolors=shown, edgecolors="none", antialiased=False)
    painted.set_clip_on(False)
    ax.add_collection3d(painted)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    ax.set_box_aspect(high - low, zoom=ZOOM * float(np.linalg.norm(high - low)) / diagonal_mm)


def _shade(triangles: Float64) -> Float64:
    """Return the brightness of each triangle under one lamp, 0 to 1."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(normals, axis=1)
    facing = np.abs(normals @ LIGHT) / np.where(length == 0, 1, length)
    return np.asarray(AMBIENT + (1 - AMBIENT) * np.clip(facing, 0, 1))

"""Connected components, found slab by slab because the labelling library holds the interpreter's lock.

Labelling a volume of native size at once would block every other thread, also the one that answers requests, for
tenths of a second. A slab takes milliseconds; components that touch across two slabs are joined afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from app.imaging.arrays import Bool

Integers = NDArray[Any]
Connectivity = Literal[6, 26]
SLAB_VOXELS = 1_000_000
SHIFTS: dict[Connectivity, tuple[tuple[int, int], ...]] = {
    6: ((0, 0),),
    26: tuple((j, k) for j in (0, -1, 1) for k in (0, -1, 1)),
}
"""Shifts to the neighbours of a voxel in the next plane."""


@dataclass(frozen=True, eq=False)
class Components:
    """The components of a mask, numbered from 1 on in the order in which they appear; 0 is outside all of them."""

    count: int
    slabs: tuple[Integers, ...]
    """Labels of each slab, one after another along the first axis; each slab counts its own from 1 on."""
    numbers: tuple[NDArray[np.int64], ...]
    """For each slab, the component of each of its labels."""

    def at(self, i: int, j: int, k: int) -> int:
        """Return the number of the component at a voxel."""
        for labels, numbers in zip(self.slabs, self.numbers, strict=True):
            if i < len(labels):
                return int(numbers[labels[i, j, k]])
            i -= len(labels)
        raise IndexError(i)

    def sizes(self) -> NDArray[np.int64]:
        """Return the number of voxels of each component, (count,)."""
        total = np.zeros(self.count + 1, dtype=np.int64)
        for labels, numbers in zip(self.slabs, self.numbers, strict=True):
            np.add.at(total, numbers, np.bincount(labels.ravel(), minlength=numbers.size))
        return total[1:]

    def only(self, number: int) -> Bool:
        """Return the mask of one component."""
        return np.concatenate(
            [_select(labels, numbers == number) for labels, numbers in zip(self.slabs, self.numbers, strict=True)]
        )


def find_components(mask: Bool, connectivity: Connectivity, slab_voxels: int = SLAB_VOXELS) -> Components:
    """Return the components of a mask (I, J, K) whose voxels touch by faces (6), or by edges and corners too (26)."""
    planes = max(1, slab_voxels // max(1, mask.shape[1] * mask.shape[2]))
    found = [
        cc3d.connected_components(np.ascontiguousarray(mask[i : i + planes]), connectivity=connectivity, return_N=True)
        for i in range(0, mask.shape[0], planes)
    ]
    slabs, counts = tuple(labels for labels, _ in found), [int(count) for _, count in found]
    before = list(accumulate(counts, initial=0))
    joined = [
        _find_touching(upper[-1], lower[0], connectivity) + np.array([before[index], before[index + 1]]) - 1
        for index, (upper, lower) in enumerate(pairwise(slabs))
    ]
    count, roots = _unite(before[-1], np.concatenate([np.zeros((0, 2), np.int64), *joined]))
    numbers = tuple(np.concatenate([[0], roots[a:b] + 1]) for a, b in pairwise(before))
    return Components(count, slabs, numbers)


def _find_touching(upper: Integers, lower: Integers, connectivity: Connectivity) -> NDArray[np.int64]:
    """Return the pairs of labels (n, 2) that touch between two neighbouring planes (J, K)."""
    possible = _count_labels(upper) * _count_labels(lower)
    pairs = np.zeros((0, 2), dtype=np.int64)
    for j, k in SHIFTS[connectivity]:
        if len(pairs) == possible:  # usually after the first shift, with one head on either side
            break
        above, below = upper[_overlap(j), _overlap(k)], lower[_overlap(-j), _overlap(-k)]
        both = (above != 0) & (below != 0)
        new = np.stack([above[both], below[both]], axis=1).astype(np.int64)
        changes = (new[1:] != new[:-1]).any(axis=1)
        pairs = np.unique(np.concatenate([pairs, new[:1], new[1:][changes]]), axis=0)
    return pairs


def _count_labels(labels: Integers) -> int:
    """Return the number of labels other than 0."""
    return int(np.count_nonzero(np.bincount(labels.ravel())[1:]))


def _overlap(shift: int) -> slice:
    return slice(max(0, shift), min(0, shift) or None)


def _unite(nodes: int, edges: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """Return the number of groups of connected nodes, and each node's group, (nodes,)."""
    weights = np.ones(len(edges), dtype=bool)
    graph = sparse.coo_array((weights, (edges[:, 0], edges[:, 1])), shape=(nodes, nodes))
    count, groups = sparse.csgraph.connected_components(graph, directed=False)
    return int(count), np.asarray(groups, dtype=np.int64)


def _select(labels: Integers, wanted: Bool) -> Bool:
    """Return where the labels are wanted ones; for one label a comparison is ten times as fast as a look-up."""
    which = np.flatnonzero(wanted)
    if which.size > 1:
        return wanted[labels]
    chosen: Bool = labels == which[0] if which.size else np.zeros(labels.shape, dtype=bool)
    return chosen

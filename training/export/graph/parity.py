"""Parity: the exported graphs must give what torch gives, on every shape, or nothing is published."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
import torch

from app.imaging.arrays import Float32
from app.imaging.levels import LevelSpec, run_level, run_levels
from app.imaging.preprocess import PreprocessingSpec
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from training.export.errors import ParityError
from training.export.graph.onnx import CONTEXT, INPUT, OUTPUT
from training.networks.cascade import AutoContextCascade, on_arrays

MAX_DIFFERENCE = 1e-4
MAX_CHANGED_FRACTION = 1e-4
THRESHOLD = 0.5


@dataclass(frozen=True)
class Parity:
    """Largest absolute difference of a probability, and mask voxels that differ as a fraction of the head."""

    max_difference: float
    changed_fraction: float

    def worse(self, other: "Parity") -> "Parity":
        """Return the worse of both in each number."""
        return Parity(
            max(self.max_difference, other.max_difference),
            max(self.changed_fraction, other.changed_fraction),
        )

    @property
    def acceptable(self) -> bool:
        """Whether the difference is rounding; not so where a number is not finite."""
        return self.max_difference <= MAX_DIFFERENCE and self.changed_fraction <= MAX_CHANGED_FRACTION


@dataclass(frozen=True)
class ServedCascade:
    """Where the levels of a model work, and how the served grid wants its volume."""

    levels: Sequence[LevelSpec]
    served: PreprocessingSpec

    @property
    def everywhere(self) -> "ServedCascade":
        """The same, every level seeing the whole volume."""
        return ServedCascade([level.everywhere for level in self.levels], self.served)


def run_graphs(graphs: Sequence[onnx.ModelProto], volume: Float32, cascade: ServedCascade) -> Float32:
    """Run the levels in order, each with the probability before it, as serving does; (1, 1, I, J, K)."""
    runs = [partial(run_graph, graph) for graph in graphs]
    *_, probability = run_levels(cascade.levels, runs, volume[0, 0], cascade.served)
    return probability[None, None]


def run_graph(graph: onnx.ModelProto, volume: Float32, context: Float32 | None) -> Float32:
    """Run one level by ONNX Runtime's CPU provider; (1, 1, I, J, K)."""
    inputs = {INPUT: volume} if context is None else {INPUT: volume, CONTEXT: context}
    session = OnnxSession(graph.SerializeToString(), tuple(inputs), OUTPUT, RuntimeSettings(provider="cpu"))
    return session.run(inputs)


def compare(found: Float32, expected: Float32) -> Parity:
    """Compare two probabilities of one shape."""
    a, b = found >= THRESHOLD, expected >= THRESHOLD
    changed = int(np.count_nonzero(a != b)) / max(1, int(np.count_nonzero(b)))
    difference = np.abs(found - expected)
    return Parity(float(difference.max()), changed)


def require_parity(
    graphs: Sequence[onnx.ModelProto], trained: AutoContextCascade, volumes: Sequence[Float32], cascade: ServedCascade
) -> Parity:
    """Return the worst parity of any level on any volume, both given torch's context; ParityError beyond rounding.

    Level by level, because a level may amplify the rounding of the one before it without either graph being wrong.
    """
    worst = Parity(0.0, 0.0)
    for volume in volumes:
        below: Float32 | None = None
        for graph, level, where in zip(graphs, trained, cascade.levels, strict=True):
            runs = (partial(run_graph, graph), on_arrays(level.served, torch.device("cpu")))
            found, expected = (run_level(where, run, volume[0, 0], below, cascade.served).probability for run in runs)
            worst, below = worst.worse(compare(found, expected)), expected
    if not worst.acceptable:
        raise ParityError(
            f"torch and ONNX Runtime differ by up to {worst.max_difference:.2e} and in {worst.changed_fraction:.2%} of "
            f"the head's mask, allowed are {MAX_DIFFERENCE:.0e} and {MAX_CHANGED_FRACTION:.2%}; export again with the "
            "pinned versions of torch and onnx, or train with a higher network.attention_temperature"
        )
    return worst


def halving_is_harmless(
    halved: Sequence[onnx.ModelProto],
    graphs: Sequence[onnx.ModelProto],
    volumes: Sequence[Float32],
    cascade: ServedCascade,
) -> bool:
    """Return whether float16 weights change no mask by more than 0.01 % of the head."""
    results = (compare(run_graphs(halved, volume, cascade), run_graphs(graphs, volume, cascade)) for volume in volumes)
    return all(result.changed_fraction <= MAX_CHANGED_FRACTION for result in results)

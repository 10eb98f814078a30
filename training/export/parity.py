"""Parity: the exported graphs must give what torch gives, on every shape, or nothing is published."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import torch

from app.inference.session import OnnxSession, RuntimeSettings
from training.export.errors import ParityError
from training.export.onnx import CONTEXT, INPUT, OUTPUT
from training.networks.cascade import AutoContextCascade

Float32 = npt.NDArray[np.float32]
MAX_DIFFERENCE = 1e-4
MAX_CHANGED_FRACTION = 1e-4
THRESHOLD = 0.5


@dataclass(frozen=True)
class Parity:
    """Largest absolute difference of a probability, and mask voxels that differ as a fraction of the head."""

    max_difference: float
    changed_fraction: float


def run_graphs(graphs: Sequence[onnx.ModelProto], volume: Float32) -> Float32:
    """Run the levels in order by ONNX Runtime's CPU provider, each with the probability before it; (1, 1, I, J, K)."""
    settings = RuntimeSettings(provider="cpu")
    probability: Float32 | None = None
    for graph in graphs:
        inputs = {INPUT: volume} if probability is None else {INPUT: volume, CONTEXT: probability}
        session = OnnxSession(graph.SerializeToString(), tuple(inputs), OUTPUT, settings)
        probability = session.run(inputs)
    if probability is None:
        raise ParityError("there is no graph to run; export at least one context level")
    return probability


def run_torch(cascade: AutoContextCascade, volume: Float32) -> Float32:
    """Run the trained cascade in single precision; (1, 1, I, J, K)."""
    with torch.inference_mode():
        result: Float32 = cascade.cpu().float().eval()(torch.from_numpy(volume)).numpy()
    return result


def compare(found: Float32, expected: Float32) -> Parity:
    """Compare two probabilities of one shape."""
    a, b = found >= THRESHOLD, expected >= THRESHOLD
    changed = int(np.count_nonzero(a != b)) / max(1, int(np.count_nonzero(b)))
    return Parity(float(np.abs(found - expected).max()), changed)


def require_parity(
    graphs: Sequence[onnx.ModelProto], cascade: AutoContextCascade, volumes: Sequence[Float32]
) -> Parity:
    """The worst parity over the volumes; ParityError above 1e-4."""
    results = [compare(run_graphs(graphs, volume), run_torch(cascade, volume)) for volume in volumes]
    worst = Parity(max(r.max_difference for r in results), max(r.changed_fraction for r in results))
    if not worst.max_difference <= MAX_DIFFERENCE:
        raise ParityError(
            f"torch and ONNX Runtime differ by {worst.max_difference:.2e}, at most {MAX_DIFFERENCE:.0e} is allowed; "
            "export again with the pinned versions of torch and onnx"
        )
    return worst


def halving_is_harmless(
    halved: Sequence[onnx.ModelProto], graphs: Sequence[onnx.ModelProto], volumes: Sequence[Float32]
) -> bool:
    """Whether float16 weights change no mask by more than 0.01 % of the head."""
    results = (compare(run_graphs(halved, volume), run_graphs(graphs, volume)) for volume in volumes)
    return all(result.changed_fraction <= MAX_CHANGED_FRACTION for result in results)

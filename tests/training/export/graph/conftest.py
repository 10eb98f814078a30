import onnx
import pytest
import torch

from training.config.presets import load_config
from training.export.graph.onnx import export_level
from training.export.graph.precision import single_precision
from training.fitting.state import new_level
from training.networks.cascade import AutoContextCascade


@pytest.fixture(scope="session")
def cascade() -> AutoContextCascade:
    torch.manual_seed(1)
    return AutoContextCascade([new_level(load_config("smoke")) for _ in range(2)]).eval()


@pytest.fixture(scope="session")
def exported(cascade: AutoContextCascade) -> list[onnx.ModelProto]:
    """Both levels as they leave torch; whoever changes one copies it."""
    return [export_level(level, n) for n, level in enumerate(cascade.levels, start=1)]  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def graphs(exported: list[onnx.ModelProto]) -> list[onnx.ModelProto]:
    """Both levels in single precision, as they are served."""
    return [single_precision(graph) for graph in exported]

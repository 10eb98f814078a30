import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from app.imaging.levels import LevelSpec
from app.imaging.preprocess import PreprocessingSpec
from training.export.errors import ParityError
from training.export.graph.parity import ServedCascade, require_parity
from training.networks.cascade import AutoContextCascade

SERVED = ServedCascade([LevelSpec(), LevelSpec()], PreprocessingSpec(spacing_mm=2.0))


@pytest.fixture(scope="module")
def volumes() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.standard_normal((1, 1, *shape)).astype(np.float32) for shape in ((16, 8, 8), (24, 16, 32), (40, 24, 16))
    ]


def test_graphs_keep_the_contract(graphs: list[onnx.ModelProto]) -> None:
    assert [[v.name for v in g.graph.input] for g in graphs] == [["volume"], ["volume", "context"]]
    for graph in graphs:
        assert [v.name for v in graph.graph.output] == ["probability"]
        dimensions = graph.graph.input[0].type.tensor_type.shape.dim
        assert [d.dim_param or d.dim_value for d in dimensions] == [1, 1, "I", "J", "K"]
        assert [(o.domain, o.version) for o in graph.opset_import] == [("", 18)]
        assert {n.op_type for n in graph.graph.node} <= {
            "Add", "Conv", "Relu", "MaxPool", "ConvTranspose", "Concat", "Softmax", "Mul", "Sigmoid", "ReduceMean",
            "Sub", "Sqrt", "Div",
        }  # fmt: skip


def test_graphs_say_nothing_about_the_machine(graphs: list[onnx.ModelProto]) -> None:
    assert all(b".py" not in graph.SerializeToString() for graph in graphs)


def test_torch_and_onnx_runtime_agree_on_every_shape(
    graphs: list[onnx.ModelProto], cascade: AutoContextCascade, volumes: list[np.ndarray]
) -> None:
    assert require_parity(graphs, cascade, volumes, SERVED).max_difference < 1e-5


def test_a_changed_weight_is_refused(
    graphs: list[onnx.ModelProto], cascade: AutoContextCascade, volumes: list[np.ndarray]
) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(graphs[1])
    tensor = next(t for t in changed.graph.initializer if "head_main" in t.name)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(0.5), tensor.name))
    with pytest.raises(ParityError, match="differ by up to"):
        require_parity([graphs[0], changed], cascade, volumes[:1], SERVED)

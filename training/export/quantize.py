"""Static int8 networks of a candidate, calibrated on phantoms: a second set of files that must pass a gate."""

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from app.inference.coarse import CoarserGrid
from training.export.operators import OperatorGraph
from training.export.parity import on_its_grid, run_graph

Float32 = npt.NDArray[np.float32]
QUANTIZED = ("Conv",)
"""Transposed convolutions are left out: OpenVINO computes them in bf16, and would only convert there and back."""
CAREFUL = {"everything": False, "everything but the attention's weights": True}
"""What is quantised, the fastest first: the softmax amplifies what is lost before it."""


class Inputs(CalibrationDataReader):  # type: ignore[misc]  # the runtime ships no types
    """The tensors of one level, case by case."""

    def __init__(self, cases: Sequence[dict[str, Float32]]) -> None:
        self._cases: Iterator[dict[str, Float32]] = iter(cases)

    def get_next(self) -> dict[str, Float32] | None:
        """The next case, None after the last."""
        return next(self._cases, None)


def quantized_levels(
    levels: Sequence[bytes], volumes: Sequence[Float32], spare_attention: bool, first: CoarserGrid | None = None
) -> tuple[bytes, ...]:
    """int8 graphs of all levels (QDQ format), calibrated on volumes (1, 1, I, J, K) and the levels' own answers.

    `first` is level 1's grid where that is coarser than the volumes'.
    """
    graphs = [with_single_weights(onnx.load_from_string(content)) for content in levels]
    contexts: list[Float32 | None] = [None] * len(volumes)
    results = []
    for graph in graphs:
        coarse = first if graph is graphs[0] else None
        seen = volumes if coarse is None else [coarse.seen(volume).data[None, None] for volume in volumes]
        cases = [_tensors(graph, volume, context) for volume, context in zip(seen, contexts, strict=True)]
        spared = before_softmax(graph) if spare_attention else []
        results.append(_quantized(graph, cases, spared))
        run = partial(run_graph, graph)
        contexts = [on_its_grid(run, volume, context, first) for volume, context in zip(volumes, contexts, strict=True)]
    return tuple(results)


def with_single_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with weights stored in half precision turned to single precision once and for all."""
    graph = OperatorGraph(model)
    for cast in list(graph.nodes("Cast")):
        value = graph.constant(cast.input[0])
        if value is not None:
            graph.add_constant(cast.output[0], value)
            graph.replace([cast], [])
    return graph.as_model()


def before_softmax(model: onnx.ModelProto) -> list[str]:
    """The names of the convolutions whose results go into a softmax, without anything but convolutions between."""
    graph = OperatorGraph(model)
    found = []
    for softmax in graph.nodes("Softmax"):
        source = softmax.input[0]
        while (conv := graph.only_producer(source, "Conv")) is not None:
            found.append(conv.name)
            source = conv.input[0]
    return found


def _tensors(graph: onnx.ModelProto, volume: Float32, context: Float32 | None) -> dict[str, Float32]:
    names = [value.name for value in graph.graph.input]
    given = [volume] if context is None else [volume, context]
    return dict(zip(names, given, strict=True))


def _quantized(graph: onnx.ModelProto, cases: Sequence[dict[str, Float32]], spared: list[str]) -> bytes:
    settings: dict[str, Any] = {"per_channel": True, "weight_type": QuantType.QInt8, "nodes_to_exclude": spared}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(graph, source)
        quantize_static(
            source,
            target,
            Inputs(cases),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            activation_type=QuantType.QUInt8,
            **settings,
        )
        model = onnx.load(target)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.DOUBLE:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    content: bytes = model.SerializeToString()
    return content

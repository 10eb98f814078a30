"""Real parts for tests: volumes with a known truth, NIfTI bytes of any kind, and a small ONNX cascade."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray
from onnx import TensorProto, helper

from app.imaging.preprocess import PreprocessingSpec, preprocess
from app.imaging.volume import Float3, Index3, Volume, VolumeGeometry
from app.inference.manifest import ModelManifest, SelfTest, StoredLevel, TrainingRecord
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from app.inference.volume_interval import VolumeInterval

TISSUE, HEAD = 20, 200
"""Grey values around and inside the head of `sphere_volume`; the rim outside the field of view is 0."""
RIM = 2


def sphere_volume(
    radius_mm: float = 38.4,
    shape: Index3 = (64, 56, 60),
    spacing_mm: Float3 = (2.0, 2.0, 2.0),
    off_centre_mm: Float3 = (3.0, -2.0, 4.0),
    dtype: Any = np.uint8,
) -> Volume:
    """Return a bright sphere, soft by one voxel at its edge, in grey tissue inside a field of view with a rim of 0."""
    geometry = VolumeGeometry.from_spacing(shape, spacing_mm)
    i, j, k = np.indices(shape, sparse=True)
    x, y, z = (
        (index - (n - 1) / 2) * step - offset
        for index, n, step, offset in zip((i, j, k), shape, spacing_mm, off_centre_mm, strict=True)
    )
    distance = np.sqrt(x**2 + y**2 + z**2)
    inside = np.clip(0.5 + (radius_mm - distance) / max(spacing_mm), 0, 1)
    values = np.rint(TISSUE + (HEAD - TISSUE) * inside)
    framed = np.zeros(shape)
    inner = (slice(RIM, -RIM),) * 3
    framed[inner] = values[inner]
    return Volume(np.asfortranarray(framed.astype(dtype)), geometry)


def sphere_ml(radius_mm: float = 38.4) -> float:
    """Return a sphere's volume in mL."""
    return 4 / 3 * np.pi * radius_mm**3 / 1000


@dataclass(frozen=True)
class NiftiOptions:
    """How `nifti_bytes` stores its array; `edits` sets header fields last, right or wrong."""

    version: int = 1
    endianness: Literal["<", ">"] = "<"
    sform_code: int = 1
    qform_code: int = 1
    units: str = "mm"
    slope: float | None = None
    intercept: float = 0.0
    compress: bool = False
    edits: Mapping[str, Any] = field(default_factory=dict)


def nifti_bytes(data: NDArray[Any], affine: Any = None, options: NiftiOptions | None = None) -> bytes:
    """Return NIfTI with this array as stored values and this affine (in `options.units`)."""
    options = options or NiftiOptions()
    header = _header(options)
    header.set_data_dtype(data.dtype.newbyteorder("="))
    header.set_data_shape(data.shape)
    matrix = np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else np.asarray(affine)
    header.set_sform(matrix, code=options.sform_code)
    if abs(np.linalg.det(matrix)) > 0:
        header.set_qform(matrix, code=options.qform_code, strip_shears=True)
    header.set_xyzt_units(options.units)
    header["magic"] = b"n+1" if options.version == 1 else b"n+2"
    header["vox_offset"] = 352 if options.version == 1 else 544
    header["scl_slope"] = 1 if options.slope is None else options.slope
    header["scl_inter"] = options.intercept
    for name, value in options.edits.items():
        header[name] = value
    stored = data.astype(data.dtype.newbyteorder(options.endianness)).tobytes(order="F")
    content = bytes(header.binaryblock) + bytes(4) + stored
    return gzip.compress(content, compresslevel=1, mtime=0) if options.compress else content


def volume_bytes(volume: Volume, options: NiftiOptions | None = None) -> bytes:
    """Return a volume as NIfTI."""
    return nifti_bytes(np.asarray(volume.data), volume.geometry.affine, options)


def threshold_network(level: int = 1, dynamic: bool = True) -> bytes:
    """Return an ONNX network that gives 0.5 halfway between TISSUE and HEAD; level 2 averages with its context."""
    dims: list[Any] = [1, 1, "I", "J", "K"] if dynamic else [1, 1, 8, 8, 8]
    constants = {"head": HEAD, "tissue": TISSUE, "step": HEAD - TISSUE, "zero": 0, "one": 1, "half": 0.5}
    nodes = [
        helper.make_node("ReduceMin", ["volume"], ["low"], keepdims=1),
        helper.make_node("ReduceMax", ["volume"], ["high"], keepdims=1),
        helper.make_node("Sub", ["volume", "low"], ["above"]),
        helper.make_node("Sub", ["high", "low"], ["range"]),
        helper.make_node("Div", ["above", "range"], ["relative"]),
        helper.make_node("Mul", ["relative", "head"], ["grey"]),
        helper.make_node("Sub", ["grey", "tissue"], ["over"]),
        helper.make_node("Div", ["over", "step"], ["part"]),
        helper.make_node("Clip", ["part", "zero", "one"], ["probability" if level == 1 else "own"]),
    ]
    inputs = [helper.make_tensor_value_info("volume", TensorProto.FLOAT, dims)]
    if level > 1:
        inputs.append(helper.make_tensor_value_info("context", TensorProto.FLOAT, dims))
        nodes.append(helper.make_node("Add", ["own", "context"], ["both"]))
        nodes.append(helper.make_node("Mul", ["both", "half"], ["probability"]))
    output = helper.make_tensor_value_info("probability", TensorProto.FLOAT, dims)
    values = [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in constants.items()]
    graph = helper.make_graph(nodes, f"threshold_{level}", inputs, [output], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def publish_threshold_model(
    root: Path, version: int = 1, name: str = "fetal_head", spacing_mm: float = 2.0, **rules: Any
) -> Path:
    """Write a complete model version of two threshold networks; `rules` replaces fields of its manifest."""
    folder = root / name / str(version)
    folder.mkdir(parents=True)
    levels = []
    for level in (1, 2):
        content = threshold_network(level)
        path = folder / f"context_level_{level}.onnx"
        path.write_bytes(content)
        levels.append(StoredLevel(file=path.name, sha256=_sha256(content), size=len(content)))
    preprocessing = PreprocessingSpec(spacing_mm=spacing_mm)
    vector = _write_test_vector(folder / "selftest.npz", preprocessing)
    manifest = ModelManifest(
        name=name,
        version=version,
        created=datetime(2025, 1, 1, tzinfo=UTC),
        levels=tuple(levels),
        preprocessing=preprocessing,
        selftest=SelfTest(file="selftest.npz", sha256=_sha256(vector), tolerance=1e-4),
        training=TrainingRecord(data="none", preset="threshold", commands=("none",), description="for tests"),
        volume_interval=VolumeInterval(),
    ).model_copy(update=rules)
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    (folder / "model_card.md").write_text("# Threshold networks for tests\n", encoding="utf-8")
    (folder / "evaluation.json").write_text(json.dumps({"data": "none"}), encoding="utf-8")
    return folder


def _write_test_vector(path: Path, preprocessing: PreprocessingSpec) -> bytes:
    tensor = preprocess(sphere_volume(), preprocessing).tensor
    settings = RuntimeSettings(provider="cpu", threads=1)
    first = OnnxSession(threshold_network(1), ("volume",), "probability", settings).run({"volume": tensor})
    second = OnnxSession(threshold_network(2), ("volume", "context"), "probability", settings)
    np.savez_compressed(path, volume=tensor, probability=second.run({"volume": tensor, "context": first}))
    return path.read_bytes()


def _header(options: NiftiOptions) -> Nifti1Header:
    kind = nib.Nifti1Header if options.version == 1 else nib.Nifti2Header
    header: Nifti1Header = kind(endianness=options.endianness)  # type: ignore[no-untyped-call]
    return header


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

"""The paper's network on the paper's grid with random weights, which takes the same time as a trained one.

One channel is wired through from the input to the main head, so that the network finds bright voxels. The masks then
have the size of a head, on which the box of the second level and the restoration depend, and can be compared; all other
products are computed as in a trained network.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import torch

from app.files import digest
from app.imaging.levels import LevelSpec
from app.imaging.preprocess import PreprocessingSpec
from app.imaging.regions import RegionSpec
from app.inference.manifest import (
    LowerPrecision,
    ModelManifest,
    PrecisionGate,
    SelfTest,
    StoredLevel,
    TrainingRecord,
)
from training.config.presets import load_config
from training.config.training import TrainingConfig
from training.export.candidate import write_manifest
from training.export.graph.onnx import export_level
from training.export.graph.parity import ServedCascade
from training.export.graph.precision import single_precision
from training.export.graph.reparameterize import reparameterize
from training.export.selftest import TOLERANCE, make_test_vector
from training.fitting.state import new_level
from training.networks.cascade import ContextLevel

BRIGHT = 1.0
"""The threshold in SD above the mean; in `comparison.make_bright_head` only the head is brighter."""
GAIN = 6.0
NOISE = 0.02
REGION = RegionSpec(margin_mm=10.0)
"""The margin that passed on `usegnet_ds_has_ctx` 1, which is the paper's network at half width on a coarser grid."""
UNMEASURED = PrecisionGate(cases=1, dsc_mean=1, dsc_min=1, volume_change_percent_max=0)


@dataclass(frozen=True, eq=False)
class PaperModel:
    """Both levels in torch, their graphs as trained and as served, and their preprocessing."""

    levels: tuple[ContextLevel, ...]
    trained: tuple[onnx.ModelProto, ...]
    served: tuple[onnx.ModelProto, ...]
    preprocessing: PreprocessingSpec


def make_paper_model(preset: str = "paper", spacing_mm: float | None = None) -> PaperModel:
    """Make both context levels of a preset with random weights, on another grid where `spacing_mm` is given."""
    config: TrainingConfig = load_config(preset)
    torch.manual_seed(config.seed)
    levels = tuple(_wire(new_level(config).eval()) for _ in (1, 2))
    exported = tuple(export_level(level, number) for number, level in enumerate(levels, start=1))
    trained = tuple(single_precision(graph) for graph in exported)
    served = tuple(single_precision(reparameterize(graph)[0]) for graph in exported)
    grid = {} if spacing_mm is None else {"spacing_mm": spacing_mm}
    return PaperModel(levels, trained, served, config.preprocessing.model_copy(update=grid))


def publish(model: PaperModel, store: Path) -> None:
    """Write the served graphs as `fetal_head` 1 of a store, with the box of level 2.

    Its manifest allows bf16, so that the benchmark can measure it.
    """
    folder = store / "fetal_head" / "1"
    folder.mkdir(parents=True)
    cascade = ServedCascade([LevelSpec(), LevelSpec(region=REGION)], model.preprocessing)
    part = np.random.default_rng(0).normal(size=(1, 1, 16, 16, 16)).astype(np.float32)
    files = {f"context_level_{n}.onnx": graph.SerializeToString() for n, graph in enumerate(model.served, start=1)}
    levels = [
        StoredLevel(file=name, sha256=digest(content), size=len(content), region=level.region)
        for (name, content), level in zip(files.items(), cascade.levels, strict=True)
    ]
    files["selftest.npz"] = make_test_vector(model.served, part, cascade)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = ModelManifest(
        name="fetal_head",
        version=1,
        created=datetime.now(UTC),
        levels=tuple(levels),
        preprocessing=model.preprocessing,
        lower_precisions=(LowerPrecision(precision="bf16", gate=UNMEASURED),),
        selftest=SelfTest(file="selftest.npz", sha256=digest(files["selftest.npz"]), tolerance=TOLERANCE, mask_dsc=0.9),
        training=TrainingRecord(data="none", preset="paper", commands=("none",), description="random weights"),
    )
    write_manifest(folder, manifest)


@torch.no_grad()
def _wire(level: ContextLevel) -> ContextLevel:
    """Wire the input's intensity through channel 0 of the outermost blocks to the head; the rest is weak noise."""
    weights = {name.removeprefix("network."): value for name, value in level.state_dict().items()}
    after_up = weights["uam3.shrink.weight"].shape[1] - len(weights["sam1.fuse.weight"])
    sources = {"sam1.shrink": 0, "sam1.fuse": 0, "uam3.shrink": after_up, "uam3.fuse": 0}
    for part, source in {"encoder1.0.conv": 0, "encoder1.1.conv": 0, **sources}.items():
        kernel = weights[f"{part}.weight"]
        middle = kernel.shape[-1] // 2
        kernel[0] = 0
        kernel[0, source, middle, middle, middle] = 1
        if part in sources:
            weights[f"{part}.bias"][0] = 0
    weights["head_main.weight"].mul_(NOISE)[0, 0] = GAIN
    weights["head_main.bias"][0] = -GAIN * BRIGHT
    return level

"""How fast training is: phantoms made, steps taken, what a step reaches of the machine, and what it waits for."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from app.imaging.volume import Index3
from benchmarks.ceiling import matmul_gflops, network_gflop
from benchmarks.measurement import Measurement
from training.cases.augment import augment, draw_augmentation
from training.cases.sources import Case, GridCase, prepare
from training.config.presets import load_config
from training.config.training import Stage, TrainingConfig
from training.export.graph.onnx import export_level
from training.fitting.cascade import level_job, new_level
from training.fitting.loop import LevelTrainer
from training.phantom import Phantom, SimulationRequest, simulate

PASSES = 3
"""A step costs the network's products three times: forward, towards the input and towards the weights."""
WEEKS = 26.0


@dataclass(frozen=True)
class TrainingPlan:
    """Which preset, how many phantoms (of which voxel size, mm) and steps, on how many threads."""

    preset: str = "release"
    spacing_mm: float = 1.3
    phantoms: int = 4
    steps: int = 12
    threads: int = 1


class MadeCases:
    """Phantoms in memory, as a source of cases."""

    def __init__(self, phantoms: list[Phantom]) -> None:
        self._phantoms = phantoms

    def seeds(self) -> list[int]:
        """Their numbers."""
        return list(range(len(self._phantoms)))

    def load(self, seed: int) -> Case:
        """One of them."""
        phantom = self._phantoms[seed]
        return Case(seed, phantom.volume, phantom.truth, phantom.tissues, {})

    def record(self, seed: int) -> dict[str, object]:
        """Nothing that training asks for."""
        return {}


def training_speed(plan: TrainingPlan) -> Iterator[Measurement]:
    """Measure everything on level 1 of a preset, at its last stage; a first step is left out."""
    config = load_config(plan.preset)
    config = config.model_copy(update={"runtime": config.runtime.model_copy(update={"num_threads": plan.threads})})
    stage = config.level[0].stage[-1]
    precision = "bf16" if config.runtime.bf16 else "fp32"

    def found(name: str, value: float, unit: str, times: int, shape: Index3) -> Measurement:
        return Measurement(f"training.{name}", float(f"{value:.4g}"), unit, times, shape, "torch", precision)

    phantoms, seconds = _simulated(plan)
    yield found("phantoms", 1 / seconds, "1/s", plan.phantoms, phantoms[0].volume.geometry.shape)
    source = MadeCases(phantoms)
    cases, preparing = _prepared(source, config, stage)
    yield found("case_prepared", preparing, "s", len(cases), stage.shape)
    augmenting = _augmented(cases, config, stage, plan.steps)
    yield found("case_augmented", augmenting, "s", plan.steps, stage.shape)
    step = _stepped(source, config, plan.steps)
    yield found("step", step, "s", plan.steps, stage.shape)
    if config.runtime.bf16:
        single = config.model_copy(update={"runtime": config.runtime.model_copy(update={"bf16": False})})
        yield found("step_in_fp32", _stepped(source, single, plan.steps), "s", plan.steps, stage.shape)
    yield found("volumes", 1 / step, "1/s", plan.steps, stage.shape)
    yield found("waiting_for_cases", 100 * augmenting / step, "%", plan.steps, stage.shape)
    gflops = PASSES * network_gflop(export_level(new_level(config).eval(), 1), stage.shape) / (step - augmenting)
    ceiling = matmul_gflops(precision, plan.threads)
    yield found("network", gflops, "GFLOP/s", plan.steps, stage.shape)
    yield found("ceiling", ceiling, "GFLOP/s", 5, (2048, 2048, 1))
    yield found("of_the_ceiling", 100 * gflops / ceiling, "%", plan.steps, stage.shape)


def _simulated(plan: TrainingPlan) -> tuple[list[Phantom], float]:
    """Phantoms, and the median of the seconds for one."""
    phantoms, seconds = [], []
    for seed in range(plan.phantoms):
        began = time.perf_counter()
        phantoms.append(simulate(SimulationRequest(seed=seed, weeks=WEEKS, spacing=plan.spacing_mm)))
        seconds.append(time.perf_counter() - began)
    return phantoms, median(seconds)


def _prepared(source: MadeCases, config: TrainingConfig, stage: Stage) -> tuple[list[GridCase], float]:
    """The cases on the stage's grid, and the median of the seconds for one: spent once a case, then it is kept."""
    spec = config.preprocessing.model_copy(update={"spacing_mm": stage.spacing_mm})
    cases, seconds = [], []
    for seed in source.seeds():
        began = time.perf_counter()
        cases.append(prepare(source.load(seed), spec))
        seconds.append(time.perf_counter() - began)
    return cases, median(seconds)


def _augmented(cases: list[GridCase], config: TrainingConfig, stage: Stage, times: int) -> float:
    """The mean of the seconds to draw and augment a case: augmentations differ, and a step waits for each."""
    rng = np.random.default_rng(config.seed)
    spec = config.preprocessing.model_copy(update={"spacing_mm": stage.spacing_mm})
    began = time.perf_counter()
    for number in range(times):
        augment(cases[number % len(cases)], draw_augmentation(rng, config.augmentation), stage.shape, spec)
    return (time.perf_counter() - began) / times


def _stepped(source: MadeCases, config: TrainingConfig, steps: int) -> float:
    """The mean of the seconds of whole steps, cases already prepared."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = LevelTrainer(level_job(config, source, Path(folder), 1), partial(new_level, config))
        stage = config.level[0].stage[-1]
        for seed in trainer.cases(stage, validation=False).seeds():
            trainer.cases(stage, validation=False).get(seed)
        trainer.step(stage, 1.0)
        began = time.perf_counter()
        for _ in range(steps):
            trainer.step(stage, 1.0)
        return (time.perf_counter() - began) / steps

"""The speed of training: phantoms and steps per second, the share of the machine's ceiling, and waiting times."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from app.imaging.volume import Index3
from benchmarks.ceiling import count_network_gflop, measure_matmul
from benchmarks.measurement import BenchmarkValue
from training.cases.augment import augment, draw_augmentation
from training.cases.sources import Case, GridCase, prepare
from training.config.presets import load_config
from training.config.training import Stage, TrainingConfig
from training.export.graph.onnx import export_level
from training.fitting.cascade import make_job
from training.fitting.level_cases import draw_sample, open_cases
from training.fitting.run_folder import RunFolder
from training.fitting.state import new_level, new_state
from training.fitting.step import take_step
from training.phantom import Phantom, SimulationRequest, simulate

PASSES = 3
"""A step costs the network's products three times: forward, and backward to the input and to the weights."""
WEEKS = 26.0


@dataclass(frozen=True)
class TrainingPlan:
    """A plan: the preset, the numbers of phantoms and steps, the voxel size in mm, and the number of threads."""

    preset: str = "release"
    spacing_mm: float = 1.3
    phantoms: int = 4
    steps: int = 12
    threads: int = 1


class CasesInMemory:
    """A source of cases from phantoms in memory."""

    def __init__(self, phantoms: list[Phantom]) -> None:
        self._phantoms = phantoms

    def seeds(self) -> list[int]:
        """Return the numbers of the phantoms."""
        return list(range(len(self._phantoms)))

    def load(self, seed: int) -> Case:
        """Return one phantom as a case."""
        phantom = self._phantoms[seed]
        return Case(seed, phantom.volume, phantom.truth, phantom.tissues, {})

    def record(self, seed: int) -> dict[str, object]:
        """Return an empty record, since training needs none."""
        return {}


def measure_training(plan: TrainingPlan) -> Iterator[BenchmarkValue]:
    """Measure everything on level 1 of a preset, at its last stage, after a warm-up step."""
    config = load_config(plan.preset)
    config = config.model_copy(update={"runtime": config.runtime.model_copy(update={"num_threads": plan.threads})})
    stage = config.level[0].stage[-1]
    precision = "bf16" if config.runtime.bf16 else "fp32"

    def make_value(name: str, value: float, unit: str, times: int, shape: Index3) -> BenchmarkValue:
        return BenchmarkValue(f"training.{name}", float(f"{value:.4g}"), unit, times, shape, "torch", precision)

    phantoms, seconds = _time_simulation(plan)
    yield make_value("phantoms", 1 / seconds, "1/s", plan.phantoms, phantoms[0].volume.geometry.shape)
    source = CasesInMemory(phantoms)
    cases, preparing = _time_preparation(source, config, stage)
    yield make_value("case_prepared", preparing, "s", len(cases), stage.shape)
    augmenting = _time_augmentation(cases, config, stage, plan.steps)
    yield make_value("case_augmented", augmenting, "s", plan.steps, stage.shape)
    step = _time_steps(source, config, plan.steps)
    yield make_value("step", step, "s", plan.steps, stage.shape)
    if config.runtime.bf16:
        single = config.model_copy(update={"runtime": config.runtime.model_copy(update={"bf16": False})})
        yield make_value("step_in_fp32", _time_steps(source, single, plan.steps), "s", plan.steps, stage.shape)
    yield make_value("volumes", 1 / step, "1/s", plan.steps, stage.shape)
    yield make_value("waiting_for_cases", 100 * augmenting / step, "%", plan.steps, stage.shape)
    gflops = PASSES * count_network_gflop(export_level(new_level(config).eval(), 1), stage.shape) / (step - augmenting)
    ceiling = measure_matmul(precision, plan.threads)
    yield make_value("network", gflops, "GFLOP/s", plan.steps, stage.shape)
    yield make_value("ceiling", ceiling, "GFLOP/s", 5, (2048, 2048, 1))
    yield make_value("of_the_ceiling", 100 * gflops / ceiling, "%", plan.steps, stage.shape)


def _time_simulation(plan: TrainingPlan) -> tuple[list[Phantom], float]:
    """Simulate phantoms; return them with the median of the seconds for one."""
    phantoms, seconds = [], []
    for seed in range(plan.phantoms):
        began = time.perf_counter()
        phantoms.append(simulate(SimulationRequest(seed=seed, weeks=WEEKS, spacing=plan.spacing_mm)))
        seconds.append(time.perf_counter() - began)
    return phantoms, median(seconds)


def _time_preparation(source: CasesInMemory, config: TrainingConfig, stage: Stage) -> tuple[list[GridCase], float]:
    """Prepare the cases on the stage's grid, as training does once per case; return them and the median seconds."""
    spec = config.preprocessing.model_copy(update={"spacing_mm": stage.spacing_mm})
    cases, seconds = [], []
    for seed in source.seeds():
        began = time.perf_counter()
        cases.append(prepare(source.load(seed), spec))
        seconds.append(time.perf_counter() - began)
    return cases, median(seconds)


def _time_augmentation(cases: list[GridCase], config: TrainingConfig, stage: Stage, times: int) -> float:
    """Return the mean of the seconds to draw and augment a case: augmentations differ, and a step waits for each."""
    rng = np.random.default_rng(config.seed)
    spec = config.preprocessing.model_copy(update={"spacing_mm": stage.spacing_mm})
    began = time.perf_counter()
    for number in range(times):
        augment(cases[number % len(cases)], draw_augmentation(rng, config.augmentation), stage.shape, spec)
    return (time.perf_counter() - began) / times


def _time_steps(source: CasesInMemory, config: TrainingConfig, steps: int) -> float:
    """Return the mean of the seconds of whole steps on prepared cases."""
    with tempfile.TemporaryDirectory() as folder:
        job = make_job(config, source, RunFolder(Path(folder)), 1)
        stage, state = job.level.stage[-1], new_state(job)
        cases = open_cases(job, stage).training
        for seed in cases.seeds():
            cases.get(seed)

        def step() -> None:
            take_step(job, state, draw_sample(job, cases.draw(state.rng), stage, state.rng), fraction=1.0)

        step()
        began = time.perf_counter()
        for _ in range(steps):
            step()
        return (time.perf_counter() - began) / steps

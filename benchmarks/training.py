"""The speed of training: phantoms and steps per second, the share of the machine's ceiling, and waiting times."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from app.imaging.volume import Index3
from benchmarks.ceiling import ROUNDS, SIZE, count_network_gflop, measure_matmul
from benchmarks.measurement import WEEKS, BenchmarkValue, time_call
from training.cases.augment import augment, draw_augmentation
from training.cases.sources import CaseSource, GridCase, PhantomCache, prepare
from training.config.presets import load_config
from training.config.training import Stage, TrainingConfig
from training.export.graph.onnx import export_level
from training.fitting.cascade import make_job
from training.fitting.level_cases import draw_sample, open_cases
from training.fitting.run_folder import RunFolder
from training.fitting.state import new_level, new_state
from training.fitting.step import take_step
from training.phantom import SimulationRequest, simulate
from training.phantom.cohort import phantom_file, save_phantom

PASSES = 3
"""A step costs the network's products three times: forward, and backward to the input and to the weights."""


def measure_training(
    preset: str = "release", threads: int = 1, spacing_mm: float = 1.3, phantoms: int = 4, steps: int = 12
) -> Iterator[BenchmarkValue]:
    """Measure everything on level 1 of a preset, at its last stage, after a warm-up step."""
    config = load_config(preset)
    config = config.model_copy(update={"runtime": config.runtime.model_copy(update={"num_threads": threads})})
    stage = config.level[0].stage[-1]
    precision = "bf16" if config.runtime.bf16 else "fp32"

    def make_value(
        name: str, value: float, unit: str, times: int = steps, shape: Index3 = stage.shape
    ) -> BenchmarkValue:
        return BenchmarkValue(f"training.{name}", float(f"{value:.4g}"), unit, times, shape, "torch", precision)

    requests = [SimulationRequest(seed=seed, weeks=WEEKS, spacing=spacing_mm) for seed in range(phantoms)]
    made = [time_call(partial(simulate, request)) for request in requests]
    shape = made[0][0].volume.geometry.shape
    yield make_value("phantoms", 1 / median(seconds for _, seconds in made), "1/s", phantoms, shape)
    with tempfile.TemporaryDirectory() as folder:
        for seed, (phantom, _) in enumerate(made):
            save_phantom(phantom_file(Path(folder), seed), phantom)
        source = PhantomCache(Path(folder))
        spec = config.preprocessing.model_copy(update={"spacing_mm": stage.spacing_mm})
        loaded = [source.load(seed) for seed in source.seeds()]
        prepared = [time_call(partial(prepare, case, spec)) for case in loaded]
        yield make_value("case_prepared", median(seconds for _, seconds in prepared), "s", phantoms)
        augmenting = _time_augmentation([case for case, _ in prepared], config, stage, steps)
        yield make_value("case_augmented", augmenting, "s")
        step = _time_steps(source, config, steps)
        yield make_value("step", step, "s")
        if config.runtime.bf16:
            single = config.model_copy(update={"runtime": config.runtime.model_copy(update={"bf16": False})})
            yield make_value("step_in_fp32", _time_steps(source, single, steps), "s")
    yield make_value("volumes", 1 / step, "1/s")
    yield make_value("waiting_for_cases", 100 * augmenting / step, "%")
    gflops = PASSES * count_network_gflop(export_level(new_level(config).eval(), 1), stage.shape) / (step - augmenting)
    ceiling = measure_matmul(precision, threads)
    yield make_value("network", gflops, "GFLOP/s")
    yield make_value("ceiling", ceiling, "GFLOP/s", ROUNDS, (SIZE, SIZE, 1))
    yield make_value("of_the_ceiling", 100 * gflops / ceiling, "%")


def _time_augmentation(cases: list[GridCase], config: TrainingConfig, stage: Stage, times: int) -> float:
    """Return the mean of the seconds to draw and augment a case: augmentations differ, and a step waits for each."""
    rng = np.random.default_rng(config.seed)
    spec = config.preprocessing.model_copy(update={"spacing_mm": stage.spacing_mm})

    def augment_all() -> None:
        for number in range(times):
            augment(cases[number % len(cases)], draw_augmentation(rng, config.augmentation), stage.shape, spec)

    return time_call(augment_all)[1] / times


def _time_steps(source: CaseSource, config: TrainingConfig, steps: int) -> float:
    """Return the mean of the seconds of whole steps on prepared cases."""
    with tempfile.TemporaryDirectory() as folder:
        job = make_job(config, source, RunFolder(Path(folder)), 1)
        stage, state = job.level.stage[-1], new_state(job)
        cases = open_cases(job, stage).training
        for seed in cases.seeds():
            cases.get(seed)

        def take_steps(number: int) -> None:
            for _ in range(number):
                take_step(job, state, draw_sample(job, cases.draw(state.rng), stage, state.rng), fraction=1.0)

        take_steps(1)
        return time_call(lambda: take_steps(steps))[1] / steps

"""The training loop of one context level."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from time import monotonic

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from app.imaging.levels import LevelSpec, run_level
from app.imaging.preprocess import PreprocessingSpec
from app.imaging.reliability import dsc
from training.cases.augment import (
    VISIBLE,
    Sample,
    augment,
    draw_augmentation,
    fitted,
    unaugmented,
)
from training.cases.sources import Case, DataError, GridCase, GridCases, prepare
from training.cases.views import drawn_view, in_view
from training.config.training import (
    LevelConfig,
    RuntimeConfig,
    Stage,
    TrainingConfig,
)
from training.fitting import checkpoint
from training.fitting.job import LevelJob, Progress
from training.fitting.losses import DeepSupervisionLoss, l2_as_weight_decay
from training.fitting.regions import with_context
from training.fitting.schedule import learning_rate
from training.networks.cascade import ContextLevel, on_arrays
from training.progress import ProgressBar


class LevelTrainer:
    """Trains one context level; everything that changes from step to step lives here and in the checkpoint."""

    def __init__(self, job: LevelJob, network: Callable[[], ContextLevel]) -> None:
        config = job.config
        torch.set_num_threads(config.runtime.num_threads)
        torch.manual_seed(config.seed + job.context_level)
        self.job, self.config = job, config
        self.device = pick_device(config.runtime.device)
        self.level = network().to(self.device)
        if job.initial is not None:
            self.level.load_state_dict(job.initial)
        self.average = {name: value.detach().clone() for name, value in self.level.state_dict().items()}
        self.averaged = network().to(self.device).eval()
        optimiser = config.optimiser
        self.optimiser = torch.optim.Adam(
            self.level.parameters(),
            lr=optimiser.learning_rate,
            betas=(optimiser.beta1, optimiser.beta2),
            weight_decay=l2_as_weight_decay(config.loss.l2),
        )
        self.loss = DeepSupervisionLoss(config.loss)
        self.rng = np.random.default_rng([config.seed, job.context_level])
        self.progress = Progress()
        self._cases: dict[tuple[float, bool], GridCases] = {}

    def fit(self, stop_at_step: int | None = None) -> None:
        """Train until the budget is spent, or until a step for a planned interruption."""
        log = SummaryWriter(str(self.job.folder.path))
        with ProgressBar(f"context level {self.job.context_level}") as bar:
            self._take_steps(log, bar, stop_at_step)
        self.validate(log)
        self.save()
        self._cases.clear()  # they refer back to this trainer: the next level's would lie in memory beside them
        log.close()

    def _take_steps(self, log: SummaryWriter, bar: ProgressBar, stop_at_step: int | None) -> None:
        """Take steps, and validate and save now and then."""
        runtime = self.config.runtime
        saved_at = validated_at = monotonic()
        while (fraction := self.fraction_spent()) < 1 and self.progress.step != stop_at_step:
            begun = monotonic()
            loss = self.step(self.stage(fraction), fraction)
            self.progress.step += 1
            self.progress.spent_s += monotonic() - begun
            if self.progress.step % runtime.log_steps == 0:
                self._log(log, bar, loss, fraction, monotonic() - begun)
            if monotonic() - validated_at > 60 * runtime.validate_minutes:
                begun = monotonic()
                self.validate(log)
                self.progress.spent_s += monotonic() - begun
                validated_at = monotonic()
            if monotonic() - saved_at > 60 * runtime.checkpoint_minutes:
                self.save()
                saved_at = monotonic()

    def fraction_spent(self) -> float:
        """Share of the level's budget that is spent, 0 to 1; time, steps or epochs. Of none, all is spent."""
        budget, index = self.config.budget, self.job.context_level - 1
        if self.job.context_level not in self.config.trained_levels:
            return 1.0
        if budget.minutes:
            return min(1.0, self.progress.spent_s / (60 * budget.minutes[index]))
        if budget.steps:
            return min(1.0, self.progress.step / budget.steps[index])
        cases = len(self.cases(self.wanted.stage[-1], validation=False).seeds())
        return min(1.0, self.progress.step / max(1, budget.epochs * cases))

    def stage(self, fraction: float) -> Stage:
        """The stage of coarse to fine at this fraction of the budget."""
        return next(stage for stage in self.wanted.stage if fraction < stage.until)

    def step(self, stage: Stage, fraction: float) -> torch.Tensor:
        """One case: draw, augment, forward, loss, backward, update; returns the loss (scalar)."""
        case = self.cases(stage, validation=False).draw(self.rng)
        self.progress.seen.add(case.seed)
        spec = self.spec(stage)
        if self.config.augmentation.enabled:
            drawn = draw_augmentation(self.rng, self.config.augmentation)
            sample = augment(case, drawn, stage.shape, spec)
        else:
            sample = fitted(case, stage.shape, spec)
        sample = drawn_view(sample, self.config.network, self.rng)
        volume = sample.volume.to(self.device)  # (1, 1, I, J, K)
        truth = sample.truth.to(self.device)  # (1, 1, I, J, K)
        context = self.context(volume, sample)  # (1, 1, I, J, K) or None

        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, fraction)
        self.level.train()
        with self.autocast():
            logits = self.level(volume, context)
        loss: torch.Tensor = self.loss(logits, truth)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.optimiser.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.level.parameters(), self.config.optimiser.clip_norm)
        self.optimiser.step()
        self._update_average()
        return loss.detach()

    @torch.no_grad()
    def context(self, volume: torch.Tensor, sample: Sample) -> torch.Tensor | None:
        """Probability of the levels below, as it came with the case, or of the very volume that this level sees."""
        if sample.context is not None:
            return sample.context.to(self.device)
        if (below := self.job.below) is None:
            return None
        with self.autocast():
            probability: torch.Tensor = below.to(self.device).eval()(volume)  # (1, 1, I, J, K)
        return probability

    @torch.no_grad()
    def validate(self, log: SummaryWriter | None = None) -> float | None:
        """Mean DSC of the averaged weights on the validation cases, on the network's grid."""
        stage = self.stage(min(self.fraction_spent(), 1 - 1e-9))
        cases = self.cases(stage, validation=True)
        seeds = cases.seeds()[: self.config.data.validation_cases]
        if not seeds:
            return None
        self.averaged.load_state_dict(self.average)
        run = on_arrays(in_view(self.averaged.probability, self.config.network), self.device)
        level, spec = LevelSpec(region=self.wanted.region), self.spec(stage)
        scores = []
        for seed in seeds:
            case = cases.get(seed)
            sample = unaugmented(case)
            context = self.context(sample.volume.to(self.device), sample)
            below = None if context is None else context[0, 0].float().cpu().numpy()
            with self.autocast():
                found = run_level(level, run, sample.volume[0, 0].numpy(), below, spec)
            scores.append(dsc(found > VISIBLE, case.truth >= VISIBLE))
        self.progress.validation_dsc = float(np.mean(scores))
        if log is not None:
            log.add_scalar(f"validation/dsc_{stage.spacing_mm}mm", self.progress.validation_dsc, self.progress.step)
            where = f"step {self.progress.step}, {self.progress.spent_s / 60:.1f} min, {stage.spacing_mm} mm"
            print(
                f"{where}: validation DSC {np.mean(scores):.4f} (min {np.min(scores):.3f}, {len(scores)} cases)",
                flush=True,
            )
        return self.progress.validation_dsc

    def cases(self, stage: Stage, validation: bool) -> GridCases:
        """The cases on this stage's grid; those of earlier stages are released."""
        key = (stage.spacing_mm, validation)
        if key not in self._cases:
            self._cases = {k: v for k, v in self._cases.items() if k[0] == stage.spacing_mm}
            data = self.config.data
            wanted = data.validation.__contains__ if validation else self.job.wanted
            capacity = data.max_cases_in_memory
            prepare_case = partial(self._prepare, self.spec(stage))
            self._cases[key] = GridCases(self.job.source, wanted, prepare_case, 60 * data.rescan_minutes, capacity)
        return self._cases[key]

    @property
    def wanted(self) -> LevelConfig:
        """What this level shall be."""
        return self.config.level[self.job.context_level - 1]

    def _prepare(self, spec: PreprocessingSpec, case: Case) -> GridCase:
        """A case on a grid, with what the levels below say of it where that is found beforehand."""
        below = self.job.below
        if below is None or not self.config.context_with_case(self.job.context_level):
            return prepare(case, spec)
        return with_context(case, spec, self.config, below, self.device)

    def spec(self, stage: Stage) -> PreprocessingSpec:
        """The preprocessing of this stage: serving's, at the stage's spacing."""
        return self.config.preprocessing.model_copy(update={"spacing_mm": stage.spacing_mm})

    def autocast(self) -> AbstractContextManager[object]:
        """bfloat16 where the configuration asks for it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.runtime.bf16)

    def weights(self) -> checkpoint.LevelWeights:
        """The level as it stands: averaged weights and their history."""
        progress = self.progress
        return checkpoint.LevelWeights(
            context_level=self.job.context_level,
            state={name: value.cpu() for name, value in self.average.items()},
            config=self.config,
            steps=progress.step,
            spent_s=progress.spent_s,
            cases=len(progress.seen),
            validation_dsc=progress.validation_dsc,
        )

    def save(self) -> None:
        """Write what an exact continuation needs, and the level as it stands."""
        progress = self.progress
        content = {
            "config": self.config.model_dump_json(),
            "level": self.level.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": self.rng.bit_generator.state,
            "progress": {**progress.__dict__, "seen": sorted(progress.seen)},
        }
        checkpoint.save_atomically(content, self.job.folder.checkpoint)
        checkpoint.save_level(self.weights(), self.job.folder.weights)

    def resume(self) -> None:
        """Continue from the folder's checkpoint; CheckpointError when there is none or it is of another preset."""
        content = checkpoint.read(self.job.folder.checkpoint)
        if _learning(TrainingConfig.model_validate_json(content["config"])) != _learning(self.config):
            raise checkpoint.CheckpointError(
                f"the checkpoint in {self.job.folder.path} was made with another configuration; "
                "resume with the same preset or train into an empty folder"
            )
        self.level.load_state_dict(content["level"])
        self.average = {name: value.to(self.device) for name, value in content["average"].items()}
        self.optimiser.load_state_dict(content["optimiser"])
        torch.set_rng_state(content["torch_rng"])
        self.rng.bit_generator.state = content["numpy_rng"]
        self.progress = Progress(**{**content["progress"], "seen": set(content["progress"]["seen"])})

    @torch.no_grad()
    def _update_average(self) -> None:
        """Exponential moving average of the weights, shorter at the start; decay 0 copies them."""
        step = self.progress.step
        decay = min(self.config.optimiser.ema_decay, (1 + step) / (10 + step))
        for name, value in self.level.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def _log(self, log: SummaryWriter, bar: ProgressBar, loss: torch.Tensor, fraction: float, seconds: float) -> None:
        value = float(loss)
        if not math.isfinite(value):
            raise DataError(f"the loss became {value} at step {self.progress.step}; lower optimiser.learning_rate")
        log.add_scalar("train/loss", value, self.progress.step)
        log.add_scalar("train/learning_rate", learning_rate(self.config, fraction), self.progress.step)
        log.add_scalar("train/seconds_per_step", seconds, self.progress.step)
        bar.show(fraction, f"step {self.progress.step}, loss {value:.3f}")


def pick_device(name: str) -> torch.device:
    """The device by name; "auto" takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _learning(config: TrainingConfig) -> TrainingConfig:
    """The configuration without what may change between a run and its continuation: how the machine is used."""
    return config.model_copy(update={"runtime": RuntimeConfig()})

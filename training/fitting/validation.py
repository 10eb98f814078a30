"""How well a level does on the validation cases while it learns."""

from app.imaging.levels import LevelSpec, run_level
from app.imaging.reliability import dsc
from training.cases.augment import VISIBLE, make_plain_sample
from training.cases.sources import GridCases
from training.cases.views import run_in_view
from training.config.training import Stage
from training.fitting.job import LevelJob
from training.fitting.level_cases import with_levels_below
from training.networks.cascade import ContextLevel, on_arrays


def validate(job: LevelJob, level: ContextLevel, cases: GridCases, stage: Stage) -> tuple[float, ...]:
    """Return the DSC of each validation case on the grid of a stage, where the level is run as serving runs it."""
    run = on_arrays(run_in_view(level.probability, job.config.network), job.device)
    region = LevelSpec(region=job.level.region)
    scores = []
    for seed in cases.seeds()[: job.config.data.validation_cases]:
        case = cases.get(seed)
        sample = with_levels_below(job, make_plain_sample(case))
        below = None if sample.context is None else sample.context[0, 0].float().cpu().numpy()
        with job.autocast():
            found = run_level(region, run, sample.volume[0, 0].cpu().numpy(), below, job.spec(stage)).probability
        scores.append(dsc(found > VISIBLE, case.truth >= VISIBLE))
    return tuple(scores)

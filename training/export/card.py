"""The model card: what the model is, what it was trained on, how well it does, what it must not be used for."""

from app.imaging.regions import RegionSpec
from app.inference.manifest import ModelManifest, TrainedLevel, TrainingRecord
from app.inference.volume_interval import VolumeInterval, WidthByCase
from training.evaluation.report import Evaluation
from training.evaluation.statistics.prediction_interval import FEWEST
from training.evaluation.tables import explain, format_repeated, format_table

SIMULATED = "simulated"


def format_model_card(manifest: ModelManifest, evaluation: Evaluation | None) -> str:
    """Return `model_card.md` of a published model."""
    training, data = manifest.training, _format_data(manifest.training.data, evaluation)
    commands = "\n".join(f"    {command}" for command in training.commands)
    return f"""# {manifest.name} {manifest.version}

Segments the whole fetal head in 3D ultrasound volumes and gives its volume. {len(manifest.levels)} context levels,
joined by auto-context; {_format_grid(manifest)}; weights stored as {manifest.precision}.
The networks are described under Training.

{data} For research; not a medical device; not to be used for decisions about patients.

## Training

{_format_training(training)}

Preset `{training.preset}`. The commands, in order (with a wall-clock budget the steps depend on the machine):

{commands}

## Accuracy

{_format_accuracy(evaluation)}

The paper's column is its 50 clinical volumes: another kind of data, given for orientation, not for comparison.

## The interval around a volume

{_format_interval(manifest, evaluation)}
{_format_repeated(evaluation)}
## Limits

- Heads of 60 to 600 mL in fields of view of about 100 to 170 mm; a head that leaves the field of view is measured
  only as far as it is seen.
- Abnormal anatomy, twins and post-mortem scans were not simulated.
- The verdict (`ok`, `review`, `reject`) comes from thresholds in `manifest.json`; look at a mask with `review`.
"""


def _format_training(training: TrainingRecord) -> str:
    """Say what was trained, how long and on how many cases, and what else is worth knowing."""
    levels = [f"- Level {number}: {_format_level(level)}." for number, level in enumerate(training.levels, start=1)]
    listed = "\n".join([*levels, *(f"- {note}" for note in training.notes)])
    return f"{training.description.rstrip('.')}.\n\n{listed}".rstrip()


def _format_level(level: TrainedLevel) -> str:
    text = f"{level.steps} steps in {level.minutes:.0f} min on {level.cases} cases"
    if level.validation_dsc is None:
        return text
    return f"{text}, validation DSC {level.validation_dsc:.4f} on the network's grid"


def _format_grid(manifest: ModelManifest) -> str:
    """Name the levels' grids."""
    served = manifest.preprocessing
    told = [f"{level.grid(served).spacing_mm} mm grid{_format_region(level.region)}" for level in manifest.levels]
    if len(set(told)) == 1:
        return told[0]
    return ", ".join(f"level {number} on a {words}" for number, words in enumerate(told, start=1))


def _format_region(region: RegionSpec | None) -> str:
    """Name the region that a level sees, where it is not the whole volume."""
    if region is None:
        return ""
    if region.extent_mm is None:
        return f" in the head's box with a margin of {region.margin_mm:g} mm"
    return f" in a cube of {region.extent_mm:g} mm around the head"


def _format_data(trained_on: str, evaluation: Evaluation | None) -> str:
    """Say what the model learned from and was measured on, and how far that goes."""
    measured_on = SIMULATED if evaluation is None else evaluation.data
    if (trained_on, measured_on) == (SIMULATED, SIMULATED):
        return (
            "**Trained and evaluated on simulated data alone.** No clinical volume was used. The accuracy below is "
            "that on simulated\nscans and says nothing certain about clinical ones."
        )
    return (
        f"**Trained on: {trained_on}. Evaluated on: {measured_on} volumes.** The accuracy below holds for volumes "
        "of that kind alone."
    )


def _format_accuracy(evaluation: Evaluation | None) -> str:
    if evaluation is None or not (sections := evaluation.sections):
        return "Not evaluated."
    return f"{format_table(sections, evaluation.data)}\n\n{explain(sections, evaluation.data)}".rstrip()


def explain_missing_interval(evaluation: Evaluation | None) -> str | None:
    """Say why no interval can go with a volume; None where one can."""
    if evaluation is not None and evaluation.volume_interval is not None:
        return None
    if evaluation is None or evaluation.test is None:
        return "the model was not measured on test cases"
    known = evaluation.test.cases - evaluation.test.verdicts.get("reject", 0)
    if known < FEWEST:
        return f"{known} test cases got a volume, at least {FEWEST} are needed; measure more"
    return "its evaluation.json has none; write it anew with `fetalhead-train evaluate`, which keeps what is measured"


def _format_interval(manifest: ModelManifest, evaluation: Evaluation | None) -> str:
    """Give the interval and its empirical coverage on cases that it was not fitted to."""
    interval = manifest.volume_interval
    if (why := explain_missing_interval(evaluation)) is not None or interval is None or evaluation is None:
        return f"None is given: {why}."
    parts = evaluation.sections
    checks = {name: part.interval_held for name, part in parts.items() if interval.by_case or name != "test"}
    told = "; ".join(f"`{name}` {held}" for name, held in checks.items() if held is not None) or "not measured"
    if interval.by_case is not None:
        return f"{_format_width(interval, interval.by_case)}\n\nThe true volume lay in it: {told}."
    return (
        "With each volume goes the 95 % prediction interval of the errors on `test`: the measured volume less a bias "
        f"of {interval.bias_percent:+.1f} %,\n± {interval.half_width_percent:.1f} % of it, ± {interval.floor_ml:g} "
        f"mL at least. The true volume lay in it, elsewhere: {told}."
    )


def _format_width(interval: VolumeInterval, by_case: WidthByCase) -> str:
    """Give the width of an interval that follows the case, and what set it."""
    factors = ", ".join(f"`{factor.number}` ^ {factor.exponent:.2f}" for factor in by_case.factors)
    return (
        f"With each volume goes a 95 % interval: the measured volume less a bias of {interval.bias_percent:+.1f} %, "
        f"± {interval.half_width_percent:.1f} % of it in a typical case,\n± {interval.floor_ml:g} mL at least. It is "
        f"wider where the outline is in doubt, by {factors},\neach over its typical value (the first as 1 - DSC). "
        f"It was set on {by_case.cases} validation scans ({by_case.data}) by cross-conformal prediction."
    )


def _format_repeated(evaluation: Evaluation | None) -> str:
    """Give the spread of repeated scans, with the command that measured it."""
    if evaluation is None or evaluation.reproducibility is None:
        return ""
    return f"""
## Reproducibility

{format_repeated(evaluation.reproducibility)}

The paper's spread is that of 52 clinical subjects, scanned along three directions each.
"""

"""What a model that is trained on passes to its candidate: review limits, and how much of the change was kept.

The threshold itself is not handed down: training draws it back to 0.5, and a model fine-tuned on eight volumes that
kept its parent's 0.40 lost half a DSC point on others.
"""

from pathlib import Path

from app.contract.value import Value
from app.files import write_atomically
from app.imaging.postprocess import PostprocessingSpec
from app.imaging.quality import QualitySpec
from app.inference.manifest import ModelManifest
from training.export.weights import find_model, find_run
from training.fitting.run_folder import RunFolder


class HandedDown(Value):
    """What a model doubts by, and which model that is."""

    model: str
    quality: QualitySpec


class KeptChange(Value):
    """How much of what was learned from volumes of one's own was kept: 1 all of it; with the threshold that suits it.

    `dsc` is the mean over so many validation cases by share, 0 being the model as it was; empty without cases.
    """

    share: float
    threshold: float
    cases: int
    dsc: dict[float, float]

    def __str__(self) -> str:
        """Return the shares with their DSC, for people."""
        if not self.dsc:
            return "all of what was learned is kept: there is no validation volume to ask"
        tried = ", ".join(f"{100 * dsc:.2f} % with {_format_share(share)}" for share, dsc in sorted(self.dsc.items()))
        text = f"{_format_share(self.share)} is kept; DSC on {self.cases} validation volumes: {tried}"
        if self.dsc[self.share] <= self.dsc[0.0]:
            text += ". What it began with is no worse there: more volumes are needed for this to pay"
        return text


def read_threshold(start: str, store: Path) -> float:
    """Read the threshold of what is trained on: a published model's, that of a run's kept change, or else 0.5."""
    if (run := find_run(start)) is None:
        return find_model(start, store).manifest.postprocessing.threshold
    kept = read_kept_change(run)
    return PostprocessingSpec().threshold if kept is None else kept.threshold


def keep_change(kept: KeptChange, run: RunFolder) -> None:
    """Note in a run how much of its change its weights hold."""
    write_atomically(run.kept_change, kept.model_dump_json(indent=2) + "\n")


def read_kept_change(run: RunFolder) -> KeptChange | None:
    """Read how much of a run's change was kept; None where all of it is in the weights."""
    path = run.kept_change
    return KeptChange.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def _format_share(share: float) -> str:
    return {0.0: "none of it", 1.0: "all of it"}.get(share, f"{100 * share:.0f} % of it")


def keep_rules(start: str, store: Path, run: RunFolder) -> None:
    """Note in a run by which limits the model that it starts from is doubted.

    `start` is a published model such as `fetal_head/8`, or the folder of a run, which passes on what it was given.
    """
    run.path.mkdir(parents=True, exist_ok=True)
    if (before := find_run(start)) is not None:
        if (given := before.rules).is_file():
            write_atomically(run.rules, given.read_bytes())
        return
    known = find_model(start, store).manifest
    rules = HandedDown(model=f"{known.name} {known.version}", quality=known.quality)
    write_atomically(run.rules, rules.model_dump_json(indent=2) + "\n")


def with_rules(manifest: ModelManifest, run: RunFolder) -> ModelManifest:
    """Return a candidate's manifest with what its run was handed down and kept, if anything."""
    notes = list(manifest.training.notes)
    update: dict[str, object] = {}
    path = run.rules
    if path.is_file():
        rules = HandedDown.model_validate_json(path.read_text(encoding="utf-8"))
        notes.append(f"Begun with the review limits of {rules.model}.")
        update["quality"] = rules.quality
    if (kept := read_kept_change(run)) is not None:
        notes.append(f"Of what was learned from own volumes, {kept}.")
        update["postprocessing"] = manifest.postprocessing.model_copy(update={"threshold": kept.threshold})
    return manifest.model_copy(
        update={**update, "training": manifest.training.model_copy(update={"notes": tuple(notes)})}
    )

"""The review limits that a published model hands down to those that are trained on from it.

The threshold is not handed down: training draws it back to 0.5, and a model fine-tuned on eight volumes that kept its
parent's 0.40 lost half a DSC point on others.
"""

from pathlib import Path
from shutil import copyfile

from pydantic import BaseModel, ConfigDict

from app.imaging.quality import QualitySpec
from app.inference.manifest import ModelManifest
from training.export.weights import published_model, trained_run

RULES_FILE = "rules.json"


class HandedDown(BaseModel):
    """What a model doubts by, and which model that is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    quality: QualitySpec


def keep_rules(start: str, store: Path, run: Path) -> None:
    """Note in a run by which limits the model that it starts from is doubted.

    `start` is a published model such as `fetal_head/6`, or the folder of a run, which passes on what it was given.
    """
    run.mkdir(parents=True, exist_ok=True)
    if (before := trained_run(start)) is not None:
        if (given := before / RULES_FILE).is_file():
            copyfile(given, run / RULES_FILE)
        return
    known = published_model(start, store).manifest
    rules = HandedDown(model=f"{known.name} {known.version}", quality=known.quality)
    (run / RULES_FILE).write_text(rules.model_dump_json(indent=2) + "\n", encoding="utf-8")


def with_rules(manifest: ModelManifest, run: Path) -> ModelManifest:
    """The manifest of a candidate with what its run was handed down; as it is where that is nothing."""
    path = run / RULES_FILE
    if not path.is_file():
        return manifest
    rules = HandedDown.model_validate_json(path.read_text(encoding="utf-8"))
    told = f"{manifest.training.description}; begun with the review limits of {rules.model}"
    return manifest.model_copy(
        update={
            "quality": rules.quality,
            "training": manifest.training.model_copy(update={"description": told}),
        }
    )

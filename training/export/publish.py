"""From a run to a candidate model, and from an evaluated candidate to the next version in a model store."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import onnx

from app.files import digest, flush
from app.imaging.arrays import Float32
from app.inference.manifest import (
    AccuracySummary,
    ModelManifest,
    SelfTest,
    SetAccuracy,
    StoredLevel,
    TrainingRecord,
)
from training.cases.sources import CaseSource, GridCase, prepare
from training.config.training import TrainingConfig
from training.evaluation.report import Evaluation, EvaluationSection
from training.export.candidate import read_manifest, write_manifest
from training.export.card import format_model_card
from training.export.errors import ExportError
from training.export.gate import require_no_worse
from training.export.graph.onnx import export_level
from training.export.graph.parity import (
    Parity,
    ServedCascade,
    halving_is_harmless,
    require_parity,
)
from training.export.graph.precision import half_file, half_precision, half_weights, single_precision
from training.export.graph.reparameterize import reparameterize
from training.export.history import make_training_record
from training.export.rules import with_rules
from training.export.selftest import TOLERANCE, crop_around_head, make_test_vector
from training.export.weights import WEIGHTS_FILE, pack_weights
from training.fitting.cascade import build_cascade, load_levels
from training.fitting.checkpoint import LevelWeights
from training.fitting.run_folder import RunFolder

NAME = "fetal_head"
SELFTEST_FILE, CARD_FILE, EVALUATION_FILE = "selftest.npz", "model_card.md", "evaluation.json"
MAX_BYTES = 96 * 2**20
PARITY_CASES = 3


@dataclass(frozen=True)
class ExportedModel:
    """Graphs as they will be stored, their precision, the volume of the test vector, and which exact rules applied.

    `halves` are the same graphs in half precision, stored but not served until they have passed their gate.
    """

    graphs: tuple[onnx.ModelProto, ...]
    halves: tuple[onnx.ModelProto, ...]
    precision: Literal["fp16", "fp32"]
    part: Float32
    parity: Parity
    cascade: ServedCascade
    algebra: str


def export(run: RunFolder, cases: CaseSource, store: Path, created: datetime, note: str = "", name: str = NAME) -> Path:
    """Export all levels of a run as the candidate `store/<name>/1`, checked against torch; return its folder.

    The note goes into the model card: what happened in the run that its commands do not tell.
    Raises ExportError for a folder that exists or a model that is too large, ParityError where torch and ONNX differ.
    """
    target = store / name / "1"
    if target.exists():
        raise ExportError(f"{target} exists already; export into an empty folder")
    weights = load_levels(run)
    config = weights[0].config
    if config.network.view == "tiles":
        raise ExportError("a network of tiles is measured, not served; export one that sees whole volumes, or slices")
    seeds = [seed for seed in cases.seeds() if seed in config.data.validation][:PARITY_CASES] or cases.seeds()[:1]
    if not seeds:
        raise ExportError("parity and the test vector need at least one case; make phantoms first")
    prepared = [prepare(cases.load(seed), config.preprocessing) for seed in seeds]
    model = export_levels(weights, prepared)
    files = _pack_files(model)
    agreement = f"torch and ONNX Runtime agree to {model.parity.max_difference:.1e}."
    notes = [f"Re-parameterised exactly: {model.algebra}.", agreement, *([note] if note else [])]
    training = make_training_record(weights, run, notes)
    manifest = _make_manifest(model, files, config, training, created).model_copy(update={"name": name})
    with _draft(target) as draft:
        for file, content in files.items():
            (draft / file).write_bytes(content)
        for number, half in enumerate(model.halves, start=1):
            (draft / half_file(number)).write_bytes(half.SerializeToString())
        (draft / WEIGHTS_FILE).write_bytes(pack_weights(weights))
        write_manifest(draft, with_rules(manifest, run))
    return target


def publish(
    candidate: Path,
    store: Path,
    evaluation: Evaluation | None,
    baseline: Evaluation | None = None,
    force: bool = False,
    command: str | None = None,
) -> Path:
    """Publish an exported candidate with its evaluation as the next version of the store, by one atomic rename.

    The manifest's commands go on with those of the evaluation and, where it is told, the command that publishes.

    Raises WorseModelError where it is worse than the newest version on that one's test cases, unless forced.
    `baseline` is the newest version's evaluation where its own, in the store, is of other cases.
    """
    manifest = read_manifest(candidate)
    newest = _find_next_version(store / manifest.name) - 1
    if newest and not force:
        require_no_worse(evaluation, baseline or _read_evaluation(store / manifest.name / str(newest)), newest)
    target = store / manifest.name / str(_find_next_version(store / manifest.name))
    update: dict[str, object] = {"version": int(target.name), "volume_interval": None}
    if evaluation is not None:
        update |= {"accuracy": _summarise_accuracy(evaluation), "volume_interval": evaluation.volume_interval}
    told = (*manifest.training.commands, *_list_measuring_commands(evaluation), *([command] if command else []))
    training = manifest.training.model_copy(update={"commands": told})
    published = manifest.model_copy(update={**update, "training": training})
    with _draft(target) as draft:
        for name in published.file_hashes:
            shutil.copyfile(candidate / name, draft / name)
        if (candidate / WEIGHTS_FILE).is_file():
            shutil.copyfile(candidate / WEIGHTS_FILE, draft / WEIGHTS_FILE)
        write_manifest(draft, published)
        (draft / CARD_FILE).write_text(format_model_card(published, evaluation), encoding="utf-8")
        if evaluation is not None:
            text = evaluation.model_dump_json(indent=2, exclude_none=True) + "\n"
            (draft / EVALUATION_FILE).write_text(text, encoding="utf-8")
    return target


def _list_measuring_commands(evaluation: Evaluation | None) -> list[str]:
    """Return the commands that measured what an evaluation holds."""
    if evaluation is None:
        return []
    told = [part.command for part in evaluation.sections.values()]
    repeated = [] if evaluation.reproducibility is None else [evaluation.reproducibility.command]
    return [command for command in (*told, *repeated) if command]


def _read_evaluation(folder: Path) -> Evaluation | None:
    path = folder / EVALUATION_FILE
    return Evaluation.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def export_levels(weights: Sequence[LevelWeights], cases: Sequence[GridCase]) -> ExportedModel:
    """Export, re-parameterise, compare with torch on cases and parts of them, choose the weights' precision."""
    config = weights[0].config
    levels, divisor = build_cascade(weights), config.network.shape_divisor
    exported = (export_level(level, n, divisor) for n, level in enumerate(levels, start=1))
    composed, algebra = zip(*map(reparameterize, exported), strict=True)
    graphs, halves = [single_precision(graph) for graph in composed], tuple(map(half_precision, composed))
    cascade = ServedCascade([level.spec for level in config.level], config.preprocessing)
    part = crop_around_head(cases[0], divisor, cascade)
    volumes: list[Float32] = [part, *(case.image.astype("float32")[None, None] for case in cases)]
    parity = require_parity(graphs, levels, volumes, cascade)
    smaller = [half_weights(graph) for graph in graphs]
    harmless = halving_is_harmless(smaller, graphs, volumes, cascade)
    stored = tuple(smaller if harmless else graphs)
    return ExportedModel(stored, halves, "fp16" if harmless else "fp32", part, parity, cascade, algebra[-1])


def _pack_files(model: ExportedModel) -> dict[str, bytes]:
    files = {f"context_level_{n}.onnx": graph.SerializeToString() for n, graph in enumerate(model.graphs, start=1)}
    files[SELFTEST_FILE] = make_test_vector(model.graphs, model.part, model.cascade)
    size = sum(map(len, files.values()))
    if size > MAX_BYTES:
        raise ExportError(f"the model has {size} bytes, at most {MAX_BYTES} are allowed; use a smaller network.width")
    return files


def _make_manifest(
    model: ExportedModel, files: dict[str, bytes], config: TrainingConfig, training: TrainingRecord, created: datetime
) -> ModelManifest:
    *levels, selftest = files
    return ModelManifest(
        name=NAME,
        version=1,
        created=created,
        levels=tuple(
            StoredLevel(file=name, sha256=digest(files[name]), size=len(files[name]), **dict(level))
            for name, level in zip(levels, model.cascade.levels, strict=True)
        ),
        precision=model.precision,
        preprocessing=config.preprocessing,
        selftest=SelfTest(file=selftest, sha256=digest(files[selftest]), tolerance=TOLERANCE),
        training=training,
    )


def _summarise_accuracy(evaluation: Evaluation) -> AccuracySummary | None:
    if evaluation.test is None:
        return None
    shifted = evaluation.shifted and _summarise_section(evaluation.shifted)
    return AccuracySummary(test=_summarise_section(evaluation.test), shifted=shifted)


def _summarise_section(part: EvaluationSection) -> SetAccuracy:
    return SetAccuracy(
        cases=part.cases,
        dsc_mean=part.dsc.mean,
        dsc_min=part.dsc.min,
        volume_error_percent_mean=part.volume_error_percent.mean,
        volume_bias_ml=part.volume_bias_ml,
        volume_loa_half_width_ml=part.volume_loa_half_width_ml,
    )


def _find_next_version(folder: Path) -> int:
    """Return the number after the newest version; 1 in an empty store."""
    versions = [int(path.name) for path in folder.glob("*") if path.name.isdigit()] if folder.is_dir() else []
    return max(versions, default=0) + 1


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """Make a folder that becomes the target when the block ends well, and vanishes when it does not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
    try:
        yield folder
        folder.chmod(0o755)
        for path in (*folder.iterdir(), folder):
            flush(path)
        os.rename(folder, target)
    except BaseException:
        shutil.rmtree(folder)
        raise
    flush(target.parent)

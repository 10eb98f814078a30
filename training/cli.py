"""The `fetalhead-train` command.

Exit codes: 0 it worked, 1 the work failed (a parity check, a damaged model), 2 the input cannot be used.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.completion import add_completion, script
from training.config import ConfigError, TrainingConfig, load_config, preset_names

if TYPE_CHECKING:
    from training.evaluation.cases import Segment
    from training.phantom import Phantom, SimulationRequest


class CohortChangedError(Exception):
    """The simulator makes other patients than the cohort's version had."""


Command = Callable[[argparse.Namespace], object]
T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        command(options)
    except ConfigError as error:
        return _complain(error, 2)
    except Exception as error:
        if type(error).__module__.split(".")[0] not in {"app", "training"}:
            raise
        return _complain(error, 1)
    return 0


def _complain(error: Exception, code: int) -> int:
    print(f"fetalhead-train: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fetalhead-train", description="Simulate, train, evaluate and publish.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_data_commands(commands)
    _add_fit(commands)
    _add_evaluate(commands)
    _add_export_commands(commands)
    _add_benchmark(commands)
    add_completion(commands, "fetalhead-train", lambda shell: script(parser, shell))
    return parser


def _add_data_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    phantom = commands.add_parser("phantom", help="simulate one scan and its truth as NIfTI files")
    phantom.add_argument("out", type=Path, help="folder for volume, truth (.nii.gz), record.json and preview.png")
    phantom.add_argument("--ga", type=float, help="gestational age in weeks; drawn from the seed when left out")
    phantom.add_argument("--seed", type=int, default=1)
    phantom.add_argument("--spacing", type=float, default=0.38, help="mm")
    phantom.add_argument("--family", help="parametric, freeform or lofted; drawn when left out")
    phantom.add_argument("--look", help="fundamental, compound, grainy, contrast or vintage; drawn when left out")
    phantom.set_defaults(command=_phantom)
    cohort = commands.add_parser("cohort", help="simulate a cohort into a folder; continues where it stopped")
    cohort.add_argument("out", type=Path)
    cohort.add_argument("--kind", default="train", help="train, context, validation, test, shifted or reproducibility")
    cohort.add_argument("--cases", type=int, required=True)
    cohort.add_argument("--spacing", type=float, default=1.3, help="mm")
    cohort.set_defaults(command=_cohort)
    verify = commands.add_parser("verify-cohort", help="compare the fixed cohort's scenes with the committed digests")
    verify.add_argument("--every", type=int, default=1, help="check every so many scans of each part")
    verify.set_defaults(command=_verify_cohort)


def _add_fit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fit = commands.add_parser("fit", help="train the context levels of a preset")
    fit.add_argument("preset", help=f"one of {', '.join(preset_names())}, or the path of a .toml file")
    fit.add_argument(
        "--data",
        type=Path,
        help="folder of phantoms, where what lacks is made (default: runs/PRESET/phantoms), "
        "or of your own volumes: images/CASE.nii.gz with labels/CASE.nii.gz, or nnU-Net's imagesTr and labelsTr",
    )
    fit.add_argument("--from", dest="start", help="train this model on: fetal_head/2, fetal_head or a run's folder")
    fit.add_argument("--store", type=Path, default=Path("model_store"), help="model store that --from reads")
    _add_split(fit)
    fit.add_argument("--run", type=Path, help="folder for weights, checkpoints, TensorBoard (default: runs/PRESET)")
    fit.add_argument("--no-phantoms", action="store_true", help="train on what the folder holds; make nothing")
    fit.add_argument("--level", type=int, action="append", help="train this context level only (repeatable)")
    fit.add_argument("--minutes", type=float, help="replace the wall-clock budget of every level")
    fit.add_argument("--resume", action="store_true", help="continue from the last checkpoint of a level")
    fit.set_defaults(command=_fit)


def _add_split(command: argparse.ArgumentParser) -> None:
    words = "of your own volumes: CSV with the columns name,part, or TOML (default: DIR/split.csv, else by patient)"
    command.add_argument("--split", type=Path, help=f"train, validation and test {words}")


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = commands.add_parser("evaluate", help="evaluate a model on simulated scans of native size; resumable")
    evaluate.add_argument("--cohort", choices=("test", "shifted", "validation"), default="test")
    evaluate.add_argument("--cases", type=int, default=50)
    evaluate.add_argument("--data", type=Path, help="folder of your own volumes with labels, instead of a cohort")
    evaluate.add_argument("--part", choices=("test", "validation", "train"), default="test", help="of your own volumes")
    _add_split(evaluate)
    _add_model_options(evaluate)
    evaluate.set_defaults(command=_evaluate)
    repeat = commands.add_parser("reproducibility", help="measure the same fetuses along three directions; resumable")
    repeat.add_argument("--groups", type=int, default=52)
    repeat.add_argument("--data", type=Path, help="folder of your own volumes, several a patient; labels not needed")
    _add_model_options(repeat)
    repeat.set_defaults(command=_reproducibility)


def _add_model_options(evaluate: argparse.ArgumentParser) -> None:
    """Which model, which scans, where to."""
    evaluate.add_argument("--store", type=Path, default=Path("model_store"), help="model store of the model")
    evaluate.add_argument("--name", default="fetal_head", help="the model's name in the store")
    evaluate.add_argument("--version", type=int, help="model version, the newest by default")
    evaluate.add_argument("--url", help="go through a running service instead")
    evaluate.add_argument("--api-key", help="key for the running service")
    evaluate.add_argument("--spacing", type=float, default=0.38, help="mm")
    evaluate.add_argument("--phantoms", type=Path, help="keep the simulated scans in this folder")
    evaluate.add_argument("--threads", type=int, default=0, help="0 takes every core the process may use")
    evaluate.add_argument("--out", type=Path, required=True, help="folder for journals, figures, evaluation.json")


def _add_export_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = commands.add_parser("export", help="export a run as a candidate model, checked against torch")
    export.add_argument("run", type=Path)
    export.add_argument("--data", type=Path, help="phantoms for parity and test vector (default: RUN/phantoms)")
    export.add_argument("--store", type=Path, help="empty folder that becomes a store (default: RUN/store)")
    export.add_argument("--name", default="fetal_head", help="the model's name in the store")
    export.add_argument("--note", default="", help="for the model card: what the commands do not tell about this run")
    export.set_defaults(command=_export)
    _add_faster_commands(commands)
    calibrate = commands.add_parser("calibrate", help="set a candidate's review limits on validation cases")
    calibrate.add_argument("candidate", type=Path, help="folder of the candidate, such as runs/cpu/store/fetal_head/1")
    calibrate.add_argument("--cases", type=int, default=24)
    calibrate.add_argument("--spacing", type=float, default=0.38, help="mm, as served")
    calibrate.add_argument("--phantoms", type=Path, help="keep the simulated scans in this folder")
    calibrate.set_defaults(command=_calibrate)
    publish = commands.add_parser("publish", help="publish a candidate as the next version of a model store")
    publish.add_argument("candidate", type=Path, help="folder of the candidate, such as candidate/fetal_head/1")
    publish.add_argument("--evaluation", type=Path, help="its evaluation.json")
    publish.add_argument("--baseline", type=Path, help="evaluation.json of the newest version on the same cases")
    publish.add_argument("--force", action="store_true", help="publish even what is worse than the newest version")
    publish.add_argument("--store", type=Path, default=Path("model_store"))
    publish.set_defaults(command=_publish)


def _add_faster_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    quantize = commands.add_parser("quantize", help="let a candidate be served in bf16 and int8 where that is harmless")
    focus = commands.add_parser("focus", help="let a candidate's later levels look at the head's box where harmless")
    for command, cases, run in ((quantize, 40, _quantize), (focus, 20, _focus)):
        command.add_argument("candidate", type=Path, help="folder of the candidate; run this before calibrate")
        command.add_argument("--cases", type=int, default=cases, help=f"phantoms of the gate (default: {cases})")
        command.add_argument("--spacing", type=float, default=1.3, help="mm")
        command.add_argument("--phantoms", type=Path, help="keep the simulated scans in this folder")
        command.set_defaults(command=run)
    quantize.add_argument("--calibration", type=int, default=8, help="other phantoms, for int8's ranges (default: 8)")
    focus.add_argument("--margin", type=float, nargs="+", default=[10.0, 20.0, 30.0], help="mm, the smallest first")


def _add_benchmark(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    bench = commands.add_parser("benchmark", help="train and compare all systems of the paper's tables; resumable")
    bench.add_argument("--scale", choices=("smoke", "cpu", "gpu"), default="smoke")
    bench.add_argument("--systems", help="names separated by commas (default: all)")
    bench.add_argument("--root", type=Path, help="folder for runs and scans (default: runs/benchmark/SCALE)")
    bench.add_argument("--phantoms", type=Path, help="folder of training scans (default: ROOT/phantoms)")
    bench.add_argument("--results", type=Path, help="folder to write (default: docs/results/DATE-SCALE)")
    bench.add_argument("--no-train", action="store_true", help="measure and report what is finished")
    bench.add_argument("--note", default="", help="for the report: what the commands do not tell")
    bench.set_defaults(command=_benchmark)
    leave = commands.add_parser("leave-out", help="train a preset without each look or family, measure on those")
    leave.add_argument("preset", help="name or path of a preset")
    leave.add_argument("--kind", choices=("look", "family"), default="look")
    leave.add_argument("--phantoms", type=Path, help="folder of training scans (default: ROOT/phantoms)")
    leave.add_argument("--root", type=Path, help="folder for runs and scans (default: runs/leave-out/PRESET-KIND)")
    leave.add_argument("--cases", type=int, default=40, help="test scans of each look or family")
    leave.add_argument("--spacing", type=float, default=2.0, help="mm, of the test scans")
    leave.add_argument("--minutes", type=float, help="replace the wall-clock budget of every level")
    leave.add_argument("--no-phantoms", action="store_true", help="train on what the folder holds; make nothing")
    leave.set_defaults(command=_leave_out)


def _phantom(options: argparse.Namespace) -> None:
    from app.imaging.nifti import encode_volume
    from app.preview import PreviewText, draw_preview
    from training.phantom import SimulationRequest, simulate

    request = SimulationRequest(
        seed=options.seed, spacing=options.spacing, weeks=options.ga, family=options.family, look=options.look
    )
    try:
        made = simulate(request)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    kind = f"simulated: {made.record.family} head, {made.record.look} look"
    text = PreviewText("ok", made.record.true_volume_ml, None, (kind,), "truth")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "volume.nii.gz").write_bytes(encode_volume(made.volume))
    (options.out / "truth.nii.gz").write_bytes(encode_volume(made.truth))
    (options.out / "preview.png").write_bytes(draw_preview(made.volume, made.truth.data, text))
    (options.out / "record.json").write_text(made.record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(made.record.model_dump_json())


def _cohort(options: argparse.Namespace) -> None:
    from training.phantom.cohort import COHORTS, make_cohort, request_for

    if options.kind not in COHORTS:
        raise ConfigError(f"no cohort {options.kind!r}; expected one of {', '.join(COHORTS)}")
    requests = [request_for(options.kind, number, options.spacing) for number in range(options.cases)]
    for _ in _with_progress(make_cohort(options.out, requests), len(requests), "phantoms"):
        pass


def _verify_cohort(options: argparse.Namespace) -> None:
    from training.phantom.fixed import VERSION, computed_digests, stored_digests

    stored = stored_digests()
    total = sum(-(-len(scenes) // options.every) for scenes in stored.scenes.values())
    changed: list[str] = []
    for part, place, request, digest in _with_progress(computed_digests(options.every), total, "scenes"):
        if stored.scenes[part][place] != digest:
            changed.append(f"{part} {request.seed}")
    if changed:
        raise CohortChangedError(
            f"{len(changed)} of {total} scans differ from version {VERSION} of the cohort, such as {changed[0]}; "
            "results do not compare with earlier ones: raise VERSION in training/phantom/fixed.py"
        )
    print(f"{total} scans as in version {VERSION} of the cohort")


def _fit(options: argparse.Namespace) -> None:
    from training import auto_context
    from training.data import PhantomCache
    from training.own_data.commands import OwnData, is_own
    from training.phantom.background import made_beside

    config: TrainingConfig = load_config(options.preset)
    if options.minutes is not None:
        config = config.with_minutes(options.minutes)
    levels = tuple(options.level or range(1, config.cascade.context_levels + 1))
    run: Path = options.run or Path("runs") / config.name
    if is_own(options.data):
        own = OwnData(options.data, options.split)
        if options.start is None:
            return own.fit(config, run, levels, options.resume)
        return own.fine_tune(config, options.start, options.store, run, options.resume)
    data: Path = options.data or run / "phantoms"
    if options.start is not None:
        raise ConfigError(
            f"--from trains on your own volumes: {data} holds no images/ and labels/; name one with --data"
        )
    with made_beside(data, _wanted_phantoms(config, options.no_phantoms)):
        auto_context.fit(config, PhantomCache(data), run, levels, options.resume)


def _wanted_phantoms(config: TrainingConfig, none: bool) -> "list[SimulationRequest]":
    """Validation cases first, then the levels' cohorts in turn, as training needs them."""
    from training.phantom.cohort import request_for

    if none or config.phantoms is None:
        return []
    batches = config.phantoms.batches
    return [request_for(b.cohort, b.first + n, b.spacing_mm) for b in batches for n in range(b.cases)]


def _evaluate(options: argparse.Namespace) -> None:
    from training.phantom.cohort import request_for

    if options.data is not None:
        from training.own_data.commands import OwnData

        own = OwnData(options.data, options.split)
        print(own.evaluate(options.part, _segmenter(options), options.out, _with_progress))
        return
    requests = [request_for(options.cohort, number, options.spacing) for number in range(options.cases)]
    _measure(options, requests, options.cohort)


def _reproducibility(options: argparse.Namespace) -> None:
    from training.phantom.views import scan_directions

    if options.data is not None:
        from training.own_data.commands import OwnData

        print(OwnData(options.data).reproducibility(_segmenter(options), options.out))
        return
    _measure(options, list(scan_directions(options.groups, options.spacing)), "reproducibility")


def _measure(options: argparse.Namespace, requests: "Sequence[SimulationRequest]", name: str) -> None:
    """Measure the scans that the journal lacks, then write the report of all journals in the folder."""
    from training.evaluation import cases, report

    results = cases.evaluate_cases(requests, _segmenter(options), options.out / f"{name}.jsonl", options.phantoms)
    for _ in _with_progress(results, len(requests), name):
        pass
    print(report.write_folder(options.out, "fetalhead-train evaluate --cohort test|shifted --out OUT"))


def _segmenter(options: argparse.Namespace) -> "Segment":
    """Through a running service, or in this process."""
    from training.evaluation.cases import over_http

    return over_http(options.url, options.api_key) if options.url else _local_segmenter(options)


def _local_segmenter(options: argparse.Namespace) -> "Segment":
    from app.inference.model_store import ModelStore
    from app.inference.segmenter import HeadSegmenter
    from app.inference.session import RuntimeSettings
    from training.evaluation.cases import in_process

    stored = ModelStore(options.store).resolve(options.name, options.version)
    segmenter = HeadSegmenter(stored, RuntimeSettings(threads=options.threads))
    segmenter.selftest()
    return in_process(segmenter)


def _export(options: argparse.Namespace) -> None:
    from datetime import UTC, datetime

    from training.data import CaseSource, PhantomCache
    from training.export.publish import export
    from training.own_data.commands import OwnData, is_own

    run: Path = options.run
    data, store = options.data or run / "phantoms", options.store or run / "store"
    source: CaseSource = OwnData(data).source(run) if is_own(data) else PhantomCache(data)
    print(export(run, source, store, datetime.now(UTC), options.note, options.name))


def _quantize(options: argparse.Namespace) -> None:
    from training.export.faster import try_precisions

    phantoms = list(
        _with_progress(_validation(options, options.calibration), options.cases + options.calibration, "made")
    )
    for outcome in try_precisions(options.candidate, phantoms[options.calibration :], phantoms[: options.calibration]):
        print(outcome, flush=True)


def _focus(options: argparse.Namespace) -> None:
    from training.export.faster import try_focus

    phantoms = list(_with_progress(_validation(options), options.cases, "made"))
    for outcome in try_focus(options.candidate, phantoms, options.margin):
        print(outcome, flush=True)


def _validation(options: argparse.Namespace, more: int = 0) -> "Iterable[Phantom]":
    """Phantoms of the validation cohort, as many as there are cases, and more."""
    from training.evaluation.cases import stored_phantom
    from training.phantom.cohort import request_for

    requests = (request_for("validation", number, options.spacing) for number in range(options.cases + more))
    return (stored_phantom(request, options.phantoms) for request in requests)


def _calibrate(options: argparse.Namespace) -> None:
    from app.inference.model_store import ModelStore
    from app.inference.segmenter import HeadSegmenter
    from app.inference.session import RuntimeSettings
    from training.evaluation import calibration
    from training.evaluation.cases import stored_phantom
    from training.export.publish import recalibrate
    from training.phantom.cohort import request_for

    candidate: Path = options.candidate
    requests = [request_for("validation", n, options.spacing) for n in range(options.cases)]

    def segmenter() -> HeadSegmenter:
        stored = ModelStore(candidate.parent.parent).resolve(candidate.parent.name, int(candidate.name))
        return HeadSegmenter(stored, RuntimeSettings())

    def phantoms(title: str) -> "Iterable[Phantom]":
        made = (stored_phantom(request, options.phantoms) for request in requests)
        return _with_progress(made, len(requests), title)

    threshold = calibration.unbiased_threshold(segmenter(), phantoms("threshold"))
    recalibrate(candidate, {"threshold": threshold}, {})
    before = segmenter().manifest.quality
    cases = list(calibration.judged_cases(segmenter(), phantoms("limits")))
    limits = calibration.review_limits(cases, before)
    recalibrate(candidate, {}, limits)
    after = segmenter().manifest.quality
    print(
        f"threshold {threshold}\nbefore: {calibration.check(cases, before)}\nafter:  {calibration.check(cases, after)}"
    )


def _publish(options: argparse.Namespace) -> None:
    from training.evaluation.report import Evaluation
    from training.export.publish import publish

    def read(path: Path | None) -> Evaluation | None:
        return None if path is None else Evaluation.model_validate_json(path.read_text(encoding="utf-8"))

    evaluation, baseline = read(options.evaluation), read(options.baseline)
    print(publish(options.candidate, options.store, evaluation, baseline, options.force))


def _benchmark(options: argparse.Namespace) -> None:
    from datetime import UTC, datetime

    from training.benchmark.command import Benchmark, chosen_systems
    from training.benchmark.scales import SCALES
    from training.phantom.cohort import make_cohort

    scale = SCALES[options.scale]
    root: Path = options.root or Path("runs/benchmark") / scale.name
    work = Benchmark(scale, root, options.phantoms or root / "phantoms", chosen_systems(options.systems))
    if not options.no_train:
        wanted = list(work.wanted())
        for _ in _with_progress(make_cohort(work.phantoms, wanted), len(wanted), "phantoms"):
            pass
        for run in work.train():
            print(f"{run.label}: trained")
    work.evaluate(_with_progress)
    results = options.results or Path("docs/results") / f"{datetime.now(UTC):%Y-%m-%d}-{scale.name}"
    print(work.report(results, options.note))


def _leave_out(options: argparse.Namespace) -> None:
    from training.benchmark.leave_out import LeaveOut, table
    from training.data import PhantomCache
    from training.phantom.cohort import make_cohort

    config = load_config(options.preset)
    if options.minutes is not None:
        config = config.with_minutes(options.minutes)
    root: Path = options.root or Path("runs/leave-out") / f"{config.name}-{options.kind}"
    phantoms: Path = options.phantoms or root / "phantoms"
    wanted = _wanted_phantoms(config, options.no_phantoms)
    for _ in _with_progress(make_cohort(phantoms, wanted), len(wanted), "phantoms"):
        pass
    work = LeaveOut(config, options.kind, root, options.cases, options.spacing)
    for name in work.fit(PhantomCache(phantoms)):
        print(f"{name}: trained")
    found = work.evaluate(_with_progress)
    (root / "result.md").write_text(table(found) + "\n", encoding="utf-8")
    print(table(found))


def _with_progress(items: Iterable[T], total: int, title: str) -> Iterable[T]:
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, total=total, desc=title)
    return bar


if __name__ == "__main__":
    sys.exit(main())

"""The demonstration behind `make demo`: one simulated patient through the running service, measured against the truth.

Run as ``python -m training.cli.demo FOLDER``. It needs the service and the simulated patients, not torch.
Exit status: 0 when the head was measured well, 1 when anything went wrong.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from app.client import FetalHead, FetalHeadError, Retries, ServiceProblem
from app.imaging.metrics import dsc
from app.imaging.nifti.file import encode_volume
from app.imaging.postprocess import head_volume_ml
from training.cli.shared import spacing_mm
from training.phantom import Phantom, SimulationRequest, simulate

READY_TIMEOUT_S = 180.0
POLL_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.2
LOG_TAIL = 2000
MODEL_FAILED = "model_failed"
DEFAULT_SEED = 2_000_005
"""A patient of the test cohort, which no training saw."""
LARGEST_VOLUME_ERROR_PERCENT = 15.0
MEASURED = ("ok", "review")
VOLUME, TRUTH = "volume.nii.gz", "truth.nii.gz"
say = partial(print, flush=True)


class DemoError(Exception):
    """A failed demonstration; the message says at which step, and what to do."""


@dataclass(frozen=True)
class Comparison:
    """One measurement compared with the truth: volumes in mL, the Dice coefficient of both masks as a fraction."""

    measured_ml: float
    true_ml: float
    dsc: float
    verdict: str

    @property
    def error_percent(self) -> float:
        """Signed error of the measured volume, in per cent of the true one."""
        return 100 * (self.measured_ml - self.true_ml) / self.true_ml

    @property
    def good(self) -> bool:
        """Whether the measurement is as good as a newcomer should see it."""
        return self.verdict in MEASURED and abs(self.error_percent) <= LARGEST_VOLUME_ERROR_PERCENT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return its exit status."""
    options = _make_parser().parse_args(arguments)
    request = SimulationRequest(seed=options.seed, weeks=options.ga, spacing=options.spacing)
    try:
        comparison = demonstrate(request, options.folder)
    except (DemoError, FetalHeadError) as error:
        say(f"demo failed: {error}")
        return 1
    say(_format_table(comparison))
    say(f"\nmask, report, picture, the volume and its true outline: {options.folder}/")
    if not comparison.good:
        say(
            f"demo failed: got verdict {comparison.verdict} and a volume error of {comparison.error_percent:+.1f} %; "
            f"expected {' or '.join(MEASURED)} and at most {LARGEST_VOLUME_ERROR_PERCENT:.0f} %"
        )
    return 0 if comparison.good else 1


def demonstrate(request: SimulationRequest, folder: Path) -> Comparison:
    """Simulate one patient, let the service measure it, and leave every file in `folder`.

    The service starts up while the patient is being simulated. Raises DemoError where a step fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with running_service(folder / "service.log") as service:
        say(f"1. simulating one volume ({request.weeks} weeks, seed {request.seed}, {request.spacing} mm) ...")
        phantom = simulate(request)
        payload = encode_volume(phantom.volume)
        (folder / VOLUME).write_bytes(payload)
        (folder / TRUTH).write_bytes(encode_volume(phantom.truth))
        say(f"   {' x '.join(map(str, phantom.volume.data.shape))} voxels, {len(payload) / 1e6:.1f} MB")
        wait_until_ready(service)
        say("2. POST /segment ...")
        return _measure(service, phantom, folder)


@dataclass(frozen=True)
class DemoService:
    """A process of `fetalhead serve` that writes into a log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def check_alive(self) -> None:
        """Raise DemoError with the end of the log where the service has ended."""
        if self.process.poll() is not None:
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
            raise DemoError(f"the service ended with status {self.process.returncode}; the end of {self.log}:\n{tail}")


@contextmanager
def running_service(log: Path, settings: Mapping[str, str] | None = None) -> Iterator[DemoService]:
    """Run `fetalhead serve` on a free port with a temporary data folder, and further settings (without prefix)."""
    with tempfile.TemporaryDirectory(prefix="fetalhead-demo-") as data, log.open("wb") as output:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        given = {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": data, **(settings or {})}
        environment = os.environ | {f"FETALHEAD_{name}": value for name, value in given.items()}
        command = [str(Path(sys.executable).parent / "fetalhead"), "serve"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield DemoService(f"http://127.0.0.1:{port}", process, log)
        finally:
            _stop(process)


def wait_until_ready(service: DemoService) -> None:
    """Return once the service is ready; raise DemoError where its model failed, it ended, or READY_TIMEOUT_S passed."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    with FetalHead(service.url, timeout_s=POLL_TIMEOUT_S, retries=Retries(attempts=1)) as client:
        while True:
            service.check_alive()
            try:
                client.ready()
                return
            except FetalHeadError as error:
                failed = isinstance(error, ServiceProblem) and error.code == MODEL_FAILED
                if failed or time.monotonic() > deadline:
                    raise DemoError(f"the service did not become ready: {error}") from error
            time.sleep(POLL_S)


def _measure(service: DemoService, phantom: Phantom, folder: Path) -> Comparison:
    weeks = round(phantom.record.gestational_age_weeks, 1)
    started = time.monotonic()
    with FetalHead(service.url) as client:
        result = client.segment(folder / VOLUME, gestational_age_weeks=weeks)
    say(f"   answered in {time.monotonic() - started:.1f} s by {result.report.runtime.provider}")
    result.save(folder)
    measured_ml = result.report.head_volume_ml
    return Comparison(
        measured_ml=float("nan") if measured_ml is None else measured_ml,
        true_ml=head_volume_ml(phantom.truth.data, phantom.truth.geometry),
        dsc=dsc(np.asarray(result.mask.dataobj) > 0, phantom.truth.data > 0),
        verdict=result.report.verdict,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _format_table(comparison: Comparison) -> str:
    return (
        f"\n   measured  {comparison.measured_ml:7.1f} mL"
        f"\n   true      {comparison.true_ml:7.1f} mL"
        f"\n   error     {comparison.error_percent:+7.1f} %"
        f"\n   DSC       {comparison.dsc:7.3f}"
        f"\n   verdict   {comparison.verdict:>7}"
    )


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.cli.demo", description="Measure one simulated head.")
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--ga", type=float, default=26.0, help="gestational age, weeks (default: 26)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help=f"which patient (default: {DEFAULT_SEED})")
    parser.add_argument("--spacing", type=spacing_mm, default=0.38, help="voxel size, mm (default: 0.38)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

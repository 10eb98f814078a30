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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray

from app.imaging.nifti.file import encode_volume
from app.imaging.postprocess import head_volume_ml
from training.cli.shared import spacing_mm
from training.evaluation.metrics import dsc, overlap
from training.phantom import Phantom, SimulationRequest, simulate

READY_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.2
LOG_TAIL = 2000
MODEL_FAILED = "model_failed"
DEFAULT_SEED = 2_000_005
"""Of the test cohort: no training saw this patient."""
LARGEST_VOLUME_ERROR_PERCENT = 15.0
MEASURED = ("ok", "review")
FILES = {"volume": "volume.nii.gz", "mask": "mask.nii.gz", "report": "report.json", "preview": "preview.png"}


class DemoError(Exception):
    """The demonstration failed; the message says at which step, and what to do."""


@dataclass(frozen=True)
class Comparison:
    """One measurement beside the truth: volumes in mL, the Dice coefficient of both masks as a fraction."""

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
        """Whether the measurement is what a newcomer should see."""
        return self.verdict in MEASURED and abs(self.error_percent) <= LARGEST_VOLUME_ERROR_PERCENT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return its exit status."""
    options = _parser().parse_args(arguments)
    request = SimulationRequest(seed=options.seed, weeks=options.ga, spacing=options.spacing)
    try:
        comparison = demonstrate(request, options.folder)
    except (DemoError, httpx.HTTPError) as error:
        _say(f"demo failed: {error}")
        return 1
    _say(_table(comparison))
    _say(f"\nmask, report, picture and the volume itself: {options.folder}/")
    if not comparison.good:
        _say(
            f"demo failed: got verdict {comparison.verdict} and a volume error of {comparison.error_percent:+.1f} %; "
            f"expected {' or '.join(MEASURED)} and at most {LARGEST_VOLUME_ERROR_PERCENT:.0f} %"
        )
    return 0 if comparison.good else 1


def demonstrate(request: SimulationRequest, folder: Path) -> Comparison:
    """Simulate one patient, have the service measure it, and leave every file in `folder`.

    The service starts up while the patient is being simulated. Raises DemoError where a step fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with running_service(folder / "service.log") as client:
        _say(f"1. simulating one volume ({request.weeks} weeks, seed {request.seed}, {request.spacing} mm) ...")
        phantom = simulate(request)
        payload = encode_volume(phantom.volume)
        (folder / FILES["volume"]).write_bytes(payload)
        _say(f"   {' x '.join(map(str, phantom.volume.data.shape))} voxels, {len(payload) / 1e6:.1f} MB")
        wait_until_ready(client)
        _say("2. POST /segment ...")
        return _measure(client, payload, phantom, folder)


@contextmanager
def running_service(log: Path) -> Iterator[httpx.Client]:
    """Run `fetalhead serve` on a free port with a data folder of its own; stop it and erase that folder at the end."""
    with tempfile.TemporaryDirectory(prefix="fetalhead-demo-") as data, log.open("wb") as output:
        port = _free_port()
        environment = os.environ | {
            "FETALHEAD_HOST": "127.0.0.1",
            "FETALHEAD_PORT": str(port),
            "FETALHEAD_DATA_DIR": data,
        }
        command = [str(Path(sys.executable).parent / "fetalhead"), "serve"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            # Nothing of the machine's proxy settings belongs between this process and its own service.
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=ANSWER_TIMEOUT_S, trust_env=False) as client:
                client.event_hooks["request"].append(lambda _: _check_alive(process, log))
                yield client
        finally:
            _stop(process)


def wait_until_ready(client: httpx.Client) -> None:
    """Return once `/health/ready` answers 200; raise DemoError where the model failed, or after READY_TIMEOUT_S."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    answer = "no answer"
    while time.monotonic() < deadline:
        try:
            response = client.get("/health/ready", timeout=5.0)
        except httpx.TransportError as error:
            answer = str(error)
        else:
            if response.status_code == httpx.codes.OK:
                return
            answer = f"{response.status_code} {response.text}"
            if MODEL_FAILED in answer:
                raise DemoError(f"the service has no model to serve: {answer}")
        time.sleep(POLL_S)
    raise DemoError(f"the service was not ready within {READY_TIMEOUT_S:.0f} s; last answer: {answer}")


def _measure(client: httpx.Client, payload: bytes, phantom: Phantom, folder: Path) -> Comparison:
    weeks = str(round(phantom.record.gestational_age_weeks, 1))
    files = {"volume": (FILES["volume"], payload, "application/gzip")}
    started = time.monotonic()
    response = client.post("/segment", files=files, data={"gestational_age_weeks": weeks})
    if response.status_code != httpx.codes.OK:
        raise DemoError(f"POST /segment gave {response.status_code}, expected 200: {response.text}")
    report = response.json()
    _say(f"   answered in {time.monotonic() - started:.1f} s by {report['runtime']['provider']}")
    (folder / FILES["report"]).write_text(response.text, encoding="utf-8")
    _fetch(client, report["mask"], folder / FILES["mask"])
    _fetch(client, report["preview"], folder / FILES["preview"])
    return Comparison(
        measured_ml=float("nan") if report["head_volume_ml"] is None else float(report["head_volume_ml"]),
        true_ml=head_volume_ml(phantom.truth.data, phantom.truth.geometry),
        dsc=dsc(overlap(_read_mask(folder / FILES["mask"]), phantom.truth.data > 0)),
        verdict=str(report["verdict"]),
    )


def _fetch(client: httpx.Client, path: str, file: Path) -> None:
    response = client.get(path)
    if response.status_code != httpx.codes.OK:
        raise DemoError(f"GET {path} gave {response.status_code}, expected 200: {response.text}")
    file.write_bytes(response.content)


def _read_mask(file: Path) -> NDArray[np.bool_]:
    """The mask as any user would read it, with none of the service's code."""
    mask: NDArray[np.bool_] = np.asanyarray(Nifti1Image.from_filename(file).dataobj) > 0
    return mask


def _check_alive(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        tail = log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
        raise DemoError(f"the service ended with status {process.returncode}; the end of {log}:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _table(comparison: Comparison) -> str:
    return (
        f"\n   measured  {comparison.measured_ml:7.1f} mL"
        f"\n   true      {comparison.true_ml:7.1f} mL"
        f"\n   error     {comparison.error_percent:+7.1f} %"
        f"\n   DSC       {comparison.dsc:7.3f}"
        f"\n   verdict   {comparison.verdict:>7}"
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.cli.demo", description="Measure one simulated head.")
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--ga", type=float, default=26.0, help="gestational age, weeks (default: 26)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help=f"which patient (default: {DEFAULT_SEED})")
    parser.add_argument("--spacing", type=spacing_mm, default=0.38, help="voxel size, mm (default: 0.38)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

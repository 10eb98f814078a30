"""No runtime calls home: neither a connection nor a file of its own, in a process as a hospital starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.makers import threshold_network
from tests.helpers.repository import ROOT
from tests.helpers.runtimes import providers
from tests.helpers.system_packages import require

MEASURE_ONCE = """
import sys, time
from pathlib import Path
import numpy as np
from app.inference.runtime.session import OnnxSession, RuntimeSettings
network = Path(sys.argv[2]).read_bytes()
session = OnnxSession(network, ("volume",), "probability", RuntimeSettings(sys.argv[1], 1))
session.run({"volume": np.ones((1, 1, 8, 8, 8), np.float32)})
time.sleep(2)  # what is sent is sent by threads, in the background
"""


@pytest.mark.slow
@pytest.mark.parametrize("provider", providers())
def test_a_runtime_opens_no_connection_and_writes_no_file(provider: str, tmp_path: Path) -> None:
    home, calls, network = tmp_path / "home", tmp_path / "calls", tmp_path / "network.onnx"
    home.mkdir()
    network.write_bytes(threshold_network(1))
    strace = require("strace", package="strace")
    tracing = [strace, "--follow-forks", "--trace=socket,connect,sendto,sendmsg,sendmmsg", f"--output={calls}"]
    # Nothing of this environment: a test's or a CI's variables silence a runtime, too.
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    program = [sys.executable, "-c", MEASURE_ONCE, provider, str(network)]
    subprocess.run([*tracing, *program], cwd=ROOT, env=environment, check=True)
    assert [line for line in calls.read_text(encoding="utf-8").splitlines() if "(" in line] == []
    assert list(home.rglob("*")) == []

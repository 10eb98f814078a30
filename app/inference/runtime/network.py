"""One context level's network, and how much memory its runs have taken.

A runtime keeps what a run has taken for the next one: about 1.4 GB for the paper's network on a volume of 44 million
voxels.
"""

from __future__ import annotations

from app.imaging.arrays import Float32
from app.inference.runtime.engine import Held, Tensors
from app.inference.runtime.memory import resident_bytes
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from app.inference.runtime.stop import Stop


class Network:
    """A session that runs a network, and what is known of its memory; for one thread at a time."""

    def __init__(self, content: bytes, inputs: tuple[str, ...], output: str, settings: RuntimeSettings) -> None:
        """Load it; raise an `InferenceError` where it cannot be served."""
        self._session = OnnxSession(content, inputs, output, settings)
        self.provider, self.precision = self._session.provider, self._session.precision
        self.working_bytes = 0
        """What its runs have added to the process and still hold; 0 where the system does not say."""
        self._largest_run = 0
        self._share = 0.0

    def hold(self, tensor: Float32) -> Held:
        """Return a tensor put where this network runs."""
        return self._session.hold(tensor)

    def run_held(self, tensors: Tensors, stop: Stop | None = None) -> Held:
        """Return the output, as `OnnxSession.run_held` does; a run that ends otherwise leaves no memory taken."""
        before = resident_bytes()
        try:
            answer = self._session.run_held(tensors, stop)
        except Exception:
            self.release()
            raise
        self.working_bytes += max(0, resident_bytes() - before - answer.nbytes)
        self._largest_run = max(self._largest_run, answer.nbytes)
        self._share = self.working_bytes / self._largest_run
        return answer

    def expected_bytes(self, tensors: Tensors) -> float:
        """Return the working memory of a run on these tensors, by those that were measured; 0 before the first one."""
        return self._share * max(tensor.nbytes for tensor in tensors.values())

    def release(self) -> None:
        """Give back what its runs have taken."""
        self._session.release()
        self.working_bytes = self._largest_run = 0

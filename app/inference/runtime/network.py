"""The networks of the context levels, and how much memory their runs have allocated.

A runtime keeps the memory of a run for the next one: about 1.4 GB for the paper's network on a volume of 44 million
voxels.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.imaging.arrays import Float32
from app.inference.manifest import ModelManifest
from app.inference.runtime.engine import Tensors
from app.inference.runtime.memory import resident_bytes
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from app.inference.runtime.stop import Stop

MEGABYTE = 1_000_000


class Network:
    """A network and the memory that it takes; for one thread at a time."""

    def __init__(self, content: bytes, inputs: tuple[str, ...], output: str, settings: RuntimeSettings) -> None:
        """Load it; raise an `InferenceError` if it cannot be served."""
        self._session = OnnxSession(content, inputs, output, settings)
        self.provider, self.precision = self._session.provider, self._session.precision
        self.working_bytes = 0
        """The memory that its runs have allocated and still hold; 0 if the system does not say."""
        self._largest_run = 0
        self._share = 0.0

    def run(self, tensors: Tensors, stop: Stop | None = None) -> Float32:
        """Return the output, as `OnnxSession.run` does; a failed run frees its memory."""
        before = resident_bytes()
        try:
            answer = self._session.run(tensors, stop)
        except Exception:
            self.release()
            raise
        self.working_bytes += max(0, resident_bytes() - before - answer.nbytes)
        self._largest_run = max(self._largest_run, answer.nbytes)
        self._share = self.working_bytes / self._largest_run
        return answer

    def expected_bytes(self, tensors: Tensors) -> float:
        """Return the expected working memory of a run on these tensors, from earlier runs; 0 before the first one."""
        return self._share * max(tensor.nbytes for tensor in tensors.values())

    def release(self) -> None:
        """Free the memory of its runs."""
        self._session.release()
        self.working_bytes = self._largest_run = 0


class Networks:
    """The networks of all levels, in order; together they keep no more working memory than the settings say."""

    def __init__(self, contents: Sequence[bytes], manifest: ModelManifest, settings: RuntimeSettings) -> None:
        """Load them; raise an `InferenceError` if one cannot be served."""
        inputs = self._inputs = (manifest.input_name, manifest.context_name)
        self._networks = [
            Network(content, inputs if index else inputs[:1], manifest.output_name, settings)
            for index, content in enumerate(contents)
        ]
        self._kept_bytes = settings.kept_mb * MEGABYTE
        self.precision = self._networks[0].precision

    @property
    def provider(self) -> str:
        """The execution provider in use; all of them if the levels differ."""
        providers = [network.provider for network in self._networks]
        return providers[0] if len(set(providers)) == 1 else "+".join(providers)

    def run(self, index: int, stop: Stop | None, image: Float32, context: Float32 | None) -> Float32:
        """Return a level's probability; all tensors are float32 (1, 1, I, J, K).

        Before a run that needs more working memory than may be kept, the other levels free theirs. After it, the
        network frees its own if all of them together hold more than may be kept.
        """
        network, tensors = self._networks[index], (image,) if context is None else (image, context)
        inputs = dict(zip(self._inputs, tensors, strict=False))
        if network.expected_bytes(inputs) > self._kept_bytes:
            for other in self._networks:
                if other is not network:
                    other.release()
        probability = network.run(inputs, stop)
        if sum(each.working_bytes for each in self._networks) > self._kept_bytes:
            network.release()
        return probability

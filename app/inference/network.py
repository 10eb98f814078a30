"""One context level's network: open, or closed to give its working memory back until it is needed again.

A runtime keeps what a run has taken for as long as the session lives: about 1.4 GB for the paper's network on a volume
of 44 million voxels. Closing the session is the one way to have it back; opening it again takes tenths of a second.
"""

from __future__ import annotations

from dataclasses import replace

from app.inference.errors import DamagedModel, OutOfMemory, RuntimeUnavailable
from app.inference.memory import resident_bytes
from app.inference.session import (
    CANDIDATES,
    MEMORY_MISSING,
    Float32,
    Held,
    OnnxSession,
    ProviderChoice,
    RuntimeSettings,
    Tensors,
)
from app.inference.stop import Stop


class Network:
    """The content of a network and, while it is open, the session that runs it; for one thread at a time."""

    def __init__(self, content: bytes, inputs: tuple[str, ...], output: str, settings: RuntimeSettings) -> None:
        """Open it; raise an `InferenceError` where it cannot be served."""
        self._content, self._inputs, self._output = content, inputs, output
        session = OnnxSession(content, inputs, output, settings)
        self._session: OnnxSession | None = session
        self.provider, self.precision = session.provider, session.precision
        self._settings = replace(settings, provider=_choice(session.provider))
        self.working_bytes = 0
        """What its runs have added to the process since it was opened; 0 where the system does not say."""
        self._largest_run = 0
        self._share = 0.0

    @property
    def is_open(self) -> bool:
        """Whether a session is there, so that a run begins at once."""
        return self._session is not None

    def hold(self, tensor: Float32) -> Held:
        """Return a tensor put where this network runs."""
        return self.open().hold(tensor)

    def run_held(self, tensors: Tensors, stop: Stop | None = None) -> Held:
        """Return the output, as `OnnxSession.run_held` does; a closed network is opened first."""
        session = self.open()
        before = resident_bytes()
        try:
            answer = session.run_held(tensors, stop)
        except OutOfMemory:
            self.close()
            raise
        self.working_bytes += max(0, resident_bytes() - before - answer.nbytes)
        self._largest_run = max(self._largest_run, answer.nbytes)
        self._share = self.working_bytes / self._largest_run
        return answer

    def expected_bytes(self, tensors: Tensors) -> float:
        """Return the working memory of a run on these tensors, by those that were measured; 0 before the first one."""
        return self._share * max(tensor.nbytes for tensor in tensors.values())

    def open(self) -> OnnxSession:
        """Return the session; where it was closed, a new one on the very provider that ran it before."""
        if self._session is None:
            try:
                self._session = OnnxSession(self._content, self._inputs, self._output, self._settings)
            except (DamagedModel, RuntimeUnavailable) as error:
                if MEMORY_MISSING.search(str(error)):
                    raise OutOfMemory from error
                raise
        return self._session

    def close(self) -> None:
        """Let the session go, and its working memory with it."""
        self._session = None
        self.working_bytes = self._largest_run = 0


def _choice(provider: str) -> ProviderChoice:
    """Return the choice that allows this provider alone."""
    return next(choice for choice, providers in CANDIDATES.items() if providers == (provider,))

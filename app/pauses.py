"""What keeps the event loop from answering though nothing blocks it: garbage collection, and threads that compute.

Both hold the interpreter's lock. On a core that others use too, a pause of the process's own time takes several times
as long for whoever waits for an answer.
"""

from __future__ import annotations

import gc
import sys

SWITCH_INTERVAL_S = 0.001
"""How long a computing thread may keep the lock while the event loop asks for it; Python's own value is 0.005."""


def shorten_pauses() -> None:
    """Has the process answer evenly from now on; called once, when all is imported and before requests come.

    What was made so far (modules, routes, schemas: some 150,000 objects) lives as long as the process. It is taken out
    of the sight of the collector, which otherwise walks through it with the lock held: 75 ms of a core each time.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()

"""A process that is really killed, at a chosen line of the records."""

from pathlib import Path
from types import CodeType
from typing import Any

import app.records
from app.records.opening import Records
from tests.helpers import killing

ROOM = str(Path(app.records.__file__).parent)


def killed_at(line: int, work: Any, records: Records, segmentation_id: str) -> bool:
    """Does the work in a process of its own, which dies at its n-th line; False where the work has fewer."""
    records.close()  # each process opens connections of its own
    return killing.killed_at(line, lambda: work(records, segmentation_id), _is_of_the_records)


def _is_of_the_records(code: CodeType) -> bool:
    return code.co_filename.startswith(ROOM)

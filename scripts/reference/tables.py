"""The tables of pages that people write around them: errors, metrics and settings."""

from __future__ import annotations

import re
from typing import Final

from prometheus_client.metrics import MetricWrapperBase
from pydantic.fields import FieldInfo

from app.monitoring.metrics import Metrics
from app.problems.catalogue import PROBLEMS
from app.settings import Settings, environment_name
from scripts.reference.markdown import table

BEGIN: Final = "<!-- problems -->"
ROW: Final = re.compile(r"^\| `(FETALHEAD_[A-Z_]+)` \| (.*?) \| .* \|\n", re.MULTILINE)
METRICS: Final = re.compile(r"^\| metric \|.*?\n(?!\|)", re.MULTILINE | re.DOTALL)
GROUPS: Final = {
    400: "The file or the request is damaged",
    401: "Who may do what",
    404: "Nothing there, or not in this form",
    409: "It contradicts what is stored",
    413: "Too large",
    415: "Another kind of file",
    422: "Readable, but not to be measured",
    500: "The service's own failures",
}
"""From this status on, problems stand below this heading."""


def with_errors(page: str) -> str:
    """Return the page with every problem below its group's heading, after the line that marks the beginning."""
    written, _, _ = page.partition(BEGIN)
    parts = [f"{written}{BEGIN}"]
    for first, heading in GROUPS.items():
        last = min((status for status in GROUPS if status > first), default=600)
        kinds = [kind for kind in PROBLEMS.values() if first <= kind.status < last]
        rows = [[f"`{kind.code}`", str(kind.status), kind.meaning, kind.remedy] for kind in kinds]
        parts.append(f"## {heading}\n\n{table(['code', 'status', 'meaning', 'remedy'], rows)}")
    return "\n\n".join(parts) + "\n"


def with_metrics(page: str) -> str:
    """Return the page with its table of metrics renewed."""
    metrics = [value for value in vars(Metrics()).values() if isinstance(value, MetricWrapperBase)]
    rows = sorted(_metric(metric) for metric in metrics)
    return METRICS.sub(lambda _: table(["metric", "type", "labels", "meaning"], rows) + "\n", page)


def _metric(metric: MetricWrapperBase) -> list[str]:
    name = f"{metric._name}{'_total' if metric._type == 'counter' else ''}"
    return [f"`{name}`", f"{metric._type}", ", ".join(metric._labelnames) or "-", metric._documentation]


def with_settings(page: str) -> str:
    """Return the page with each setting's row renewed; a new setting needs a row that names it first."""
    fields = {environment_name(name): info for name, info in Settings.model_fields.items()}
    return ROW.sub(lambda row: _setting(row, fields.get(row[1])), page)


def _setting(row: re.Match[str], field: FieldInfo | None) -> str:
    if field is None:
        return row[0]
    default = field.get_default()
    shown = row[2] if row[1] == "FETALHEAD_MODEL_STORE" else "empty" if default is None else f"`{default}`"
    return f"| `{row[1]}` | {shown} | {field.description} |\n"

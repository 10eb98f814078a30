"""The accuracy table of README.md, from the evaluation of the newest published model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from app.inference.model_store import EVALUATION_FILE, ModelStore
from scripts.reference.markdown import table

STORE: Final = Path(__file__).resolve().parents[2] / "model_store"
MODEL: Final = "fetal_head"
COLUMNS: Final = {"held_out": "usual kinds", "held_out_shifted": "unseen kinds"}
PLACE: Final = re.compile(r"(?<=<!-- accuracy -->\n).*?(?=<!-- end of accuracy -->)", re.DOTALL)


def with_accuracy(page: str) -> str:
    """Return the page with the table between its two marks."""
    version = ModelStore(STORE).versions(MODEL)[-1]
    evaluation = json.loads((STORE / MODEL / str(version) / EVALUATION_FILE).read_text(encoding="utf-8"))
    columns = [_column(evaluation[section]) for section in COLUMNS]
    header = [f"`{MODEL}` {version}", *(f"{n} ({evaluation[s]['cases']})" for s, n in COLUMNS.items())]
    rows = ([name, *(column[name] for column in columns)] for name in columns[0])
    return PLACE.sub(lambda _: f"\n{table(header, rows)}\n\n", page)


def _column(section: dict[str, Any]) -> dict[str, str]:
    dsc, held, poor = section["dsc"], section["interval_held"], section["doubt"]["poor"]
    bias, limits = section["volume_bias_ml"], section["volume_loa_half_width_ml"]
    return {
        "DSC, mean ± SD": f"{dsc['mean']:.3f} ± {dsc['sd']:.3f}",
        "mean volume error": f"{section['volume_error_percent']['mean']:.1f} %",
        "bias ± limits of agreement": f"{bias:+.1f} ± {limits:.1f} mL",
        "truth inside the interval": f"{held['inside']} of {held['cases']}",
        "DSC below 0.9, flagged": f"{poor['flagged']} of {poor['cases']}",
    }

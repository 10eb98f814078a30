"""Statistics of volumes, computed in the database."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, SelectBase, func, select

from app.contract.volumes import Statistics


def sum_by_group(values: SelectBase, *keys: str) -> Select[Any]:
    """Select the keys and what `compute_statistics` needs, for each group of the column `volume`."""
    found = values.subquery()
    groups = [found.c[key] for key in keys]
    mean = func.avg(found.c.volume).over(partition_by=groups or None)
    centred = select(*groups, found.c.volume, (found.c.volume - mean).label("deviation")).subquery()
    volume, deviation = centred.c.volume, centred.c.deviation
    own = [centred.c[key] for key in keys]
    sums = (func.count(volume), func.avg(volume), func.sum(deviation * deviation), func.min(volume), func.max(volume))
    return select(*own, *sums).group_by(*own).order_by(*own)


def compute_statistics(sums: Sequence[Any]) -> Statistics:
    """Return the statistics of a count, mean, sum of squared deviations from that mean, least and greatest."""
    count, mean, squares, least, greatest = sums
    if not count:
        return Statistics(count=0, mean_ml=None, sd_ml=None, min_ml=None, max_ml=None)
    sd = math.sqrt(squares / (count - 1)) if count > 1 else None
    return Statistics(count=count, mean_ml=mean, sd_ml=sd, min_ml=least, max_ml=greatest)

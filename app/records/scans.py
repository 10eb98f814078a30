"""Scans, each counted once: which volume counts for a measurement, and which scans repeat each other.

This is the one definition of both; whatever the service says about scans and their repeats is selected here.

A measurement's **valid volume** is that of its latest decision, where there is one: the accepted or the edited one, and
none where a reader rejected it. Where nobody has decided yet, it is that of the newest edited mask, else the measured
one, and none where the verdict on that mask is reject.

A **scan** is one file of one subject. However often it was measured, it counts once: by the valid volume that a reader
accepted or edited, else by the newest valid one, and on the day (UTC) of the first of them. Two scans of one subject
**repeat** each other where they are of one day and of one gestational age, or both of none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, or_, select

from app.contract.volumes import RepeatedPair, Repeats, Scan, Statistics
from app.records.tables import DecisionRow, EditedMaskRow
from app.records.tables import SegmentationRow as Row

REPEAT: Final = ("subject", "day", "gestational_age_weeks")
"""The columns in which repeated scans agree."""
LIMITS_SD: Final = 1.96
ENOUGH_FOR_LIMITS: Final = 3


def _select_newest(table: type[DecisionRow] | type[EditedMaskRow], *columns: Any) -> Subquery:
    newest = select(func.max(table.sequence)).group_by(table.segmentation_id)
    return select(table.segmentation_id, table.head_volume_ml, *columns).where(table.sequence.in_(newest)).subquery()


_DECIDED = _select_newest(DecisionRow, DecisionRow.decision, DecisionRow.at, DecisionRow.mask_sha256)
_EDITED = _select_newest(
    EditedMaskRow,
    EditedMaskRow.at,
    EditedMaskRow.sha256,
    EditedMaskRow.findings["verdict"].as_string().label("verdict"),
)
DECISION: Final = _DECIDED.c.decision
EDITED_VOLUME: Final = _EDITED.c.head_volume_ml
VALID_VOLUME: Final = case(
    (DECISION.is_not(None), _DECIDED.c.head_volume_ml),
    (_EDITED.c.verdict == "reject", None),
    else_=func.coalesce(EDITED_VOLUME, Row.head_volume_ml),
)
OUTDATED: Final = case(
    (and_(_EDITED.c.at > _DECIDED.c.at, _EDITED.c.sha256 != func.coalesce(_DECIDED.c.mask_sha256, "")), True),
    else_=False,
)
"""Whether the mask was replaced after the decision; so says `Review.is_outdated` of a single review."""
_OF_THE_MODEL = or_(DECISION == "accept", and_(DECISION.is_(None), EDITED_VOLUME.is_(None)))
_OF_A_READER = or_(DECISION.is_not(None), EDITED_VOLUME.is_not(None))


def join_reviews(query: Select[Any]) -> Select[Any]:
    """Return a query on segmentations in which the decision, the edited and the valid volume can be selected."""
    return query.outerjoin(_DECIDED, _DECIDED.c.segmentation_id == Row.id).outerjoin(
        _EDITED, _EDITED.c.segmentation_id == Row.id
    )


def select_scans(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Select the scans among the measurements that fulfil the conditions, oldest first."""
    file = func.coalesce(Row.report["input"]["sha256"].as_string(), Row.id)
    columns = (Row.id, Row.sequence, Row.subject, Row.created_day, Row.gestational_age_weeks)
    valid = join_reviews(
        select(
            *columns,
            file.label("file"),
            VALID_VOLUME.label("volume"),
            _OF_A_READER.label("reviewed"),
            case((_OF_THE_MODEL, Row.report["head_volume_interval_ml"])).label("interval"),
        )
    ).where(*conditions, Row.subject.is_not(None), VALID_VOLUME.is_not(None))
    found = valid.subquery()
    same_file = [found.c.subject, found.c.file]
    counts = func.row_number().over(partition_by=same_file, order_by=[found.c.reviewed.desc(), found.c.sequence.desc()])
    ranked = select(
        found,
        counts.label("rank"),
        func.min(found.c.created_day).over(partition_by=same_file).label("day"),
        func.min(found.c.sequence).over(partition_by=same_file).label("first"),
    ).subquery()
    names = ("id", "subject", "day", "gestational_age_weeks", "volume", "interval", "first")
    return select(*(ranked.c[name] for name in names)).where(ranked.c.rank == 1).order_by(ranked.c.first)


def select_repeated_pairs(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Select each scan with the one before it that it repeats, newest first, as the members of RepeatedPair."""
    found = select_scans(conditions).subquery()
    together = [found.c[name] for name in REPEAT]

    def before(name: str) -> ColumnElement[Any]:
        return func.lag(found.c[name]).over(partition_by=together, order_by=found.c.first).label(f"{name}_before")

    paired = select(found, before("id"), before("volume")).subquery()
    earlier, later = paired.c.volume_before, paired.c.volume
    return (
        select(
            paired.c.subject,
            paired.c.day,
            paired.c.id_before.label("earlier"),
            paired.c.id.label("later"),
            ((earlier + later) / 2).label("mean_ml"),
            (later - earlier).label("difference_ml"),
        )
        .where(paired.c.id_before.is_not(None))
        .order_by(paired.c.first.desc())
    )


def read_scan(row: Any) -> Scan:
    """Return the scan in a row of `select_scans`."""
    return Scan(
        id=row.id,
        subject=row.subject,
        day=row.day,
        gestational_age_weeks=row.gestational_age_weeks,
        head_volume_ml=row.volume,
        head_volume_interval_ml=row.interval,
    )


def compute_repeats(pairs: Sequence[Any], differences: Statistics) -> Repeats:
    """Return how far repeated scans differ, from rows of `select_repeated_pairs` and statistics of all differences."""
    mean, sd, limits = differences.mean_ml, differences.sd_ml, None
    if mean is not None and sd is not None and differences.count >= ENOUGH_FOR_LIMITS:
        limits = (mean - LIMITS_SD * sd, mean + LIMITS_SD * sd)
    return Repeats(
        pairs=tuple(RepeatedPair(**row._mapping) for row in pairs),
        count=differences.count,
        mean_difference_ml=mean,
        limits_of_agreement_ml=limits,
    )

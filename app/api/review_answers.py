"""Reviews as they are answered."""

from __future__ import annotations

from app.contract.report import DecisionAnswer, EditAnswer, ReviewAnswer
from app.records.reviews import Decision, Edit, Review


def review_answer(segmentation_id: str, review: Review | None) -> ReviewAnswer | None:
    """The latest decision and edited mask; None where there is neither."""
    if review is None:
        return None
    return ReviewAnswer(
        decision=None if review.decision is None else decision_answer(review.decision),
        edit=None if review.edit is None else edit_answer(segmentation_id, review.edit),
    )


def decision_answer(decision: Decision) -> DecisionAnswer:
    """A decision as it is answered."""
    return DecisionAnswer(
        decision=decision.decision,
        reason=decision.reason,
        at=decision.at,
        by=decision.actor,
        head_volume_ml=decision.head_volume_ml,
        mask_sha256=decision.mask_sha256,
    )


def edit_answer(segmentation_id: str, edit: Edit) -> EditAnswer:
    """An edited mask as it is answered."""
    return EditAnswer(
        at=edit.at,
        by=edit.actor,
        head_volume_ml=edit.head_volume_ml,
        sha256=edit.sha256,
        mask=f"/segmentations/{segmentation_id}/mask?version=edited",
    )

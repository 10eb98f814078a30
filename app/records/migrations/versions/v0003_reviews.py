"""Readers' reviews: edited masks and decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"  # and not 0003: databases remember it under this name
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "edited_masks",
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column(
            "segmentation_id", sa.String(36), sa.ForeignKey("segmentations.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("head_volume_ml", sa.Float(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_edited_masks_segmentation_id", "edited_masks", ["segmentation_id"])
    op.create_table(
        "decisions",
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column(
            "segmentation_id", sa.String(36), sa.ForeignKey("segmentations.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("mask_name", sa.String(64)),
        sa.Column("mask_sha256", sa.String(64)),
        sa.Column("head_volume_ml", sa.Float()),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_decisions_segmentation_id", "decisions", ["segmentation_id"])


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("decisions")
    op.drop_table("edited_masks")
